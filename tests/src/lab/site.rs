//! Edges: what the lab consists of, and where each thing is: files, namespaces, ports.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use protocol::{boot::BootMode, mac::MacAddr};
use uuid::Uuid;

use super::{
    odd::{ODD, Odd},
    rack::{Rack, bmc_address},
    server::BmcKind,
};
use crate::{contrail::switch::Style, openstack::Endpoints, qemu::Devices};

/// The rack's name.
pub const RACK: &str = "rack1";
/// The switch's name in Contrail.
pub const SWITCH: &str = "leaf1";
/// User of every BMC.
pub const BMC_USER: &str = "admin";
/// Password of every BMC: of the lab only, and known to everybody.
pub const BMC_PASSWORD: &str = "lab-bmc-secret";
/// Size of every server's disk: enough for the image, little enough to be erased and read back quickly.
pub const DISK_BYTES: u64 = 256 << 20;

/// One virtual server of the lab.
#[derive(Clone, Copy, Debug)]
pub struct ServerPlan {
    /// Its name.
    pub name: &'static str,
    /// Its BMC.
    pub bmc: BmcKind,
    /// Its firmware.
    pub firmware: BootMode,
    /// Its disk and its network cards.
    pub devices: Devices,
    /// Its number, from 0.
    pub number: u8,
    /// How many network cards it has.
    pub nics: u8,
    /// What is odd about its BMC; none: it is as good as ours are.
    pub odd: Option<Odd>,
}

/// One network card of a virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicPlan {
    /// Its name in the inventory.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Its tap in the fabric.
    pub tap: String,
    /// The switch port that it is plugged into.
    pub switch_port: String,
}

/// Switch ports into which nothing is plugged but what a story puts there: their names and the names of their interfaces.
pub const PROBE_PORTS: [(&str, &str); 2] = [("xe-0/9/0", "tap-probe0"), ("xe-0/9/1", "tap-probe1")];

/// The lab's three servers.
pub const SERVERS: [ServerPlan; 3] = [
    ServerPlan {
        name: "srv1",
        bmc: BmcKind::IpmiSim,
        firmware: BootMode::Bios,
        devices: Devices::Virtio,
        number: 0,
        nics: 1,
        odd: None,
    },
    ServerPlan {
        name: "srv2",
        bmc: BmcKind::Ipmi,
        firmware: BootMode::Bios,
        devices: Devices::Virtio,
        number: 1,
        nics: 2,
        odd: None,
    },
    ServerPlan {
        name: "srv3",
        bmc: BmcKind::Redfish,
        firmware: BootMode::Uefi,
        devices: Devices::Physical,
        number: 2,
        nics: 1,
        odd: None,
    },
];

/// A fourth one in the same rack. It stands in no import file and on no network: nobody has enrolled it.
pub const STRANGER: ServerPlan = ServerPlan {
    name: "srv4",
    bmc: BmcKind::Ipmi,
    firmware: BootMode::Bios,
    devices: Devices::Virtio,
    number: 3,
    nics: 1,
    odd: None,
};

/// Every machine in the rack, enrolled or not.
pub fn machines() -> impl Iterator<Item = ServerPlan> {
    SERVERS.into_iter().chain([STRANGER]).chain(ODD)
}

impl ServerPlan {
    /// Its hardware UUID, as its firmware and its BMC tell it.
    pub fn uuid(&self) -> Uuid {
        Uuid::from_u128(0x424d_534c_0000_4000_8000_0000_0000_0001 + u128::from(self.number))
    }

    /// Its network cards; it boots over the first one.
    pub fn cards(&self) -> Vec<NicPlan> {
        let card = |index: u8| NicPlan {
            name: format!("eth{index}"),
            mac: MacAddr([0x52, 0x54, 0x00, 0x0b, 0x05 + 0x10 * index, self.number + 1]),
            tap: if index == 0 { Rack::tap(self.name) } else { format!("{}-{index}", Rack::tap(self.name)) },
            switch_port: format!("xe-0/{index}/{}", self.number),
        };
        (0..self.nics).map(card).collect()
    }

