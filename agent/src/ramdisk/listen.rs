//! Edges: the listeners for ramdisks: connections from their first byte until they are handed to a session.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use protocol::network::BootNetwork;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{Connection, Greeting},
    control::Shared,
    session::Arrival,
};

/// Longest time from an accepted connection to a valid hello.
const HELLO_WAIT: Duration = Duration::from_secs(30);
/// Pause after a failed accept (usually: no more file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Takes connections of one network until the agent stops.
pub(super) async fn accept(
    shared: Arc<Shared>,
    network: BootNetwork,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    places: Arc<Semaphore>,
) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, network = network.as_str(), "accepting a ramdisk failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, network = network.as_str(), "too many ramdisk connections, one was refused");
            continue;
        };
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        shared.tasks.clone().spawn(async move {
            greet(&shared, network, stream, peer, acceptor, place).await;
        });
    }
}

/// One connection until it is handed to its session.
async fn greet(
    shared: &Arc<Shared>,
    network: BootNetwork,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    place: OwnedSemaphorePermit,
) {
    let greeting = async {
        let mut connection = Connection::accept(stream, acceptor, place).await?;
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
        Err(reason) => {
            tracing::warn!(%peer, network = network.as_str(), reason, "connection was no ramdisk's");
            return;
        }
    };
    let (let_in, hardware, last) = match greeting {
        Greeting::Hello { token, hardware } => (shared.let_in(&token, network), hardware, None),
        Greeting::Resume { session, secret, hardware, last } => {
            (shared.let_in_again(session, &secret, network), hardware, last)
        }
    };
    match let_in {
        // A session that has ended meanwhile lets the connection fall; the ramdisk hears why when it comes again.
        Ok((arrivals, answer)) => {
            let _ = arrivals.send(Arrival { connection, answer, hardware, last }).await;
        }
        Err(reason) => {
            tracing::warn!(%peer, network = network.as_str(), reason, "ramdisk refused");
            connection.refuse(reason).await;
        }
    }
}
