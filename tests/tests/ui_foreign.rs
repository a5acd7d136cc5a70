//! Foreign text on every page: whatever others call their things, it is shown as text and as nothing else.
//!
//! The pages come from the coordinator's own table, so that a new one is asked for without a line here; one that shows nothing
//! foreign is named below by hand.

mod ui_common;

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use faces::access::{PAGES, Verb};
use tower::ServiceExt;
use ui_common::{Fakes, PASSWORD, foreign::Foreign, shown, start};

/// What others put into names, reasons and addresses, one after the other. `zebra` is looked for as a tag and as an attribute.
const TEXT: &str = "\"><zebra onclick=\"alert(1)\">' onmouseover='alert(1)' </title></textarea></script>\
                    <script>zebra(1)</script><img src=x onerror=zebra(1)>javascript:zebra(1)//&lt;zebra&gt;&#60;zebra{{ zebra }}\
                    \u{202e}gnp.exe\u{2066}\u{200b}\u{1b}[31m\u{7}\u{0}\\";
/// The same in the names of people, which stand at the head of every page.
const PEOPLES: &str = "\"><okapi onclick='alert(1)'>\u{202e}&lt;okapi";

/// Pages on which nobody else's text can be.
const NOTHING_FOREIGN: [&str; 6] = [
    "/ui/sign-in",
    "/ui/add",
    "/ui/import",
    "/ui/{*rest}",
    // Files: the fakes have none.
    "/ui/servers/{server}/console/log",
    "/ui/nodes/{node}/console/log",
];

struct Visitor {
    cookie: String,
    csrf: String,
}

async fn world(everywhere: bool) -> Fakes {
    let fakes = start().await;
    let mut world = fakes.world.lock().unwrap();
    world.foreign = Some(Foreign { of_things: TEXT, of_people: PEOPLES, everywhere });
    for project in ["admin-id", "demo-id"] {
        world.servers.push(serde_json::to_value(shown::server(project, 1, "active")).unwrap());
        world.servers.push(serde_json::to_value(shown::server(project, 2, "error")).unwrap());
    }
    drop(world);
    fakes
}

