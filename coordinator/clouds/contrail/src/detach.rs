//! Edges: takes interfaces off switch ports, and leaves nothing behind: no reference, no group of the API server's, no claim.
//!
//! An interface of ours is deleted. A tenant's is unbound where that frees all that it
//! holds and throws nobody off, and made again otherwise (see `park`).

use protocol::network::BootNetwork;
use tracing::warn;
use uuid::Uuid;

use super::{
    Contrail, binding,
    fabric::{ADDRESS, GROUP, GROUP_FIELDS, INTERFACE},
    filters, members,
    object::{Interface, PortGroup, RefChange, is_internal_group},
    setup::SECURITY_GROUP,
    site::boot_interface_id,
};
use domain::rim::{FabricError, ServerPort};

impl Contrail {
    /// Deletes an interface while it is bound, which frees whatever it claims: addresses first, then itself; a floating address is set
    /// free, for it is not ours.
    pub(super) async fn delete_interface(&self, interface: &Interface) -> Result<(), FabricError> {
        for address in &interface.instance_ip_back_refs {
            self.vnc.delete(ADDRESS, address.uuid).await?;
        }
        for floating in &interface.floating_ip_back_refs {
            let (from, to) = (("floating-ip", floating.uuid), (INTERFACE, interface.uuid));
            self.vnc.change_ref(RefChange::Delete, from, to).await?;
        }
        let Some(interface) = self.mended(interface).await? else { return Ok(()) };
        let Some(interface) = self.in_one_group(None, interface).await? else { return Ok(()) };
        self.drop_filters(&interface).await?;
        self.vnc.delete(INTERFACE, interface.uuid).await?;
        if interface.virtual_port_group_back_refs.is_empty() {
            // No group referred to it, so none went with it.
            self.leave(&interface, &binding::groups_to_leave(&interface)).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_boot_interface(
        &self,
        port: &ServerPort,
        role: BootNetwork,
    ) -> Result<(), FabricError> {
        match self.interface(boot_interface_id(port.server, &port.name, role)).await? {
            Some(interface) => self.delete_interface(&interface).await,
            None => Ok(()),
        }
    }

    /// Takes a tenant's interface off every switch port; it keeps uuid, MAC, addresses, security groups and rights.
    pub(super) async fn take_off(&self, port: &ServerPort, interface: &Interface) -> Result<(), FabricError> {
        let Some(interface) = self.mended(interface).await? else { return Ok(()) };
        let Some(interface) = self.in_one_group(Some(port), interface).await? else { return Ok(()) };
        let interface = &interface;
        let is_bound = !interface.virtual_port_group_refs.is_empty()
            || !interface.virtual_port_group_back_refs.is_empty();
        if !is_bound || (!binding::leaves_a_claim(interface) && self.is_alone(interface).await?) {
            return self.unbind(interface).await;
        }
        let groups = binding::groups_to_leave(interface);
        self.park(port, interface).await?;
        match self.interface(interface.uuid).await? {
            Some(interface) => self.leave(&interface, &groups).await,
            None => Ok(()),
        }
    }

    /// The interface, after its port groups were reminded of it; none when it is gone.
    async fn mended(&self, interface: &Interface) -> Result<Option<Interface>, FabricError> {
        let forgotten = binding::forgotten_by(interface);
        if forgotten.is_empty() {
            return Ok(Some(interface.clone()));
        }
        for group in forgotten {
            let (from, to) = ((GROUP, group), (INTERFACE, interface.uuid));
            match self.vnc.change_ref(RefChange::Add, from, to).await {
                Err(error @ FabricError::Refused { .. }) => {
                    warn!(interface = %interface.uuid, %group, %error, "half a reference is not mended");
                }
                mended => mended?,
            }
        }
        self.interface(interface.uuid).await
    }

    /// The interface, after it was taken out of every port group but this port's, or the first: it is not deleted while a second one
    /// refers to it. None when it is gone.
    async fn in_one_group(
        &self,
        port: Option<&ServerPort>,
        interface: Interface,
    ) -> Result<Option<Interface>, FabricError> {
        let ids = binding::groups_of(&interface);
        if ids.len() < 2 {
            return Ok(Some(interface));
        }
        let mut groups = Vec::with_capacity(ids.len());
        for id in ids {
            groups.extend(self.port_group(id).await?);
        }
        let is_here = |group: &&PortGroup| port.is_some_and(|port| members::holds(group, &port.link.key()));
        let stays = groups.iter().find(is_here).or(groups.first()).map(|group| group.uuid);
        let others: Vec<Uuid> =
            groups.iter().map(|group| group.uuid).filter(|id| Some(*id) != stays).collect();
        self.leave(&interface, &others).await?;
        self.interface(interface.uuid).await
    }

    /// Whether nobody else is in its groups: the API server takes the switch ports out of a group of its own with the first interface
    /// that is unbound, whoever else is in it.
    async fn is_alone(&self, interface: &Interface) -> Result<bool, FabricError> {
        for id in binding::groups_to_leave(interface) {
            let group = self.port_group(id).await?;
            if group.is_some_and(|group| group.members().iter().any(|member| *member != interface.uuid)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn unbind(&self, interface: &Interface) -> Result<(), FabricError> {
        let leaving = binding::groups_to_leave(interface);
        self.vnc.update(INTERFACE, interface.uuid, binding::unbind(interface, &leaving)).await?;
        // Read again: the API server adds the interface's half of a reference where only the group's was there.
        let Some(interface) = self.interface(interface.uuid).await? else { return Ok(()) };
        self.leave(&interface, &leaving).await?;
        self.vnc.update(INTERFACE, interface.uuid, binding::left(&interface)).await
    }

    /// Removes what an unbinding leaves behind: both references to each group, and the group when it was made by the
    /// API server and is empty. Otherwise the next binding of this interface is refused.
    async fn leave(&self, interface: &Interface, groups: &[Uuid]) -> Result<(), FabricError> {
        let us = (INTERFACE, interface.uuid);
        for id in groups {
            let it = (GROUP, *id);
            let Some(group) = self.port_group(*id).await? else { continue };
            if group.refers_to(interface.uuid) {
                self.vnc.change_ref(RefChange::Delete, it, us).await?;
            }
            if interface.virtual_port_group_refs.iter().any(|reference| reference.uuid == *id) {
                self.vnc.change_ref(RefChange::Delete, us, it).await?;
            }
            if !group.is_internal() {
                continue;
            }
            let left = self.port_group(*id).await?;
            if left.is_some_and(|group| group.members().is_empty()) {
                self.vnc.delete(GROUP, *id).await?;
            }
        }
        Ok(())
    }

    /// Takes the interface's security groups from the port groups that outlive it.
    pub(super) async fn drop_filters(&self, interface: &Interface) -> Result<(), FabricError> {
        let referred =
            interface.virtual_port_group_refs.iter().chain(&interface.virtual_port_group_back_refs);
        let mut staying: Vec<Uuid> =
            referred.filter(|group| !is_internal_group(&group.to)).map(|group| group.uuid).collect();
        staying.sort_unstable();
        staying.dedup();
        for id in staying {
            let Some(group) = self.port_group(id).await? else { continue };
            for filter in filters::to_forget(interface, &group) {
                let (from, to) = ((GROUP, id), (SECURITY_GROUP, filter));
                self.vnc.change_ref(RefChange::Delete, from, to).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn port_group(&self, id: Uuid) -> Result<Option<PortGroup>, FabricError> {
        self.vnc.get(GROUP, id, GROUP_FIELDS).await
    }
}
