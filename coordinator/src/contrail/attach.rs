//! Edges: puts interfaces on a switch port that is free, and their security groups on its port group.

use protocol::network::BootNetwork;
use uuid::Uuid;

use super::{
    Contrail,
    binding::{self, Place},
    fabric::{GROUP, INTERFACE},
    filters,
    neighbours::wanted_interface,
    object::{PortGroup, Survey},
    setup::SECURITY_GROUP,
    vnc::Created,
};
use crate::port::{FabricError, ServerPort, WantedNetwork};

impl Contrail {
    /// VLAN id of untagged frames of an interface on this network.
    fn native_vlan(&self, _network: &[String]) -> u16 {
        self.config.native_vlan
    }

    /// Puts our interface for this network on the port. `group` is the port group that a person made of it.
    pub(super) async fn attach_boot(
        &self,
        port: &ServerPort,
        role: BootNetwork,
        group: Option<&PortGroup>,
    ) -> Result<(), FabricError> {
        let place = Place { port, group, native_vlan: self.native_vlan(self.config.network(role)) };
        let body = binding::boot_interface(&self.config, place, role);
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

    /// Puts a tenant's interface on the port, after taking it off any other one.
    pub(super) async fn attach_tenant(
        &self,
        port: &ServerPort,
        id: Uuid,
        group: Option<&PortGroup>,
    ) -> Result<(), FabricError> {
        let missing = || FabricError::NotFound {
            what: "tenant port (virtual-machine-interface)",
            name: id.to_string(),
        };
        self.finish_interface(id).await?;
        let mut interface = self.interface(id).await?.ok_or_else(missing)?;
        if !binding::groups_to_leave(&interface).is_empty() {
            self.take_off(port, &interface).await?;
            interface = self.interface(id).await?.ok_or_else(missing)?;
        }
        let network = interface.virtual_network_refs.first().map_or(&[][..], |network| &network.to);
        let place = Place { port, group, native_vlan: self.native_vlan(network) };
        self.vnc.update(INTERFACE, id, binding::bind(place, &interface)).await
    }

    /// What is on the port, after its port group was made to filter as the interface that is wanted there; nothing is done about a
    /// group that others share.
    pub(super) async fn survey_filtered(
        &self,
        port: &ServerPort,
        to: &WantedNetwork,
    ) -> Result<Survey, FabricError> {
        let survey = self.survey(&port.link).await?;
        let [attached] = survey.attached.as_slice() else { return Ok(survey) };
        if wanted_interface(port, to) != Some(attached.interface.uuid) {
            return Ok(survey);
        }
        let changes = filters::changes(attached);
        if changes.is_empty() {
            return Ok(survey);
        }
        for (change, filter) in changes {
            let from = (GROUP, attached.group.uuid);
            self.vnc.change_ref(change, from, (SECURITY_GROUP, filter)).await?;
        }
        self.survey(&port.link).await
    }
}
