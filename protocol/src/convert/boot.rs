//! Values: boot values to and from the wire.

use super::{InvalidMessage, known, parse, present, unspecified};
use crate::{
    boot::{Boot, BootLoader, BootMode, BootPlan, BootProgress, BootPurpose, BootStage},
    grpc as wire,
    network::BootNetwork,
};

impl From<BootMode> for wire::BootMode {
    fn from(mode: BootMode) -> Self {
        match mode {
            BootMode::Bios => Self::Bios,
            BootMode::Uefi => Self::Uefi,
        }
    }
}

pub(super) fn boot_mode(field: &'static str, number: i32) -> Result<BootMode, InvalidMessage> {
    match known(field, number)? {
        wire::BootMode::Unspecified => Err(unspecified(field)),
        wire::BootMode::Bios => Ok(BootMode::Bios),
        wire::BootMode::Uefi => Ok(BootMode::Uefi),
    }
}

impl From<BootLoader> for wire::BootLoader {
    fn from(loader: BootLoader) -> Self {
        match loader {
            BootLoader::Ipxe => Self::Ipxe,
            BootLoader::Shim => Self::Shim,
        }
    }
}

pub(super) fn boot_loader(field: &'static str, number: i32) -> Result<BootLoader, InvalidMessage> {
    match known(field, number)? {
        wire::BootLoader::Unspecified => Err(unspecified(field)),
        wire::BootLoader::Ipxe => Ok(BootLoader::Ipxe),
        wire::BootLoader::Shim => Ok(BootLoader::Shim),
    }
}

impl From<BootNetwork> for wire::BootNetwork {
    fn from(network: BootNetwork) -> Self {
        match network {
            BootNetwork::Provisioning => Self::Provisioning,
            BootNetwork::Cleaning => Self::Cleaning,
        }
    }
}

pub(super) fn boot_network(field: &'static str, number: i32) -> Result<BootNetwork, InvalidMessage> {
    match known(field, number)? {
        wire::BootNetwork::Unspecified => Err(unspecified(field)),
        wire::BootNetwork::Provisioning => Ok(BootNetwork::Provisioning),
        wire::BootNetwork::Cleaning => Ok(BootNetwork::Cleaning),
    }
}

impl From<BootPurpose> for wire::BootPurpose {
    fn from(purpose: BootPurpose) -> Self {
        match purpose {
            BootPurpose::Inspect => Self::Inspect,
            BootPurpose::Clean => Self::Clean,
            BootPurpose::Deploy => Self::Deploy,
            BootPurpose::Rescue => Self::Rescue,
        }
    }
}

pub(super) fn boot_purpose(field: &'static str, number: i32) -> Result<BootPurpose, InvalidMessage> {
    match known(field, number)? {
        wire::BootPurpose::Unspecified => Err(unspecified(field)),
        wire::BootPurpose::Inspect => Ok(BootPurpose::Inspect),
        wire::BootPurpose::Clean => Ok(BootPurpose::Clean),
        wire::BootPurpose::Deploy => Ok(BootPurpose::Deploy),
        wire::BootPurpose::Rescue => Ok(BootPurpose::Rescue),
    }
}

impl From<BootPlan> for wire::BootPlan {
    fn from(plan: BootPlan) -> Self {
        Self {
            purpose: wire::BootPurpose::from(plan.purpose).into(),
            network: wire::BootNetwork::from(plan.network).into(),
        }
    }
}

impl TryFrom<wire::BootPlan> for BootPlan {
    type Error = InvalidMessage;
    fn try_from(plan: wire::BootPlan) -> Result<Self, InvalidMessage> {
        Ok(Self {
            purpose: boot_purpose("BootPlan.purpose", plan.purpose)?,
            network: boot_network("BootPlan.network", plan.network)?,
        })
    }
}

impl From<Boot> for wire::Boot {
    fn from(boot: Boot) -> Self {
        let boot = match boot {
            Boot::Disk => wire::boot::Boot::Disk(wire::DiskBoot {}),
            Boot::Network(plan) => wire::boot::Boot::Network(plan.into()),
        };
        Self { boot: Some(boot) }
    }
}

impl TryFrom<wire::Boot> for Boot {
    type Error = InvalidMessage;
    fn try_from(boot: wire::Boot) -> Result<Self, InvalidMessage> {
        match present("Boot.boot", boot.boot)? {
            wire::boot::Boot::Disk(wire::DiskBoot {}) => Ok(Self::Disk),
            wire::boot::Boot::Network(plan) => Ok(Self::Network(plan.try_into()?)),
        }
    }
}

impl From<BootProgress> for wire::BootProgress {
    fn from(progress: BootProgress) -> Self {
        use wire::boot_progress::Stage;
        let stage = match progress.stage {
            BootStage::DhcpDiscover => Stage::DhcpDiscover,
            BootStage::DhcpAck => Stage::DhcpAck,
            BootStage::Loader => Stage::Loader,
            BootStage::Script => Stage::Script,
            BootStage::Kernel => Stage::Kernel,
            BootStage::Initrd => Stage::Initrd,
        };
        Self {
            stage: stage.into(),
            network: wire::BootNetwork::from(progress.network).into(),
            mac: progress.mac.to_string(),
            detail: progress.detail,
        }
    }
}

impl TryFrom<wire::BootProgress> for BootProgress {
    type Error = InvalidMessage;
    fn try_from(progress: wire::BootProgress) -> Result<Self, InvalidMessage> {
        use wire::boot_progress::Stage;
        let stage = match known("BootProgress.stage", progress.stage)? {
            Stage::Unspecified => return Err(unspecified("BootProgress.stage")),
            Stage::DhcpDiscover => BootStage::DhcpDiscover,
            Stage::DhcpAck => BootStage::DhcpAck,
            Stage::Loader => BootStage::Loader,
            Stage::Script => BootStage::Script,
            Stage::Kernel => BootStage::Kernel,
            Stage::Initrd => BootStage::Initrd,
        };
        Ok(Self {
            stage,
            network: boot_network("BootProgress.network", progress.network)?,
            mac: parse("BootProgress.mac", &progress.mac)?,
            detail: progress.detail,
        })
    }
}
