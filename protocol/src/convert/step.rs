//! Values: ramdisk steps to and from the wire.

use super::{InvalidMessage, known, present, unspecified};
use crate::{
    grpc as wire,
    hardware::Disk,
    secret::Secret,
    step::{CONFIG_DRIVE_BYTES_MAX, EraseOrder, ErasedDisk, ImageFormat, ImageRef, Step, StepProgress},
};

impl From<Step> for wire::run_step::Step {
    fn from(step: Step) -> Self {
        match step {
            Step::Inventory => Self::Inventory(wire::Inventory {}),
            Step::WriteImage(image) => Self::WriteImage(wire::WriteImage { image: Some(image.into()) }),
            Step::WriteConfigDrive { content } => Self::WriteConfigDrive(wire::WriteConfigDrive { content }),
            Step::InstallBootEntry => Self::InstallBootEntry(wire::InstallBootEntry {}),
            Step::EraseMetadata(EraseOrder { expected, left_out }) => {
                let (expected, left_out) = (disks(expected), disks(left_out));
                Self::EraseMetadata(wire::EraseMetadata { expected, left_out })
            }
            Step::EraseDisks(EraseOrder { expected, left_out }) => {
                let (expected, left_out) = (disks(expected), disks(left_out));
                Self::EraseDisks(wire::EraseDisks { expected, left_out })
            }
            Step::Sync => Self::Sync(wire::Sync {}),
            Step::PowerOff => Self::PowerOff(wire::StepPowerOff {}),
            Step::HandOver { password_hash } => {
                Self::HandOver(wire::HandOver { password_hash: password_hash.reveal().to_owned() })
            }
        }
    }
}

impl TryFrom<wire::run_step::Step> for Step {
    type Error = InvalidMessage;
    fn try_from(step: wire::run_step::Step) -> Result<Self, InvalidMessage> {
        use wire::run_step::Step as Wire;
        Ok(match step {
            Wire::Inventory(wire::Inventory {}) => Self::Inventory,
            Wire::WriteImage(write) => {
                Self::WriteImage(present("WriteImage.image", write.image)?.try_into()?)
            }
            Wire::WriteConfigDrive(wire::WriteConfigDrive { content }) => {
                if content.len() > CONFIG_DRIVE_BYTES_MAX {
                    let why = format!("has {} bytes; {CONFIG_DRIVE_BYTES_MAX} are allowed", content.len());
                    return Err(InvalidMessage::new("WriteConfigDrive.content", why));
                }
                Self::WriteConfigDrive { content }
            }
            Wire::InstallBootEntry(wire::InstallBootEntry {}) => Self::InstallBootEntry,
            Wire::EraseMetadata(wire::EraseMetadata { expected, left_out }) => {
                Self::EraseMetadata(EraseOrder { expected: disks(expected), left_out: disks(left_out) })
            }
            Wire::EraseDisks(wire::EraseDisks { expected, left_out }) => {
                Self::EraseDisks(EraseOrder { expected: disks(expected), left_out: disks(left_out) })
            }
            Wire::Sync(wire::Sync {}) => Self::Sync,
            Wire::PowerOff(wire::StepPowerOff {}) => Self::PowerOff,
            Wire::HandOver(wire::HandOver { password_hash }) => {
                Self::HandOver { password_hash: Secret::new(password_hash) }
            }
        })
    }
}

/// The hash of a password is worth guessing at.
impl std::fmt::Debug for wire::HandOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandOver").finish_non_exhaustive()
    }
}

impl From<ImageRef> for wire::ImageRef {
    fn from(image: ImageRef) -> Self {
        let format = match image.format {
            ImageFormat::Raw => wire::ImageFormat::Raw,
            ImageFormat::Qcow2 => wire::ImageFormat::Qcow2,
        };
        Self { id: image.id, format: format.into(), size_bytes: image.size_bytes, sha512: image.sha512 }
    }
}

impl TryFrom<wire::ImageRef> for ImageRef {
    type Error = InvalidMessage;
    fn try_from(image: wire::ImageRef) -> Result<Self, InvalidMessage> {
        let format = match known("ImageRef.format", image.format)? {
            wire::ImageFormat::Unspecified => return Err(unspecified("ImageRef.format")),
            wire::ImageFormat::Raw => ImageFormat::Raw,
            wire::ImageFormat::Qcow2 => ImageFormat::Qcow2,
        };
        Ok(Self { id: image.id, format, size_bytes: image.size_bytes, sha512: image.sha512 })
    }
}

/// A list of disks, either way.
fn disks<From, To>(disks: Vec<From>) -> Vec<To>
where
    From: Into<To>,
{
    disks.into_iter().map(Into::into).collect()
}

impl From<ErasedDisk> for wire::ErasedDisk {
    fn from(erased: ErasedDisk) -> Self {
        let ErasedDisk { name, method, erased_bytes, verified_bytes, disk, failure } = erased;
        Self { name, method, erased_bytes, verified_bytes, disk: disk.map(Into::into), failure }
    }
}

impl From<wire::ErasedDisk> for ErasedDisk {
    fn from(erased: wire::ErasedDisk) -> Self {
        let wire::ErasedDisk { name, method, erased_bytes, verified_bytes, disk, failure } = erased;
        Self { name, method, erased_bytes, verified_bytes, disk: disk.map(Disk::from), failure }
    }
}

/// The two halves of [`StepProgress`] as the report message carries them.
pub(super) fn progress(done_bytes: u64, total_bytes: u64) -> StepProgress {
    StepProgress { done_bytes, total_bytes }
}
