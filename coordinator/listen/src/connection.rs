//! Edges: one connection from its first byte to its end.

use std::{net::SocketAddr, pin::pin, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo};
use futures::{FutureExt, future::BoxFuture};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::warn;

use super::{
    FAREWELL_MAX,
    body::{AnswerBody, RequestBody},
    conversation::Overdue,
    line::Line,
    terms::Timers,
};

/// The certificate that a client showed, in every request of its connection.
#[derive(Clone)]
pub struct Shown(pub Option<CertificateDer<'static>>);

/// Waits until a certificate opens nothing any more, and says why.
pub type Until = Arc<dyn Fn(&CertificateDer<'static>) -> BoxFuture<'static, String> + Send + Sync>;

/// What the connections of one listener share.
pub(super) struct Shared {
    pub(super) until: Option<Until>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) router: Router,
    pub(super) timers: Timers,
    pub(super) stop: CancellationToken,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves a connection until its client, one of its timers, or the program ends it.
pub(super) async fn serve(
    shared: &Shared,
    stream: TcpStream,
    peer: SocketAddr,
    line: &Arc<Line>,
) -> Result<(), Failed> {
    // Answers are small and often the last thing on a connection: Nagle's delay would only cost time.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = &shared.tls else {
        return converse(shared, stream, peer, Shown(None), line).await;
    };
    let stream = tokio::select! {
        stream = acceptor.accept(stream) => stream?,
        overdue = line.overdue(&shared.timers) => return Err(overdue.to_string().into()),
        () = shared.stop.cancelled() => return Ok(()),
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let shown = Shown(certificates.and_then(|all| all.first()).map(|first| first.clone().into_owned()));
    let Some(certificate) = &shown.0 else {
        return converse(shared, stream, peer, shown, line).await;
    };
    line.certified();
    let void = shared.until.as_ref().map(|until| until(certificate));
    let void = void.unwrap_or_else(|| std::future::pending().boxed());
    tokio::select! {
        ended = converse(shared, stream, peer, shown, line) => ended,
        reason = void => {
            warn!(%peer, reason, "connection cut off");
            Ok(())
        }
    }
}

/// Requests and answers until the end.
async fn converse(
    shared: &Shared,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    shown: Shown,
    line: &Arc<Line>,
) -> Result<(), Failed> {
    let Shared { router, timers, stop, .. } = shared;
    let service = service_fn(|request: Request<Incoming>| {
        let mut router = router.clone();
        let (exchange, shown) = (line.head(), shown.clone());
        let mut request =
            request.map(|body| Body::new(RequestBody::new(body, exchange.request(), timers.body)));
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(shown);
        async move {
            let answer = router.call(request).await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| AnswerBody::new(body, exchange)))
        }
    });
    let builder = builder(timers);
    // A connection that becomes a WebSocket is its handler's from then on, which bounds it.
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        overdue = line.overdue(timers) => match overdue {
            // It is told, so that a client that is about to ask again asks elsewhere.
            Overdue::Idle => {}
            Overdue::FirstHead | Overdue::Stall => return Err(overdue.to_string().into()),
        },
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(FAREWELL_MAX, connection).await.unwrap_or_else(|_| Err("it was cut off at the end".into()))
}

fn builder(timers: &Timers) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(timers.head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(timers.keep_alive_every)
        .keep_alive_timeout(timers.keep_alive_wait);
    builder
}
