//! Edges: every change that is asked for, by everybody, at every authenticator: a row says by whom, from where, and what came of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo, http::Request, middleware::from_fn_with_state};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    audit::{AuditFilter, Entry, NewEntry},
    rim::Hardware,
};
use tower::ServiceExt;

use super::{
    PAGES, PEOPLE, ROUTES, Verb, page_request, rest_request, signed_in,
    world::{World, id_of},
};
use crate::{
    access::{Least, Row},
    audit::{Witness, changes},
    redfish::{RedfishFacade, witness_ironic},
};

async fn rows(world: &World) -> Vec<Entry> {
    world.inventory.audit(&AuditFilter::default()).await.unwrap()
}

/// What was written down since there were so many rows: one row, and no more.
async fn the_new_one(world: &World, before: usize, what: &str) -> NewEntry {
    let mut all = rows(world).await;
    assert_eq!(all.len(), before + 1, "{what} leaves one row: {:?}", &all[before.min(all.len())..]);
    all.pop().unwrap().what
}

#[test]
fn what_posts_or_deletes_is_a_change() {
    let idle = |rows: &[Row]| -> Vec<&str> {
        rows.iter().filter(|row| row.0 != Verb::Get && !changes(row)).map(|row| row.1).collect()
    };
    assert_eq!(idle(ROUTES), ["/v1/survey"], "it compares a file, and changes nothing");
    assert_eq!(idle(PAGES), [""; 0]);
}

#[tokio::test]
async fn every_change_by_rest_leaves_a_row() {
    let world = World::start().await;
    for person in PEOPLE {
        let token = format!("token-{}", person.name);
        for row in ROUTES {
            let before = rows(&world).await.len();
            let mut request = rest_request(row, "demo", Some(&token));
            request.extensions_mut().insert(ConnectInfo("203.0.113.9:4711".parse::<SocketAddr>().unwrap()));
            let (status, ..) = world.send(request).await;
            let what = format!("{} {row:?}: {status}", person.name);
            if !changes(row) {
                assert_eq!(rows(&world).await.len(), before, "{what} changes nothing");
                continue;
            }
            if matches!(status.as_u16(), 401 | 403) && rows(&world).await.len() == before {
                continue; // Refused ones are written down at their pace; `pace.rs` says which.
            }
            let entry = the_new_one(&world, before, &what).await;
            assert_eq!((entry.method.as_str(), entry.route.as_str()), (row.0.as_str(), row.1), "{what}");
            assert_eq!(entry.status, Some(status.as_u16()), "{what}");
            assert_eq!(entry.user_id.as_deref(), (status != 401).then_some(person.name), "{what}");
            assert_eq!(entry.source, Some("203.0.113.9".parse().unwrap()), "{what}");
            // What was made is named, too.
            let names_one = row.1.contains('{') || status == 201;
            assert_eq!(entry.object.is_some(), names_one, "{what}: {:?}", entry.object);
        }
    }
    let all = rows(&world).await;
    let of = |name: &str| {
        all.iter().find(|entry| entry.what.user_id.as_deref() == Some(name)).unwrap().what.clone()
    };
    assert_eq!(of("system-admin").standing.as_deref(), Some("administrator"));
    assert_eq!(of("other-member").project_id.as_deref(), Some("other"));
    let administrator = of("administrator");
    assert_eq!(administrator.project_id.as_deref(), Some(super::ADMIN_PROJECT));
    assert_eq!(administrator.project_name.as_deref(), Some("admin"), "the token had the name");
    assert_eq!(of("system-admin").project_name, None);
    let refused = all.iter().filter(|entry| matches!(entry.what.status, Some(401 | 403))).count();
    assert!(refused > 50, "who was refused is written down: {refused}");
    let started = |entry: &&Entry| entry.what.route == "/v1/servers/{server}/actions";
    assert_eq!(all.iter().find(started).unwrap().what.action, None, "a reader's wish was not read");
    assert!(all.iter().filter(started).any(|entry| entry.what.action.as_deref() == Some("start")));
}

