//! Values: what a BMC says of itself to and from the wire.

use super::{InvalidMessage, present};
use crate::{
    bmc_facts::{BiosFacts, FirmwareItem, MediaSlot, PartFacts, PowerLimit, SecureBootFacts, SystemFacts},
    grpc as wire,
    redfish::read::bios::{Setting, Settings},
};

impl From<PartFacts> for wire::BmcFacts {
    fn from(part: PartFacts) -> Self {
        use wire::bmc_facts::Part;
        let part = match part {
            PartFacts::System(system) => Part::System(system.into()),
            PartFacts::Bios(bios) => Part::Bios(bios.into()),
            PartFacts::SecureBoot(secure_boot) => Part::SecureBoot(secure_boot.into()),
            PartFacts::Media(slots) => {
                Part::Media(wire::MediaFacts { slots: slots.into_iter().map(Into::into).collect() })
            }
            PartFacts::Firmware(items) => {
                Part::Firmware(wire::FirmwareFacts { items: items.into_iter().map(Into::into).collect() })
            }
        };
        Self { part: Some(part) }
    }
}

impl TryFrom<wire::BmcFacts> for PartFacts {
    type Error = InvalidMessage;
    fn try_from(facts: wire::BmcFacts) -> Result<Self, InvalidMessage> {
        use wire::bmc_facts::Part;
        Ok(match present("BmcFacts.part", facts.part)? {
            Part::System(system) => Self::System(system.into()),
            Part::Bios(bios) => Self::Bios(bios.try_into()?),
            Part::SecureBoot(secure_boot) => Self::SecureBoot(secure_boot.into()),
            Part::Media(media) => Self::Media(media.slots.into_iter().map(Into::into).collect()),
            Part::Firmware(firmware) => Self::Firmware(firmware.items.into_iter().map(Into::into).collect()),
        })
    }
}

impl From<SystemFacts> for wire::SystemFacts {
    fn from(system: SystemFacts) -> Self {
        let SystemFacts { manager_version, bios_version, boot_mode, light, can_nmi, power_limit } = system;
        let power_limit =
            power_limit.map(|PowerLimit { limit_w, most_w }| wire::PowerLimit { limit_w, most_w });
        Self { manager_version, bios_version, boot_mode, light, can_nmi, power_limit }
    }
}

impl From<wire::SystemFacts> for SystemFacts {
    fn from(system: wire::SystemFacts) -> Self {
        let wire::SystemFacts { manager_version, bios_version, boot_mode, light, can_nmi, power_limit } =
            system;
        let power_limit =
            power_limit.map(|wire::PowerLimit { limit_w, most_w }| PowerLimit { limit_w, most_w });
        Self { manager_version, bios_version, boot_mode, light, can_nmi, power_limit }
    }
}

impl From<BiosFacts> for wire::BiosFacts {
    fn from(bios: BiosFacts) -> Self {
        let BiosFacts { attributes, pending, left_out } = bios;
        Self { attributes: to_wire(attributes), pending: to_wire(pending), left_out }
    }
}

impl TryFrom<wire::BiosFacts> for BiosFacts {
    type Error = InvalidMessage;
    fn try_from(bios: wire::BiosFacts) -> Result<Self, InvalidMessage> {
        let wire::BiosFacts { attributes, pending, left_out } = bios;
        Ok(Self { attributes: from_wire(attributes)?, pending: from_wire(pending)?, left_out })
    }
}

pub(super) fn to_wire(settings: Settings) -> Vec<wire::BiosSetting> {
    use wire::bios_setting::Value;
    let one = |(name, setting)| {
        let value = match setting {
            Setting::Flag(flag) => Some(Value::Flag(flag)),
            Setting::Number(number) => Some(Value::Number(number.to_string())),
            Setting::Word(word) => Some(Value::Word(word)),
            Setting::Unset => None,
        };
        wire::BiosSetting { name, value }
    };
    settings.into_iter().map(one).collect()
}

pub(super) fn from_wire(settings: Vec<wire::BiosSetting>) -> Result<Settings, InvalidMessage> {
    use wire::bios_setting::Value;
    let one = |wire::BiosSetting { name, value }| {
        let setting = match value {
            None => Setting::Unset,
            Some(Value::Flag(flag)) => Setting::Flag(flag),
            Some(Value::Word(word)) => Setting::Word(word),
            Some(Value::Number(text)) => {
                let number = serde_json::from_str(&text);
                Setting::Number(
                    number.map_err(|_| InvalidMessage::new("BiosSetting.number", "is no number"))?,
                )
            }
        };
        Ok((name, setting))
    };
    settings.into_iter().map(one).collect()
}

impl From<SecureBootFacts> for wire::SecureBootFacts {
    fn from(secure_boot: SecureBootFacts) -> Self {
        let SecureBootFacts { is_enabled, was_enabled, mode } = secure_boot;
        Self { is_enabled, was_enabled, mode }
    }
}

impl From<wire::SecureBootFacts> for SecureBootFacts {
    fn from(secure_boot: wire::SecureBootFacts) -> Self {
        let wire::SecureBootFacts { is_enabled, was_enabled, mode } = secure_boot;
        Self { is_enabled, was_enabled, mode }
    }
}

impl From<MediaSlot> for wire::MediaSlot {
    fn from(slot: MediaSlot) -> Self {
        let MediaSlot { id, kinds, image, is_inserted } = slot;
        Self { id, kinds, image, is_inserted }
    }
}

impl From<wire::MediaSlot> for MediaSlot {
    fn from(slot: wire::MediaSlot) -> Self {
        let wire::MediaSlot { id, kinds, image, is_inserted } = slot;
        Self { id, kinds, image, is_inserted }
    }
}

impl From<FirmwareItem> for wire::FirmwareItem {
    fn from(item: FirmwareItem) -> Self {
        let FirmwareItem { id, name, version, is_updateable } = item;
        Self { id, name, version, is_updateable }
    }
}

impl From<wire::FirmwareItem> for FirmwareItem {
    fn from(item: wire::FirmwareItem) -> Self {
        let wire::FirmwareItem { id, name, version, is_updateable } = item;
        Self { id, name, version, is_updateable }
    }
}
