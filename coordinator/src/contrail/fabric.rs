//! Edges: moves server ports by the VNC API: detach, attach, read back.
//!
//! Every method may be cut off between any two calls and repeated. What makes that safe: our own interfaces have derived
//! uuids, and a tenant's interface carries a note of the port groups it is leaving until it has left them, or is itself in a note
//! until it was made again.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::network::BootNetwork;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    members,
    neighbours::{Owner, owner, wanted_interface, wanted_tenant, why_refused},
    object::{Attached, INTERFACE_FIELDS, Interface, PhysicalInterface, PortGroup, Survey},
    observed::{describe, observed},
    site::{Config, physical_interface_name},
    turns::Turns,
    vnc::{ClientError, Tokens, Vnc},
};
use crate::port::{Fabric, FabricError, ObservedNetwork, ServerPort, SwitchPort, WantedNetwork};

/// The kinds of object that a port move touches.
pub(super) const INTERFACE: &str = "virtual-machine-interface";
pub(super) const ADDRESS: &str = "instance-ip";
pub(super) const GROUP: &str = "virtual-port-group";
const SWITCH_PORT: &str = "physical-interface";
pub(super) const GROUP_FIELDS: &str = "physical_interface_refs,virtual_machine_interface_refs,\
    virtual_machine_interface_back_refs,security_group_refs";

/// Contrail, as the coordinator uses it: implements `Fabric` and `TenantNetworks`.
pub struct Contrail {
    pub(super) config: Config,
    pub(super) vnc: Vnc,
    /// One native VLAN is chosen at a time.
    pub(super) choosing_vlans: tokio::sync::Mutex<()>,
    turns: Turns,
}

impl Contrail {
    /// Nothing is called yet; `tokens` is none for an API without authentication.
    pub fn new(config: Config, tokens: Option<Arc<dyn Tokens>>) -> Result<Self, ClientError> {
        let vnc = Vnc::new(&config.urls, config.ca_file.as_deref(), tokens)?;
        Ok(Self { config, vnc, choosing_vlans: tokio::sync::Mutex::default(), turns: Turns::default() })
    }

    /// Names of this site.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Everything that is on the switch port now.
    pub(super) async fn survey(&self, link: &SwitchPort) -> Result<Survey, FabricError> {
        let unknown = |reason: &str| FabricError::UnknownPort {
            switch: link.switch.clone(),
            port: link.port.clone(),
            reason: reason.to_owned(),
        };
        let name = physical_interface_name(link);
        let Some(id) = self.vnc.id_of(SWITCH_PORT, &name).await? else {
            return Err(unknown(&format!("there is no object {}", name.join(":"))));
        };
        let Some(found) =
            self.vnc.get::<PhysicalInterface>(SWITCH_PORT, id, "virtual_port_group_back_refs").await?
        else {
            return Err(unknown("it was deleted while we looked"));
        };
        let mut survey = Survey::default();
        for group in &found.virtual_port_group_back_refs {
            let Some(group) = self.port_group(group.uuid).await? else { continue };
            for member in group.members() {
                if let Some(interface) = self.interface(member).await? {
                    survey.attached.push(Attached { interface, group: group.clone() });
                }
            }
            survey.groups.push(group);
        }
        Ok(survey)
    }

    pub(super) async fn interface(&self, id: Uuid) -> Result<Option<Interface>, FabricError> {
        self.vnc.get(INTERFACE, id, INTERFACE_FIELDS).await
    }

    async fn detach(
        &self,
        port: &ServerPort,
        (owner, attached): (Owner, &Attached),
    ) -> Result<(), FabricError> {
        let interface = &attached.interface;
        info!(port = %port.link, server = %port.server, interface = describe(interface), "detaching");
        match owner {
            Owner::Us => self.delete_interface(interface).await,
            Owner::Tenant => self.take_off(port, interface).await,
            Owner::Neighbour => Ok(()),
        }
    }

