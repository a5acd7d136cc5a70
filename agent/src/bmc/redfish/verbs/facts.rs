//! Edges: what a service says of its server seldom, part by part, as it is told to the coordinator.

use protocol::{
    bmc_facts::{
        BiosFacts, FIRMWARE_MAX, FactsPart, FirmwareItem, MEDIA_MAX, MediaSlot, PartFacts, PowerLimit,
        SecureBootFacts, SystemFacts, bounded, without_secrets,
    },
    redfish::read::{
        firmware::Firmware,
        manager::ManagerFacts,
        media::VirtualMedia,
        power::{Light, PowerControl},
        secure_boot::SecureBoot,
    },
};

use super::super::RedfishBmc;
use crate::bmc::BmcError;

/// Most that a server draws.
const WATTS_MAX: f64 = 1e6;

impl RedfishBmc {
    /// Reads one part.
    ///
    /// # Errors
    /// As of the verb behind it; a service that has no such thing refuses.
    pub(in super::super) async fn part(&self, part: FactsPart) -> Result<PartFacts, BmcError> {
        Ok(match part {
            FactsPart::System => PartFacts::System(self.system_facts().await?),
            FactsPart::Firmware => {
                let items = self.firmware().await?.items;
                PartFacts::Firmware(items.into_iter().take(FIRMWARE_MAX).map(item).collect())
            }
            FactsPart::SecureBoot => PartFacts::SecureBoot(secure_boot(&self.secure_boot().await?)),
            FactsPart::Media => {
                let drives = self.media().await?.items;
                PartFacts::Media(drives.iter().take(MEDIA_MAX).map(slot).collect())
            }
            FactsPart::Bios => {
                let bios = self.bios().await?;
                PartFacts::Bios(BiosFacts::bounded(bios.attributes, bios.pending))
            }
        })
    }

    async fn system_facts(&self) -> Result<SystemFacts, BmcError> {
        let light = self.light().await?.map(|light| light == Light::On);
        let mut call = self.call().await?;
        let managers = call.managers().await?;
        let manager = managers.first().map(|(path, manager)| ManagerFacts::of(path, manager.node()));
        let reset = call.system().action("ComputerSystem.Reset", "ResetType");
        let reset = match reset {
            Some(reset) => Some(call.complete(reset, "ResetType").await?),
            None => None,
        };
        // One that does not say what it takes may take it, but nobody is offered a guess.
        let can_nmi = reset.is_some_and(|reset| reset.allowable.iter().any(|word| word == "Nmi"));
        let power_limit = match call.power_control().await {
            Ok((_, control)) => Some(limit(&control)),
            // It tells of none.
            Err(BmcError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let text = |text: Option<String>| bounded(&text.unwrap_or_default());
        Ok(SystemFacts {
            manager_version: text(manager.and_then(|manager| manager.firmware)),
            bios_version: text(call.system().text("BiosVersion")),
            boot_mode: text(call.system().at("Boot").text("BootSourceOverrideMode")),
            light,
            can_nmi,
            power_limit,
        })
    }
}

fn limit(control: &PowerControl) -> PowerLimit {
    // What is no number of watts was not said.
    let watts = |number: Option<f64>| {
        number.filter(|watts| (1.0..=WATTS_MAX).contains(watts)).map(|watts| watts.round() as u32)
    };
    PowerLimit { limit_w: watts(control.limit_w), most_w: watts(control.capacity_w) }
}

/// A piece of firmware as it is told.
pub(super) fn item(item: Firmware) -> FirmwareItem {
    FirmwareItem {
        id: bounded(&item.id),
        name: bounded(&item.name),
        version: bounded(&item.version.unwrap_or_default()),
        is_updateable: item.updateable.unwrap_or_default(),
    }
}

fn secure_boot(said: &SecureBoot) -> SecureBootFacts {
    let was_enabled = said.current.as_deref().and_then(|word| match word {
        "Enabled" => Some(true),
        "Disabled" => Some(false),
        _ => None,
    });
    SecureBootFacts {
        is_enabled: said.enable,
        was_enabled,
        mode: bounded(said.mode.as_deref().unwrap_or_default()),
    }
}

fn slot(drive: &VirtualMedia) -> MediaSlot {
    MediaSlot {
        id: bounded(&drive.id),
        kinds: drive.kinds.iter().map(|kind| bounded(kind)).collect(),
        image: without_secrets(drive.image.as_deref().unwrap_or_default()),
        is_inserted: drive.is_inserted(),
    }
}
