//! Edges: what one caller can take from all: tried by asking for it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use fakes::cloud::{Party, WRONG_PASSWORD};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{people::PEOPLE, signed_in, world::World};

/// What is answered, and what a person reads.
struct Reply {
    status: StatusCode,
    retry_after: Option<String>,
    said: String,
    /// Holds what was given.
    _open: Option<Response<Body>>,
}

async fn answer(world: &World, request: Request<Body>) -> Reply {
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let retry_after = headers.get("retry-after").map(|after| after.to_str().unwrap().to_owned());
    if headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return Reply { status, retry_after, said: String::new(), _open: Some(answer) };
    }
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    Reply { status, retry_after, said: String::from_utf8(body.to_vec()).unwrap(), _open: None }
}

async fn rest(world: &World, who: &str, path: &str) -> Reply {
    let request = Request::get(path).header("x-auth-token", format!("token-{who}"));
    answer(world, request.body(Body::empty()).unwrap()).await
}

/// Takes one after the other until none is given; gives what was given, and the refusal.
async fn take_all(mut take: impl AsyncFnMut() -> Reply) -> (Vec<Reply>, Reply) {
    let mut held = Vec::new();
    loop {
        let next = take().await;
        if next.status != StatusCode::OK {
            return (held, next);
        }
        held.push(next);
        assert!(held.len() < 2000, "there is no end to it");
    }
}

#[track_caller]
fn refused_for_now(refused: &Reply, status: StatusCode, words: &str) {
    assert_eq!(refused.status, status, "{}", refused.said);
    assert!(refused.said.contains(words), "{words}: {}", refused.said);
    assert!(refused.retry_after.is_some(), "{}", refused.said);
}

#[tokio::test]
async fn nobody_takes_the_event_streams_of_others() {
    let world = World::start().await;
    let path = "/v1/events/stream";
    let (mut held, refused) = take_all(async || rest(&world, "member", path).await).await;
    assert_eq!(held.len(), 8);
    let words = "user member has 8 of 8 event streams; close one, or try again later";
    refused_for_now(&refused, StatusCode::TOO_MANY_REQUESTS, words);
    for number in 1.. {
        let who = format!("member-{number}");
        let (more, refused) = take_all(async || rest(&world, &who, path).await).await;
        held.extend(more);
        if refused.said.contains("project demo has 32 of 32 event streams; close one") {
            refused_for_now(&refused, StatusCode::TOO_MANY_REQUESTS, "project demo");
            break;
        }
        assert!(number < 40, "{}", refused.said);
    }
    assert_eq!(held.len(), 32);
    assert_eq!(rest(&world, "other-member", path).await.status, StatusCode::OK);
    held.pop();
    assert_eq!(rest(&world, "member-40", path).await.status, StatusCode::OK, "a place that is free is given");
}