    /// Address of the network card over which it boots.
    pub fn mac(&self) -> MacAddr {
        MacAddr([0x52, 0x54, 0x00, 0x0b, 0x05, self.number + 1])
    }

    /// Where its BMC listens.
    pub fn bmc_address(&self) -> SocketAddr {
        let port = match (self.bmc, self.odd) {
            (BmcKind::IpmiSim | BmcKind::Ipmi, _) => 623,
            (BmcKind::Redfish, None) => 8000,
            (BmcKind::Redfish, Some(_)) => 8443,
        };
        SocketAddr::from((bmc_address(self.number), port))
    }

    /// The switch port that it is plugged into.
    pub fn switch_port(&self) -> String {
        format!("xe-0/0/{}", self.number)
    }

    /// Its resource class: servers of one firmware are alike.
    pub fn resource_class(&self) -> &'static str {
        match (self.odd, self.firmware) {
            (Some(odd), _) => odd.resource_class(),
            (None, BootMode::Bios) => "baremetal",
            (None, BootMode::Uefi) => "baremetal-uefi",
        }
    }

    /// Its entry in the import file.
    pub(super) fn import_entry(&self) -> String {
        self.import_entry_with("")
    }

    /// The same, with more about its BMC.
    pub(super) fn import_entry_with(&self, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { ", " };
        let address = self.bmc_address();
        let scheme = if self.odd.is_some() { "https" } else { "http" };
        let (driver, info) = match self.bmc {
            BmcKind::IpmiSim | BmcKind::Ipmi => (
                "ipmi",
                format!(
                    "{{ipmi_address: {}, ipmi_port: {}, ipmi_username: {BMC_USER}, ipmi_password: {BMC_PASSWORD}{comma}{more}}}",
                    address.ip(),
                    address.port()
                ),
            ),
            BmcKind::Redfish => (
                "redfish",
                format!(
                    "{{redfish_address: \"{scheme}://{address}\", redfish_username: {BMC_USER}, redfish_password: {BMC_PASSWORD}{comma}{more}}}"
                ),
            ),
        };
        let mode = match self.firmware {
            BootMode::Bios => "bios",
            BootMode::Uefi => "uefi",
        };
        let ports: String = self
            .cards()
            .iter()
            .map(|card| {
                format!(
                    "  - {{name: {}, mac_address: \"{}\", switch_name: {SWITCH}, port_name: \"{}\", pxe_enabled: {}}}\n",
                    card.name,
                    card.mac,
                    card.switch_port,
                    card.mac == self.mac()
                )
            })
            .collect();
        format!(
            "- name: {name}\n  type: baremetal\n  driver: {driver}\n  rack: {RACK}\n  resource_class: {class}\n  \
             driver_info: {info}\n  properties: {{cpus: 1, cpu_arch: x86_64, memory_mb: 512, local_gb: 1, capabilities: \"boot_mode:{mode}\"}}\n  \
             ports:\n{ports}",
            name = self.name,
            class = self.resource_class(),
        )
    }
}

/// The import file of the lab's servers.
pub fn import_file() -> String {
    import_file_of(&SERVERS)
}

/// The import file of some of them.
pub fn import_file_of(servers: &[ServerPlan]) -> String {
    let entries: String = servers.iter().map(ServerPlan::import_entry).collect();
    format!("# The lab's servers, in the format of Contrail's server import.\nnodes:\n{entries}")
}

/// Where one lab is.
#[derive(Clone, Debug)]
pub struct Site {
    /// The checkout.
    pub root: PathBuf,
    /// Its name: `lab` for `make lab`.
    pub name: String,
    /// Prefix of its namespaces.
    pub prefix: String,
    /// First of its ports.
    pub base_port: u16,
    /// The style of its fabric.
    pub fabric: Style,
}

