//! Values: the part of Contrail that moves server ports, as a trait.

use std::net::IpAddr;

use async_trait::async_trait;

use super::switch_port::{ObservedNetwork, ServerPort, WantedNetwork};

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
        "address {address} of network {network} is in use by {holder}; choose another one, or none to let Contrail choose"
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
    #[error("address {address} cannot be used on network {network} ({subnet}): it {why}; choose another one")]
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
        "network {network} ({subnet}) has no free address: all {used} are in use; delete a server or a virtual machine on \
         it, or use a network with a larger subnet"
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
        "{port} carries interfaces that do not belong to this server: {neighbours}; correct the port's switch port, or \
         detach it in Contrail; if it is the server's own, adopt the server with it (bmsctl node adopt); nothing was \
         changed"
    )]
    Neighbours {
        /// The switch port.
        port: String,
        /// The interfaces, with their projects, networks and port groups.
        neighbours: String,
    },
    /// The switch port is not the server's alone: its port group joins it with others, or its interface is on a second one.
    #[error("{port} may be shared with another server: {why}; it was left unchanged")]
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
