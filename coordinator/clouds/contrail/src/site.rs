//! Values: what a site calls its Contrail objects, and how we name our own.

use std::path::PathBuf;

use protocol::{id::ServerId, network::BootNetwork};
use uuid::{Uuid, uuid};

use super::vlans::VlanRange;
use domain::rim::{ServerPort, SwitchPort};

/// Parent of every physical-router.
pub const GLOBAL_SYSTEM_CONFIG: &str = "default-global-system-config";
/// Fabric of a switch port that names none.
pub const DEFAULT_FABRIC: &str = "default-fabric";
/// Domain of Keystone projects, as Contrail's Neutron plug-in names it.
pub const DEFAULT_DOMAIN: &str = "default-domain";
/// Prefix of the port groups that the API server makes and names itself.
pub const INTERNAL_GROUP_PREFIX: &str = "vpg-internal-";

/// Root of the uuids that we derive. Changing it would orphan every interface that exists.
const OUR_NAMESPACE: Uuid = uuid!("5c9d3f0a-6e0f-4d57-9a52-7c0a4f4e1b62");

/// Where Contrail is and which of its objects are ours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Base URLs of the VNC API's servers, such as `http://contrail:8082`; the first that answers is asked.
    pub urls: Vec<String>,
    /// File with the certificates (PEM) to trust; none: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Fully qualified name of the project that holds our interfaces, such as `["default-domain", "bms"]`.
    pub project: Vec<String>,
    /// Fully qualified name of the provisioning network.
    pub provisioning: Vec<String>,
    /// Fully qualified name of the cleaning network.
    pub cleaning: Vec<String>,
    /// VLAN ids of the two isolated networks, on each switch port that is on one of them.
    #[serde(default)]
    pub native_vlans: NativeVlans,
    /// VLAN ids of tenants' networks on switch ports that are on them untagged: each network gets one.
    #[serde(default = "tenant_native_vlans")]
    pub tenant_native_vlans: VlanRange,
    /// Addresses of the agents on the two isolated networks, as prefixes: only they may be talked to there. None: any address, on
    /// the ports of a boot.
    #[serde(default)]
    pub agents: Vec<String>,
    /// TCP ports on which the agents serve boot files and ramdisks.
    #[serde(default = "boot_tcp_ports")]
    pub boot_tcp_ports: Vec<u16>,
}

/// VLAN ids of the two isolated networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NativeVlans {
    /// The provisioning network's.
    pub provisioning: u16,
    /// The cleaning network's.
    pub cleaning: u16,
}

impl Default for NativeVlans {
    fn default() -> Self {
        Self { provisioning: 3900, cleaning: 3901 }
    }
}

impl NativeVlans {
    /// The id of the network that plays this part.
    pub fn of(&self, role: BootNetwork) -> u16 {
        match role {
            BootNetwork::Provisioning => self.provisioning,
            BootNetwork::Cleaning => self.cleaning,
        }
    }
}

/// The range from which tenants' networks have their ids unless the site says another one.
const TENANT_NATIVE_VLANS: VlanRange = VlanRange::new(3000, 3899);

fn tenant_native_vlans() -> VlanRange {
    TENANT_NATIVE_VLANS
}

/// The agent's own defaults: `http_port` and `ramdisk_port` of its configuration.
fn boot_tcp_ports() -> Vec<u16> {
    vec![80, 8444]
}

impl Config {
    /// The usual names: project `bms` of the default domain, networks `provisioning` and `cleaning` in it.
    pub fn with_default_names(url: impl Into<String>) -> Self {
        let name = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        Self {
            urls: vec![url.into()],
            ca_file: None,
            project: name(&[DEFAULT_DOMAIN, "bms"]),
            provisioning: name(&[DEFAULT_DOMAIN, "bms", "provisioning"]),
            cleaning: name(&[DEFAULT_DOMAIN, "bms", "cleaning"]),
            native_vlans: NativeVlans::default(),
            tenant_native_vlans: TENANT_NATIVE_VLANS,
            agents: Vec::new(),
            boot_tcp_ports: boot_tcp_ports(),
        }
    }

    /// Name of the network that plays this part.
    pub fn network(&self, role: BootNetwork) -> &[String] {
        match role {
            BootNetwork::Provisioning => &self.provisioning,
            BootNetwork::Cleaning => &self.cleaning,
        }
    }

