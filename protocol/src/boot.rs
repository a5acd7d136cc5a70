//! Values: what a server boots next, and how far its boot has come.

use serde::{Deserialize, Serialize};

use crate::{mac::MacAddr, network::BootNetwork};

/// The firmware's way of starting an operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootMode {
    /// Legacy BIOS.
    #[default]
    Bios,
    /// UEFI.
    Uefi,
}

/// What UEFI firmware is given first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootLoader {
    /// iPXE, which nobody has signed for Secure Boot.
    #[default]
    Ipxe,
    /// A shim that Microsoft has signed, and behind it GRUB and a kernel that a distribution has signed.
    Shim,
}

impl BootLoader {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipxe, Self::Shim];

    /// The word used in configurations and capabilities.
    pub fn as_str(self) -> &'static str {
        match self {
            BootLoader::Ipxe => "ipxe",
            BootLoader::Shim => "shim",
        }
    }

    /// The loader that is called so.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|loader| loader.as_str() == word)
    }
}

/// Where the firmware looks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootDevice {
    /// The network card's boot ROM.
    Pxe,
    /// The first disk.
    Disk,
}

/// For how long a boot device is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// For the next boot only.
    Once,
    /// Until it is set again.
    Persistent,
}

/// Why a server boots our ramdisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootPurpose {
    /// To see what hardware it has.
    Inspect,
    /// To remove what the last tenant left.
    Clean,
    /// To write a tenant's image.
    Deploy,
    /// To let an operator look at a broken server.
    Rescue,
}

/// A permitted network boot. The agent answers a server's DHCP only while it holds one for it, on that network only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootPlan {
    /// What the ramdisk is for.
    pub purpose: BootPurpose,
    /// The network on which the boot is allowed.
    pub network: BootNetwork,
}

/// What a power-on or a reset boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boot {
    /// The server's own disk; the agent answers no DHCP.
    Disk,
    /// Our ramdisk, over the network.
    Network(BootPlan),
}

/// How far a network boot has come. Each is reported once per boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootStage {
    /// First DHCPDISCOVER of this power-on. It also proves on which network the port really is.
    DhcpDiscover,
    /// An address was acknowledged.
    DhcpAck,
    /// A boot loader was fetched by TFTP.
    Loader,
    /// The iPXE script was fetched.
    Script,
    /// The kernel was fetched.
    Kernel,
    /// The initial ramdisk was fetched.
    Initrd,
}

impl BootStage {
    /// All of them, in the order in which a boot passes them.
    pub const ALL: [Self; 6] =
        [Self::DhcpDiscover, Self::DhcpAck, Self::Loader, Self::Script, Self::Kernel, Self::Initrd];

    /// The word used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            BootStage::DhcpDiscover => "dhcp_discover",
            BootStage::DhcpAck => "dhcp_ack",
            BootStage::Loader => "loader",
            BootStage::Script => "script",
            BootStage::Kernel => "kernel",
            BootStage::Initrd => "initrd",
        }
    }

    /// What a person calls it.
    pub fn words(self) -> &'static str {
        match self {
            BootStage::DhcpDiscover => "DHCP request",
            BootStage::DhcpAck => "DHCP lease",
            BootStage::Loader => "boot loader",
            BootStage::Script => "iPXE script",
            BootStage::Kernel => "kernel",
            BootStage::Initrd => "initial ramdisk",
        }
    }
}

/// A boot's progress as the agent saw it on one of its networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootProgress {
    /// How far.
    pub stage: BootStage,
    /// Where it was seen.
    pub network: BootNetwork,
    /// Which interface of the server.
    pub mac: MacAddr,
    /// A few words for a person, such as the file's name and size.
    pub detail: String,
}
