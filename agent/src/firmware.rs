//! Edges: new firmware on its way to a BMC: fetched from the coordinator and sent, or offered to a BMC that only fetches, or fetched by the BMC
//! from an address of the site's. Polls of the BMC go on beside it.
//!
//! What must stay true: an order is given to a BMC once. That it is begun is on the disk before the BMC is told (see
//! [`crate::rack`]), so that an agent that was killed in the middle answers that nobody knows, and does not begin again.

mod offer;

use std::{sync::Arc, time::Duration};

use protocol::{
    command::{Failure, FailureKind, Success},
    step::{ImageFormat, ImageRef},
    update::{FirmwareImage, FirmwareUpdate},
};

use crate::{
    bmc::{Bmc, BmcError, RedfishBmc, Update},
    image::Cache,
};

/// Longest time from the command until the BMC has the whole image: to fetch it, and to send it by a slow management network.
pub const GIVE_MAX: Duration = Duration::from_secs(40 * 60);
/// Longest look at what became of an update.
pub const LOOK_MAX: Duration = Duration::from_secs(140);

/// Gives firmware to BMCs.
pub struct Updater {
    images: Arc<Cache>,
}

impl Updater {
    /// One that takes its files from this cache.
    pub fn new(images: Arc<Cache>) -> Self {
        Self { images }
    }

    /// Gives it to the BMC. Without an answer of the BMC's the failure is [`FailureKind::MaybeDone`].
    pub async fn give(&self, bmc: &dyn Bmc, update: &FirmwareUpdate) -> Result<Success, Failure> {
        let given = tokio::time::timeout(GIVE_MAX, self.give_to(by_redfish(bmc)?, update)).await;
        given.unwrap_or_else(|_| {
            let minutes = GIVE_MAX.as_secs() / 60;
            Err(maybe_done(format!("the image was not sent to the BMC within {minutes} min")))
        })
    }

    async fn give_to(&self, bmc: &RedfishBmc, update: &FirmwareUpdate) -> Result<Success, Failure> {
        let refused = |error: BmcError| Failure { kind: error.kind(), message: error.to_string() };
        let targets = bmc.targets_of(&update.component).await.map_err(refused)?;
        let given = match &update.image {
            FirmwareImage::Url(url) => bmc.update_from(url, &targets).await,
            FirmwareImage::File { name, id, size_bytes, sha512 } => {
                let image = ImageRef {
                    id: id.clone(),
                    format: ImageFormat::Raw,
                    size_bytes: *size_bytes,
                    sha512: sha512.clone(),
                };
                let bytes = self.bytes(&image).await?;
                match bmc.takes_files().await.map_err(refused)? {
                    true => bmc.update_with(name, bytes, &targets).await,
                    false => bmc.update_from(&offered(bmc, name, bytes).await?, &targets).await,
                }
            }
        };
        match given.map_err(refused)? {
            Update::Done => Ok(Success::FirmwareTaken { task: None }),
            Update::UnderWay { task } => Ok(Success::FirmwareTaken { task: Some(task) }),
            Update::NotKnown { reason } => Err(maybe_done(reason)),
        }
    }

    async fn bytes(&self, image: &ImageRef) -> Result<Vec<u8>, Failure> {
        let unread = |reason: String| Failure {
            kind: FailureKind::ImageUnavailable,
            message: format!("the file {} cannot be read from the agent's cache: {reason}", image.id),
        };
        let cached = self.images.file(image).await?;
        let read = tokio::task::spawn_blocking(move || cached.whole()).await;
        read.map_err(|error| unread(error.to_string()))?.map_err(|error| unread(error.to_string()))
    }
}

/// The address at which a BMC that takes no files finds one.
async fn offered(bmc: &RedfishBmc, name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let failed = |reason: String| Failure {
        kind: FailureKind::ImageUnavailable,
        message: format!("the file {name} cannot be offered to the BMC, which only fetches images: {reason}"),
    };
    let place = bmc.place().await.ok_or_else(|| failed("its address is not known".to_owned()))?;
    offer::offer(bytes, name, place).await.map_err(|error| failed(error.to_string()))
}

/// Looks what became of an update.
pub async fn look(bmc: &dyn Bmc, task: Option<&str>) -> Result<Success, Failure> {
    match tokio::time::timeout(LOOK_MAX, by_redfish(bmc)?.look_at_update(task)).await {
        Ok(Ok(seen)) => Ok(Success::FirmwareSeen(seen)),
        Ok(Err(error)) => Err(Failure { kind: error.kind(), message: error.to_string() }),
        Err(_) => {
            let message = format!("the BMC did not show its firmware within {} s", LOOK_MAX.as_secs());
            Err(Failure { kind: FailureKind::BmcUnreachable, message })
        }
    }
}

fn by_redfish(bmc: &dyn Bmc) -> Result<&RedfishBmc, Failure> {
    bmc.redfish().ok_or_else(|| Failure {
        kind: FailureKind::BmcRefused,
        message:
            "the BMC is managed by IPMI, which has no common way to update firmware; use its maker's tool"
                .to_owned(),
    })
}

fn maybe_done(reason: String) -> Failure {
    Failure { kind: FailureKind::MaybeDone, message: reason }
}
