//! Edges: an image's bytes on their way from the image service to an agent's cache.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use protocol::grpc;
use tokio::time::{Instant, sleep};
use tonic::Status;
use tracing::debug;

use crate::port::{ImageError, ImageSource, ImageStream};

/// Largest piece of one message.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// How long an image service that is away is waited for, and how often it is asked meanwhile.
struct Patience {
    wait_max: Duration,
    pause: Duration,
}

/// An agent asks a few times before its step fails, so that all in all it waits for some minutes.
const PATIENCE: Patience = Patience { wait_max: Duration::from_secs(30), pause: Duration::from_secs(1) };

/// The image's bytes, waited for while the image service is away.
async fn open(
    images: &dyn ImageSource,
    request: &grpc::FetchImageRequest,
    patience: Patience,
) -> Result<ImageStream, ImageError> {
    let began = Instant::now();
    loop {
        match images.open(&request.id, request.offset).await {
            Err(error) if error.is_away && began.elapsed() < patience.wait_max => {
                debug!(image = request.id, %error, "image is waited for");
                sleep(patience.pause).await;
            }
            opened => return opened,
        }
    }
}

/// The image's bytes from the offset on, in pieces.
pub(super) async fn chunks(
    images: Arc<dyn ImageSource>,
    request: grpc::FetchImageRequest,
) -> Result<impl Stream<Item = Result<grpc::ImageChunk, Status>> + Send + 'static, Status> {
    let bytes = open(&*images, &request, PATIENCE).await;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// An image service that does not answer the first questions.
    struct Away {
        answers_from: usize,
        is_there: bool,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl ImageSource for Away {
        async fn open(&self, id: &str, _: u64) -> Result<ImageStream, ImageError> {
            let is_away = self.asked.fetch_add(1, Ordering::SeqCst) < self.answers_from;
            match self.is_there && !is_away {
                true => Ok(futures::stream::empty().boxed()),
                false => Err(ImageError { id: id.to_owned(), reason: "no".to_owned(), is_away }),
            }
        }
    }

    #[tokio::test]
    async fn bytes_are_waited_for_while_the_image_service_is_away_and_no_longer() {
        let check = async |answers_from, is_there, wait_max, is_opened: bool, asked: usize| {
            let images = Away { answers_from, is_there, asked: AtomicUsize::new(0) };
            let request = grpc::FetchImageRequest { id: "demo".to_owned(), offset: 0 };
            let opened = open(&images, &request, Patience { wait_max, pause: Duration::ZERO }).await;
            assert_eq!(opened.is_ok(), is_opened, "{answers_from}");
            assert_eq!(images.asked.load(Ordering::SeqCst), asked, "{answers_from}");
        };
        check(0, true, PATIENCE.wait_max, true, 1).await;
        check(20, true, PATIENCE.wait_max, true, 21).await;
        check(20, true, Duration::ZERO, false, 1).await;
        // What is not there does not come by waiting.
        check(0, false, PATIENCE.wait_max, false, 1).await;
    }
}
