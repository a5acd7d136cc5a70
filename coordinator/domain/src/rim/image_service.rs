//! Values: an image, and Glance, which keeps it, as a trait.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use protocol::{
    boot::BootMode,
    step::{ImageFormat, ImageRef},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Caller, ServiceError};

/// An image as Glance shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `queued`, `saving`, `active`, `deactivated`, `killed`, `deleted`, ...
    pub status: String,
    /// Format of the file, such as `raw` and `qcow2`.
    pub disk_format: Option<String>,
    /// Container, `bare` for ours.
    pub container_format: Option<String>,
    /// Bytes of the file.
    pub size: Option<u64>,
    /// Bytes of the disk inside.
    pub virtual_size: Option<u64>,
    /// Algorithm of the hash, `sha512` unless the site changed it.
    pub os_hash_algo: Option<String>,
    /// Hash of the file in hexadecimal.
    pub os_hash_value: Option<String>,
    /// `public`, `private`, `shared`, `community`.
    #[serde(default)]
    pub visibility: String,
    /// Project that owns it.
    pub owner: Option<String>,
    /// Smallest disk in GiB that it fits.
    #[serde(default)]
    pub min_disk: u64,
    /// Smallest memory in MiB that it runs in.
    #[serde(default)]
    pub min_ram: u64,
    /// The one firmware mode by which it starts, `bios` or `uefi`; none: by both.
    pub hw_firmware_type: Option<String>,
    /// Our property [`SECTOR_BYTES`].
    pub bms_sector_bytes: Option<String>,
    /// When it was created (RFC 3339), as Glance wrote it.
    pub created_at: Option<String>,
}

/// Name of the property that says for which sectors an image's partition table was made, in bytes.
pub const SECTOR_BYTES: &str = "bms_sector_bytes";

impl Image {
    /// The one firmware mode by which it starts; none: by both, or nobody said.
    pub fn boot_mode(&self) -> Option<BootMode> {
        match self.hw_firmware_type.as_deref() {
            Some("bios") => Some(BootMode::Bios),
            Some("uefi") => Some(BootMode::Uefi),
            Some(_) | None => None,
        }
    }

    /// Bytes of the sectors for which it was made; none: any, or nobody looked.
    pub fn sector_bytes(&self) -> Option<u32> {
        self.bms_sector_bytes.as_deref()?.parse().ok()
    }

    /// The image as ramdisks and agents know it; the error says what is missing.
    pub fn to_ref(&self) -> Result<ImageRef, String> {
        let Self { id, status, .. } = self;
        if status != "active" {
            return Err(format!("image {id} is {status}, not active; upload its bytes first"));
        }
        let format = match self.disk_format.as_deref() {
            Some("raw") => ImageFormat::Raw,
            Some("qcow2") => ImageFormat::Qcow2,
            other => {
                let other = other.unwrap_or("unknown");
                return Err(format!("image {id} has the format {other}; only raw and qcow2 can be deployed"));
            }
        };
        match (self.os_hash_algo.as_deref(), &self.os_hash_value, self.size) {
            (Some("sha512"), Some(hash), Some(size_bytes)) => {
                Ok(ImageRef { id: id.clone(), format, size_bytes, sha512: hash.to_ascii_lowercase() })
            }
            (algo, _, _) => Err(format!(
                "image {id} has no SHA-512 (its hash is {}); upload it again to a Glance that computes one",
                algo.unwrap_or("missing")
            )),
        }
    }
}

/// An image to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImage {
    /// Its id; none: Glance chooses one.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Format of the file.
    pub format: ImageFormat,
    /// Whether every project sees it (needs an administrator) or only the caller's.
    pub public: bool,
    /// Smallest disk in GiB that it fits.
    pub min_disk_gb: u64,
    /// The one firmware mode by which it starts; none: by both.
    pub boot_mode: Option<BootMode>,
    /// Further properties, such as `os_distro`.
    pub properties: BTreeMap<String, String>,
}

/// Ends a stream of bytes so that nobody takes what came for whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file was refused while it passed")]
pub struct Unfinished;

/// An image's bytes as they come.
pub type ImageBytes = BoxStream<'static, Result<Bytes, Unfinished>>;

/// Glance, as those need it who list images and bring new ones.
#[async_trait]
pub trait ImageService: Send + Sync {
    /// Makes an image without bytes.
    async fn create_image(&self, caller: Caller<'_>, image: &NewImage) -> Result<Image, ServiceError>;
    /// Uploads an image's bytes as they come. It is `active`, with its hash, when this returns.
    async fn upload(&self, caller: Caller<'_>, id: &str, bytes: ImageBytes) -> Result<(), ServiceError>;
    /// Lists the images that the caller may see.
    async fn list_images(&self, caller: Caller<'_>) -> Result<Vec<Image>, ServiceError>;
    /// Reads an image. [`ServiceError::NotFound`]: there is none that the caller may see.
    async fn show_image(&self, caller: Caller<'_>, id: &str) -> Result<Image, ServiceError>;
    /// Sets a property of an image, such as [`SECTOR_BYTES`]. Gives the image with it.
    async fn set_property(
        &self,
        caller: Caller<'_>,
        id: &str,
        name: &str,
        value: &str,
    ) -> Result<Image, ServiceError>;
    /// Deletes an image. Done already is done.
    async fn delete_image(&self, caller: Caller<'_>, id: &str) -> Result<(), ServiceError>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(status: &str, format: &str, algo: &str) -> Image {
        serde_json::from_value(json!({
            "id": "i1", "name": null, "status": status, "disk_format": format, "container_format": "bare",
            "size": 7, "virtual_size": null, "os_hash_algo": algo, "os_hash_value": "AB", "owner": "p",
            "created_at": "2026-11-22T04:30:00Z", "visibility": "private", "unknown": true,
        }))
        .unwrap()
    }

    #[test]
    fn only_images_that_can_be_checked_can_be_deployed() {
        let check = |image: Image, expected: Result<ImageFormat, &str>| match (image.to_ref(), expected) {
            (Ok(found), Ok(format)) => {
                assert_eq!((found.format, found.size_bytes, found.sha512.as_str()), (format, 7, "ab"));
            }
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        };
        check(image("active", "raw", "sha512"), Ok(ImageFormat::Raw));
        check(image("active", "qcow2", "sha512"), Ok(ImageFormat::Qcow2));
        check(image("queued", "raw", "sha512"), Err("upload its bytes"));
        check(image("active", "iso", "sha512"), Err("format iso"));
        check(image("active", "raw", "md5"), Err("no SHA-512"));
    }
}
