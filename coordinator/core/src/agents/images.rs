//! Edges: an image's bytes on their way from the image service to an agent's cache.

use std::{sync::Arc, time::Duration};

use domain::rim::{ImageError, ImageSource, ImageStream};
use futures::{Stream, StreamExt};
use protocol::{grpc, id::RackId};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};
use tonic::Status;
use tracing::{debug, warn};

use super::hub::AgentHub;

/// Largest piece of one message.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Images on their way to one rack at once; a request beyond waits for its turn.
pub const IMAGES_PER_RACK_MAX: usize = 16;

/// How long an image service that is away is waited for, and how often it is asked meanwhile.
struct Patience {
    wait_max: Duration,
    pause: Duration,
}

/// Pause before it is looked again whether a step names an image.
const WANTED_PAUSE: Duration = Duration::from_millis(200);

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

impl AgentHub {
    /// Lets an agent have an image: only one that a step under way in its rack names, and only so many at once.
    pub(super) async fn permit_image(
        &self,
        rack: &RackId,
        image: &str,
    ) -> Result<OwnedSemaphorePermit, Status> {
        let began = Instant::now();
        while !self.is_image_wanted(rack, image) {
            if began.elapsed() >= self.image_wait {
                warn!(%rack, image, "image refused: no step under way in the rack names it");
                return Err(Status::not_found(format!(
                    "no step under way in rack {rack} names image {image}"
                )));
            }
            sleep(WANTED_PAUSE).await;
        }
        let places = self.image_places(rack).acquire_owned();
        match tokio::time::timeout(PATIENCE.wait_max, places).await {
            // Nobody closes the places.
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                warn!(%rack, image, "image refused: too many are on their way to the rack");
                Err(Status::resource_exhausted(format!(
                    "{IMAGES_PER_RACK_MAX} images are on their way to rack {rack}; try again when one has arrived"
                )))
            }
        }
    }
}

/// The image's bytes from the offset on, in pieces. The place is kept until the last of them was taken.
pub(super) async fn chunks(
    images: Arc<dyn ImageSource>,
    request: grpc::FetchImageRequest,
    place: OwnedSemaphorePermit,
) -> Result<impl Stream<Item = Result<grpc::ImageChunk, Status>> + Send + 'static, Status> {
    let bytes = open(&*images, &request, PATIENCE).await;
    let bytes = bytes.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(bytes.flat_map(move |piece| {
        let _held = &place;
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