/// What is there under a page's parameters.
fn address(path: &str) -> String {
    let id = match path {
        _ if path.starts_with("/ui/discoveries/") => "3f2a0000-0000-4000-8000-000000000001",
        _ if path.starts_with("/ui/servers/") => "5e400000-0000-4000-8000-000000000001",
        _ if path.starts_with("/ui/nodes/") => "srv1",
        _ => "large",
    };
    ["{id}", "{server}", "{node}", "{*rest}"]
        .iter()
        .fold(path.to_owned(), |path, name| path.replace(name, id))
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn ask(fakes: &Fakes, request: Request<Body>) -> (StatusCode, String, String) {
    let (head, body) = fakes.router.clone().oneshot(request).await.unwrap().into_parts();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let kind = header("content-type");
    if kind.starts_with("text/event-stream") {
        return (head.status, kind, String::new());
    }
    let body = axum::body::to_bytes(body, 4 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (head.status, kind, if head.status == StatusCode::SEE_OTHER { header("location") } else { text })
}

async fn get(fakes: &Fakes, who: &Visitor, path: &str) -> (StatusCode, String, String) {
    ask(fakes, Request::get(path).header("cookie", &who.cookie).body(Body::empty()).unwrap()).await
}

async fn post(
    fakes: &Fakes,
    who: &Visitor,
    path: &str,
    fields: &[(String, String)],
) -> (StatusCode, String, String) {
    let request = Request::post(path).header("cookie", &who.cookie).header("sec-fetch-site", "same-origin");
    if ["/ui/import", "/ui/bmc-factory-passwords"].contains(&path) {
        let part = |(name, value): &(String, String)| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = fields.iter().map(part).collect::<String>() + "--b--\r\n";
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        return ask(fakes, request.body(Body::from(body)).unwrap()).await;
    }
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    ask(fakes, request.body(Body::from(pairs.join("&"))).unwrap()).await
}

async fn sign_in(fakes: &Fakes, user: &str) -> Visitor {
    let body = format!("user={user}&password={}&project={user}&domain=Default&to=/ui/", percent(PASSWORD));
    let request = Request::post("/ui/sign-in").header("content-type", "application/x-www-form-urlencoded");
    let answer = fakes.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let set = answer.headers()["set-cookie"].to_str().unwrap();
    let mut who = Visitor { cookie: set.split(';').next().unwrap().to_owned(), csrf: String::new() };
    let (_, _, page) = get(fakes, &who, "/ui/catalogue").await;
    let (_, rest) =
        page.split_once("name=\"csrf\" value=\"").expect("every page has the form that signs out");
    who.csrf = rest.split('"').next().unwrap().to_owned();
    who
}

/// A tag with its attributes.
#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

/// Reads HTML as strictly as our templates write it: every `<` begins a tag, every value stands in double quotes.
fn tags(page: &str) -> Result<Vec<Tag<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let here = &rest[at + 1..];
        let wrong = |what: &str| format!("{what}: <{}", here.chars().take(120).collect::<String>());
        let word =
            |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
        if let Some(after) = here.strip_prefix("!doctype html>") {
            rest = after;
            continue;
        }
        let here = here.strip_prefix('/').unwrap_or(here);
        let (name, mut left) = here.split_at(word(here));
        if name.is_empty() {
            return Err(wrong("this is no tag"));
        }
        let mut attributes = Vec::new();
        rest = loop {
            left = left.trim_start();
            if let Some(after) = left.strip_prefix('>') {
                break after;
            }
            let (key, after) = left.split_at(word(left));
            if key.is_empty() {
                return Err(wrong("this is no attribute"));
            }
            left = after;
            let mut value = "";
            if let Some(after) = left.strip_prefix('=') {
                let quoted = after.strip_prefix('"').and_then(|after| after.split_once('"'));
                (value, left) = quoted.ok_or_else(|| wrong("this value is not quoted"))?;
            }
            attributes.push((key, value));
        };
        found.push(Tag { name, attributes });
    }
    Ok(found)
}

/// Asserts that a page is markup of ours and nobody else's.
#[track_caller]
fn check(what: &str, page: &str) {
    let hidden = page.chars().find(|c| protocol::text::is_hidden(*c) && !matches!(c, '\n' | '\r' | '\t'));
    assert_eq!(hidden.map(|c| c.escape_unicode().to_string()), None, "{what} has hidden characters");
    for raw in ["&lt;zebra", "&#60;zebra{{", "&lt;okapi"] {
        assert!(!page.contains(raw), "{what} lets an escape of others through: {raw}");
    }
    let tags = tags(page).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    for Tag { name, attributes } in &tags {
        assert!(
            !["zebra", "okapi", "img", "iframe", "style", "base"].contains(name),
            "{what} has the tag {name}"
        );
        for (key, value) in attributes {
            assert!(
                !key.starts_with("on") && !["style", "srcdoc", "formaction"].contains(key),
                "{what}: {key}={value}"
            );
            let is_address = ["href", "src", "action", "data-url"].contains(key);
            assert!(!is_address || value.starts_with("/ui") || value == &"#main", "{what} leads to {value}");
        }
    }
    assert!(
        tags.iter().filter(|tag| tag.name == "script" && !tag.attributes.is_empty()).count() <= 1,
        "{what}"
    );
    assert!(
        tags.iter().all(|tag| tag.name != "script" || tag.attributes.iter().all(|(key, _)| *key != "x")),
        "{what}"
    );
}

/// Names of the fields of all forms on a page.
fn fields(page: &str) -> BTreeSet<String> {
    let tags = tags(page).unwrap();
    let is_field = |tag: &&Tag<'_>| ["input", "select", "textarea", "button"].contains(&tag.name);
    let names = tags.iter().filter(is_field).flat_map(|tag| &tag.attributes);
    names
        .filter(|(key, value)| *key == "name" && value.is_ascii())
        .map(|(_, value)| (*value).to_owned())
        .collect()
}