impl Site {
    /// The lab of `make lab`.
    pub fn standard(root: &Path) -> Self {
        Self::beside(root, "lab", "bms", 22000)
    }

    /// Where the import file of all its servers is.
    pub fn servers_file(&self) -> PathBuf {
        self.run().join("servers.yaml")
    }

    /// Another one beside it, for tests. Its fabric is of the style that Contrail's default fabric has.
    pub fn beside(root: &Path, name: &str, prefix: &str, base_port: u16) -> Self {
        let (root, name, prefix) = (root.to_owned(), name.to_owned(), prefix.to_owned());
        Self { root, name, prefix, base_port, fabric: Style::Enterprise }
    }

    /// Everything that outlives a lab: virtual environment, downloads, built images.
    pub fn lab_dir(&self) -> PathBuf {
        self.root.join(".lab")
    }

    /// Downloads and everything that is built once.
    pub fn cache(&self) -> PathBuf {
        self.lab_dir().join("cache")
    }

    /// Everything of this lab.
    pub fn run(&self) -> PathBuf {
        self.lab_dir().join("run").join(&self.name)
    }

    /// A server's files.
    pub fn server(&self, name: &str) -> PathBuf {
        self.run().join(name)
    }

    /// The coordinator's state.
    pub fn coordinator(&self) -> PathBuf {
        self.run().join("coordinator")
    }

    /// Certificate of the coordinator's authority.
    pub fn ca_file(&self) -> PathBuf {
        self.coordinator().join("pki").join("ca.pem")
    }

    /// The agent's state, with the certificate that the coordinator issued.
    pub fn agent(&self) -> PathBuf {
        self.run().join("agent")
    }

    /// What the listeners saw.
    pub fn frames(&self) -> PathBuf {
        self.run().join("frames.log")
    }

    /// When the switch moved what.
    pub fn moves(&self) -> PathBuf {
        self.run().join("moves.log")
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// One of our programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(name)
    }

    /// The rack's namespaces.
    pub fn rack(&self) -> Rack {
        Rack::named(&self.prefix)
    }

    fn loopback(&self, offset: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.base_port + offset))
    }

    /// The REST API.
    pub fn api(&self) -> SocketAddr {
        self.loopback(20)
    }

    /// The facades towards Ironic.
    pub fn facade(&self) -> SocketAddr {
        self.loopback(21)
    }

    /// Where agents dial in.
    pub fn agents(&self) -> SocketAddr {
        self.loopback(22)
    }

    /// The Contrail stand-in's API.
    pub fn contrail(&self) -> SocketAddr {
        self.loopback(30)
    }

    /// The Contrail stand-in's own switches.
    pub fn contrail_admin(&self) -> SocketAddr {
        self.loopback(31)
    }

    /// The Contrail stand-in's collector.
    pub fn collector(&self) -> SocketAddr {
        self.loopback(32)
    }

    /// The coordinator's figures.
    pub fn metrics(&self) -> SocketAddr {
        self.loopback(23)
    }

    /// The agent's figures, on the loopback of its namespace.
    pub fn agent_metrics(&self) -> SocketAddr {
        self.loopback(24)
    }

    /// OpenStack's URLs.
    pub fn openstack(&self) -> Endpoints {
        Endpoints::new(self.base_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_import_file_is_good() {
        let nodes = domain::import::parse(&import_file()).unwrap();
        assert_eq!(nodes.len(), 3);
        assert_eq!(nodes[2].boot_mode, BootMode::Uefi);
        let ports: Vec<_> =
            nodes.iter().flat_map(|node| &node.ports).map(|port| port.link.port.as_str()).collect();
        assert_eq!(ports, ["xe-0/0/0", "xe-0/0/1", "xe-0/1/1", "xe-0/0/2"]);
    }
}