    /// The part that the network of this name plays, if it is one of ours.
    pub fn role_of(&self, network: &[String]) -> Option<BootNetwork> {
        [BootNetwork::Provisioning, BootNetwork::Cleaning]
            .into_iter()
            .find(|role| self.network(*role) == network)
    }

    /// Fully qualified name of the security group of ports on the isolated networks.
    pub fn boot_group_name(&self) -> Vec<String> {
        let mut name = self.project.clone();
        name.push("bms-boot".to_owned());
        name
    }

    /// Fully qualified name of the note of an interface that is being made again, by the port that it was on.
    pub fn parked_name(&self, port: &ServerPort) -> Vec<String> {
        let mut name = self.project.clone();
        name.push(contrail_name(&format!("bms-parked-{}-{}", port.server, port.name)));
        name
    }

    /// Fully qualified name of our interface for this port on this network.
    pub fn boot_interface_name(&self, port: &ServerPort, role: BootNetwork) -> Vec<String> {
        let mut name = self.project.clone();
        name.push(format!("bms-{}-{}-{}", port.server, contrail_name(&port.name), role.as_str()));
        name
    }
}

/// uuid of our interface for a server's port on one of the isolated networks: derived, so that a repeated creation
/// meets the first one instead of making a second.
pub fn boot_interface_id(server: ServerId, port_name: &str, role: BootNetwork) -> Uuid {
    let text = format!("interface/{server}/{port_name}/{}", role.as_str());
    Uuid::new_v5(&OUR_NAMESPACE, text.as_bytes())
}

/// uuid of the address (instance-ip) of a tenant's port that we made.
pub fn address_id(tenant_port: Uuid) -> Uuid {
    Uuid::new_v5(&OUR_NAMESPACE, format!("address/{tenant_port}").as_bytes())
}

/// How Contrail writes a name: it forbids `:`.
pub fn contrail_name(name: &str) -> String {
    name.replace(':', "_")
}

/// Fully qualified name of a switch port.
pub fn physical_interface_name(link: &SwitchPort) -> Vec<String> {
    vec![GLOBAL_SYSTEM_CONFIG.to_owned(), link.switch.clone(), contrail_name(&link.port)]
}

/// uuid of the note of a tenant's interface that is being made again.
pub fn parked_id(interface: Uuid) -> Uuid {
    Uuid::new_v5(&OUR_NAMESPACE, format!("parked/{interface}").as_bytes())
}

/// Fully qualified name of a network's default routing instance, which is what a switch port is really on.
pub fn routing_instance_name(network: &[String]) -> Vec<String> {
    network.iter().chain(network.last()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_differ_by_server_port_and_network_and_stay() {
        let (one, two) = (ServerId(Uuid::from_u128(1)), ServerId(Uuid::from_u128(2)));
        let ids = [
            boot_interface_id(one, "eth0", BootNetwork::Provisioning),
            boot_interface_id(one, "eth0", BootNetwork::Cleaning),
            boot_interface_id(one, "eth1", BootNetwork::Provisioning),
            boot_interface_id(two, "eth0", BootNetwork::Provisioning),
        ];
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
        assert_eq!(ids[0], boot_interface_id(one, "eth0", BootNetwork::Provisioning));
    }

    #[test]
    fn names_follow_contrail() {
        let link =
            SwitchPort { switch: "qfx1".into(), port: "xe-0/0/2:0".into(), switch_id: None, fabric: None };
        assert_eq!(physical_interface_name(&link), [GLOBAL_SYSTEM_CONFIG, "qfx1", "xe-0/0/2_0"]);
        let config = Config::with_default_names("http://127.0.0.1:1");
        let mac = "52:54:00:00:00:01".parse().unwrap();
        let port = ServerPort::alone(ServerId(Uuid::nil()), "eth0:1", mac, link);
        let name = config.boot_interface_name(&port, BootNetwork::Cleaning);
        assert!(name.iter().all(|part| !part.contains(':')), "{name:?}");
        assert_eq!(
            routing_instance_name(&config.cleaning),
            ["default-domain", "bms", "cleaning", "cleaning"]
        );
        assert_eq!(config.role_of(&config.provisioning), Some(BootNetwork::Provisioning));
        assert_eq!(config.role_of(&config.project), None);
    }
}
