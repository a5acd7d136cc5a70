//! Edges: image files from the coordinator. Each download has a connection of its own, so that gigabytes never stand in
//! front of a command.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use protocol::{error_chain::chain, grpc as wire};

use super::client::{CHUNK_BYTES_MAX, UplinkConfig, dial};
use crate::image::{ImageStream, Upstream, UpstreamError};

/// The coordinator as the place where image files come from.
#[derive(Debug)]
pub struct CoordinatorImages {
    config: Arc<UplinkConfig>,
}

impl CoordinatorImages {
    /// Downloads over connections made by this configuration.
    pub fn new(config: Arc<UplinkConfig>) -> Self {
        Self { config }
    }
}

#[async_trait]
impl Upstream for CoordinatorImages {
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        let failed = |reason: String| UpstreamError { reason };
        let channel = dial(&self.config).await.map_err(|error| failed(chain(&error)))?;
        let mut client =
            wire::agent_link_client::AgentLinkClient::new(channel).max_decoding_message_size(CHUNK_BYTES_MAX);
        let request = wire::FetchImageRequest { id: id.to_owned(), offset };
        let chunks =
            client.fetch_image(request).await.map_err(|status| failed(status.message().to_owned()))?;
        let bytes = chunks.into_inner().map(|chunk| {
            chunk.map(|chunk| Bytes::from(chunk.data)).map_err(|status| UpstreamError {
                reason: format!("the download was interrupted: {}", status.message()),
            })
        });
        Ok(Box::pin(bytes))
    }
}
