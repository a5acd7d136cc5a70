//! Edges: puts interfaces on a switch port that is free, and their security groups on its port group.

use protocol::network::BootNetwork;
use uuid::Uuid;

use super::{
    Contrail,
    binding::{self, Place, Vlan},
    fabric::{GROUP, INTERFACE},
    filters, members,
    neighbours::wanted_interface,
    object::{Interface, PortGroup, Survey},
    observed::describe,
    setup::SECURITY_GROUP,
    vnc::Created,
};
use domain::rim::{FabricError, ServerPort, WantedNetwork};

impl Contrail {
    /// Puts our interface for this network on the port. `group` is the port group that a person made of it.
    pub(super) async fn attach_boot(
        &self,
        port: &ServerPort,
        role: BootNetwork,
        group: Option<&PortGroup>,
    ) -> Result<(), FabricError> {
        let vlan = Vlan::Native(self.config.native_vlans.of(role));
        let place = Place { port, group, vlan };
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
        let vlan = match interface.tag() {
            Some(tag) => Vlan::Tag(tag),
            None => Vlan::Native(self.native_vlan(network_of(&interface)?).await?),
        };
        let place = Place { port, group, vlan };
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
        let is_shared = members::shared(port, &attached.group).is_some();
        if is_shared || wanted_interface(port, to) != Some(attached.interface.uuid) {
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

fn network_of(interface: &Interface) -> Result<&[String], FabricError> {
    let network = interface.virtual_network_refs.first();
    network
        .map(|network| network.to.as_slice())
        .ok_or_else(|| FabricError::NotFound { what: "network of", name: describe(interface) })
}
