//! Values: updates of firmware to and from the wire.

use super::{InvalidMessage, known, parse, present, unspecified};
use crate::{
    grpc as wire,
    update::{FirmwareImage, FirmwareSeen, FirmwareUpdate, UpdateStage},
};

impl From<FirmwareUpdate> for wire::UpdateFirmware {
    fn from(update: FirmwareUpdate) -> Self {
        use wire::update_firmware::Image;
        let FirmwareUpdate { order, attempt, component, image } = update;
        let image = match image {
            FirmwareImage::File { name, id, size_bytes, sha512 } => {
                Image::File(wire::FirmwareFile { name, id, size_bytes, sha512 })
            }
            FirmwareImage::Url(url) => Image::Url(url),
        };
        Self { order: order.to_string(), attempt, component, image: Some(image) }
    }
}

impl TryFrom<wire::UpdateFirmware> for FirmwareUpdate {
    type Error = InvalidMessage;
    fn try_from(update: wire::UpdateFirmware) -> Result<Self, InvalidMessage> {
        use wire::update_firmware::Image;
        let wire::UpdateFirmware { order, attempt, component, image } = update;
        let image = match present("UpdateFirmware.image", image)? {
            Image::File(wire::FirmwareFile { name, id, size_bytes, sha512 }) => {
                FirmwareImage::File { name, id, size_bytes, sha512 }
            }
            Image::Url(url) => FirmwareImage::Url(url),
        };
        Ok(Self { order: parse("UpdateFirmware.order", &order)?, attempt, component, image })
    }
}

impl From<FirmwareSeen> for wire::FirmwareSeen {
    fn from(seen: FirmwareSeen) -> Self {
        use wire::firmware_seen::Stage;
        let FirmwareSeen { stage, items, manager_version, bios_version } = seen;
        let (stage, percent, reason) = match stage {
            UpdateStage::NotKnown => (Stage::NotKnown, None, String::new()),
            UpdateStage::Running(percent) => (Stage::Running, percent, String::new()),
            UpdateStage::Paused => (Stage::Paused, None, String::new()),
            UpdateStage::Ended => (Stage::Ended, None, String::new()),
            UpdateStage::Failed(reason) => (Stage::Failed, None, reason),
        };
        let items = items.into_iter().map(Into::into).collect();
        Self { stage: stage.into(), percent, reason, items, manager_version, bios_version }
    }
}

impl TryFrom<wire::FirmwareSeen> for FirmwareSeen {
    type Error = InvalidMessage;
    fn try_from(seen: wire::FirmwareSeen) -> Result<Self, InvalidMessage> {
        use wire::firmware_seen::Stage;
        let wire::FirmwareSeen { stage, percent, reason, items, manager_version, bios_version } = seen;
        let stage = match known("FirmwareSeen.stage", stage)? {
            Stage::Unspecified => return Err(unspecified("FirmwareSeen.stage")),
            Stage::NotKnown => UpdateStage::NotKnown,
            Stage::Running => UpdateStage::Running(percent),
            Stage::Paused => UpdateStage::Paused,
            Stage::Ended => UpdateStage::Ended,
            Stage::Failed => UpdateStage::Failed(reason),
        };
        let items = items.into_iter().map(Into::into).collect();
        Ok(Self { stage, items, manager_version, bios_version })
    }
}
