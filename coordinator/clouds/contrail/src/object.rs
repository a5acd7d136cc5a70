//! Values: Contrail's objects, as far as we read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::site::INTERNAL_GROUP_PREFIX;

/// Whether a reference is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefChange {
    /// Add it.
    Add,
    /// Remove it.
    Delete,
}

/// A reference to another object, as answers show it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Ref {
    /// Fully qualified name of the other.
    pub to: Vec<String>,
    /// Its uuid.
    pub uuid: Uuid,
    /// What the reference itself says.
    #[serde(default)]
    pub attr: Value,
}

/// Contrail's ordered map of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValues {
    /// The pairs.
    #[serde(default)]
    pub key_value_pair: Vec<KeyValue>,
}

/// One pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// Key.
    pub key: String,
    /// Value; always a text, whatever it holds.
    pub value: String,
}

impl KeyValues {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.key_value_pair.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
    }

    /// Sets a key, or removes it with none.
    pub fn set(&mut self, key: &str, value: Option<String>) {
        self.key_value_pair.retain(|pair| pair.key != key);
        if let Some(value) = value {
            self.key_value_pair.push(KeyValue { key: key.to_owned(), value });
        }
    }
}

/// MAC addresses of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MacAddresses {
    /// The addresses.
    #[serde(default)]
    pub mac_address: Vec<String>,
}

/// Properties of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceProperties {
    /// VLAN tag of its frames; none or 0: untagged.
    pub sub_interface_vlan_tag: Option<u16>,
    /// What does not matter here, and must not be lost when they are written: a PUT replaces them all.
    #[serde(flatten)]
    pub others: serde_json::Map<String, Value>,
}

/// A physical-interface: a switch port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PhysicalInterface {
    /// Its uuid.
    pub uuid: Uuid,
    /// The port groups it is in.
    #[serde(default)]
    pub virtual_port_group_back_refs: Vec<Ref>,
}

/// A virtual-port-group: the link between switch ports and interfaces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PortGroup {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub fq_name: Vec<String>,
    /// Switch ports in it.
    #[serde(default)]
    pub physical_interface_refs: Vec<Ref>,
    /// Interfaces on it.
    #[serde(default)]
    pub virtual_machine_interface_refs: Vec<Ref>,
    /// Interfaces that say they are on it: the other half of each reference, and after a crash of the API server the only one.
    #[serde(default)]
    pub virtual_machine_interface_back_refs: Vec<Ref>,
    /// What the switch filters by in a fabric of enterprise style.
    #[serde(default)]
    pub security_group_refs: Vec<Ref>,
}

impl PortGroup {
    /// Last part of the name.
    pub fn name(&self) -> &str {
        self.fq_name.last().map_or("", String::as_str)
    }

    /// Whether the API server made it by itself; such a one goes when it is empty.
    pub fn is_internal(&self) -> bool {
        is_internal_group(&self.fq_name)
    }

    /// Every interface that one of the two halves of a reference names, once.
    pub fn members(&self) -> Vec<Uuid> {
        let both =
            self.virtual_machine_interface_refs.iter().chain(&self.virtual_machine_interface_back_refs);
        let mut members: Vec<Uuid> = both.map(|member| member.uuid).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Whether it refers to this interface.
    pub fn refers_to(&self, interface: Uuid) -> bool {
        self.virtual_machine_interface_refs.iter().any(|member| member.uuid == interface)
    }
}

/// Whether a port group of this name was made by the API server.
pub fn is_internal_group(name: &[String]) -> bool {
    name.last().is_some_and(|name| name.starts_with(INTERNAL_GROUP_PREFIX))
}

/// A virtual-machine-interface: what Neutron calls a port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Interface {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub fq_name: Vec<String>,
    /// Its network, by name.
    #[serde(default)]
    pub virtual_network_refs: Vec<Ref>,
    /// What it is really on: a bare change of the network leaves this behind.
    #[serde(default)]
    pub routing_instance_refs: Vec<Ref>,
    /// Its port group.
    #[serde(default)]
    pub virtual_port_group_refs: Vec<Ref>,
    /// The same reference from the other side.
    #[serde(default)]
    pub virtual_port_group_back_refs: Vec<Ref>,
    /// What may pass.
    #[serde(default)]
    pub security_group_refs: Vec<Ref>,
    /// Its addresses.
    #[serde(default)]
    pub instance_ip_back_refs: Vec<Ref>,
    /// Floating addresses that lead to it.
    #[serde(default)]
    pub floating_ip_back_refs: Vec<Ref>,
    /// Binding: the switch port it asks for.
    pub virtual_machine_interface_bindings: Option<KeyValues>,
    /// MAC addresses.
    pub virtual_machine_interface_mac_addresses: Option<MacAddresses>,
    /// Whether its frames carry a tag.
    pub virtual_machine_interface_properties: Option<InterfaceProperties>,
    /// Free notes; ours carry a prefix.
    pub annotations: Option<KeyValues>,
}

impl Interface {
    /// The VLAN tag that its frames are to carry.
    pub fn tag(&self) -> Option<u16> {
        self.virtual_machine_interface_properties.as_ref()?.sub_interface_vlan_tag.filter(|tag| *tag != 0)
    }
}

/// Fields of an interface that we ask for.
pub const INTERFACE_FIELDS: &str = "virtual_network_refs,routing_instance_refs,virtual_port_group_refs,\
    virtual_port_group_back_refs,security_group_refs,instance_ip_back_refs,floating_ip_back_refs,\
    virtual_machine_interface_bindings,\
    virtual_machine_interface_mac_addresses,virtual_machine_interface_properties,annotations";

/// An interface found on a switch port, with the group that puts it there.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// The interface.
    pub interface: Interface,
    /// The group.
    pub group: PortGroup,
}

/// Everything found on one switch port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The groups that the switch port is in.
    pub groups: Vec<PortGroup>,
    /// The interfaces on them.
    pub attached: Vec<Attached>,
}
