//! The pages by plain requests: who gets in, what a browser is told, whose forms are taken.

mod ui_common;

use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use serde_json::json;
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
async fn the_page_of_agents_says_until_when_each_may_come() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let page = text(get(&fakes, &cookie, "/ui/agents").await).await;
    for shown in ["2027-02-28<", ">0123456789abcdef<", "no valid one"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
}

#[tokio::test]
async fn the_page_of_images_shows_administrators_what_is_in_each_racks_cache() {
    let fakes = start().await;
    let ((admin, _), (tenant, _)) = (sign_in(&fakes, "admin").await, sign_in(&fakes, "demo").await);
    let page = text(get(&fakes, &admin, "/ui/images").await).await;
    let there = [
        "10 GiB of 20 GiB free",
        "fetching 50 %",
        "srv2, srv3",
        "The agent of rack rack2 has been disconnected since 12:00.",
        "Fetch into cache",
    ];
    for words in there {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
    assert!(!page.contains("<b>no bytes</b>"), "an agent's words are markup: {page}");
    let can_go = |digit: &str| page.contains(&format!("/ui/image-caches/rack1/{}/delete", digit.repeat(128)));
    assert!(!can_go("a") && !can_go("b") && can_go("c"), "what is needed cannot be dropped: {page}");
    let page = text(get(&fakes, &tenant, "/ui/images").await).await;
    assert!(page.contains("debian-12") && !page.contains("image-caches"), "{page}");
}

#[tokio::test]
async fn a_nodes_page_says_what_is_wrong_with_its_hardware() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let check = async |path: &str, expected: &[&str]| {
        let page = text(get(&fakes, &cookie, path).await).await;
        for shown in expected {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
    };
    let reasons = ["FAN2: 0 rpm (its lower critical limit is 500)", "bmsctl node sel ack srv1 17"];
    check("/ui/nodes/srv1", &[&reasons[..], &["hardware critical"]].concat()).await;
    check("/ui/nodes/srv4", &["hardware unknown", "lets nobody in", "as it was last", "DIMM A1"]).await;
    check("/ui/nodes/srv2", &["hardware ok"]).await;
    check("/ui/nodes", &["hardware critical", "FAN2: 0 rpm"]).await;
}

#[tokio::test]
async fn tenants_get_no_page_and_no_form_of_administrators() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "demo").await;
    let page = text(get(&fakes, &cookie, "/ui/servers").await).await;
    assert!(!page.contains("/ui/nodes"), "a tenant is shown the way to the nodes");
    for path in [
        "/ui/nodes",
        "/ui/nodes/srv1",
        "/ui/add",
        "/ui/import",
        "/ui/events",
        "/ui/audit",
        "/ui/agents",
        "/ui/flavors",
        "/ui/pools",
        "/ui/discoveries",
        "/ui/discovery-rules",
        "/ui/bmc-factory-passwords",
        "/ui/discoveries/3f2a0000-0000-4000-8000-000000000001",
    ] {
        let answer = get(&fakes, &cookie, path).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let page = text(answer).await;
        assert!(page.contains("for administrators") && !page.contains("srv1"), "{path}: {page}");
    }
    for path in [
        "/ui/nodes/srv1/act",
        "/ui/nodes/srv1/delete",
        "/ui/add",
        "/ui/flavors",
        "/ui/flavors/f1/delete",
        "/ui/pools",
        "/ui/pools/apply",
        "/ui/pools/large/delete",
        "/ui/discovery-rules",
        "/ui/bmc-factory-passwords/fac70000-0000-4000-8000-000000000001/delete",
        "/ui/discoveries/scan",
        "/ui/discoveries/window",
        "/ui/discoveries/3f2a0000-0000-4000-8000-000000000001",
        "/ui/discoveries/3f2a0000-0000-4000-8000-000000000001/act",
    ] {
        let body = format!("csrf={}&action=inspect", csrf(&page));
        let answer = send(&fakes, form(path).header("cookie", &cookie), &body).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_service_that_is_away_takes_its_part_of_a_page_and_no_more() {
    let fakes = start().await;
    let ((admin, _), (tenant, _)) = (sign_in(&fakes, "admin").await, sign_in(&fakes, "demo").await);
    let check =
        async |gone: (&'static str, &'static str), cookie: &str, page: &str, missing: &str, rest: &str| {
            fakes.world.lock().unwrap().away = vec![gone];
            let answer = get(&fakes, cookie, page).await;
            assert_eq!(answer.status(), StatusCode::OK, "{page}");
            let page = text(answer).await;
            for words in [missing, rest, &format!("{} did not answer", gone.1), "try again"] {
                assert!(page.contains(words), "{words:?} is not in {page}");
            }
        };
    let nova = ("/v1/flavors", "Nova");
    check(nova, &admin, "/ui/flavors", "The flavors cannot be shown now", "Create a flavor").await;
    check(nova, &admin, "/ui/pools", "Flavors and their counts cannot be shown now", "manufacturer=Dell*")
        .await;
    check(nova, &tenant, "/ui/catalogue", "The flavors cannot be shown now", "debian-12").await;
    check(nova, &tenant, "/ui/new", "The flavors cannot be shown now", "debian-12").await;
    let glance = ("/v1/images", "Glance");
    check(glance, &tenant, "/ui/images", "The images cannot be shown now", "Images").await;
    check(glance, &tenant, "/ui/catalogue", "The images cannot be shown now", "metal-uefi").await;
    let agents = ("/v1/image-caches", "The agent of rack1");
    check(agents, &admin, "/ui/images", "The image caches cannot be shown now", "debian-12").await;
    let contrail = ("/v1/networks", "Contrail");
    check(contrail, &tenant, "/ui/networks", "The networks cannot be shown now", "Make a network").await;
    check(contrail, &tenant, "/ui/new", "Until then no server can be created", "disabled").await;
    let groups = ("/v1/security-groups", "Contrail");
    check(groups, &tenant, "/ui/new", "The security groups cannot be shown now", "name=\"network_1\"").await;

    // What Ironic must be asked for is refused on the page itself, which stays.
    fakes.world.lock().unwrap().away = vec![("/v1/nodes/srv1/actions", "Ironic")];
    let good = csrf(&text(get(&fakes, &admin, "/ui/nodes/srv1").await).await);
    let asked = format!("csrf={good}&action=power_on");
    let answer = send(&fakes, form("/ui/nodes/srv1/act").header("cookie", &admin), &asked).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(answer).await;
    assert!(page.contains("Ironic did not answer") && page.contains("Proofs of isolation"), "{page}");

    // Without Keystone nobody is known: the page says so, and where to try again.
    let (other, _) = sign_in(&fakes, "other").await;
    fakes.world.lock().unwrap().keystone_is_away = true;
    let answer = get(&fakes, &other, "/ui/servers?find=a").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(answer).await;
    assert!(
        page.contains("href=\"/ui/servers?find=a\">Try again") && page.to_lowercase().contains("keystone"),
        "{page}"
    );
}

#[tokio::test]
async fn an_ended_session_leads_back_to_where_one_was() {
    let fakes = start().await;
    let old = "__Host-bms=of-another-key";
    let answer = get(&fakes, old, "/ui/nodes?find=a").await;
    assert_eq!(location(&answer), "/ui/sign-in?to=%2Fui%2Fnodes%3Ffind%3Da&why=ended");
    assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let page = text(get(&fakes, "", "/ui/sign-in?to=%2Fui%2Fnodes%3Ffind%3Da&why=ended").await).await;
    assert!(
        page.contains("Your session has ended") && page.contains("name=\"to\" value=\"/ui/nodes?find=a\""),
        "{page}"
    );
    // A form that was sent too late was not done, and leads back to itself; but never to another site.
    for (from, to) in [
        ("https://bms.example/ui/new?flavor=metal", "%2Fui%2Fnew%3Fflavor%3Dmetal"),
        ("https://evil.example/ui/new", "%2Fui%2F"),
        ("https://bms.example.evil/ui/new", "%2Fui%2F"),
    ] {
        let request =
            form("/ui/new").header("cookie", old).header("host", "bms.example").header("referer", from);
        let answer = send(&fakes, request, "name=web1").await;
        assert_eq!(location(&answer), format!("/ui/sign-in?to={to}&why=lost"), "{from}");
    }
    assert!(text(get(&fakes, "", "/ui/sign-in?why=lost").await).await.contains("nothing was done"));
}

#[tokio::test]
async fn what_loses_something_is_done_only_when_it_was_said_to_be_meant() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let good = csrf(&text(get(&fakes, &cookie, "/ui/nodes/srv6").await).await);
    let ask = async |more: &str| {
        let body = format!("csrf={good}&{more}");
        send(&fakes, form("/ui/nodes/srv6/act").header("cookie", &cookie), &body).await.status()
    };
    for action in ["provide", "clean&step=erase_devices", "reclaim", "accept_bmc"] {
        assert_eq!(ask(&format!("action={action}")).await, StatusCode::BAD_REQUEST, "{action}");
        assert!(fakes.world.lock().unwrap().asked.is_empty(), "{action} was asked for");
        assert_eq!(ask(&format!("action={action}&sure=yes")).await, StatusCode::SEE_OTHER, "{action}");
        assert_eq!(fakes.world.lock().unwrap().asked.drain(..).count(), 1);
    }
    assert_eq!(ask("action=inspect").await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_bmc_of_a_server_in_use_is_imported_only_when_it_is_ticked_and_seen() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let good = csrf(&text(get(&fakes, &cookie, "/ui/import").await).await);
    let file = "nodes:\n- name: srv3\n  driver: ipmi\n  driver_info: {ipmi_address: 192.0.2.9, ipmi_username: u, ipmi_password: p}\n  \
                ports:\n  - {name: eth0, mac_address: \"52:54:00:00:00:03\", switch_name: leaf1, port_name: xe-0/0/3, pxe_enabled: true}\n";
    let post = async |fields: &[(&str, &str)]| {
        let mut body = String::new();
        for (name, value) in [("csrf", good.as_str()), ("rack", "rack1"), ("format", "yaml"), ("text", file)]
            .iter()
            .chain(fields)
        {
            body += &format!("--part\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri("/ui/import")
            .header("content-type", "multipart/form-data; boundary=part")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", &cookie);
        send(&fakes, request, &format!("{body}--part--\r\n")).await
    };
    let asked = || fakes.world.lock().unwrap().asked.len();
    let refused = text(post(&[("do", "check")]).await).await;
    assert!(refused.contains("it is active") && refused.contains("name=\"in_use\""), "{refused}");
    // Ticked, it is shown first and done only when it was seen.
    let tick = ("in_use", "yes");
    let seen = text(post(&[("do", "import"), tick]).await).await;
    assert!(seen.contains("the BMC of srv3 changes") && asked() == 0, "{seen}");
    let seal = seen.split("name=\"seal\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let unticked = text(post(&[("do", "import"), ("seal", seal)]).await).await;
    assert!(unticked.contains("it is active") && asked() == 0, "{unticked}");
    assert_eq!(post(&[("do", "import"), ("seal", seal), tick]).await.status(), StatusCode::SEE_OTHER);
    let asked: Vec<_> = fakes.world.lock().unwrap().asked.drain(..).collect();
    assert_eq!(asked, [("import srv3".to_owned(), json!({ "in_use": "true" }))]);
}

#[tokio::test]
async fn a_list_of_factory_passwords_is_taken_whole_or_not_and_never_sent_back() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "admin").await;
    let page = text(get(&fakes, &cookie, "/ui/bmc-factory-passwords").await).await;
    for words in
        ["7X0AB12", "3c:ec:ef:00:00:01", "198.51.100.22:443", "href=\"/ui/nodes/srv1\"", "does not accept"]
    {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
    let good = csrf(&page);
    let post = async |secret: &str, list: &str| {
        let parts = [("csrf", secret), ("text", list)];
        let part = |(name, value): (&str, &str)| {
            format!("--part\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let request = Request::post("/ui/bmc-factory-passwords")
            .header("content-type", "multipart/form-data; boundary=part")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", &cookie);
        send(&fakes, request, &(parts.map(part).concat() + "--part--\r\n")).await
    };
    let asked = || fakes.world.lock().unwrap().asked.drain(..).map(|(_, told)| told).collect::<Vec<_>>();
    let answer = post("of another session", "serial,username,password\n7X0AB20,root,hunter2\n").await;
    assert_eq!((answer.status(), asked().len()), (StatusCode::FORBIDDEN, 0));
    let answer = post(&good, "serial,username,password\n7X0AB20,root,hunter2\n,root,hunter3\n").await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let refused = text(answer).await;
    assert!(refused.contains("<td data-label=\"Line\">3</td>") && refused.contains("7X0AB12"), "{refused}");
    assert!(!refused.contains("hunter") && asked().is_empty(), "{refused}");
    for (list, format) in [
        ("serial,username,password\r\n7X0AB20,root,hunter2\r\n", "csv"),
        ("[{\"serial\": \"7X0AB20\", \"username\": \"root\", \"password\": \"hunter2\"}]", "json"),
    ] {
        let answer = post(&good, list).await;
        let is_done = answer.status() == StatusCode::SEE_OTHER;
        if !is_done {
            panic!("{list}: {} {}", answer.status(), text(answer).await);
        }
        assert_eq!(location(&answer), "/ui/bmc-factory-passwords?done=listed", "{list}");
        assert_eq!(asked(), [json!({ "format": format, "lines": 1 })], "{list}");
    }
}

#[tokio::test]
async fn a_rescues_password_is_shown_once() {
    let fakes = start().await;
    let (cookie, _) = sign_in(&fakes, "demo").await;
    let id = "5b0c7a52-5c38-4a5e-8d3b-0f5a3b1f9d11";
    let server = |status: &str, in_rescue: bool| {
        json!({
            "id": id, "instance": null, "name": "web9", "project_id": "demo-id", "flavor": "metal", "image": "demo",
            "network": "blue", "address": "192.0.2.9", "status": status, "in_rescue": in_rescue, "reason": null, "next": "whatever is said here", "node": null,
        })
    };
    let become_ = |status: &str, in_rescue: bool| {
        let mut world = fakes.world.lock().unwrap();
        world.servers.retain(|one| one["id"] != id);
        world.servers.push(server(status, in_rescue));
    };
    let path = format!("/ui/servers/{id}");
    become_("active", false);
    let page = text(get(&fakes, &cookie, &path).await).await;
    assert!(page.contains("act-rescue") && !page.contains("act-unrescue"), "{page}");
    let good = csrf(&page);
    let act = async |action: &str| {
        let body = format!("csrf={good}&action={action}");
        send(&fakes, form(&format!("{path}/act")).header("cookie", &cookie), &body).await
    };
    let told = act("rescue").await;
    assert_eq!(told.status(), StatusCode::OK);
    let told = text(told).await;
    assert!(told.contains("made-for-this-rescue") && told.contains("rescue@192.0.2.9"), "{told}");
    become_("rescue", true);
    let page = text(get(&fakes, &cookie, &path).await).await;
    assert!(page.contains("act-unrescue") && !page.contains("act-rescue"), "{page}");
    assert!(!page.contains("made-for-this-rescue"), "{page}");
    assert_eq!(act("unrescue").await.status(), StatusCode::SEE_OTHER);
    let asked: Vec<_> = fakes.world.lock().unwrap().asked.drain(..).map(|(_, asked)| asked).collect();
    assert_eq!(asked, [json!({ "action": "rescue" }), json!({ "action": "unrescue" })]);
}

#[tokio::test]
async fn a_servers_page_shows_its_inside_and_a_console_is_for_who_may_type() {
    let fakes = start().await;
    let (admin, _) = sign_in(&fakes, "admin").await;
    fakes.change_node("srv1", "notes", json!(["its BMC switches it on after a power failure"])).await;
    let rotated = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
    let bmc = json!({
        "protocol": "ipmi", "address": "192.0.2.5", "port": 623, "username": "admin",
        "password": { "rotated": rotated.to_string() },
    });
    fakes.change_node("srv1", "bmc", bmc).await;
    let page = text(get(&fakes, &admin, "/ui/nodes/srv1").await).await;
    for wanted in [
        "switches it on after a power failure",
        "power draw: ",
        "CPU1: ",
        "<svg class=\"chart\"",
        "correctable error 7",
        "correctable error 3",
        "answers",
        "changed ",
        "/ui/nodes/srv1/console",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(!page.contains("correctable error 2"), "the newest only");
    let console = text(get(&fakes, &admin, "/ui/nodes/srv1/console").await).await;
    assert!(console.contains("data-socket=\"/ui/nodes/srv1/console/socket\""), "{console}");
    let (tenant, _) = sign_in(&fakes, "demo").await;
    let refused = get(&fakes, &tenant, "/ui/nodes/srv1/console").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}
