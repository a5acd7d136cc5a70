//! Values: the rim of the coordinator, as traits. Each has a real implementation and a fake for tests.
//!
//! Everything inside speaks these words; only the implementations know HTTP, the VNC API or gRPC. All verbs are safe
//! to repeat.

use std::net::IpAddr;

use async_trait::async_trait;
use protocol::{
    boot::{Boot, BootMode},
    command::{Action, Failure, Success},
    hardware::HardwareReport,
    id::{RackId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerOffHow, PowerReading},
    secret::Secret,
    step::{Step, StepOutput},
};
use uuid::Uuid;

use crate::{
    disks::{Account, KnownDisk},
    lifecycle::Node,
    ramdisk_api::command::Erase,
};

/// Where a server's interface is plugged in, in Contrail's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SwitchPort {
    /// Name of the physical-router (`switch_info`).
    pub switch: String,
    /// Name of the physical-interface as the switch calls it (`port_id`), such as `xe-0/0/0`.
    pub port: String,
    /// Chassis MAC of the switch (`switch_id`), when known.
    pub switch_id: Option<String>,
    /// Name of the fabric; none: Contrail's `default-fabric`.
    pub fabric: Option<String>,
}

impl std::fmt::Display for SwitchPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

impl SwitchPort {
    /// The name by which Contrail tells switch ports apart: letter by letter, with `_` for the `:` of a channelised port.
    pub fn key(&self) -> String {
        format!("{}:{}", self.switch, self.port.replace(':', "_"))
    }
}

/// One interface of a server, with its switch port, and what the inventory knows of the server beside it: whatever else is found
/// there is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ServerPort {
    /// Whose.
    pub server: ServerId,
    /// The interface's name in the inventory, such as `eth0`.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// The server's other interfaces: they may be in a bond with this one.
    pub siblings: Vec<Sibling>,
    /// Interfaces (virtual-machine-interface) of the server's tenant: what may be taken off the port beside what we made.
    pub tenant: Vec<Uuid>,
}

/// Another interface of the same server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Sibling {
    /// Its name in the inventory.
    pub name: String,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// Whether it is this one that carries the networks when both are in one port group.
    pub leads: bool,
}

impl ServerPort {
    /// A port of a server of which nothing else is known.
    pub fn alone(server: ServerId, name: impl Into<String>, mac: MacAddr, link: SwitchPort) -> Self {
        Self { server, name: name.into(), mac, link, siblings: Vec::new(), tenant: Vec::new() }
    }
}

/// The network on which a port *should* be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedNetwork {
    /// One of the two isolated networks.
    Boot(BootNetwork),
    /// The network of this tenant port (virtual-machine-interface).
    Tenant(Uuid),
    /// None at all: unplugged, as far as Contrail can unplug it.
    Nothing,
}

/// The network on which a port *was seen*, read back from Contrail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedNetwork {
    /// On no network.
    Nothing,
    /// On one of the two isolated networks.
    Boot(BootNetwork),
    /// On the network of this tenant port.
    Tenant(Uuid),
    /// In a bond that another port of the server carries: it is where that one is.
    Bond {
        /// The other port's name.
        with: String,
    },
    /// On something we did not make.
    Other {
        /// What, for a person: name and uuid of the virtual-machine-interface and its network.
        description: String,
    },
}

impl ObservedNetwork {
    /// Whether this is the proof that the gate asks for.
    pub fn is(&self, wanted: &WantedNetwork) -> bool {
        match (self, wanted) {
            (ObservedNetwork::Boot(seen), WantedNetwork::Boot(network)) => seen == network,
            (ObservedNetwork::Tenant(seen), WantedNetwork::Tenant(port)) => seen == port,
            (ObservedNetwork::Nothing, WantedNetwork::Nothing) => true,
            // The port that carries the bond is proved by itself; a tenant's network of its own would not be there.
            (ObservedNetwork::Bond { .. }, WantedNetwork::Boot(_) | WantedNetwork::Nothing) => true,
            (ObservedNetwork::Bond { .. }, WantedNetwork::Tenant(_)) => false,
            (ObservedNetwork::Other { .. }, _) => false,
            (ObservedNetwork::Nothing | ObservedNetwork::Boot(_) | ObservedNetwork::Tenant(_), _) => false,
        }
    }
}

