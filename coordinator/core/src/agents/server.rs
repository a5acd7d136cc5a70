//! Edges: what the agents find on their listener: gRPC, for the rack that the certificate of the connection names.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use axum::{Router, extract::ConnectInfo};
use domain::{certificate::Fingerprint, rim::ImageSource};
use futures::{Stream, StreamExt};
use listen;
use protocol::grpc::{self, agent_link_server::AgentLinkServer};
use rustls_pki_types::CertificateDer;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, server::NamedService};

use super::{
    arrival::Peer, consoles, entry::Shown, hub::AgentHub, image_cache, images, renewal::Issuer, stream,
    tunnels,
};

/// Largest message from an agent: a report with a server's whole hardware is some ten kilobytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

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
    let extensions = request.extensions();
    let certificate = extensions.get::<listen::Shown>().and_then(|shown| shown.0.clone());
    let from = extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip().to_canonical());
    let (Some(certificate), Some(address)) = (certificate, from) else {
        return Err(Status::unauthenticated("the connection showed no certificate"));
    };
    let fingerprint = Fingerprint::of(&certificate);
    Ok(Shown { certificate, peer: Peer { address, fingerprint } })
}

#[tonic::async_trait]
impl grpc::agent_link_server::AgentLink for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<grpc::CoordinatorMessage, Status>> + Send>>;
    type ConsoleStream = Pin<Box<dyn Stream<Item = Result<grpc::ConsoleDown, Status>> + Send>>;
    type FetchImageStream = Pin<Box<dyn Stream<Item = Result<grpc::ImageChunk, Status>> + Send>>;
    type TunnelStream = Pin<Box<dyn Stream<Item = Result<grpc::TunnelDown, Status>> + Send>>;

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

    async fn console(
        &self,
        request: Request<Streaming<grpc::ConsoleUp>>,
    ) -> Result<Response<Self::ConsoleStream>, Status> {
        let rack = self.hub.rack_of(&shown(&request)?).await?;
        // The answer's head must not wait for the hello: some clients send it only after.
        let arrival = consoles::arrive(Arc::clone(&self.hub), rack, request.into_inner());
        let messages = futures::stream::once(arrival).flat_map(|arrived| match arrived {
            Ok(said) => ReceiverStream::new(said).map(|what| Ok(grpc::ConsoleDown::from(what))).boxed(),
            Err(status) => futures::stream::iter([Err(status)]).boxed(),
        });
        Ok(Response::new(Box::pin(messages.take_until(self.stop.clone().cancelled_owned()))))
    }

    async fn tunnel(
        &self,
        request: Request<Streaming<grpc::TunnelUp>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        let rack = self.hub.rack_of(&shown(&request)?).await?;
        // The answer's head must not wait for the hello: some clients send it only after.
        let arrival = tunnels::arrive(Arc::clone(&self.hub), rack, request.into_inner());
        let messages = futures::stream::once(arrival).flat_map(|arrived| match arrived {
            Ok(said) => ReceiverStream::new(said).map(|what| Ok(grpc::TunnelDown::from(what))).boxed(),
            Err(status) => futures::stream::iter([Err(status)]).boxed(),
        });
        Ok(Response::new(Box::pin(messages.take_until(self.stop.clone().cancelled_owned()))))
    }

    async fn answer_cache(
        &self,
        request: Request<grpc::CacheAnswer>,
    ) -> Result<Response<grpc::CacheHeard>, Status> {
        let rack = self.hub.rack_of(&shown(&request)?).await?;
        image_cache::arrive(&self.hub, &rack, request.into_inner()).map(Response::new)
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

/// What agents find on their listener, which wants TLS with certificates on both sides. Streams that are open end with the
/// service's `stop`.
pub fn router(service: Service) -> Router {
    let service = AgentLinkServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Router::new().route_service(&format!("/{}/{{method}}", AgentLinkServer::<Service>::NAME), service)
}

/// Ends a connection on that listener when the certificate that it showed opens nothing any more.
pub fn until_void(hub: Arc<AgentHub>) -> listen::Until {
    Arc::new(move |certificate: &CertificateDer<'static>| {
        let (hub, fingerprint) = (Arc::clone(&hub), Fingerprint::of(certificate));
        Box::pin(async move { hub.until_void(&fingerprint).await })
    })
}
