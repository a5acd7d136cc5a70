//! Edges: moving a server's ports, each step stored before it is done, and the proof read back.

use std::sync::Arc;

use domain::{
    events::EventKind,
    lifecycle::placement::networks_of_ports,
    records::{AskedBy, Port, Proof, Server},
    rim::{
        Fabric, FabricError, ObservedNetwork, ServerPort, WantedNetwork, describe_observed, describe_wanted,
    },
};
use store::{Inventory, InventoryError};
use uuid::Uuid;

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
    /// The port is not ours to take over.
    #[error("{port} was never handed over to BMS Manager and was left unchanged: {source}")]
    NotOurs {
        /// Which, with its server and its switch port.
        port: String,
        /// What is there, or why that is not known.
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
    /// The tenant has more ports than the server.
    #[error(
        "{server} has {ports} network interfaces, but its tenant requested {networks} networks; give it back and use a \
         flavor whose servers have enough"
    )]
    TooFewPorts {
        /// Which server.
        server: String,
        /// How many it has.
        ports: usize,
        /// How many the tenant has.
        networks: usize,
    },
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl MoveError {
    /// Whether something that is not this server's was seen on the port or in its group.
    pub fn is_somebody_elses(&self) -> bool {
        match self {
            MoveError::Fabric { source, .. } | MoveError::NotOurs { source, .. } => {
                matches!(**source, FabricError::Neighbours { .. } | FabricError::NotAlone { .. })
            }
            MoveError::Elsewhere { .. }
            | MoveError::NoPorts { .. }
            | MoveError::TooFewPorts { .. }
            | MoveError::Inventory(_) => false,
        }
    }

    /// Whether trying again may help.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            MoveError::Fabric { source, .. } | MoveError::NotOurs { source, .. } => {
                source.is_worth_repeating()
            }
            MoveError::Elsewhere { .. } => true,
            MoveError::NoPorts { .. } | MoveError::TooFewPorts { .. } | MoveError::Inventory(_) => false,
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

    /// Whether the server's ports may be taken over: each carries nothing but what is ours or this server's tenant's. Nothing is
    /// changed.
    pub async fn check(&self, server: &Server) -> Result<(), MoveError> {
        let tenant = self.inventory.tenant_interfaces(server).await?;
        for port in &server.ports {
            let checked = self.fabric.check_port(&server.fabric_port(port, tenant.clone())).await;
            checked.map_err(|source| MoveError::NotOurs {
                port: describe_port(server, port),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    /// Puts every port of the server where it belongs when the server belongs on `network`. The caller holds the server's
    /// lock. Ports that were never given to us are all looked at before the first one is moved. Every port is tried; the
    /// first failure is told.
    pub async fn ensure(
        &self,
        server: &Server,
        network: WantedNetwork,
        asked_by: AskedBy,
    ) -> Result<(), MoveError> {
        let places = self.places(server, network).await?;
        let tenant = self.inventory.tenant_interfaces(server).await?;
        if !server.ports_given {
            self.take_over(server, asked_by).await?;
        }
        let mut first_failure = None;
        for (port, wanted) in places {
            let target = server.fabric_port(port, tenant.clone());
            if let Err(error) = self.ensure_port(server, port, &target, wanted, asked_by).await {
                first_failure.get_or_insert(error);
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Stores that the ports are ours to move from now on, if they are. An isolation goes on without that: what is on record as the
    /// server's tenant's goes off its network whatever else is there, and the fabric refuses the rest.
    async fn take_over(&self, server: &Server, asked_by: AskedBy) -> Result<(), MoveError> {
        match (self.check(server).await, asked_by) {
            (Ok(()), _) => Ok(self.inventory.set_ports_given(server.id).await?),
            (Err(_), AskedBy::Isolate) => Ok(()),
            (Err(error), AskedBy::Gate | AskedBy::Park) => Err(error),
        }
    }

    /// Where each port belongs when the server belongs on `network`.
    async fn places<'s>(
        &self,
        server: &'s Server,
        network: WantedNetwork,
    ) -> Result<Vec<(&'s Port, WantedNetwork)>, MoveError> {
        if server.ports.is_empty() {
            return Err(MoveError::NoPorts { server: server.name.clone() });
        }
        let tenant = match network {
            WantedNetwork::Tenant(port) => self.inventory.tenant_ports_with(port).await?,
            WantedNetwork::Boot(_) | WantedNetwork::Nothing => Vec::new(),
        };
        let networks = networks_of_ports(network, &server.port_uses(), &tenant);
        let networks = networks.ok_or_else(|| MoveError::TooFewPorts {
            server: server.name.clone(),
            ports: server.ports.len(),
            networks: tenant.len(),
        })?;
        Ok(server.ports.iter().zip(networks).collect())
    }

    /// Whether every port was last seen where it belongs when the server belongs on `network`.
    pub async fn is_in_place(&self, server: &Server, network: WantedNetwork) -> Result<bool, MoveError> {
        if server.ports.is_empty() {
            return Ok(true);
        }
        let places = self.places(server, network).await?;
        Ok(places.iter().all(|(port, wanted)| port.observed.as_ref().is_some_and(|seen| seen.is(wanted))))
    }

    async fn ensure_port(
        &self,
        server: &Server,
        port: &Port,
        target: &ServerPort,
        wanted: WantedNetwork,
        asked_by: AskedBy,
    ) -> Result<(), MoveError> {
        // Stored before it is done: after a crash in the middle the port counts as not seen anywhere.
        self.inventory.set_wanted(server.id, &port.name, Some(wanted)).await?;
        self.inventory.set_observed(server.id, &port.name, None).await?;
        let at_us = self.inventory.clock().now_us();
        let moved = self.fabric.move_port(target, &wanted).await;
        let proof = Proof {
            id: Uuid::new_v4(),
            server: server.id,
            port: port.name.clone(),
            mac: port.mac,
            asked_by,
            wanted,
            observed: moved.as_ref().ok().cloned(),
            error: moved.as_ref().err().map(ToString::to_string),
            at_us,
            took_ms: self.inventory.clock().now_us().saturating_sub(at_us) / 1000,
            tries: 1,
            confirmed_us: None,
            sightings: Vec::new(),
        };
        self.inventory.put_proof(&proof).await?;
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
        let tenant = self.inventory.tenant_interfaces(server).await?;
        for (port, wanted) in self.places(server, network).await? {
            let observed = self.fabric.observe_port(&server.fabric_port(port, tenant.clone())).await;
            let observed =
                observed.map_err(|source| fabric_failed(server, port, &describe_wanted(&wanted), source))?;
            self.inventory.set_observed(server.id, &port.name, Some(&observed)).await?;
            check(server, port, &wanted, &observed)?;
            self.inventory.confirm_proof(server.id, &port.name).await?;
        }
        Ok(())
    }

    /// Reads where the ports are, and moves nothing.
    pub async fn observe(&self, server: &Server) -> Result<(), MoveError> {
        let tenant = self.inventory.tenant_interfaces(server).await?;
        for port in &server.ports {
            let observed = self.fabric.observe_port(&server.fabric_port(port, tenant.clone())).await;
            let observed = observed.map_err(|e| fabric_failed(server, port, "(only looked at)", e))?;
            self.inventory.set_observed(server.id, &port.name, Some(&observed)).await?;
        }
        Ok(())
    }

    /// Takes every port off the networks of ours.
    pub async fn release(&self, server: &Server) -> Result<(), MoveError> {
        for port in &server.ports {
            self.inventory.set_observed(server.id, &port.name, None).await?;
            let released = self.fabric.release_port(&server.fabric_port(port, Vec::new())).await;
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
