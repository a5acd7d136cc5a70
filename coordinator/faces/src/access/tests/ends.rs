//! Edges: what a token has opened ends with it, with its role, and with its own time; Keystone's word has an age.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode},
};
use domain::rim::Service;
use fakes::cloud::Party;
use futures::{StreamExt, stream};
use store::clock::{Clock, SystemClock};
use tower::ServiceExt;

use super::{people::PEOPLE, signed_in, world::World};
use crate::access::belief::{CHANGE_BELIEF_US, LOOK_BELIEF_US};

/// Longest time that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a caller loses what let it in.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The token was revoked, or the password changed.
    Revoked,
    /// The role was taken away.
    Roleless,
    /// Its own time is over, and Keystone is away.
    Over,
}

/// What is said of it.
fn word(loss: Loss) -> &'static str {
    match loss {
        Loss::Revoked => "Keystone does not accept the token, or no longer does",
        Loss::Roleless => "has none of the roles",
        Loss::Over => "the token has expired",
    }
}

/// How long tokens live in these tests, in microseconds.
const LIFE_US: u64 = 3_600_000_000;

/// A world whose clock shows the time of day, and stands still.
async fn world() -> World {
    let world = World::start().await;
    world.clock.advance_us(SystemClock.now_us());
    world.cloud.held().ends_us = Some(world.clock.now_us() + LIFE_US);
    world
}

fn lose(world: &World, who: &str, loss: Loss) {
    match loss {
        Loss::Revoked => drop(world.cloud.held().gone.insert(who.to_owned())),
        Loss::Roleless => drop(world.cloud.held().roleless.insert(who.to_owned())),
        Loss::Over => {
            world.cloud.set_away(&[Party::OpenStack(Service::Keystone)]);
            return world.clock.advance_us(LIFE_US);
        }
    }
    world.clock.advance_us(CHANGE_BELIEF_US);
}

/// All that still comes of what is open.
async fn rest_of(body: Body) -> String {
    let mut said = Vec::new();
    let mut body = body.into_data_stream();
    let all = async {
        while let Some(piece) = body.next().await {
            said.extend_from_slice(&piece.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("it goes on");
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn what_a_token_has_opened_ends_with_it_and_says_why() {
    for loss in [Loss::Revoked, Loss::Roleless, Loss::Over] {
        let world = world().await;
        let request = Request::get("/v1/events/stream").header("x-auth-token", "token-member");
        let events = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (cookie, _) = signed_in(&world, PEOPLE[1]).await.unwrap();
        let request = Request::get("/ui/live").header("cookie", cookie);
        let live = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let first = stream::once(async move {
            let _ = begun.send(());
            Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))
        });
        let body = Body::from_stream(first.chain(stream::pending()));
        let request = Request::post("/v1/images?name=x").header("x-auth-token", "token-member");
        let request = request.header("content-length", "1000000").body(body).unwrap();
        let upload = tokio::spawn(world.router.clone().oneshot(request));
        begins.recv().await.unwrap();

        lose(&world, "member", loss);

        let said = rest_of(events.into_body()).await;
        assert!(said.contains("event: ended") && said.contains(word(loss)), "{loss:?}: {said}");
        let said = rest_of(live.into_body()).await;
        assert!(said.ends_with("event: ended\ndata: ended\n\n"), "{loss:?}: {said}");
        let upload = tokio::time::timeout(PATIENCE, upload).await.expect("the upload goes on");
        let upload = upload.unwrap().unwrap();
        assert!(upload.status().is_client_error(), "{loss:?}");
        let said = rest_of(upload.into_body()).await;
        assert!(said.contains(word(loss)), "{loss:?}: {said}");
    }
}

#[tokio::test]
async fn a_keystone_that_is_away_ends_nothing() {
    let world = world().await;
    let request = Request::get("/v1/events/stream").header("x-auth-token", "token-member");
    let events = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    world.cloud.set_away(&[Party::OpenStack(Service::Keystone)]);
    world.clock.advance_us(CHANGE_BELIEF_US);
    let asked = world.cloud.count("whose");
    let mut stream = events.into_body().into_data_stream();
    let asked_again = async {
        while world.cloud.count("whose") < asked + 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        piece = stream.next() => panic!("it ends: {piece:?}"),
        done = tokio::time::timeout(PATIENCE, asked_again) => done.expect("nobody asks again"),
    }
}

#[tokio::test]
async fn a_revoked_token_changes_nothing_after_five_seconds_and_sees_nothing_after_thirty() {
    let check = async |age_us: u64, look: StatusCode, change: StatusCode| {
        let world = world().await;
        let ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).header("x-auth-token", "token-member");
            let request = request.header("content-type", "application/json").body(Body::from("{}")).unwrap();
            world.send(request).await.0
        };
        assert_eq!(ask("GET", "/v1/servers").await, StatusCode::OK);
        world.cloud.held().gone.insert("member".to_owned());
        world.clock.advance_us(age_us);
        assert_eq!(ask("GET", "/v1/servers").await, look, "looking after {age_us} us");
        assert_eq!(ask("POST", "/v1/servers").await, change, "changing after {age_us} us");
        // Whoever was refused once is refused from then on.
        if change == StatusCode::UNAUTHORIZED {
            assert_eq!(ask("GET", "/v1/servers").await, StatusCode::UNAUTHORIZED);
        }
    };
    // The body is no server: it was let in.
    let in_ = StatusCode::UNPROCESSABLE_ENTITY;
    let out = StatusCode::UNAUTHORIZED;
    check(CHANGE_BELIEF_US - 1, StatusCode::OK, in_).await;
    check(CHANGE_BELIEF_US, StatusCode::OK, out).await;
    check(LOOK_BELIEF_US - 1, StatusCode::OK, out).await;
    check(LOOK_BELIEF_US, out, out).await;
}

#[tokio::test]
async fn a_tokens_own_end_is_heeded_to_the_moment() {
    let world = world().await;
    let look = async || {
        let request = Request::get("/v1/servers").header("x-auth-token", "token-member");
        world.send(request.body(Body::empty()).unwrap()).await.0
    };
    world.clock.advance_us(LIFE_US - 2);
    assert_eq!(look().await, StatusCode::OK);
    world.clock.advance_us(1);
    assert_eq!(look().await, StatusCode::OK);
    world.clock.advance_us(1);
    assert_eq!(look().await, StatusCode::UNAUTHORIZED, "Keystone would still say that it is good");
}

#[tokio::test]
async fn a_token_that_signed_out_is_good_for_nothing_whatever_keystone_says() {
    let world = world().await;
    let (cookie, csrf) = signed_in(&world, PEOPLE[1]).await.unwrap();
    let request = Request::post("/ui/sign-out").header("cookie", &cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let (status, to, _) = world.send(request.body(Body::from(format!("csrf={csrf}"))).unwrap()).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/ui/sign-in?done=signed-out"));
    // The first one that the fake Keystone issued.
    for _ in 0..3 {
        let request = Request::get("/v1/servers").header("x-auth-token", "token-member.1");
        let (status, ..) = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        world.clock.advance_us(LOOK_BELIEF_US);
    }
}
