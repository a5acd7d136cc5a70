//! Edges: the listener of the agents: TLS with certificates on both sides, then gRPC over HTTP/2.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use protocol::{
    grpc::{self, agent_link_server::AgentLinkServer},
    id::RackId,
};
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};
use tower::Service as _;
use tracing::{debug, warn};

use super::{hub::AgentHub, images, stream};
use crate::{pki::certificate_is_of_rack, port::ImageSource};

/// A handshake may take this long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A silent connection is probed this often.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// And is cut off when it does not answer within this time.
const KEEPALIVE_WAIT: Duration = Duration::from_secs(10);
/// Largest message from an agent: a report with a server's whole hardware is some ten kilobytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Connections at once: one or two per rack.
const CONNECTIONS_MAX: usize = 4096;

/// The certificate that the agent showed.
#[derive(Clone)]
struct Shown(Option<CertificateDer<'static>>);

struct Service {
    hub: Arc<AgentHub>,
    images: Arc<dyn ImageSource>,
    stop: CancellationToken,
}

impl Service {
    /// An agent speaks for the rack that its certificate names, and for no other.
    fn check_rack<T>(request: &Request<T>, rack: &RackId) -> Result<(), Status> {
        let shown = request.extensions().get::<Shown>().and_then(|shown| shown.0.as_ref());
        if shown.is_some_and(|certificate| certificate_is_of_rack(certificate, rack)) {
            return Ok(());
        }
        warn!(%rack, "agent refused: its certificate is of another rack");
        Err(Status::permission_denied(format!(
            "the certificate is not of rack {rack}; issue one by bms-coordinator issue-agent --rack {rack}"
        )))
    }
}

#[tonic::async_trait]
impl grpc::agent_link_server::AgentLink for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<grpc::CoordinatorMessage, Status>> + Send>>;
    type FetchImageStream = Pin<Box<dyn Stream<Item = Result<grpc::ImageChunk, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<grpc::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (metadata, extensions, inbound) = request.into_parts();
        // The answer's head must not wait for the hello: some clients send it only after.
        let (hub, stop) = (Arc::clone(&self.hub), self.stop.clone());
        let identity = Request::from_parts(metadata, extensions, ());
        let outbound = async move {
            let greeted = stream::greet(inbound).await?;
            Service::check_rack(&identity, &greeted.hello.rack)?;
            let begun = stream::begin(hub, greeted, stop).await;
            begun.map_err(|error| Status::unavailable(error.to_string()))
        };
        let messages = futures::stream::once(outbound).flat_map(|outbound| match outbound {
            Ok(outbound) => ReceiverStream::new(outbound)
                .map(|message| Ok(grpc::CoordinatorMessage::from(message)))
                .boxed(),
            Err(status) => futures::stream::iter([Err(status)]).boxed(),
        });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn fetch_image(
        &self,
        request: Request<grpc::FetchImageRequest>,
    ) -> Result<Response<Self::FetchImageStream>, Status> {
        let chunks = images::chunks(Arc::clone(&self.images), request.into_inner()).await?;
        Ok(Response::new(Box::pin(chunks)))
    }
}

/// Serves agents until told to stop; streams that are open then end.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    hub: Arc<AgentHub>,
    images: Arc<dyn ImageSource>,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let service = AgentLinkServer::new(Service { hub, images, stop: stop.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                let connection = connection(stream, acceptor.clone(), service.clone());
                let stop = stop.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = connection => if let Err(error) = ended {
                            debug!(error = %error, "connection of an agent ended with an error");
                        }
                    }
                });
            }
            Ok((_, from)) => warn!(%from, "connection of an agent dropped: there are too many"),
            Err(error) => {
                // Out of file descriptors, most often: the next attempt may succeed when a connection has ended.
                warn!(error = %error, "connection of an agent not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: AgentLinkServer<Service>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
    let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let certificates = stream.get_ref().1.peer_certificates();
    let shown = Shown(certificates.and_then(|all| all.first()).map(|first| first.clone().into_owned()));
    let serve = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        service.clone().call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_WAIT);
    builder.serve_connection(TokioIo::new(stream), serve).await
}
