//! Values: Glance as the agents' image caches are fed from it, as a trait.

use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;

/// Why an image's bytes do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("image {id} cannot be read from the image service: {reason}")]
pub struct ImageError {
    /// Which image.
    pub id: String,
    /// What happened.
    pub reason: String,
    /// Whether the image service did not answer: asking again may help.
    pub is_away: bool,
}

/// An image's bytes as they come, or the reason why they stop.
pub type ImageStream = Pin<Box<dyn Stream<Item = Result<bytes::Bytes, ImageError>> + Send>>;

/// Glance, as the agents' image caches are fed from it.
#[async_trait]
pub trait ImageSource: Send + Sync {
    /// The file's bytes from `offset` to the end.
    async fn open(&self, id: &str, offset: u64) -> Result<ImageStream, ImageError>;
}
