//! The pages by plain requests: who gets in, what a browser is told, whose forms are taken.

mod ui_common;

use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use tower::ServiceExt;
use ui_common::{Fakes, PASSWORD, start};

async fn send(fakes: &Fakes, request: axum::http::request::Builder, body: &str) -> Response<Body> {
    let request = request.body(Body::from(body.to_owned())).unwrap();
    fakes.router.clone().oneshot(request).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn form(path: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(Method::POST).uri(path);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
}

fn location(answer: &Response<Body>) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

/// Signs in; gives the cookie as a browser would send it, and all that the browser was told of it.
async fn sign_in(fakes: &Fakes, user: &str) -> (String, String) {
    let password = PASSWORD.replace(' ', "+");
    let body = format!("user={user}&password={password}&project={user}&domain=Default&to=/ui/");
    let answer = send(fakes, form("/ui/sign-in"), &body).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", text(answer).await);
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    (set.split(';').next().unwrap().to_owned(), set)
}

async fn get(fakes: &Fakes, cookie: &str, path: &str) -> Response<Body> {
    send(fakes, Request::builder().uri(path).header("cookie", cookie), "").await
}

/// The secret in a page's forms.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("the page has a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_a_sealed_cookie_and_ends_with_its_token() {
    let fakes = start().await;
    let answer = get(&fakes, "", "/ui/nodes?find=a").await;
    assert_eq!(
        (answer.status(), location(&answer)),
        (StatusCode::SEE_OTHER, "/ui/sign-in?to=%2Fui%2Fnodes%3Ffind%3Da")
    );
    let (cookie, set) = sign_in(&fakes, "admin").await;
    for wanted in ["__Host-bms=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age="] {
        assert!(set.contains(wanted), "{wanted} is not in {set}");
    }
    let token =
        fakes.world.lock().unwrap().tokens.iter().find(|(_, user)| *user == "admin").unwrap().0.clone();
    assert!(!set.contains(&token), "the cookie shows the token");
    let answer = get(&fakes, &cookie, "/ui/nodes").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = text(answer).await;
    assert!(!page.contains(&token), "the page shows the token");
    assert!(page.contains("&#60;script&#62;") && !page.contains("<script>alert"), "a name is not escaped");

    // A changed cookie is none.
    let mut other = cookie.clone().into_bytes();
    let last = other.len() - 6;
    other[last] = if other[last] == b'A' { b'B' } else { b'A' };
    let answer = get(&fakes, &String::from_utf8(other).unwrap(), "/ui/nodes").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);

    let answer =
        send(&fakes, form("/ui/sign-out").header("cookie", &cookie), &format!("csrf={}", csrf(&page))).await;
    assert_eq!(location(&answer), "/ui/sign-in?done=signed-out");
    assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(!fakes.world.lock().unwrap().tokens.contains_key(&token), "the token is not revoked");
    assert_eq!(
        get(&fakes, &cookie, "/ui/nodes").await.status(),
        StatusCode::SEE_OTHER,
        "the old cookie is taken"
    );
}

#[tokio::test]
async fn only_our_own_forms_are_taken() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let page = text(get(&fakes, &cookie, "/ui/nodes/srv1").await).await;
    let good = csrf(&page);
    let (other, _) = sign_in(&fakes, "demo").await;
    let foreign = csrf(&text(get(&fakes, &other, "/ui/servers").await).await);
    let check = async |headers: &[(&str, &str)], csrf: &str, expected: StatusCode| {
        let mut request =
            Request::builder().method(Method::POST).uri("/ui/nodes/srv1/act").header("host", "bms.example");
        request =
            request.header("content-type", "application/x-www-form-urlencoded").header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(&fakes, request, &format!("csrf={csrf}&action=inspect")).await;
        assert_eq!(answer.status(), expected, "{headers:?} {csrf}");
    };
    // The fake API refuses with a conflict: the form was taken.
    check(&[("sec-fetch-site", "same-origin")], &good, StatusCode::CONFLICT).await;
    check(&[("origin", "https://bms.example")], &good, StatusCode::CONFLICT).await;
    check(&[("sec-fetch-site", "cross-site")], &good, StatusCode::FORBIDDEN).await;
    check(&[("sec-fetch-site", "same-site")], &good, StatusCode::FORBIDDEN).await;
    check(&[("origin", "https://evil.example")], &good, StatusCode::FORBIDDEN).await;
    check(&[("origin", "null")], &good, StatusCode::FORBIDDEN).await;
    check(&[("sec-fetch-site", "same-origin")], "", StatusCode::FORBIDDEN).await;
    check(&[("sec-fetch-site", "same-origin")], &foreign, StatusCode::FORBIDDEN).await;
    let mut request = form("/ui/sign-in");
    request.headers_mut().unwrap().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(
        send(&fakes, request, "user=admin").await.status(),
        StatusCode::FORBIDDEN,
        "sign-in by another site"
    );
}

#[tokio::test]
async fn tenants_get_no_page_and_no_form_of_administrators() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "demo").await;
    let page = text(get(&fakes, &cookie, "/ui/servers").await).await;
    assert!(!page.contains("/ui/nodes"), "a tenant is shown the way to the nodes");
    for path in
        ["/ui/nodes", "/ui/nodes/srv1", "/ui/add", "/ui/import", "/ui/events", "/ui/agents", "/ui/flavors"]
    {
        let answer = get(&fakes, &cookie, path).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let page = text(answer).await;
        assert!(page.contains("for administrators") && !page.contains("srv1"), "{path}: {page}");
    }
    for path in
        ["/ui/nodes/srv1/act", "/ui/nodes/srv1/delete", "/ui/add", "/ui/flavors", "/ui/flavors/f1/delete"]
    {
        let body = format!("csrf={}&action=inspect", csrf(&page));
        let answer = send(&fakes, form(path).header("cookie", &cookie), &body).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
}
