//! Values: how a server boots, and how far it has come.

use protocol::{boot, network};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

words! {
    /// A firmware's way of starting an operating system.
    BootMode {
        /// Legacy BIOS.
        Bios = "bios",
        /// UEFI.
        Uefi = "uefi";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<boot::BootMode> for BootMode {
    fn from(mode: boot::BootMode) -> Self {
        match mode {
            boot::BootMode::Bios => BootMode::Bios,
            boot::BootMode::Uefi => BootMode::Uefi,
        }
    }
}

words! {
    /// The firmware that can start an image.
    ImageFirmware {
        /// Legacy BIOS only.
        Bios = "bios",
        /// UEFI only.
        Uefi = "uefi",
        /// Either.
        Both = "both";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl ImageFirmware {
    /// What an image that is bound to this boot mode, or to none, is called.
    pub fn of(only: Option<boot::BootMode>) -> Self {
        match only {
            Some(boot::BootMode::Bios) => ImageFirmware::Bios,
            Some(boot::BootMode::Uefi) => ImageFirmware::Uefi,
            None => ImageFirmware::Both,
        }
    }
}

words! {
    /// One of a site's isolated networks.
    IsolatedNetwork {
        /// For inspection, deployment and the beginning of a rescue.
        Provisioning = "provisioning",
        /// For cleaning, and for servers without a tenant.
        Cleaning = "cleaning";
        /// One that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl From<network::BootNetwork> for IsolatedNetwork {
    fn from(network: network::BootNetwork) -> Self {
        match network {
            network::BootNetwork::Provisioning => IsolatedNetwork::Provisioning,
            network::BootNetwork::Cleaning => IsolatedNetwork::Cleaning,
        }
    }
}

words! {
    /// How far a network boot has come, in this order.
    BootStage {
        /// The firmware has asked for an address by DHCP.
        DhcpDiscover = "dhcp_discover",
        /// It got one.
        DhcpAck = "dhcp_ack",
        /// It has fetched a boot loader by TFTP.
        Loader = "loader",
        /// The boot loader has fetched its iPXE script.
        Script = "script",
        /// It has fetched the kernel.
        Kernel = "kernel",
        /// It has fetched the initial ramdisk.
        Initrd = "initrd";
        /// A stage that this client does not know: the coordinator is newer, and sends none such itself.
        else Unknown = "unknown"
    }
}

impl BootStage {
    /// What a person calls it.
    pub fn words(self) -> &'static str {
        let stage = boot::BootStage::ALL.into_iter().find(|stage| BootStage::from(*stage) == self);
        stage.map_or("another stage", boot::BootStage::words)
    }
}

impl From<boot::BootStage> for BootStage {
    fn from(stage: boot::BootStage) -> Self {
        match stage {
            boot::BootStage::DhcpDiscover => BootStage::DhcpDiscover,
            boot::BootStage::DhcpAck => BootStage::DhcpAck,
            boot::BootStage::Loader => BootStage::Loader,
            boot::BootStage::Script => BootStage::Script,
            boot::BootStage::Kernel => BootStage::Kernel,
            boot::BootStage::Initrd => BootStage::Initrd,
        }
    }
}

/// How far the last network boot of a server came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootProgress {
    /// How far.
    pub stage: BootStage,
    /// On which network that was seen.
    pub network: IsolatedNetwork,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_tells_has_the_same_word_in_the_api() {
        for stage in boot::BootStage::ALL {
            assert_eq!(BootStage::from(stage).as_str(), stage.as_str());
            assert_eq!(BootStage::from(stage).words(), stage.words());
        }
        for network in [network::BootNetwork::Provisioning, network::BootNetwork::Cleaning] {
            assert_eq!(IsolatedNetwork::from(network).as_str(), network.as_str());
        }
        for (only, word) in
            [(Some(boot::BootMode::Bios), "bios"), (Some(boot::BootMode::Uefi), "uefi"), (None, "both")]
        {
            assert_eq!(ImageFirmware::of(only).as_str(), word);
        }
    }
}
