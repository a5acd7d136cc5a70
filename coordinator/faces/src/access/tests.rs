//! Every route and every form, asked for by everybody: the tables against what is served, and against what each must be
//! able to do.

mod audit_page;
mod audited;
mod away;
mod ends;
mod erase_certificates;
mod fields;
mod firmware;
mod health;
mod lists;
mod people;
mod proxied;
mod revocation;
mod shares;
mod told;
mod world;

use std::collections::BTreeSet;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
    middleware::from_fn_with_state,
    routing::get,
};
use domain::rim::SignIn;
use fakes::cloud::ADMIN_PROJECT;
use protocol::secret::Secret;
use tower::ServiceExt;

use self::{
    people::{PEOPLE, Person, STRANGERS},
    world::{PROJECTS, World, id_of},
};
use super::*;

/// A route's address for what this project has.
fn address(path: &str, project: &str) -> String {
    let id = id_of(project).to_string();
    let is_image = path.contains("/images/");
    path.replace("{server}", &id)
        .replace("{network}", &id)
        .replace("{image}", &format!("image-{project}"))
        .replace("{id}", if is_image { "image-" } else { &id })
        .replace("/images/image-/", &format!("/images/image-{project}/"))
        .replace("{flavor}", "f1")
        .replace("{node}", "n1")
        .replace("{number}", "1")
        .replace("{update}", &id)
        .replace("{file}", "bmc.bin")
        .replace("{rack}", "rack1")
        .replace("{cached}", "image-demo")
        .replace("{pool}", "p1")
        .replace("{sensor}", "power-draw")
        .replace("{rule}", "r1")
        .replace("{*rest}", "no/such/page")
}

/// Whether the address names what one project has.
fn is_ones(path: &str) -> bool {
    ["{server}", "{network}", "{image}", "/images/{id}", "/networks/{id}"].iter().any(|of| path.contains(of))
}

/// What is to come of it.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Whoever it is.
    Served,
    NoGoodToken,
    Forbidden,
    /// As if it did not exist.
    NotThere,
}

fn fate(person: Person, row: &Row, project: &str) -> Fate {
    let (_, path, least) = *row;
    match least {
        Least::Anybody => Fate::Served,
        _ if !person.may.contains(&least) => Fate::Forbidden,
        Least::ReadOwn | Least::WriteOwn
            if is_ones(path) && !person.sees_all() && person.project != Some(project) =>
        {
            Fate::NotThere
        }
        Least::ReadOwn | Least::WriteOwn | Least::ReadAll | Least::WriteAll | Least::ReadSecrets => {
            Fate::Served
        }
    }
}

/// What came of it. Whatever else the fakes say, it was let in.
fn seen(status: StatusCode, row: &Row) -> Fate {
    match status {
        StatusCode::UNAUTHORIZED => Fate::NoGoodToken,
        StatusCode::FORBIDDEN => Fate::Forbidden,
        StatusCode::NOT_FOUND if is_ones(row.1) => Fate::NotThere,
        _ => Fate::Served,
    }
}

fn rest_request(row: &Row, project: &str, token: Option<&str>) -> Request<Body> {
    let body = match row.1 {
        "/v1/servers/{server}/actions" => r#"{"action":"start"}"#,
        "/v1/networks" => r#"{"name":"green","subnet":"192.0.2.0/24"}"#,
        _ => "{}",
    };
    let mut request = Request::builder().method(row.0.as_str()).uri(address(row.1, project));
    request = request.header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("x-auth-token", token);
    }
    request.body(Body::from(if row.0 == Verb::Post { body } else { "" })).unwrap()
}

#[tokio::test]
async fn every_route_is_for_those_whom_the_table_names() {
    for person in PEOPLE {
        let world = World::start().await;
        let token = format!("token-{}", person.name);
        for row in ROUTES {
            for project in PROJECTS {
                let (status, _, said) = world.send(rest_request(row, project, Some(&token))).await;
                let expected = fate(person, row, project);
                assert_eq!(
                    seen(status, row),
                    expected,
                    "{} {row:?} of {project}: {status} {said}",
                    person.name
                );
                // Who may not use a route learns nothing of what is there.
                if expected == Fate::Forbidden {
                    assert!(!said.contains("web-") && !said.contains("n1"), "{said}");
                }
            }
        }
    }
    let world = World::start().await;
    for stranger in STRANGERS {
        let token = Some(stranger).filter(|name| *name != "nobody");
        for row in ROUTES {
            let (status, _, said) = world.send(rest_request(row, "demo", token)).await;
            let expected = if row.2 == Least::Anybody { Fate::Served } else { Fate::NoGoodToken };
            assert_eq!(seen(status, row), expected, "{stranger} {row:?}: {status} {said}");
        }
    }
}

