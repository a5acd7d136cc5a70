//! Edges: the virtual rack's cables: namespaces, bridges, taps and the agent's three interfaces.
//!
//! ```text
//!   namespace <prefix>-agent                 namespace <prefix>-fabric
//!     bmc0   198.51.100.1  ------------------- br-bmc    198.51.100.11.. the BMCs
//!     prov0  198.18.1.1    ------------------- br-prov   (isolated ports)  \
//!     clean0 198.18.2.1    ------------------- br-clean  (isolated ports)   > tap-srv1, tap-srv2, ...
//!     disc0  198.18.3.1    ------------------- br-disc   (isolated ports)  /
//!     lo     relay to the coordinator          br-vn-*   a tenant's network
//! ```
//!
//! What must stay true: the fabric's own kernel answers nothing on any network but the BMCs', so that a server can reach
//! the agent and nobody else; and a tap is moved by the switch stand-in alone.

use std::net::Ipv4Addr;

use anyhow::Context;

use crate::netns::{Netns, ip};

/// The agent's address among the BMCs.
pub const AGENT_BMC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The agent's address on the provisioning network.
pub const AGENT_PROVISIONING: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
/// The agent's address on the cleaning network.
pub const AGENT_CLEANING: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 1);

/// The agent's address on the discovery network.
pub const AGENT_DISCOVERY: Ipv4Addr = Ipv4Addr::new(198, 18, 3, 1);

/// The agent's addresses on all networks where servers boot, as the coordinator's configuration names them.
pub fn agent_prefixes() -> [String; 3] {
    [AGENT_PROVISIONING, AGENT_CLEANING, AGENT_DISCOVERY].map(|address| format!("{address}/32"))
}

/// The address of the n-th server's BMC, counted from 0.
pub fn bmc_address(server: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, 11 + server)
}

/// The rack's two namespaces.
#[derive(Clone, Debug)]
pub struct Rack {
    /// Bridges, taps, virtual servers and BMCs.
    pub fabric: Netns,
    /// The agent.
    pub agent: Netns,
}

impl Rack {
    /// The rack of a lab by its prefix (`bms` for `make lab`), built or not.
    pub fn named(prefix: &str) -> Self {
        Self { fabric: Netns(format!("{prefix}-fabric")), agent: Netns(format!("{prefix}-agent")) }
    }

    /// The tap of a server.
    pub fn tap(server: &str) -> String {
        format!("tap-{server}")
    }

    /// Builds it afresh for these servers, by their numbers and names.
    pub async fn build(prefix: &str, servers: &[(u8, &str)]) -> anyhow::Result<Self> {
        let names = Self::named(prefix);
        let rack = Self {
            fabric: Netns::create(&names.fabric.0).await?,
            agent: Netns::create(&names.agent.0).await?,
        };
        rack.silence_fabric().await?;
        for bridge in ["br-bmc", "br-prov", "br-clean", "br-disc"] {
            let lines = format!(
                "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set {bridge} up\n"
            );
            rack.fabric.ip_batch(&lines).await?;
        }
        for (number, _) in servers {
            let address = format!("{}/24", bmc_address(*number));
            rack.fabric.ip(&["address", "add", &address, "dev", "br-bmc"]).await?;
        }
        for (_, server) in servers {
            rack.fabric.ip(&["tuntap", "add", &Self::tap(server), "mode", "tap"]).await?;
        }
        rack.plug_agent("br-bmc", "bmc0", AGENT_BMC).await?;
        rack.plug_agent("br-prov", "prov0", AGENT_PROVISIONING).await?;
        rack.plug_agent("br-clean", "clean0", AGENT_CLEANING).await?;
        rack.plug_agent("br-disc", "disc0", AGENT_DISCOVERY).await?;
        Ok(rack)
    }

    /// Takes it away.
    pub async fn remove(&self) -> anyhow::Result<()> {
        self.agent.delete().await?;
        self.fabric.delete().await
    }

    /// One cable from the agent's interface to a bridge.
    async fn plug_agent(&self, bridge: &str, interface: &str, address: Ipv4Addr) -> anyhow::Result<()> {
        let outer = format!("agent-{interface}");
        ip(&[
            "link",
            "add",
            &outer,
            "netns",
            &self.fabric.0,
            "type",
            "veth",
            "peer",
            "name",
            interface,
            "netns",
            &self.agent.0,
        ])
        .await?;
        self.fabric.ip_batch(&format!("link set {outer} master {bridge}\nlink set {outer} up\n")).await?;
        self.agent
            .ip_batch(&format!("address add {address}/24 dev {interface}\nlink set {interface} up\n"))
            .await
            .with_context(|| format!("plugging the agent into {bridge}"))
    }

    /// The fabric forwards frames and has an address among the BMCs; to everything else its kernel must be deaf and dumb.
    async fn silence_fabric(&self) -> anyhow::Result<()> {
        let rules = "add table inet deaf; \
                     add chain inet deaf input { type filter hook input priority 0 ; policy drop ; }; \
                     add rule inet deaf input iifname { lo, br-bmc } accept";
        self.fabric.run("nft", &[rules]).await.context("silencing the fabric (package nftables)")?;
        for key in ["all", "default"] {
            let setting = format!("net.ipv6.conf.{key}.disable_ipv6=1");
            self.fabric.run("sysctl", &["-qw", &setting]).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_agent_reaches_bmcs_and_nothing_answers_on_the_boot_networks() {
        let rack = Rack::build("rk-unit", &[(0, "srv1")]).await.unwrap();
        let ping = async |address: &str| rack.agent.run("ping", &["-c1", "-W1", address]).await;
        ping("198.51.100.11").await.unwrap();
        // A frame sent to the bridge's own address must not reach the BMCs' network through the fabric's kernel.
        let fabric = rack.fabric.run("cat", &["/sys/class/net/br-prov/address"]).await.unwrap();
        let line = format!("neighbour add 198.18.1.77 lladdr {} dev prov0\n", fabric.trim());
        rack.agent.ip_batch(&line).await.unwrap();
        rack.agent.ip(&["route", "add", "198.51.100.11/32", "via", "198.18.1.77"]).await.unwrap();
        assert!(ping("198.51.100.11").await.is_err());
        rack.remove().await.unwrap();
    }
}