#[tokio::test]
async fn nobody_takes_the_open_pages_of_others() {
    let world = World::start().await;
    let live = async |cookie: &str| {
        let request = Request::get("/ui/live").header("cookie", cookie);
        answer(&world, request.body(Body::empty()).unwrap()).await
    };
    let (cookie, _) = signed_in(&world, PEOPLE[1]).await.unwrap();
    let (held, refused) = take_all(async || live(&cookie).await).await;
    assert_eq!(held.len(), 16);
    refused_for_now(&refused, StatusCode::TOO_MANY_REQUESTS, "user member has 16 of 16 open pages");
    let (other, _) = signed_in(&world, PEOPLE[2]).await.unwrap();
    assert_eq!(live(&other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_takes_the_uploads_of_others() {
    let world = World::start().await;
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    // A file of which ten bytes come, and then nothing.
    let upload = |who: &str| {
        let begun = begun.clone();
        let first = stream::once(async move {
            let _ = begun.send(());
            Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))
        });
        let body = Body::from_stream(first.chain(stream::pending()));
        let request = Request::post("/v1/images?name=x").header("x-auth-token", format!("token-{who}"));
        let request = request.header("content-length", "1000000").body(body).unwrap();
        let router = world.router.clone();
        let sent = async move { answer_of(router.oneshot(request).await.unwrap()).await };
        tokio::spawn(tokio::time::timeout(std::time::Duration::from_secs(20), sent))
    };
    for (who, place) in [("member", true), ("member", true), ("member-1", true), ("member-1", true)] {
        let sent = upload(who);
        begins.recv().await.unwrap();
        assert_eq!(!sent.is_finished(), place, "{who}");
    }
    let refused = upload("member").await.unwrap().expect("it is refused at once");
    assert_eq!(refused.0, StatusCode::TOO_MANY_REQUESTS, "{}", refused.1);
    assert!(refused.1.contains("user member has 2 of 2 uploads of images"), "{}", refused.1);
    let refused = upload("member-2").await.unwrap().expect("it is refused at once");
    assert!(refused.1.contains("project demo has 4 of 4 uploads of images"), "{}", refused.1);
    // A reader has no place to take, whoever holds them.
    assert_eq!(upload("reader").await.unwrap().unwrap().0, StatusCode::FORBIDDEN);
    assert_eq!(upload("unscoped-admin").await.unwrap().unwrap().0, StatusCode::FORBIDDEN);
    while begins.try_recv().is_ok() {}
    let _theirs = upload("other-member");
    begins.recv().await.unwrap();
}

async fn answer_of(answer: Response<Body>) -> (StatusCode, String) {
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn nobody_takes_the_requests_of_others() {
    let world = World::start().await;
    let (may_go, lists) = (watch::Sender::new(false), watch::Sender::new(0));
    let (gate, counter) = (may_go.clone(), lists.clone());
    world.cloud.set_hook(Arc::new(move |_: Party, what: &str| {
        let (mut gate, counter, is_list) = (gate.subscribe(), counter.clone(), what == "list the images");
        async move {
            if is_list {
                counter.send_modify(|lists| *lists += 1);
                gate.wait_for(|may_go| *may_go).await.unwrap();
            }
        }
        .boxed()
    }));
    let ask = |who: &str| {
        let request = Request::get("/v1/images").header("x-auth-token", format!("token-{who}"));
        let sent = world.router.clone().oneshot(request.body(Body::empty()).unwrap());
        tokio::spawn(async move { answer_of(sent.await.unwrap()).await })
    };
    let waiting: Vec<_> = (0..32).map(|_| ask("member")).collect();
    let mut lists = lists.subscribe();
    lists.wait_for(|lists| *lists == 32).await.unwrap();
    let refused = tokio::time::timeout(std::time::Duration::from_secs(20), ask("member")).await;
    let (status, said) = refused.expect("it is refused at once").unwrap();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{said}");
    assert!(said.contains("user member has 32 of 32 requests under way"), "{said}");
    let theirs = ask("other-member");
    lists.wait_for(|lists| *lists == 33).await.unwrap();
    may_go.send_replace(true);
    for asked in waiting.into_iter().chain([theirs]) {
        assert_eq!(asked.await.unwrap().0, StatusCode::OK);
    }
    assert_eq!(ask("member").await.unwrap().0, StatusCode::OK, "a place that is free is given");
}

#[tokio::test]
async fn an_unknown_token_is_asked_about_once() {
    let world = World::start().await;
    for _ in 0..20 {
        assert_eq!(rest(&world, "garbage", "/v1/servers").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.cloud.count("whose"), 1);
}

async fn try_in(world: &World, from: &str, user: &str, password: &str) -> Reply {
    let peer: SocketAddr = format!("{from}:1000").parse().unwrap();
    let body = format!("user={user}&password={password}&project=demo&to=/ui/");
    let request = Request::post("/ui/sign-in").header("content-type", "application/x-www-form-urlencoded");
    answer(world, request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn wrong_passwords_are_slowed_where_they_come_from() {
    let world = World::start().await;
    let mut asked = 0;
    let refused = loop {
        let refused = try_in(&world, "192.0.2.1", "member", WRONG_PASSWORD).await;
        if refused.status != StatusCode::UNAUTHORIZED {
            break refused;
        }
        asked += 1;
        assert!(asked < 50, "wrong passwords are passed on without end");
    };
    assert_eq!(asked, 10);
    let words = "Too many wrong passwords for user member from 192.0.2.1";
    refused_for_now(&refused, StatusCode::TOO_MANY_REQUESTS, words);
    assert_eq!(world.cloud.count("sign in"), 10, "Keystone is not asked meanwhile");
    // The right person elsewhere, and another one at the same place.
    assert_eq!(try_in(&world, "198.51.100.1", "member", "x").await.status, StatusCode::SEE_OTHER);
    assert_eq!(try_in(&world, "192.0.2.1", "member-1", "x").await.status, StatusCode::SEE_OTHER);
}