/// Why the fabric did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FabricError {
    /// No answer, or an answer that says "later": worth repeating.
    #[error("the Contrail API at {url} did not answer: {reason}")]
    Unavailable {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The switch port is not in Contrail's inventory.
    #[error("Contrail knows no physical interface {port} on {switch}: {reason}")]
    UnknownPort {
        /// The switch.
        switch: String,
        /// The port.
        port: String,
        /// What the API said.
        reason: String,
    },
    /// Something named does not exist.
    #[error("Contrail has no {what} {name}")]
    NotFound {
        /// Kind of object.
        what: &'static str,
        /// Its name or uuid.
        name: String,
    },
    /// Refused for good: repeating the same request cannot help.
    #[error("Contrail refused to {operation}: {reason}")]
    Refused {
        /// What was tried.
        operation: String,
        /// What the API said.
        reason: String,
    },
    /// The address that was asked for is somebody's.
    #[error(
        "address {address} of network {network} is in use by {holder}; ask for another one, or for none and Contrail \
         chooses one"
    )]
    AddressTaken {
        /// Which.
        address: IpAddr,
        /// Name of the network.
        network: String,
        /// Who has it.
        holder: String,
    },
    /// The address that was asked for is none that a port may have.
    #[error("address {address} cannot be had on network {network} ({subnet}): it {why}; ask for another one")]
    UnfitAddress {
        /// Which.
        address: IpAddr,
        /// Name of the network.
        network: String,
        /// Its subnets.
        subnet: String,
        /// Why not.
        why: String,
    },
    /// Every address of the network is in use.
    #[error(
        "network {network} ({subnet}) has no free address: all {used} are in use; give back a server or a virtual \
         machine on it, or take a network with a larger subnet"
    )]
    NoAddressLeft {
        /// Name of the network.
        network: String,
        /// Its first subnet.
        subnet: String,
        /// How many addresses are in use.
        used: usize,
    },
    /// Interfaces of others are on the switch port, or on the port group that it is in.
    #[error(
        "{port} carries what is not this server's: {neighbours}; correct the port's switch port, or detach it in Contrail; if it \
         is the server's own, adopt the server with it (bmsctl node adopt); nothing of it was touched"
    )]
    Neighbours {
        /// The switch port.
        port: String,
        /// The interfaces, with their projects, networks and port groups.
        neighbours: String,
    },
    /// The switch port is not the server's alone: its port group joins it with others, or its interface is on a second one.
    #[error("{port} is not this server's alone: {why}; nothing was put there")]
    NotAlone {
        /// The switch port.
        port: String,
        /// The port group, what is in it, and what to do.
        why: String,
    },
    /// It is not deleted while others use it.
    #[error("{what} is in use by {by}; delete them first")]
    InUse {
        /// What.
        what: String,
        /// Who.
        by: String,
    },
}

impl FabricError {
    /// Whether the same request may succeed later.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            FabricError::Unavailable { .. } => true,
            FabricError::UnknownPort { .. }
            | FabricError::NotFound { .. }
            | FabricError::Refused { .. }
            | FabricError::AddressTaken { .. }
            | FabricError::UnfitAddress { .. }
            | FabricError::NoAddressLeft { .. }
            | FabricError::Neighbours { .. }
            | FabricError::NotAlone { .. }
            | FabricError::InUse { .. } => false,
        }
    }
}

