//! Edges: the connections to a virtual Redfish BMC, by HTTP or TLS, and their loss.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{Router, body::Body, response::Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::Service;

/// Serves connections until this is dropped.
pub(super) async fn accept(listener: TcpListener, service: Arc<Service>, router: Router) {
    // Connections end with the service: the set is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "virtual Redfish BMC could not accept");
                    continue;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let acceptor = service.tls.lock().expect("no holder panics").clone().map(TlsAcceptor::from);
        let (service, router, asked) = (Arc::clone(&service), router.clone(), AtomicU64::new(0));
        let service = hyper::service::service_fn(move |request| {
            let is_again = asked.fetch_add(1, Ordering::Relaxed) > 0;
            answer_or_cut(Arc::clone(&service), router.clone(), is_again, request)
        });
        connections.spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let served = match acceptor {
                None => builder.serve_connection(TokioIo::new(stream), service).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                    Err(error) => {
                        debug!(%error, "TLS handshake failed");
                        return;
                    }
                },
            };
            if let Err(error) = served {
                debug!(error, "connection to the virtual Redfish BMC ended");
            }
        });
    }
}

/// Why a connection is closed without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the virtual BMC closes the connection")]
struct Cut;

/// Answers one request, if the faults let its connection live.
async fn answer_or_cut(
    service: Arc<Service>,
    router: Router,
    is_again: bool,
    request: hyper::Request<Incoming>,
) -> Result<Response, Cut> {
    if service.cuts(is_again) {
        return Err(Cut);
    }
    router.oneshot(request.map(Body::new)).await.map_err(|error| match error {})
}
