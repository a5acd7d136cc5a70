//! Edges: HTTP/1 connections, with a bound on everything: for boot files, and for whatever else this process tells in the clear.
//!
//! What must stay true: silence shuts nobody out. A silent connection ends by its timer, and before it when its place is
//! needed ([`protocol::places`]).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use protocol::{
    pace::Pace,
    places::{Bounds, Place, Places},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Pause after a connection could not be accepted, mostly for want of files: one that ends gives its file back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How often the log tells of it.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// On what terms a listener talks.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it is called in the log.
    pub name: &'static str,
    /// How many may be connected.
    pub places: Bounds,
    /// For how long a connection may keep silent before and between requests.
    pub idle: Duration,
    /// For how long it may last: a stalled download must not hold its place for ever.
    pub duration: Duration,
}

/// What is thought of a newcomer by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomer {
    /// It has no business here.
    Foreign,
    /// Anybody: it makes room when places are short.
    Anybody,
    /// Somebody who is waited for: it keeps its place until it is done.
    Expected,
}

/// Serves until it is told to stop; what is under way is then broken off. Every request carries its client's address as an
/// extension, a [`SocketAddr`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    terms: Terms,
    judge: impl Fn(IpAddr) -> Newcomer,
    stop: CancellationToken,
) {
    let own = Arc::new(terms.clone());
    let attend = move |stream, peer| attend(stream, peer, router.clone(), Arc::clone(&own));
    let places = Places::new(terms.places);
    accept(listener, (terms.name, places), judge, attend, stop).await;
}

/// Gives each connection that finds a place to `attend` (listeners may share the places), until it is told to stop; what is under way is then broken off.
pub(crate) async fn accept<Attended: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    (name, places): (&'static str, Places),
    judge: impl Fn(IpAddr) -> Newcomer,
    attend: impl Fn(TcpStream, SocketAddr) -> Attended,
    stop: CancellationToken,
) {
    let mut failed = Pace::new(1, TOLD_EVERY);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(passed_over) = failed.next(Instant::now()) {
                    tracing::warn!(listener = name, %error, passed_over, "connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let displaced = CancellationToken::new();
        if let Some(place) = place(&places, peer, judge(peer.ip()), &displaced) {
            let attended = attend(stream, peer);
            connections.spawn(async move {
                tokio::select! {
                    () = displaced.cancelled() => tracing::debug!(%peer, "http connection made room"),
                    () = attended => {}
                }
                drop(place);
            });
        }
    }
}

fn place(places: &Places, peer: SocketAddr, who: Newcomer, displaced: &CancellationToken) -> Option<Place> {
    if who == Newcomer::Foreign {
        tracing::debug!(%peer, "http connection refused: it comes from another network");
        return None;
    }
    let displaced = displaced.clone();
    let taken = places.take(peer.ip(), Instant::now(), Box::new(move || displaced.cancel()));
    let place =
        taken.inspect_err(|reason| tracing::debug!(%peer, %reason, "http connection refused")).ok()?;
    if who == Newcomer::Expected {
        place.hold();
    }
    Some(place)
}

async fn attend(stream: TcpStream, peer: SocketAddr, router: Router, terms: Arc<Terms>) {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(terms.idle)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(terms.duration, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "http connection failed"),
        Err(_) => tracing::debug!(%peer, "http connection closed: it lasted too long"),
    }
}