/// The part of Contrail that moves server ports. Contrail owns what a port is on; we ask, and read back.
#[async_trait]
pub trait Fabric: Send + Sync {
    /// Whether the port carries nothing but what is ours or this server's: the refusal that a move would meet. Changes nothing.
    async fn check_port(&self, port: &ServerPort) -> Result<(), FabricError>;
    /// Puts the port onto the network (detach, then attach) and reads back where it is. A tenant's interface is unbound
    /// and bound, never lost. What is not this server's is never touched: the move is refused with its name.
    async fn move_port(&self, port: &ServerPort, to: &WantedNetwork) -> Result<ObservedNetwork, FabricError>;
    /// Reads where the port is.
    async fn observe_port(&self, port: &ServerPort) -> Result<ObservedNetwork, FabricError>;
    /// Takes the port off every network of ours (before its server is forgotten).
    async fn release_port(&self, port: &ServerPort) -> Result<(), FabricError>;
}

/// A tenant's network (virtual-network).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TenantNetwork {
    /// uuid of the virtual-network.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Keystone project it belongs to, without dashes.
    pub project_id: String,
    /// Its subnet, such as `192.0.2.0/24`; empty when it has none.
    pub subnet: String,
    /// Address of the gateway; empty when there is none.
    pub gateway: String,
}

/// A tenant's port: its virtual-machine-interface with its address.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TenantPort {
    /// uuid of the virtual-machine-interface.
    pub id: Uuid,
    /// uuid of the virtual-network.
    pub network: Uuid,
    /// Address that Contrail's IPAM gave.
    pub address: IpAddr,
}

/// A port to be made for a tenant's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTenantPort {
    /// uuid of the virtual-machine-interface.
    pub id: Uuid,
    /// uuid of the virtual-network.
    pub network: Uuid,
    /// The server's name.
    pub name: String,
    /// The address that it must have; none: Contrail chooses one.
    pub address: Option<IpAddr>,
    /// Security groups, by uuid.
    pub security_groups: Vec<Uuid>,
    /// VLAN tag of its frames; none: untagged.
    pub vlan: Option<u16>,
}

impl NewTenantPort {
    /// An untagged port with an address that Contrail chooses.
    pub fn plain(id: Uuid, network: Uuid, name: &str) -> Self {
        let name = name.to_owned();
        Self { id, network, name, address: None, security_groups: Vec::new(), vlan: None }
    }
}

/// The addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NetworkAddresses {
    /// Those in use, by address.
    pub used: Vec<UsedAddress>,
    /// How many are left.
    pub free: u64,
}

/// An address that is in use.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct UsedAddress {
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// MAC address to which it is bound, once there is one.
    pub mac: Option<String>,
    /// uuid of the port (virtual-machine-interface) that has it.
    pub port: Option<Uuid>,
    /// Name of that port: the server's or the virtual machine's.
    pub name: String,
}

/// A tenant's security group.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SecurityGroup {
    /// Its uuid.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// An object in Contrail that a site needs of us.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SiteObject {
    /// Its kind, such as `virtual-network`.
    pub kind: String,
    /// Its name, parts joined by `:`.
    pub name: String,
    /// Its uuid.
    pub id: Uuid,
    /// What was done.
    pub state: SiteObjectState,
}

/// What was done about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteObjectState {
    /// It was made.
    Made,
    /// It was there.
    Found,
    /// It was there with other content, and was brought to ours.
    Corrected,
}

/// The part of Contrail that holds tenants' networks and addresses.
#[async_trait]
pub trait TenantNetworks: Send + Sync {
    /// Networks of a project; of all projects with none.
    async fn list_networks(&self, project_id: Option<&str>) -> Result<Vec<TenantNetwork>, FabricError>;
    /// Makes a network with one subnet, or returns the one of that name when its subnet is the same.
    async fn ensure_network(
        &self,
        project_id: &str,
        project_name: &str,
        name: &str,
        subnet: &str,
    ) -> Result<TenantNetwork, FabricError>;
    /// Deletes a network that has no ports; refused with who is on it.
    async fn delete_network(&self, id: Uuid) -> Result<(), FabricError>;
    /// A network's addresses: who has which, and how many are left.
    async fn network_addresses(&self, id: Uuid) -> Result<NetworkAddresses, FabricError>;
    /// Security groups of a project; of all projects with none.
    async fn security_groups(&self, project_id: Option<&str>) -> Result<Vec<SecurityGroup>, FabricError>;
    /// Makes what a site needs before its first server: our project, the isolated networks, the security group of their
    /// ports; says what was made and what was there.
    async fn set_site_up(&self) -> Result<Vec<SiteObject>, FabricError>;
    /// Makes a port with an address under the given uuid; returns the existing one when repeated.
    async fn ensure_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError>;
    /// Deletes a port and frees its address. Done already is done.
    async fn delete_tenant_port(&self, id: Uuid) -> Result<(), FabricError>;
}

