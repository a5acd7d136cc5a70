//! Edges: the one TLS listener on which Ironic finds both facades, the Redfish systems and the ramdisks.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::{ramdisk_api::RamdiskApi, redfish::RedfishFacade};

/// Connections at once. Ironic opens one for each Redfish request and closes it again.
pub const CONNECTIONS_MAX: usize = 2048;
/// Longest TLS handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Longest time for the head of a request.
pub const HEAD_MAX: Duration = Duration::from_secs(30);
/// Longest time that requests under way are waited for at the end.
pub const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// Both facades as one service: `/ramdisk/...`, and Redfish for everything else.
pub fn router(redfish: &Arc<RedfishFacade>, ramdisk: &RamdiskApi) -> Router {
    redfish.router().merge(ramdisk.router())
}

/// Serves until told to stop. The TLS configuration holds the certificate that the coordinator's CA made.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.expect("the semaphore is never closed"),
            () = stop.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most often: the next attempt may succeed when a connection has ended.
                    warn!(%error, "connection to the facades could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            // Answers are small and often the last thing on a connection: Nagle's delay would only cost time.
            let _ = stream.set_nodelay(true);
            let stream = match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return debug!(%error, "tls handshake on the facades failed"),
                Err(_) => return debug!("tls handshake on the facades took too long"),
            };
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
            // Who tries passwords is slowed where they come from.
            let router = router.map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
            let connection =
                builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                debug!(%error, "connection to the facades ended with an error");
            }
        });
    }
    if timeout(FAREWELL_MAX, graceful.shutdown()).await.is_err() {
        warn!("requests to the facades were cut off at the end");
    }
    Ok(())
}
