//! Values: ramdisk steps to and from the wire.

use super::{
    InvalidMessage,
    erase::{disk_order, disks, metadata_order},
    known, present, unspecified,
};
use crate::{
    grpc as wire,
    root_device::RootDeviceHints,
    secret::Secret,
    step::{CONFIG_DRIVE_BYTES_MAX, ImageFormat, ImageRef, Step, StepProgress},
};

impl From<Step> for wire::run_step::Step {
    fn from(step: Step) -> Self {
        match step {
            Step::Inventory => Self::Inventory(wire::Inventory {}),
            Step::WriteImage { image, root_device } => Self::WriteImage(wire::WriteImage {
                image: Some(image.into()),
                root_device: root_device.0.into_iter().collect(),
            }),
            Step::WriteConfigDrive { content } => Self::WriteConfigDrive(wire::WriteConfigDrive { content }),
            Step::InstallBootEntry => Self::InstallBootEntry(wire::InstallBootEntry {}),
            Step::EraseMetadata(order) => Self::EraseMetadata(wire::EraseMetadata {
                expected: disks(order.expected),
                left_out: disks(order.left_out),
                quick: order.quick,
            }),
            Step::EraseDisks(order) => Self::EraseDisks(wire::EraseDisks {
                policy: order.policy.into(),
                read_back: order.read_back.into(),
                expected: disks(order.expected),
                left_out: disks(order.left_out),
            }),
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
            Wire::WriteImage(wire::WriteImage { image, root_device }) => Self::WriteImage {
                image: present("WriteImage.image", image)?.try_into()?,
                root_device: RootDeviceHints(root_device.into_iter().collect()),
            },
            Wire::WriteConfigDrive(wire::WriteConfigDrive { content }) => {
                if content.len() > CONFIG_DRIVE_BYTES_MAX {
                    let why = format!("has {} bytes; {CONFIG_DRIVE_BYTES_MAX} are allowed", content.len());
                    return Err(InvalidMessage::new("WriteConfigDrive.content", why));
                }
                Self::WriteConfigDrive { content }
            }
            Wire::InstallBootEntry(wire::InstallBootEntry {}) => Self::InstallBootEntry,
            Wire::EraseMetadata(order) => Self::EraseMetadata(metadata_order(order)),
            Wire::EraseDisks(order) => Self::EraseDisks(disk_order(order)?),
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

/// The two halves of [`StepProgress`] as the report message carries them.
pub(super) fn progress(done_bytes: u64, total_bytes: u64) -> StepProgress {
    StepProgress { done_bytes, total_bytes }
}
