//! Values: where the stand-in listens and which cables its switch has.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::switch::PortName;

/// Everything that the stand-in is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the VNC API; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of the stand-in's own switches and lists (`/fault`, `/moves`, `/ports`), which never fail.
    pub admin: SocketAddr,
    /// File that keeps the objects over a restart; none: they are lost.
    #[serde(default)]
    pub snapshot: Option<PathBuf>,
    /// Fabrics beside `default-fabric`.
    #[serde(default)]
    pub fabrics: Vec<String>,
    /// Whether the fabrics are of the enterprise style, as `default-fabric` is unless somebody made it otherwise; no:
    /// of the service provider style. The style decides where filters come from and which VLANs clash, and a fabric
    /// keeps it for life: what a snapshot holds is not changed.
    #[serde(default = "yes")]
    pub enterprise: bool,
    /// Address of the collector; none: there is no collector.
    #[serde(default)]
    pub collector: Option<SocketAddr>,
    /// Switch ports.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// The switch; none: the API alone, nothing is moved.
    #[serde(default)]
    pub switch: Option<Switch>,
}

/// A switch port and what is plugged into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name of the switch (physical-router).
    pub switch: String,
    /// Name of the port (physical-interface).
    pub port: String,
    /// Interface in the fabric's namespace; none: nothing is plugged in.
    #[serde(default)]
    pub tap: Option<String>,
}

impl Port {
    /// Its name as the objects have it: `:` becomes `_`.
    pub fn name(&self) -> PortName {
        PortName { switch: self.switch.clone(), port: self.port.replace(':', "_") }
    }
}

/// The switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Namespace that holds bridges and taps; it must exist.
    pub namespace: String,
    /// Tenants' gateways live in namespaces `<prefix>-gw-<network>`, made and deleted by the stand-in.
    pub gateway_prefix: String,
    /// Networks with a bridge of a fixed name; all others get one of their own.
    #[serde(default)]
    pub networks: Vec<FixedNetwork>,
    /// File to which every move is appended, one JSON object a line.
    pub log: PathBuf,
}

/// A network with a bridge of a fixed name. It has no gateway and no DHCP of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedNetwork {
    /// Fully qualified name of the virtual-network.
    pub fq_name: Vec<String>,
    /// The bridge.
    pub bridge: String,
    /// Whether servers on it are isolated from each other.
    #[serde(default)]
    pub isolated: bool,
}

impl Config {
    /// Reads a TOML file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("understanding {}", path.display()))
    }

    /// The API alone on free loopback ports, with these switch ports.
    pub fn api_only(ports: &[(&str, &str)]) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let port = |(switch, port): &(&str, &str)| Port {
            switch: (*switch).to_owned(),
            port: (*port).to_owned(),
            tap: None,
        };
        Self {
            listen: any,
            admin: any,
            snapshot: None,
            fabrics: Vec::new(),
            enterprise: true,
            collector: None,
            ports: ports.iter().map(port).collect(),
            switch: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// How names of tenants' bridges begin.
pub const TENANT_BRIDGE_PREFIX: &str = "br-vn-";

/// Bridge of a tenant's network.
pub fn tenant_bridge(network: Uuid) -> String {
    format!("{TENANT_BRIDGE_PREFIX}{}", short(network))
}

/// Enough of a uuid for an interface's name, which may have 15 characters.
pub fn short(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}
