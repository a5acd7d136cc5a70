//! Edges: the one way in which this program listens: for Ironic, for agents, for tenants and for Prometheus.
//!
//! ```text
//!   accept --> [a place?] --> TLS --> head --> body --> the router's work --> answer --> next head ...
//!                 |            `-- first_head --'  `- BodyPace     `----- stall -----'    `- head, idle
//!                 `-- no: whoever is silent or slow makes room; when nobody is, the newcomer is dropped
//! ```
//!
//! What must stay true: silence and slowness shut nobody out. Whoever has a whole request that is worked on keeps its
//! place; everybody else keeps it only as long as nobody needs it, and no longer than the timers say. Every listener has
//! places of its own, and one peer has a share of them only ([`protocol::places`]).

mod body;
mod connection;
mod conversation;
pub mod hops;
mod line;
mod proxied;
pub mod terms;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
pub use connection::{Shown, Until};
use protocol::{
    pace::Pace,
    places::{Place, Places},
};
pub use proxied::behind;
pub use terms::Terms;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use self::{connection::Shared, line::Line};

/// Longest time that requests under way are waited for at the end.
pub const FAREWELL_MAX: Duration = Duration::from_secs(5);
/// First rest after a connection could not be accepted; it doubles with each further failure.
const REST_MIN: Duration = Duration::from_millis(50);
/// And does not become longer than this.
const REST_MAX: Duration = Duration::from_secs(2);
/// How often the log tells that connections are refused or cannot be accepted.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Serves until told to stop; requests under way are then waited for. Without `tls`: in the clear. Every request carries its
/// client's address ([`axum::extract::ConnectInfo`]) and the certificate that it showed ([`Shown`]).
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) {
    serve_until(listener, tls, router, terms, None, stop).await;
}

/// The same, where a client's certificate says how long its connection lasts.
pub async fn serve_until(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    terms: Terms,
    until: Option<Until>,
    stop: CancellationToken,
) {
    let Terms { name, places, timers } = terms;
    let tls = tls.map(TlsAcceptor::from);
    let shared = Arc::new(Shared { tls, router, timers, until, stop: stop.clone() });
    let mut admission =
        Admission { name, places: Places::new(places), refused: pace(), failed: pace(), rest: REST_MIN };
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                admission.rest_after(&error).await;
                continue;
            }
        };
        admission.rest = REST_MIN;
        let displaced = CancellationToken::new();
        if let Some(place) = admission.place(peer, &displaced) {
            connections.spawn(attend(Arc::clone(&shared), stream, peer, place, displaced));
        }
    }
    connections.close();
    if timeout(FAREWELL_MAX, connections.wait()).await.is_err() {
        warn!(listener = name, "requests were cut off at the end");
    }
}

async fn attend(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    displaced: CancellationToken,
) {
    let line = Line::new(place);
    tokio::select! {
        () = displaced.cancelled() => debug!(%peer, "connection made room for another one"),
        ended = connection::serve(&shared, stream, peer, &line) => if let Err(error) = ended {
            debug!(%peer, error, "connection ended early");
        },
    }
}

/// Who comes in, and what is told of those who do not.
struct Admission {
    name: &'static str,
    places: Places,
    refused: Pace,
    failed: Pace,
    rest: Duration,
}

fn pace() -> Pace {
    Pace::new(1, TOLD_EVERY)
}

impl Admission {
    fn place(&mut self, peer: SocketAddr, displaced: &CancellationToken) -> Option<Place> {
        let (now, displaced) = (Instant::now(), displaced.clone());
        match self.places.take(peer.ip(), now, Box::new(move || displaced.cancel())) {
            Ok(place) => Some(place),
            Err(reason) => {
                if let Some(passed_over) = self.refused.next(now) {
                    warn!(listener = self.name, %peer, %reason, passed_over, "connection refused");
                }
                None
            }
        }
    }

    /// Out of files, most often: the next attempt may succeed when a connection has ended.
    async fn rest_after(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            // Its client's own business, and nothing of ours is short.
            return;
        }
        if let Some(passed_over) = self.failed.next(Instant::now()) {
            warn!(listener = self.name, %error, passed_over, "connection could not be accepted");
        }
        tokio::time::sleep(self.rest).await;
        self.rest = self.rest.saturating_mul(2).min(REST_MAX);
    }
}