#[tokio::test]
async fn why_a_password_was_read_is_kept() {
    let world = World::start().await;
    let check = async |who: &str, body: &str, expected: u16, reason: Option<&str>| {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/nodes/n1/bmc/password-reading")
            .header("content-type", "application/json")
            .header("x-auth-token", format!("token-{who}"));
        let (status, _, said) = world.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(status, expected, "{who} {body}: {said}");
        assert_eq!(said.contains("hunter2"), expected == 200, "{who} {body}: {said}");
        let newest = rows(&world).await.pop().unwrap().what;
        assert_eq!((newest.status, newest.reason.as_deref()), (Some(expected), reason), "{who} {body}");
    };
    check("administrator", r#"{"reason":"console stuck"}"#, 200, Some("console stuck")).await;
    check("administrator", r#"{"reason":"  "}"#, 400, None).await;
    check("system-reader", r#"{"reason":"curious"}"#, 403, None).await;
    // In the inventory it is told with the reason, and nothing keeps the password.
    let events = world.inventory.events(&Default::default()).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.text.contains("console stuck")).collect();
    assert!(told.len() == 1 && !format!("{events:?}").contains("hunter2"), "{told:?}");
}

#[tokio::test]
async fn every_form_leaves_a_row() {
    let world = World::start().await;
    for person in [PEOPLE[1], PEOPLE[10]] {
        let (cookie, csrf) = signed_in(&world, person).await.unwrap();
        let last = rows(&world).await.pop().unwrap().what;
        assert_eq!((last.route.as_str(), last.user_id.as_deref()), ("/ui/sign-in", Some(person.name)));
        let out = |row: &&Row| row.1 == "/ui/sign-out";
        let forms = PAGES.iter().filter(|row| changes(row) && row.2 != Least::Anybody && !out(row));
        for row in forms.chain(PAGES.iter().filter(out)) {
            let before = rows(&world).await.len();
            let mut request = page_request(row, "demo", &cookie, &csrf);
            let id = "req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab";
            request.headers_mut().insert("x-request-id", id.parse().unwrap());
            let (status, _, said) = world.send(request).await;
            let all = rows(&world).await;
            assert!(all.len() > before, "{} {row:?} leaves a row: {status} {said}", person.name);
            for entry in &all[before..] {
                assert_eq!(entry.what.user_id.as_deref(), Some(person.name), "{row:?}");
                assert_eq!(entry.what.request_id, id, "{row:?}");
                let page = entry.what.via.as_deref().unwrap_or(&entry.what.route);
                assert_eq!(page, row.1, "what a form causes says so");
            }
            let caused = all[before..].iter().filter(|entry| entry.what.via.is_some()).count();
            assert!(caused == 0 || caused == all.len() - before, "{row:?} is told twice");
        }
    }
    let stop = rows(&world)
        .await
        .into_iter()
        .find(|entry| entry.what.via.as_deref() == Some("/ui/servers/{server}/act"));
    assert_eq!(
        stop.unwrap().what.route,
        "/v1/servers/{server}/actions",
        "the API's row, and none of the form beside it"
    );
}

#[tokio::test]
async fn a_refused_sign_in_is_written_down_with_the_claimed_name() {
    let world = World::start().await;
    let body = "user=mallory%0aINFO+forged&password=x&project=demo&to=/ui/";
    let request = Request::post("/ui/sign-in").header("content-type", "application/x-www-form-urlencoded");
    let (status, ..) = world.send(request.body(Body::from(body)).unwrap()).await;
    let entry = rows(&world).await.pop().unwrap().what;
    assert_eq!((status.as_u16(), entry.status), (401, Some(401)));
    assert_eq!((entry.user_id, entry.user_name.as_deref()), (None, Some("mallory\nINFO forged")));
}

#[tokio::test]
async fn an_answer_carries_its_requests_id() {
    let world = World::start().await;
    for (given, kept) in [("req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab", true), ("forged", false)] {
        for path in ["/v1/nodes", "/ui/nodes"] {
            let request = Request::get(path).header("x-request-id", given).body(Body::empty()).unwrap();
            let answer = world.router.clone().oneshot(request).await.unwrap();
            let id = answer.headers()["x-request-id"].to_str().unwrap();
            assert_eq!(id == given, kept, "{path} {id}");
            assert!(id.starts_with("req-") && id.len() == 40, "{id}");
        }
    }
}

#[tokio::test]
async fn who_hangs_up_is_written_down_all_the_same() {
    let world = World::start().await;
    let row =
        ROUTES.iter().find(|row| (row.0, row.1) == (Verb::Post, "/v1/servers/{server}/actions")).unwrap();
    let request = rest_request(row, "demo", Some("token-member"));
    let mut asked = Box::pin(world.router.clone().oneshot(request));
    // It waits for Keystone when it is dropped.
    assert!(futures::poll!(&mut asked).is_pending());
    drop(asked);
    let written = async {
        loop {
            if let Some(entry) = rows(&world).await.pop() {
                return entry.what;
            }
            tokio::task::yield_now().await;
        }
    };
    let entry =
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("nothing is written down");
    assert_eq!((entry.status, entry.object), (None, Some(id_of("demo").to_string())));
}

#[tokio::test]
async fn what_ironic_changes_is_written_down() {
    let world = World::start().await;
    let server = world.inventory.servers(None).await.unwrap().pop().unwrap();
    let hardware: Arc<dyn Hardware> = world.core.clone();
    let witness = Witness::new(world.inventory.clone(), &[]);
    let facade = RedfishFacade::new(hardware).router().layer(from_fn_with_state(witness, witness_ironic));
    let path = format!("/redfish/v1/Systems/{}", server.id);
    let ask = async |method: &str, path: String, body: &str, password: &str| {
        let login = STANDARD.encode(format!("{}:{password}", server.facade_user()));
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Basic {login}"));
        let request = request.body(Body::from(body.to_owned())).unwrap();
        facade.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    let good = server.facade_password.reveal();
    let reset = format!("{path}/Actions/ComputerSystem.Reset");
    ask("GET", path.clone(), "", good).await;
    let boot = r#"{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}"#;
    let answers = [
        ask("PATCH", path.clone(), boot, good).await,
        ask("POST", reset.clone(), r#"{"ResetType":"On"}"#, good).await,
        ask("POST", reset.clone(), r#"{"ResetType":"ForceOff"}"#, "wrong").await,
    ];
    let written: Vec<_> = rows(&world).await.into_iter().map(|entry| entry.what).collect();
    assert_eq!(written.iter().map(|entry| entry.status).collect::<Vec<_>>(), answers.map(Some));
    assert_eq!((answers[0], answers[2]), (204, 401));
    let id = server.id.to_string();
    assert!(written.iter().all(|entry| entry.object.as_ref() == Some(&id)), "{written:?}");
    let names: Vec<_> = written.iter().map(|entry| entry.user_name.as_deref()).collect();
    assert_eq!(names, [Some("ironic"), Some("ironic"), None], "whose password is wrong is nobody known");
    assert_eq!(written[1].action.as_deref(), Some("On"));
    assert_eq!(written[1].bucket(), "ironic");
}

#[tokio::test]
async fn the_record_of_changes_is_for_those_who_see_all() {
    let world = World::start().await;
    let delete = ROUTES.iter().find(|row| (row.0, row.1) == (Verb::Delete, "/v1/pools/{pool}")).unwrap();
    world.send(rest_request(delete, "demo", Some("token-system-admin"))).await;
    let ask = async |query: &str| {
        let request = Request::get(format!("/v1/audit{query}")).header("x-auth-token", "token-system-reader");
        let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
        (status.as_u16(), said)
    };
    let (status, said) = ask("?user=system-admin&since=2020-01-01T00:00:00Z").await;
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("/v1/pools/{pool}") && said.contains("administrator"), "{said}");
    assert!(!ask("?user=nobody").await.1.contains("pool"));
    let (status, said) = ask("?since=noon").await;
    assert!(status == 400 && said.contains("since: "), "{status} {said}");
}
