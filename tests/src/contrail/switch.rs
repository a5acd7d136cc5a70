//! Decisions: what the objects put on each switch port. The stand-in's switch does this and nothing else.
//!
//! The way is physical-interface <- virtual-port-group -> virtual-machine-interface -> routing-instance: an interface
//! whose network alone was changed stays on its old routing instance, and so does the port.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{Object, Store};

/// A switch port by the names of its physical-router and physical-interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortName {
    /// Switch.
    pub switch: String,
    /// Port.
    pub port: String,
}

/// A network that a port is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Network {
    /// uuid of the virtual-network.
    pub id: Uuid,
    /// Its fully qualified name.
    pub fq_name: Vec<String>,
}

/// Where every switch port belongs; none: on no network. A port that several interfaces claim untagged is on none.
pub fn wanted(store: &Store) -> BTreeMap<PortName, Option<Network>> {
    let ports = store.of_kind("physical-interface");
    ports.filter_map(|port| Some((name(port)?, network_of_port(store, port)))).collect()
}

fn name(port: &Object) -> Option<PortName> {
    let [.., switch, port] = port.fq_name.as_slice() else { return None };
    Some(PortName { switch: switch.clone(), port: port.clone() })
}

fn network_of_port(store: &Store, port: &Object) -> Option<Network> {
    let groups = store.back_refs(port.id).filter(|it| it.kind == "virtual-port-group");
    let interfaces: Vec<&Object> = groups
        .flat_map(|group| group.refs_to("virtual-machine-interface").map(move |it| (group.id, it.id)))
        .filter_map(|(group, interface)| store.get(interface).filter(|it| is_untagged_in(it, group)))
        .collect();
    match interfaces.as_slice() {
        [one] => network_of_interface(store, one),
        _ => None,
    }
}

fn is_untagged_in(interface: &Object, group: Uuid) -> bool {
    interface
        .refs_to("virtual-port-group")
        .any(|reference| reference.id == group && reference.attr["vlan_tag"].as_u64().unwrap_or(0) == 0)
}

/// The network on which an interface really is: the parent of its routing instance.
pub fn network_of_interface(store: &Store, interface: &Object) -> Option<Network> {
    let instance = store.get(interface.refs_to("routing-instance").next()?.id)?;
    let network = store.get(instance.parent?)?;
    Some(Network { id: network.id, fq_name: network.fq_name.clone() })
}