    /// Frees the port of all that is ours or this server's. Where something else is on it or in its group, a tenant's interface does not
    /// come there, and ours only goes; what that leaves is told.
    async fn clear(&self, port: &ServerPort, to: &WantedNetwork, before: &Survey) -> Result<(), FabricError> {
        let tenant = wanted_tenant(to);
        let refusal = why_refused(&self.config, port, tenant, before);
        if tenant.is_some()
            && let Some(refusal) = refusal
        {
            return Err(refusal);
        }
        let stays = wanted_interface(port, to).filter(|_| refusal.is_some());
        let is_to_go = |one: &&Attached| Some(one.interface.uuid) != stays;
        for one in before.attached.iter().filter(is_to_go) {
            self.detach(port, (owner(&self.config, port, tenant, one), one)).await?;
        }
        let is_free = match refusal {
            Some(refusal) if *to != WantedNetwork::Nothing => return Err(refusal),
            Some(_) => false,
            None => true,
        };
        // A group without an interface is what somebody's interrupted work left; it would be in the way.
        let deserted = |group: &&PortGroup| {
            is_free && group.is_internal() && group.virtual_machine_interface_refs.is_empty()
        };
        for group in before.groups.iter().filter(deserted) {
            self.vnc.delete(GROUP, group.uuid).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Fabric for Contrail {
    async fn check_port(&self, port: &ServerPort) -> Result<(), FabricError> {
        let survey = self.survey(&port.link).await?;
        match members::leader(port, &survey) {
            Some(_) => Ok(()),
            None => why_refused(&self.config, port, None, &survey).map_or(Ok(()), Err),
        }
    }

    async fn move_port(&self, port: &ServerPort, to: &WantedNetwork) -> Result<ObservedNetwork, FabricError> {
        let _turn = self.turns.take(&port.link).await;
        self.finish_at(port, to).await?;
        let before = self.survey_filtered(port, to).await?;
        let from = observed(&self.config, port, wanted_tenant(to), &before);
        if from.is(to) {
            return Ok(from);
        }
        if let Some(leader) = members::leader(port, &before) {
            return Err(FabricError::Refused {
                operation: format!("put {} on a network of its own", port.link),
                reason: format!("it is in a bond with {}; use one network less", leader.name),
            });
        }
        self.clear(port, to, &before).await?;
        // A group that a person made stays, and must be named in the binding.
        let group = before.groups.iter().find(|group| !group.is_internal());
        match to {
            WantedNetwork::Boot(role) => {
                let other = match role {
                    BootNetwork::Provisioning => BootNetwork::Cleaning,
                    BootNetwork::Cleaning => BootNetwork::Provisioning,
                };
                self.delete_boot_interface(port, other).await?;
                self.attach_boot(port, *role, group).await?;
            }
            WantedNetwork::Tenant(id) => {
                self.delete_boot_interface(port, BootNetwork::Provisioning).await?;
                self.delete_boot_interface(port, BootNetwork::Cleaning).await?;
                self.attach_tenant(port, *id, group).await?;
            }
            WantedNetwork::Nothing => {
                self.delete_boot_interface(port, BootNetwork::Provisioning).await?;
                self.delete_boot_interface(port, BootNetwork::Cleaning).await?;
            }
        }
        let after = observed(&self.config, port, wanted_tenant(to), &self.survey_filtered(port, to).await?);
        if after.is(to) {
            info!(port = %port.link, server = %port.server, network = ?to, "port moved");
        } else {
            warn!(port = %port.link, server = %port.server, wanted = ?to, seen = ?after, "port is not where it was put");
        }
        Ok(after)
    }

    async fn observe_port(&self, port: &ServerPort) -> Result<ObservedNetwork, FabricError> {
        let seen = observed(&self.config, port, None, &self.survey(&port.link).await?);
        match seen {
            // One of ours comes only after a tenant's interface was made again, so there is nothing to look for.
            ObservedNetwork::Boot(_) | ObservedNetwork::Bond { .. } | ObservedNetwork::Other { .. } => {
                Ok(seen)
            }
            ObservedNetwork::Nothing | ObservedNetwork::Tenant(_) => match self.parked_at(port).await? {
                Some(interface) => Ok(ObservedNetwork::Other {
                    description: format!("interface {interface} is still to be made again; repeat the move"),
                }),
                None => Ok(seen),
            },
        }
    }

    async fn release_port(&self, port: &ServerPort) -> Result<(), FabricError> {
        let _turn = self.turns.take(&port.link).await;
        self.finish_at(port, &WantedNetwork::Nothing).await?;
        self.delete_boot_interface(port, BootNetwork::Provisioning).await?;
        self.delete_boot_interface(port, BootNetwork::Cleaning).await
    }
}