/// A cookie of the pages and the secret of their forms; none: nobody is let in so.
async fn signed_in(world: &World, person: Person) -> Result<(String, String), (StatusCode, String)> {
    // The fake Keystone knows by the name what the token is good for.
    let project = person.project.unwrap_or_default();
    let body = format!("user={}&password=x&project={project}&to=/ui/", person.name);
    let request = Request::post("/ui/sign-in").header("content-type", "application/x-www-form-urlencoded");
    let answer = world.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let Some(cookie) = answer.headers().get("set-cookie").cloned() else {
        let status = answer.status();
        let page = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        return Err((status, String::from_utf8(page.to_vec()).unwrap()));
    };
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = page(world, "/ui/catalogue", &cookie).await.1;
    let (_, rest) =
        page.split_once("name=\"csrf\" value=\"").expect("every page has the form that signs out");
    Ok((cookie, rest.split('"').next().unwrap().to_owned()))
}

async fn page(world: &World, path: &str, cookie: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let (status, _, said) = world.send(request).await;
    (status, said)
}

fn page_request(row: &Row, project: &str, cookie: &str, csrf: &str) -> Request<Body> {
    let request = Request::builder().method(row.0.as_str()).uri(address(row.1, project));
    let request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin");
    match row {
        (Verb::Post, "/ui/import", _) => {
            let part =
                format!("--b\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--b--\r\n");
            request.header("content-type", "multipart/form-data; boundary=b").body(Body::from(part)).unwrap()
        }
        (Verb::Post, ..) => {
            let form = format!("csrf={csrf}&action=start");
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request.body(Body::from(form)).unwrap()
        }
        (Verb::Get | Verb::Delete, ..) => request.body(Body::empty()).unwrap(),
    }
}

/// Pages that only lead to another one, which is asked then.
fn leads_on(row: &Row) -> bool {
    row.0 == Verb::Get
        && ["/act", "/delete", "/apply", "/scan", "/window"].iter().any(|end| row.1.ends_with(end))
}

