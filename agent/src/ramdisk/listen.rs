//! Edges: the listeners for ramdisks: connections from their first byte until they are handed to a session.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use protocol::{
    network::BootNetwork,
    pace::Pace,
    places::{Bounds, Place, Places},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{config::Listener, connection::Connection, control::Shared, session::Arrival, words::Greeting};

/// Connections at once on one boot network; one rack has fewer servers. Each network has its own, so that what happens on
/// one keeps no ramdisk of another out.
pub const PLACES: usize = 256;
/// Connections at once of one address: a ramdisk has one, and a lost one is noticed only after a while.
const PLACES_OF_PEER: usize = 4;
/// Longest time from an accepted connection to a valid hello. A ramdisk knows what it will say before it dials.
const HELLO_WAIT: Duration = Duration::from_secs(5);
/// Pause after a failed accept (usually: no more file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Lines at once about those who are no ramdisk, and one in each [`LINE_EVERY`] from then on.
const LINES_BURST: u32 = 20;
/// Anybody on the segment can cause such a line.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Takes connections of one network until the agent stops.
pub(super) async fn accept(
    shared: Arc<Shared>,
    place: Listener,
    listener: TcpListener,
    acceptor: TlsAcceptor,
) {
    let bounds = Bounds { total: PLACES, per_peer: PLACES_OF_PEER, trusted: Vec::new() };
    let lines = Mutex::new(Pace::new(LINES_BURST, LINE_EVERY));
    let admission =
        Arc::new(Admission { network: place.network, places: Places::new(bounds), acceptor, lines });
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                admission.tell(None, &format!("it could not be accepted: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !pxe::is_neighbour(peer.ip(), *place.address.ip(), place.prefix_len) {
            admission.tell(Some(peer), "it comes from another network");
            continue;
        }
        let displaced = CancellationToken::new();
        let make_room = displaced.clone();
        match admission.places.take(peer.ip(), Instant::now(), Box::new(move || make_room.cancel())) {
            Ok(place) => {
                let (shared, admission) = (Arc::clone(&shared), Arc::clone(&admission));
                shared.tasks.clone().spawn(async move {
                    tokio::select! {
                        () = displaced.cancelled() => admission.tell(Some(peer), "it made room for another one"),
                        () = greet(&shared, &admission, stream, peer, place) => {}
                    }
                });
            }
            Err(reason) => admission.tell(Some(peer), &reason.to_string()),
        }
    }
}

/// Who comes in on one network, and what is told of those who do not.
struct Admission {
    network: BootNetwork,
    places: Places,
    acceptor: TlsAcceptor,
    lines: Mutex<Pace>,
}

impl Admission {
    /// Tells of a connection that was no ramdisk's, as often as is good for a log.
    fn tell(&self, peer: Option<SocketAddr>, reason: &str) {
        let said = self.lines.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        if let Some(passed_over) = said {
            let (peer, network) = (peer.map(tracing::field::display), self.network.as_str());
            tracing::warn!(peer, network, reason, passed_over, "connection was no ramdisk's");
        }
    }
}

/// One connection until it is handed to its session.
async fn greet(
    shared: &Arc<Shared>,
    admission: &Admission,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) {
    let network = admission.network;
    let greeting = async {
        let mut connection = Connection::accept(stream, admission.acceptor.clone(), place).await?;
        let greeting = connection.greeting().await?;
        Ok::<_, String>((connection, greeting))
    };
    let greeting = tokio::select! {
        () = shared.stop.cancelled() => return,
        greeting = tokio::time::timeout(HELLO_WAIT, greeting) => {
            greeting.unwrap_or_else(|_| Err("said no hello in time".into()))
        }
    };
    let (mut connection, greeting) = match greeting {
        Ok(greeting) => greeting,
        Err(reason) => return admission.tell(Some(peer), &reason),
    };
    let (let_in, hardware, last) = match greeting {
        Greeting::Hello { token, hardware } => (shared.let_in(&token, network, peer.ip()), hardware, None),
        Greeting::Resume { session, secret, hardware, last } => {
            (shared.let_in_again(session, &secret, network, peer.ip()), hardware, last)
        }
    };
    match let_in {
        // A session that has ended meanwhile lets the connection fall; the ramdisk hears why when it comes again.
        Ok((arrivals, answer)) => {
            connection.keep_place();
            let _ = arrivals.send(Arrival { connection, answer, hardware, last }).await;
        }
        Err(reason) => {
            admission.tell(Some(peer), &reason);
            connection.refuse(reason).await;
        }
    }
}
