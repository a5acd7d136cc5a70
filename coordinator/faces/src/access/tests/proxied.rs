//! Edges: callers behind a proxy: each is told apart from the others there, and nobody elsewhere is believed.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use domain::audit::AuditFilter;
use fakes::cloud::WRONG_PASSWORD;
use listen;
use listen::hops::{ForwardedBy, Proxies, network};

use super::world::World;

/// The pages behind a proxy.
async fn world() -> World {
    let mut world = World::start().await;
    let proxies = Proxies::new(vec![network("192.0.2.10").unwrap()], ForwardedBy::XForwardedFor);
    world.router = listen::behind(world.router.clone(), proxies);
    world
}

/// Tries to sign in with a wrong password; gives the status, and the address that was written down.
async fn try_in(world: &World, peer: &str, forwarded: &str) -> (StatusCode, Option<String>) {
    let peer: SocketAddr = format!("{peer}:1000").parse().unwrap();
    let body = format!("user=member&password={WRONG_PASSWORD}&project=demo&to=/ui/");
    let request = Request::post("/ui/sign-in").header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("x-forwarded-for", forwarded).extension(ConnectInfo(peer));
    let (status, ..) = world.send(request.body(Body::from(body)).unwrap()).await;
    let rows = world.inventory.audit(&AuditFilter::default()).await.unwrap();
    (status, rows.last().and_then(|row| row.what.source).map(|source| source.to_string()))
}

/// Tries until it is slowed; gives how many tries that took, and the last address that was written down.
async fn until_slowed(world: &World, peer: &str, forwarded: &str) -> (usize, Option<String>) {
    for tries in 0..100 {
        let (status, source) = try_in(world, peer, forwarded).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return (tries, source);
        }
    }
    panic!("wrong passwords are passed on without end")
}

#[tokio::test]
async fn callers_behind_a_named_proxy_are_told_apart() {
    let world = world().await;
    // Whatever the caller writes itself stands before what the proxy adds.
    let (tries, source) = until_slowed(&world, "192.0.2.10", "127.0.0.1, 198.51.100.1").await;
    assert_eq!((tries, source.as_deref()), (10, Some("198.51.100.1")));
    let (status, source) = try_in(&world, "192.0.2.10", "198.51.100.1, 198.51.100.2").await;
    assert_eq!((status, source.as_deref()), (StatusCode::UNAUTHORIZED, Some("198.51.100.2")));
}

#[tokio::test]
async fn who_is_no_named_proxy_claims_no_other_address() {
    let world = world().await;
    let (mut tries, mut sources) = (0, Vec::new());
    for last in 0..100 {
        let (status, source) = try_in(&world, "203.0.113.9", &format!("198.51.100.{last}")).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        tries += 1;
        sources.extend(source);
    }
    sources.dedup();
    assert_eq!((tries, sources), (10, vec!["203.0.113.9".to_owned()]));
}
