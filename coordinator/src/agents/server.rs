//! Edges: the listener of the agents: TLS with certificates on both sides, then gRPC over HTTP/2.

use std::{io, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use protocol::grpc::{self, agent_link_server::AgentLinkServer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};
use tower::Service as _;
use tracing::{debug, warn};

use super::{arrival::Peer, entry::Shown, hub::AgentHub, images, renewal::Issuer, stream};
use crate::{pki::Fingerprint, port::ImageSource};

/// A handshake may take this long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Largest message from an agent: a report with a server's whole hardware is some ten kilobytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Connections at once: one or two per rack.
const CONNECTIONS_MAX: usize = 4096;

/// What agents are served by.
#[derive(Clone)]
pub struct Service {
    /// Who is connected.
    pub hub: Arc<AgentHub>,
    /// Where images come from.
    pub images: Arc<dyn ImageSource>,
    /// Who signs their certificates.
    pub issuer: Arc<Issuer>,
    /// Ends their streams.
    pub stop: CancellationToken,
}

/// What the connection showed; every connection shows a certificate, or its handshake fails.
fn shown<T>(request: &Request<T>) -> Result<Shown, Status> {
    let shown = request.extensions().get::<Shown>();
    shown.cloned().ok_or_else(|| Status::unauthenticated("the connection showed no certificate"))
}

#[tonic::async_trait]
impl grpc::agent_link_server::AgentLink for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<grpc::CoordinatorMessage, Status>> + Send>>;
    type FetchImageStream = Pin<Box<dyn Stream<Item = Result<grpc::ImageChunk, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<grpc::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let shown = shown(&request)?;
        let inbound = request.into_inner();
        // The answer's head must not wait for the hello: some clients send it only after.
        let service = self.clone();
        let outbound = async move {
            let greeted = stream::greet(inbound).await?;
            let certificate = service.hub.admit(&shown, &greeted.hello.rack).await?;
            let admitted = stream::Admitted { peer: shown.peer, certificate, issuer: service.issuer };
            stream::begin(service.hub, greeted, admitted, service.stop).await
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
        let rack = self.hub.rack_of(&shown(&request)?).await?;
        let request = request.into_inner();
        let place = self.hub.permit_image(&rack, &request.id).await?;
        let chunks = images::chunks(Arc::clone(&self.images), request, place).await?;
        Ok(Response::new(Box::pin(chunks)))
    }
}

/// Serves agents until told to stop; streams that are open then end.
pub async fn serve(listener: TcpListener, tls: Arc<rustls::ServerConfig>, service: Service) {
    let acceptor = TlsAcceptor::from(tls);
    let (stop, hub) = (service.stop.clone(), Arc::clone(&service.hub));
    let service = AgentLinkServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) if connections.len() < CONNECTIONS_MAX => {
                let connection =
                    connection(stream, from.ip(), acceptor.clone(), service.clone(), Arc::clone(&hub));
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
    from: IpAddr,
    acceptor: TlsAcceptor,
    service: AgentLinkServer<Service>,
    hub: Arc<AgentHub>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
    let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate =
        certificates.and_then(|all| all.first()).ok_or("the handshake showed no certificate")?;
    let certificate = certificate.clone().into_owned();
    let fingerprint = Fingerprint::of(&certificate);
    let shown = Shown { certificate, peer: Peer { address: from.to_canonical(), fingerprint } };
    let serve = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        service.clone().call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(hub.keep_alive)
        .keep_alive_timeout(hub.keep_alive);
    tokio::select! {
        served = builder.serve_connection(TokioIo::new(stream), serve) => served,
        reason = hub.until_void(&fingerprint) => {
            warn!(%from, reason, "connection of an agent cut off");
            Ok(())
        }
    }
}
