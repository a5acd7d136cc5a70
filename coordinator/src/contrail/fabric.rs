//! Edges: moves server ports by the VNC API: detach, attach, read back.
//!
//! Every method may be cut off between any two calls and repeated. What makes that safe: our own interfaces have derived
//! uuids, and a tenant's interface carries a note of the port groups it is leaving until it is bound again.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::network::BootNetwork;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    binding::{self, Vlan},
    object::{
        Attached, INTERFACE_FIELDS, Interface, Owner, PhysicalInterface, PortGroup, Survey, describe,
        observed, owner,
    },
    site::{Config, boot_interface_id, physical_interface_name},
    turns::Turns,
    vnc::{ClientError, Created, RefChange, Tokens, Vnc},
};
use crate::port::{Fabric, FabricError, ObservedNetwork, ServerPort, SwitchPort, WantedNetwork};

/// The kinds of object that a port move touches.
pub(super) const INTERFACE: &str = "virtual-machine-interface";
pub(super) const ADDRESS: &str = "instance-ip";
const GROUP: &str = "virtual-port-group";
const SWITCH_PORT: &str = "physical-interface";
const GROUP_FIELDS: &str = "physical_interface_refs,virtual_machine_interface_refs";

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
    async fn survey(&self, link: &SwitchPort) -> Result<Survey, FabricError> {
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
            let Some(group) = self.vnc.get::<PortGroup>(GROUP, group.uuid, GROUP_FIELDS).await? else {
                continue;
            };
            for member in &group.virtual_machine_interface_refs {
                if let Some(interface) = self.interface(member.uuid).await? {
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

    async fn detach(&self, port: &ServerPort, attached: &Attached) -> Result<(), FabricError> {
        let interface = &attached.interface;
        match owner(&self.config, port, interface) {
            Owner::Us => self.delete_interface(interface).await,
            Owner::Tenant => self.unbind(interface).await,
        }
    }

    /// Deletes an interface: addresses first, then itself; a floating address is set free, for it is not ours.
    pub(super) async fn delete_interface(&self, interface: &Interface) -> Result<(), FabricError> {
        for address in &interface.instance_ip_back_refs {
            self.vnc.delete(ADDRESS, address.uuid).await?;
        }
        for floating in &interface.floating_ip_back_refs {
            let (from, to) = (("floating-ip", floating.uuid), (INTERFACE, interface.uuid));
            self.vnc.change_ref(RefChange::Delete, from, to).await?;
        }
        self.vnc.delete(INTERFACE, interface.uuid).await
    }

    async fn delete_boot_interface(&self, port: &ServerPort, role: BootNetwork) -> Result<(), FabricError> {
        match self.interface(boot_interface_id(port.server, &port.name, role)).await? {
            Some(interface) => self.delete_interface(&interface).await,
            None => Ok(()),
        }
    }

    /// Takes a tenant's interface off its switch port; it keeps uuid, MAC, addresses and security groups.
    pub(super) async fn unbind(&self, interface: &Interface) -> Result<(), FabricError> {
        let leaving = binding::groups_to_leave(interface);
        self.vnc.update(INTERFACE, interface.uuid, binding::unbind(interface, &leaving)).await?;
        self.leave(interface, &leaving).await
    }

    /// Removes what an unbinding leaves behind: both references to each group, and the group when it was made by the
    /// API server and is empty. Otherwise the next binding of this interface is refused.
    async fn leave(&self, interface: &Interface, groups: &[Uuid]) -> Result<(), FabricError> {
        let us = (INTERFACE, interface.uuid);
        for id in groups {
            let it = (GROUP, *id);
            let Some(group) = self.vnc.get::<PortGroup>(GROUP, *id, GROUP_FIELDS).await? else { continue };
            if group.virtual_machine_interface_refs.iter().any(|member| member.uuid == interface.uuid) {
                self.vnc.change_ref(RefChange::Delete, it, us).await?;
            }
            if interface.virtual_port_group_refs.iter().any(|reference| reference.uuid == *id) {
                self.vnc.change_ref(RefChange::Delete, us, it).await?;
            }
            let others =
                group.virtual_machine_interface_refs.iter().any(|member| member.uuid != interface.uuid);
            if !group.is_internal() || others {
                continue;
            }
            let ports = self.vnc.get::<PortGroup>(GROUP, *id, GROUP_FIELDS).await?;
            if ports.is_some_and(|group| group.physical_interface_refs.is_empty()) {
                self.vnc.delete(GROUP, *id).await?;
            }
        }
        Ok(())
    }

    async fn attach_boot(
        &self,
        port: &ServerPort,
        role: BootNetwork,
        group: Option<&str>,
    ) -> Result<(), FabricError> {
        let body = binding::boot_interface(&self.config, port, role, group);
        if let Created::New(_) = self.vnc.create(INTERFACE, body.clone()).await? {
            return Ok(());
        }
        // It exists but was not seen on this switch port: it is on the port where the server was plugged in before,
        // or it was cut off half way. It is ours, so make it anew.
        self.delete_boot_interface(port, role).await?;
        match self.vnc.create(INTERFACE, body).await? {
            Created::New(_) => Ok(()),
            Created::Conflict(reason) => Err(FabricError::Refused {
                operation: format!("put {} on the {} network", port.link, role.as_str()),
                reason: format!("{reason}; delete the object that has our name"),
            }),
        }
    }

    async fn attach_tenant(
        &self,
        port: &ServerPort,
        id: Uuid,
        group: Option<&str>,
    ) -> Result<(), FabricError> {
        let missing = || FabricError::NotFound {
            what: "tenant port (virtual-machine-interface)",
            name: id.to_string(),
        };
        let mut interface = self.interface(id).await?.ok_or_else(missing)?;
        let left_over = binding::groups_to_leave(&interface);
        if !left_over.is_empty() {
            self.unbind(&interface).await?;
            interface = self.interface(id).await?.ok_or_else(missing)?;
        }
        let vlan = match interface.tag() {
            Some(tag) => Vlan::Tag(tag),
            None => Vlan::Native(self.native_vlan(network_of(&interface)?).await?),
        };
        self.vnc.update(INTERFACE, id, binding::bind(port, &interface, group, vlan)).await
    }
}

fn network_of(interface: &Interface) -> Result<&[String], FabricError> {
    let network = interface.virtual_network_refs.first();
    network
        .map(|network| network.to.as_slice())
        .ok_or_else(|| FabricError::NotFound { what: "network of", name: describe(interface) })
}

#[async_trait]
impl Fabric for Contrail {
    async fn move_port(&self, port: &ServerPort, to: &WantedNetwork) -> Result<ObservedNetwork, FabricError> {
        let _turn = self.turns.take(&port.link).await;
        let before = self.survey(&port.link).await?;
        let from = observed(&self.config, port, &before);
        if from.is(to) {
            return Ok(from);
        }
        for attached in &before.attached {
            info!(port = %port.link, server = %port.server, interface = describe(&attached.interface), "detaching");
            self.detach(port, attached).await?;
        }
        // A group without an interface is what somebody's interrupted work left; it would be in the way.
        let deserted =
            |group: &&PortGroup| group.is_internal() && group.virtual_machine_interface_refs.is_empty();
        for group in before.groups.iter().filter(deserted) {
            self.vnc.delete(GROUP, group.uuid).await?;
        }
        // A group that a person made stays, and must be named in the binding.
        let group = before.groups.iter().find(|group| !group.is_internal()).map(PortGroup::name);
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
        let after = observed(&self.config, port, &self.survey(&port.link).await?);
        if after.is(to) {
            info!(port = %port.link, server = %port.server, network = ?to, "port moved");
        } else {
            warn!(port = %port.link, server = %port.server, wanted = ?to, seen = ?after, "port is not where it was put");
        }
        Ok(after)
    }

    async fn observe_port(&self, port: &ServerPort) -> Result<ObservedNetwork, FabricError> {
        Ok(observed(&self.config, port, &self.survey(&port.link).await?))
    }

    async fn release_port(&self, port: &ServerPort) -> Result<(), FabricError> {
        let _turn = self.turns.take(&port.link).await;
        self.delete_boot_interface(port, BootNetwork::Provisioning).await?;
        self.delete_boot_interface(port, BootNetwork::Cleaning).await
    }
}
