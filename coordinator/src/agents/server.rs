//! Edges: what the agents find on their listener: gRPC, for the rack that the certificate of the connection names.

use std::{pin::Pin, sync::Arc};

use axum::Router;
use futures::{Stream, StreamExt};
use protocol::{
    grpc::{self, agent_link_server::AgentLinkServer},
    id::RackId,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, server::NamedService};
use tracing::warn;

use super::{hub::AgentHub, images, stream};
use crate::{listen::Shown, pki::certificate_is_of_rack, port::ImageSource};

/// Largest message from an agent: a report with a server's whole hardware is some ten kilobytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

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

/// What agents find on their listener, which wants TLS with certificates on both sides. Streams that are open end with
/// `stop`.
pub fn router(hub: Arc<AgentHub>, images: Arc<dyn ImageSource>, stop: CancellationToken) -> Router {
    let service =
        AgentLinkServer::new(Service { hub, images, stop }).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Router::new().route_service(&format!("/{}/{{method}}", AgentLinkServer::<Service>::NAME), service)
}