#[tokio::test]
async fn what_others_call_their_things_is_text_on_every_page() {
    for everywhere in [false, true] {
        let fakes = world(everywhere).await;
        let (admin, tenant) = (sign_in(&fakes, "admin").await, sign_in(&fakes, "demo").await);
        let (mut names, mut silent) = (BTreeSet::new(), Vec::new());
        for (verb, path, _) in PAGES.iter().filter(|row| row.0 == Verb::Get) {
            for (who, name) in [(&admin, "administrator"), (&tenant, "tenant")] {
                let what = format!("{} {} as {name}, everywhere: {everywhere}", verb.as_str(), address(path));
                let (status, kind, page) = get(&fakes, who, &address(path)).await;
                assert!(!status.is_server_error(), "{what}: {status} {page}");
                if !kind.starts_with("text/html") || !status.is_success() && status != StatusCode::NOT_FOUND {
                    continue;
                }
                check(&what, &page);
                names.extend(fields(&page));
                if !page.contains("zebra") && !NOTHING_FOREIGN.contains(path) {
                    silent.push(what);
                }
            }
        }
        assert_eq!(silent, [""; 0], "show nothing foreign: name them, or make the fakes tell some");
        let asked = ["find", "state", "to", "why", "done", "all", "user", "project", "object", "marker"];
        let asked: Vec<_> = asked.map(|name| format!("{name}={}", percent(TEXT))).into();
        let nobody = Visitor { cookie: String::new(), csrf: String::new() };
        for (_, path, _) in PAGES.iter().filter(|row| row.0 == Verb::Get && row.1 != "/ui/live") {
            let named = path.replace("{*rest}", &percent(TEXT)).replace(['{', '}'], "~");
            let named = named.split('~').enumerate();
            let named: String =
                named.map(|(nth, part)| if nth % 2 == 0 { part.to_owned() } else { percent(TEXT) }).collect();
            for (who, path) in
                [(&admin, &address(path)), (&admin, &named), (&tenant, &named), (&nobody, &named)]
            {
                let path = format!("{path}?{}", asked.join("&"));
                let (_, kind, page) = get(&fakes, who, &path).await;
                if kind.starts_with("text/html") {
                    check(&path, &page);
                }
            }
        }
        names.remove("csrf");
        assert!(names.len() > 50, "the pages have forms: {names:?}");
        for (_, path, _) in PAGES.iter().filter(|row| row.0 == Verb::Post && row.1 != "/ui/sign-out") {
            for (who, name) in [(&admin, "administrator"), (&tenant, "tenant")] {
                let mut typed = vec![("csrf".to_owned(), who.csrf.clone())];
                typed.extend(names.iter().map(|name| (name.clone(), TEXT.to_owned())));
                let (status, _, page) = post(&fakes, who, &address(path), &typed).await;
                let what = format!("POST {} as {name}: {status}", address(path));
                assert!(!status.is_server_error(), "{what} {page}");
                assert!(status != StatusCode::SEE_OTHER || page.starts_with("/ui"), "{what} leads to {page}");
                if status != StatusCode::SEE_OTHER {
                    check(&what, &page);
                }
            }
        }
    }
}

#[test]
fn what_is_no_markup_of_ours_is_found() {
    let is_found = |page: &str| assert!(std::panic::catch_unwind(|| check("it", page)).is_err(), "{page}");
    check("it", "<!doctype html><a href=\"/ui/nodes/a\" hidden>a &#60;b&#62; {{</a>\n<input name=\"a\">");
    for page in [
        "<zebra>",
        "<a href=\"javascript:zebra(1)\">",
        "<a href=\"https://evil.example/ui\">",
        "<a title='x'>",
        "<a title=\"\"\" x=\"\">",
        "<p onclick=\"x\">",
        "a < b",
        "a\u{202e}b",
        "&lt;zebra&gt;",
    ] {
        is_found(page);
    }
}
