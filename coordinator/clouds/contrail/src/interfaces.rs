//! Edges: every interface that Contrail has, with its addresses and switch ports, in three calls. Reads only.

use std::{collections::HashMap, net::IpAddr};

use async_trait::async_trait;
use protocol::mac::MacAddr;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Contrail,
    fabric::{ADDRESS, INTERFACE},
    object::{InterfaceProperties, KeyValues, MacAddresses, Ref},
    site::{Config, GLOBAL_SYSTEM_CONFIG},
};
use domain::{
    adoption::FoundInterface,
    rim::{FabricError, Interfaces},
};

const GROUP: &str = "virtual-port-group";
const FIELDS: &str = "display_name,virtual_network_refs,virtual_port_group_refs,security_group_refs,\
    virtual_machine_interface_bindings,virtual_machine_interface_mac_addresses,virtual_machine_interface_properties";
const ADDRESS_FIELDS: &str = "instance_ip_address,virtual_machine_interface_refs";
const GROUP_FIELDS: &str = "physical_interface_refs,virtual_machine_interface_refs";

#[derive(Debug, Deserialize)]
struct Interface {
    uuid: Uuid,
    fq_name: Vec<String>,
    display_name: Option<String>,
    parent_uuid: Option<Uuid>,
    #[serde(default)]
    virtual_network_refs: Vec<Ref>,
    #[serde(default)]
    security_group_refs: Vec<Ref>,
    virtual_machine_interface_bindings: Option<KeyValues>,
    virtual_machine_interface_mac_addresses: Option<MacAddresses>,
    virtual_machine_interface_properties: Option<InterfaceProperties>,
}

#[derive(Debug, Deserialize)]
struct Address {
    instance_ip_address: Option<String>,
    #[serde(default)]
    virtual_machine_interface_refs: Vec<Ref>,
}

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    physical_interface_refs: Vec<Ref>,
    #[serde(default)]
    virtual_machine_interface_refs: Vec<Ref>,
}

fn found(
    config: &Config,
    interface: Interface,
    addresses: &mut HashMap<Uuid, Vec<IpAddr>>,
    switch_ports: &mut HashMap<Uuid, Vec<(String, String)>>,
) -> FoundInterface {
    let last = |name: &[String]| name.last().cloned().unwrap_or_default();
    let (network, network_name) = match interface.virtual_network_refs.as_slice() {
        [one] => (Some(one.uuid), last(&one.to)),
        [] => (None, "(none)".to_owned()),
        several => (None, several.iter().map(|one| last(&one.to)).collect::<Vec<_>>().join(" and ")),
    };
    let macs = interface.virtual_machine_interface_mac_addresses.unwrap_or_default().mac_address;
    let properties = interface.virtual_machine_interface_properties;
    let vnic = interface.virtual_machine_interface_bindings.as_ref().and_then(|map| map.get("vnic_type"));
    FoundInterface {
        id: interface.uuid,
        name: interface
            .display_name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| last(&interface.fq_name)),
        project_id: interface.parent_uuid.map(|id| id.simple().to_string()),
        network,
        network_name,
        macs: macs.iter().filter_map(|mac| mac.parse::<MacAddr>().ok()).collect(),
        addresses: addresses.remove(&interface.uuid).unwrap_or_default(),
        vlan: properties.and_then(|it| it.sub_interface_vlan_tag).filter(|tag| *tag != 0),
        security_groups: interface.security_group_refs.iter().map(|group| group.uuid).collect(),
        switch_ports: switch_ports.remove(&interface.uuid).unwrap_or_default(),
        isolated: interface.virtual_network_refs.iter().find_map(|network| config.role_of(&network.to)),
        bare_metal: vnic == Some("baremetal"),
    }
}

/// Switch and port of a reference to a physical interface.
fn switch_port(to: &Ref) -> Option<(String, String)> {
    match to.to.as_slice() {
        [root, switch, port] if root == GLOBAL_SYSTEM_CONFIG => Some((switch.clone(), port.clone())),
        _ => None,
    }
}

#[async_trait]
impl Interfaces for Contrail {
    async fn all_interfaces(&self) -> Result<Vec<FoundInterface>, FabricError> {
        let fields = |fields: &str| [("fields", fields.to_owned())];
        let interfaces: Vec<Interface> = self.vnc.list(INTERFACE, &fields(FIELDS)).await?;
        let listed: Vec<Address> = self.vnc.list(ADDRESS, &fields(ADDRESS_FIELDS)).await?;
        let groups: Vec<Group> = self.vnc.list(GROUP, &fields(GROUP_FIELDS)).await?;
        let mut addresses = HashMap::<Uuid, Vec<IpAddr>>::new();
        for address in listed {
            let Some(parsed) = address.instance_ip_address.and_then(|text| text.parse().ok()) else {
                continue;
            };
            for interface in &address.virtual_machine_interface_refs {
                addresses.entry(interface.uuid).or_default().push(parsed);
            }
        }
        let mut switch_ports = HashMap::<Uuid, Vec<(String, String)>>::new();
        for group in &groups {
            let ports: Vec<_> = group.physical_interface_refs.iter().filter_map(switch_port).collect();
            for interface in &group.virtual_machine_interface_refs {
                switch_ports.entry(interface.uuid).or_default().extend(ports.iter().cloned());
            }
        }
        let one = |interface| found(&self.config, interface, &mut addresses, &mut switch_ports);
        Ok(interfaces.into_iter().map(one).collect())
    }
}
