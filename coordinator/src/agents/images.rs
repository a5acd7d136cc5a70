//! Edges: an image's bytes on their way from the image service to an agent's cache.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use protocol::grpc;
use tonic::Status;

use crate::port::ImageSource;

/// Largest piece of one message.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// The image's bytes from the offset on, in pieces.
pub(super) async fn chunks(
    images: Arc<dyn ImageSource>,
    request: grpc::FetchImageRequest,
) -> Result<impl Stream<Item = Result<grpc::ImageChunk, Status>> + Send + 'static, Status> {
    let bytes = images.open(&request.id, request.offset).await;
    let bytes = bytes.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(bytes.flat_map(|piece| {
        let pieces = match piece {
            Ok(mut piece) => {
                let mut pieces = Vec::with_capacity(piece.len() / CHUNK_BYTES_MAX + 1);
                while !piece.is_empty() {
                    let part = piece.split_to(piece.len().min(CHUNK_BYTES_MAX));
                    pieces.push(Ok(grpc::ImageChunk { data: part.to_vec() }));
                }
                pieces
            }
            Err(error) => vec![Err(Status::unavailable(error.to_string()))],
        };
        futures::stream::iter(pieces)
    }))
}