#[tokio::test]
async fn every_page_and_form_is_for_those_whom_the_table_names() {
    for person in PEOPLE {
        let world = World::start().await;
        let (mut cookie, mut csrf) = match signed_in(&world, person).await {
            Ok(_) if person.is_refused() => panic!("{} is signed in", person.name),
            Ok(session) => session,
            Err((status, said)) => {
                assert!(person.is_refused(), "{}: {said}", person.name);
                assert_eq!(status, StatusCode::FORBIDDEN, "{}: {said}", person.name);
                continue;
            }
        };
        for row in PAGES {
            for project in PROJECTS {
                let (status, to, said) = world.send(page_request(row, project, &cookie, &csrf)).await;
                let what = format!("{} {row:?} of {project}: {status} {to} {said}", person.name);
                assert!(!to.contains("sign-in?to="), "{what}");
                let expected = match fate(person, row, project) {
                    Fate::NotThere if leads_on(row) => Fate::Served,
                    expected => expected,
                };
                assert_eq!(seen(status, row), expected, "{what}");
                let forms = said.matches("method=\"post\"").count();
                if row.1 == "/ui/sign-out" {
                    (cookie, csrf) = signed_in(&world, person).await.unwrap();
                }
                if row.0 == Verb::Get && !person.writes() {
                    assert!(forms <= 1 && !said.contains("\"/ui/new"), "a form is shown: {what}");
                }
            }
        }
        // Somebody who may change things is shown how.
        let shown = page(&world, "/ui/networks", &cookie).await.1.contains("action=\"/ui/networks\"");
        assert_eq!(shown, person.writes(), "{}", person.name);
    }
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in() {
    let world = World::start().await;
    for cookie in ["", "__Host-bms=garbage"] {
        for row in PAGES.iter().filter(|row| row.2 != Least::Anybody) {
            let (status, to, said) = world.send(page_request(row, "demo", cookie, "x")).await;
            assert_eq!(status, StatusCode::SEE_OTHER, "{cookie} {row:?}: {said}");
            assert!(to.starts_with("/ui/sign-in?to="), "{cookie} {row:?}: {to}");
        }
    }
}

#[test]
fn the_table_of_routes_is_what_the_api_serves() {
    let mut served: BTreeSet<(Verb, String)> =
        ["/", "/v1", "/v1/openapi.json"].map(|path| (Verb::Get, path.to_owned())).into();
    let (_, document) = crate::api::described();
    for (path, item) in document.paths.paths {
        let others = [&item.put, &item.patch, &item.head, &item.options, &item.trace];
        assert!(others.iter().all(|other| other.is_none()), "{path} has a verb that the table cannot name");
        let verbs = [(Verb::Get, item.get), (Verb::Post, item.post), (Verb::Delete, item.delete)];
        served.extend(verbs.into_iter().filter(|verb| verb.1.is_some()).map(|verb| (verb.0, path.clone())));
    }
    let rows: BTreeSet<_> = ROUTES.iter().map(|row| (row.0, row.1.to_owned())).collect();
    assert_eq!(rows, served, "access/routes.rs is not what api/mod.rs serves");
    assert_eq!(rows.len(), ROUTES.len(), "a route has two rows");
}

#[test]
fn the_table_of_pages_is_what_is_served() {
    let served: BTreeSet<_> = crate::ui::routes().1.into_iter().collect();
    let rows: BTreeSet<_> = PAGES.iter().map(|row| row.1.to_owned()).collect();
    assert_eq!(rows, served, "access/pages.rs is not what ui/mod.rs serves");
    let pairs: BTreeSet<_> = PAGES.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(pairs.len(), PAGES.len(), "a page has two rows");
}

#[tokio::test]
async fn every_row_has_a_handler_and_what_has_no_row_is_not_served() {
    let world = World::start().await;
    let (cookie, csrf) = signed_in(&world, PEOPLE[10]).await.unwrap();
    for row in ROUTES {
        let (status, ..) = world.send(rest_request(row, "demo", Some("token-system-admin"))).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{row:?}");
    }
    for row in PAGES.iter().filter(|row| row.1 != "/ui/sign-out") {
        let (status, ..) = world.send(page_request(row, "demo", &cookie, &csrf)).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{row:?}");
    }
    for (method, path) in
        [(Method::PUT, "/v1/nodes"), (Method::PATCH, "/v1/servers"), (Method::DELETE, "/ui/nodes")]
    {
        let request =
            Request::builder().method(&method).uri(path).header("x-auth-token", "token-system-admin");
        let (status, ..) = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
    let unlisted = Router::<()>::new()
        .route("/v1/unlisted", get(async || "secret"))
        .route_layer(from_fn_with_state(world.authenticator.clone(), crate::api::auth::admit));
    let request = Request::get("/v1/unlisted").header("x-auth-token", "token-system-admin");
    let answer = unlisted.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_a_name_the_administrators_project_is_our_own() {
    let world = World::start().await;
    let check = async |ours: Option<&str>, who: &str, expected: Standing| {
        world.cloud.held().own = ours.map(str::to_owned);
        let identity = world.authenticator.identity.clone();
        let authenticator =
            Authenticator::new(identity, world.clock.clone(), RoleNames::default(), AdminProject::Ours);
        let (user, domain) = (who.to_owned(), "Default".to_owned());
        let wanted = SignIn { user, password: Secret::new("x"), project: None, domain };
        let signed_in = authenticator.identity.sign_in(&wanted).await.unwrap();
        let known = authenticator.know_signed_in(&signed_in).await.unwrap();
        assert_eq!(known.standing, expected, "{who}");
    };
    // Our own user works in the whole system: no project is the administrators'.
    check(None, "administrator", Standing::Member).await;
    check(None, "system-admin", Standing::Administrator).await;
    check(Some("administrator"), "administrator", Standing::Administrator).await;
    check(Some("administrator"), "other-admin", Standing::Member).await;
    assert_eq!(ADMIN_PROJECT.len(), 32);
}

/// The tables in `docs/security.md`: run with `BMS_WRITE_DOCS=1` to write them anew.
#[test]
fn the_document_shows_the_tables() {
    let who = |least: Least| match least {
        Least::Anybody => "anybody",
        Least::ReadOwn => "reader, member, auditor, administrator",
        Least::WriteOwn => "member, administrator",
        Least::ReadAll => "auditor, administrator",
        Least::WriteAll | Least::ReadSecrets => "administrator",
    };
    let mut tables = String::new();
    for (title, rows) in [("route", ROUTES), ("page or form", PAGES)] {
        tables += &format!("\n| {title} | for |\n|---|---|\n");
        for (verb, path, least) in rows {
            tables += &format!("| `{} {path}` | {} |\n", verb.as_str(), who(*least));
        }
    }
    let (begin, end) = ("<!-- tables -->\n", "\n<!-- end of tables -->");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md");
    let old = std::fs::read_to_string(path).unwrap();
    let (head, rest) = old.split_once(begin).expect("the page has a place for the tables");
    let (_, tail) = rest.split_once(end.trim_start()).expect("the place has an end");
    let new = format!("{head}{begin}{tables}{end}{tail}");
    if std::env::var_os("BMS_WRITE_DOCS").is_some() {
        std::fs::write(path, &new).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), new, "docs/security.md is old: BMS_WRITE_DOCS=1");
}
