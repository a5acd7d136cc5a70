//! Edges: moving a server's ports, each step stored before it is done, and the proof read back.

use std::sync::Arc;

use crate::{
    events::EventKind,
    inventory::{Inventory, InventoryError, Port, Server},
    lifecycle::placement::network_of_port,
    port::{Fabric, FabricError, ObservedNetwork, WantedNetwork},
};

/// Why ports are not where they belong.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The fabric did not do it.
    #[error("{port} cannot be moved to {network}: {source}")]
    Fabric {
        /// Which, with its server and its switch port.
        port: String,
        /// Where it belongs.
        network: String,
        /// Why.
        source: Box<FabricError>,
    },
    /// It was done, and the port is elsewhere.
    #[error("{port} belongs on {network} but is seen on {observed}")]
    Elsewhere {
        /// Which, with its server and its switch port.
        port: String,
        /// Where it belongs.
        network: String,
        /// Where it was seen.
        observed: String,
    },
    /// The server has no ports, so nothing can be proved of it.
    #[error("{server} has no ports in the inventory; import it again with its interfaces")]
    NoPorts {
        /// Which server.
        server: String,
    },
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl MoveError {
    /// Whether trying again may help.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            MoveError::Fabric { source, .. } => source.is_worth_repeating(),
            MoveError::Elsewhere { .. } => true,
            MoveError::NoPorts { .. } | MoveError::Inventory(_) => false,
        }
    }
}

/// Moves ports.
#[derive(Clone)]
pub struct Mover {
    inventory: Inventory,
    fabric: Arc<dyn Fabric>,
}

impl Mover {
    /// Moves ports of this inventory by this fabric.
    pub fn new(inventory: Inventory, fabric: Arc<dyn Fabric>) -> Self {
        Self { inventory, fabric }
    }

    /// Puts every port of the server where it belongs when the server belongs on `network`. The caller holds the server's
    /// lock. Every port is tried; the first failure is told.
    pub async fn ensure(&self, server: &Server, network: WantedNetwork) -> Result<(), MoveError> {
        if server.ports.is_empty() {
            return Err(MoveError::NoPorts { server: server.name.clone() });
        }
        let mut first_failure = None;
        for (port, port_use) in server.ports.iter().zip(server.port_uses()) {
            let wanted = network_of_port(network, port_use);
            if let Err(error) = self.ensure_port(server, port, wanted).await {
                first_failure.get_or_insert(error);
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn ensure_port(
        &self,
        server: &Server,
        port: &Port,
        wanted: WantedNetwork,
    ) -> Result<(), MoveError> {
        // Stored before it is done: after a crash in the middle the port counts as not seen anywhere.
        self.inventory.set_wanted(server.id, &port.name, Some(wanted)).await?;
        self.inventory.set_observed(server.id, &port.name, None).await?;
        let moved = self.fabric.move_port(&server.fabric_port(port), &wanted).await;
        let observed =
            moved.map_err(|source| fabric_failed(server, port, &describe_wanted(&wanted), source))?;
        self.inventory.set_observed(server.id, &port.name, Some(&observed)).await?;
        if port.observed.as_ref() != Some(&observed) {
            let text = format!("{} is on {}", port.name, describe_observed(&observed));
            self.inventory.record(server.id, EventKind::PortMoved, text).await;
        }
        check(server, port, &wanted, &observed)
    }

    /// Reads every port back: the proof that the gate asks for.
    pub async fn prove(&self, server: &Server, network: WantedNetwork) -> Result<(), MoveError> {
        if server.ports.is_empty() {
            return Err(MoveError::NoPorts { server: server.name.clone() });
        }
        for (port, port_use) in server.ports.iter().zip(server.port_uses()) {
            let wanted = network_of_port(network, port_use);
            let observed = self.fabric.observe_port(&server.fabric_port(port)).await;
            let observed =
                observed.map_err(|source| fabric_failed(server, port, &describe_wanted(&wanted), source))?;
            self.inventory.set_observed(server.id, &port.name, Some(&observed)).await?;
            check(server, port, &wanted, &observed)?;
        }
        Ok(())
    }

    /// Reads where the ports are, and moves nothing.
    pub async fn observe(&self, server: &Server) -> Result<(), MoveError> {
        for port in &server.ports {
            let observed = self.fabric.observe_port(&server.fabric_port(port)).await;
            let observed = observed.map_err(|e| fabric_failed(server, port, "(only looked at)", e))?;
            self.inventory.set_observed(server.id, &port.name, Some(&observed)).await?;
        }
        Ok(())
    }

    /// Takes every port off the networks of ours.
    pub async fn release(&self, server: &Server) -> Result<(), MoveError> {
        for port in &server.ports {
            self.inventory.set_observed(server.id, &port.name, None).await?;
            let released = self.fabric.release_port(&server.fabric_port(port)).await;
            released.map_err(|source| fabric_failed(server, port, "no network", source))?;
        }
        Ok(())
    }
}

fn describe_port(server: &Server, port: &Port) -> String {
    format!("port {} of {} ({})", port.name, server.name, port.link)
}

fn fabric_failed(server: &Server, port: &Port, network: &str, source: FabricError) -> MoveError {
    let network = network.to_owned();
    MoveError::Fabric { port: describe_port(server, port), network, source: Box::new(source) }
}

fn check(
    server: &Server,
    port: &Port,
    wanted: &WantedNetwork,
    observed: &ObservedNetwork,
) -> Result<(), MoveError> {
    if observed.is(wanted) {
        return Ok(());
    }
    Err(MoveError::Elsewhere {
        port: describe_port(server, port),
        network: describe_wanted(wanted),
        observed: describe_observed(observed),
    })
}

/// A network in words.
pub fn describe_wanted(wanted: &WantedNetwork) -> String {
    match wanted {
        WantedNetwork::Boot(network) => format!("the {} network", network.as_str()),
        WantedNetwork::Tenant(port) => format!("the tenant's network (port {port})"),
        WantedNetwork::Nothing => "no network".to_owned(),
    }
}

/// Where a port was seen, in words.
pub fn describe_observed(observed: &ObservedNetwork) -> String {
    match observed {
        ObservedNetwork::Nothing => describe_wanted(&WantedNetwork::Nothing),
        ObservedNetwork::Boot(network) => describe_wanted(&WantedNetwork::Boot(*network)),
        ObservedNetwork::Tenant(port) => describe_wanted(&WantedNetwork::Tenant(*port)),
        ObservedNetwork::Other { description } => description.clone(),
    }
}