/// The agents, as the rest of the coordinator sees them.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Sends a command and waits for its result, at most `COMMAND_WAIT_MAX`; the same action is never done twice.
    async fn run(&self, rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError>;
}

/// Why an agent gave no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The agent is not connected, or did not answer in time.
    #[error("the agent of rack {rack} {reason}")]
    Away {
        /// Which rack.
        rack: RackId,
        /// What is known.
        reason: String,
    },
    /// A permit to switch on that was given and has not been taken: the connection broke before. Nothing was done. It is not
    /// given again, because what it rests on may have changed; it may be asked for anew.
    #[error(
        "the agent of rack {rack} lost its connection, or was started anew, before it had taken the command"
    )]
    NotTaken {
        /// Which rack.
        rack: RackId,
    },
    /// The agent answered with a failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a power-on, or anything else that Ironic or a user asks of a server, is not done. `message` is shown to people
/// as it is: in Ironic's `last_error`, in Nova's fault and by the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// Which port, which network, and why.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// No such server.
    UnknownServer,
    /// The server's state does not allow it.
    State,
    /// The gate has no proof that the port is on the right network.
    Gate,
    /// The rack agent is away.
    AgentAway,
    /// The BMC, the ramdisk or the agent failed.
    Hardware,
    /// It was begun and cut off; nothing speaks against doing it again from its beginning.
    Interrupted,
}

/// What Ironic asks of a server through the Redfish facade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Redfish `On`.
    On,
    /// Redfish `ForceOff`, `GracefulShutdown`.
    Off(PowerOffHow),
    /// Redfish `ForceRestart`, `GracefulRestart`.
    Restart,
}

/// A server as the facades show it to Ironic: facts, none of them fetched for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacadeServer {
    /// Its id, also the Redfish system's id.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Last streamed reading; none: not heard of yet.
    pub power: Option<PowerReading>,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Interfaces.
    pub macs: Vec<MacAddr>,
    /// Hardware, once a ramdisk has reported it.
    pub hardware: Option<HardwareReport>,
    /// The ramdisk that is connected now.
    pub ramdisk: Option<RamdiskSessionId>,
}

/// The core as the two facades towards Ironic use it.
#[async_trait]
pub trait Hardware: Send + Sync {
    /// The server, or none when there is no such.
    async fn server(&self, id: ServerId) -> Option<FacadeServer>;
    /// Waits a moment for the agent of the server's rack, if that has only just gone away; not at all for one that is here.
    async fn await_agent(&self, id: ServerId) {
        let _ = id;
    }
    /// User and password that Ironic must show for this server.
    async fn facade_credentials(&self, id: ServerId) -> Option<(String, Secret)>;
    /// Changes the power. A power-on goes through the gate and returns when the gate has decided and the BMC has done it.
    async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal>;
    /// Lets the connected ramdisk do a step; returns when it is done.
    async fn run_step(
        &self,
        id: ServerId,
        session: RamdiskSessionId,
        step: Step,
    ) -> Result<StepOutput, Refusal>;
    /// The disks that a clean of the server accounts for.
    async fn disks(&self, id: ServerId) -> Result<Vec<KnownDisk>, Refusal>;
    /// Stores what an erase came to; it is on disk when this returns.
    async fn note_erase(&self, id: ServerId, depth: Erase, account: &Account) -> Result<(), Refusal>;
    /// Notes what became of the image that is to be written.
    async fn note_image(&self, id: ServerId, news: ImageNews) {
        let _ = (id, news);
    }
    /// `network_data.json` for the configuration drive of the server's tenant; none: what Nova wrote is left.
    async fn network_data(&self, id: ServerId) -> Result<Option<serde_json::Value>, Refusal> {
        let _ = id;
        Ok(None)
    }
}

/// What became of the image of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageNews {
    /// It is waited for, and why.
    Waits(String),
    /// It was waited for, and is known now.
    Found,
    /// The deployment fails for it, and why.
    Failed(String),
}

/// What a power-on of a server must boot, and where its port must be for that.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PermittedBoot {
    /// What it boots.
    pub boot: Boot,
    /// Where every port of it must have been observed.
    pub network: WantedNetwork,
}

/// A server as Ironic is to know it: driver `redfish`, pointed at our facade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Becomes the node's uuid.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// `resource_class`.
    pub resource_class: String,
    /// Traits, all of them.
    pub traits: std::collections::BTreeSet<String>,
    /// `properties`, such as `cpu_arch`.
    pub properties: std::collections::BTreeMap<String, String>,
    /// Firmware mode, for `properties.capabilities`.
    pub boot_mode: BootMode,
    /// `redfish_username`.
    pub facade_user: String,
    /// `redfish_password`: the facade's, never the BMC's.
    pub facade_password: Secret,
    /// Interfaces: address and `pxe_enabled`.
    pub ports: Vec<(MacAddr, bool)>,
}

/// Why Ironic did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionerError {
    /// No answer, an answer that says "later", or a node that is locked: worth repeating.
    #[error("Ironic did not {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: String,
        /// What happened.
        reason: String,
    },
    /// Refused for good.
    #[error("Ironic refused to {operation}: {reason}")]
    Refused {
        /// What was tried.
        operation: String,
        /// Ironic's words.
        reason: String,
    },
}

/// Ironic, as the core uses it. Ironic owns the provision state; we read it and bring it the facts it cannot see.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// Reads one node, now; none when Ironic does not have it.
    async fn get_node(&self, id: ServerId) -> Result<Option<Node>, ProvisionerError>;
    /// Reads all nodes.
    async fn list_nodes(&self) -> Result<Vec<Node>, ProvisionerError>;
    /// Tells Ironic that a node is off (`PUT states/power`, a no-op on a BMC that is off).
    async fn tell_power_off(&self, id: ServerId) -> Result<(), ProvisionerError>;
    /// Makes the node and its ports, or brings them up to date.
    async fn ensure_node(&self, spec: &NodeSpec) -> Result<(), ProvisionerError>;
    /// Gives the node the class and the traits by which Nova's scheduler finds it.
    async fn classify(
        &self,
        id: ServerId,
        class: &str,
        traits: &std::collections::BTreeSet<String>,
    ) -> Result<(), ProvisionerError>;
    /// Deletes the node with its ports. Gone already is done.
    async fn delete_node(&self, id: ServerId) -> Result<(), ProvisionerError>;
}

/// Why an image's bytes do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("image {id} cannot be read from the image service: {reason}")]
pub struct ImageError {
    /// Which image.
    pub id: String,
    /// What happened.
    pub reason: String,
    /// Whether the image service did not answer: asking again may help.
    pub is_away: bool,
}

/// An image's bytes as they come, or the reason why they stop.
pub type ImageStream = futures::stream::BoxStream<'static, Result<bytes::Bytes, ImageError>>;

/// Glance, as the agents' image caches are fed from it.
#[async_trait]
pub trait ImageSource: Send + Sync {
    /// The file's bytes from `offset` to the end.
    async fn open(&self, id: &str, offset: u64) -> Result<ImageStream, ImageError>;
}
