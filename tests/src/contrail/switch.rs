//! Decisions: what the objects put on each switch port. The stand-in's switch does this and nothing else.
//!
//! The way is physical-interface <- virtual-port-group -> virtual-machine-interface -> routing-instance: an interface
//! whose network alone was changed stays on its old routing instance, and so does the port.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{Object, Store};
use crate::vlan::tag::VLANS;

/// How references say that frames carry no tag.
const UNTAGGED: u16 = 0;

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

/// What a port is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Network of its untagged frames.
    pub untagged: Option<Network>,
    /// Networks of its tagged frames, by VLAN.
    pub tagged: BTreeMap<u16, Network>,
}

/// Where every switch port belongs. What several interfaces claim, untagged frames or those of one tag, is on no network.
pub fn wanted(store: &Store) -> BTreeMap<PortName, Attached> {
    let ports = store.of_kind("physical-interface");
    ports.filter_map(|port| Some((name(port)?, attached(store, port)))).collect()
}

fn name(port: &Object) -> Option<PortName> {
    let [.., switch, port] = port.fq_name.as_slice() else { return None };
    Some(PortName { switch: switch.clone(), port: port.clone() })
}

fn attached(store: &Store, port: &Object) -> Attached {
    let groups = store.back_refs(port.id).filter(|it| it.kind == "virtual-port-group");
    let mut claims: BTreeMap<u16, Vec<&Object>> = BTreeMap::new();
    for group in groups {
        for interface in group.refs_to("virtual-machine-interface").filter_map(|it| store.get(it.id)) {
            if let Some(vlan) = vlan_in(interface, group.id) {
                claims.entry(vlan).or_default().push(interface);
            }
        }
    }
    let mut attached = Attached::default();
    for (vlan, interfaces) in claims {
        let [one] = interfaces.as_slice() else { continue };
        let network = network_of_interface(store, one);
        match vlan {
            UNTAGGED => attached.untagged = network,
            vlan => attached.tagged.extend(network.map(|network| (vlan, network))),
        }
    }
    attached
}

/// The VLAN that an interface's reference to its group says. None: it does not refer to it, or says what no frame can have.
fn vlan_in(interface: &Object, group: Uuid) -> Option<u16> {
    let reference = interface.refs_to("virtual-port-group").find(|reference| reference.id == group)?;
    let vlan = u16::try_from(reference.attr["vlan_tag"].as_u64().unwrap_or(0)).ok()?;
    (vlan == UNTAGGED || VLANS.contains(&vlan)).then_some(vlan)
}

/// The network on which an interface really is: the parent of its routing instance.
pub fn network_of_interface(store: &Store, interface: &Object) -> Option<Network> {
    let instance = store.get(interface.refs_to("routing-instance").next()?.id)?;
    let network = store.get(instance.parent?)?;
    Some(Network { id: network.id, fq_name: network.fq_name.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{super::store::Ref, *};

    const PORT: u128 = 1;
    const GROUP: u128 = 2;

    /// A port in one group, with interfaces on it: each with what its reference to the group says, and its network.
    fn store(interfaces: &[(Value, u128)]) -> Store {
        let mut store = Store::default();
        let mut add = |kind: &str, id: u128, name: &str, parent: Option<u128>, refs: Vec<Ref>| {
            let fq_name = ["root", "qfx1", name].map(str::to_owned).to_vec();
            let (id, parent) = (Uuid::from_u128(id), parent.map(Uuid::from_u128));
            store.insert(Object { kind: kind.into(), id, fq_name, parent, properties: Map::new(), refs });
        };
        let to = |kind: &str, id: u128, attr: Value| Ref { kind: kind.into(), id: Uuid::from_u128(id), attr };
        let mut members = vec![to("physical-interface", PORT, Value::Null)];
        for (number, (attr, network)) in (100u128..).zip(interfaces) {
            let instance = network + 50;
            add("virtual-network", *network, &format!("vn{network}"), None, vec![]);
            add("routing-instance", instance, "ri", Some(*network), vec![]);
            let refs = vec![
                to("virtual-port-group", GROUP, attr.clone()),
                to("routing-instance", instance, Value::Null),
            ];
            add("virtual-machine-interface", number, "vmi", None, refs);
            members.push(to("virtual-machine-interface", number, Value::Null));
        }
        add("physical-interface", PORT, "xe-0/0/0", None, vec![]);
        add("virtual-port-group", GROUP, "vpg", None, members);
        store
    }

    #[test]
    fn a_port_is_on_what_its_interfaces_references_say() {
        let check = |interfaces: &[(Value, u128)], untagged: Option<u128>, tagged: &[(u16, u128)]| {
            let all = wanted(&store(interfaces));
            let found = &all[&PortName { switch: "qfx1".into(), port: "xe-0/0/0".into() }];
            let id = |network: &Network| network.id.as_u128();
            let found_tagged: Vec<_> =
                found.tagged.iter().map(|(tag, network)| (*tag, id(network))).collect();
            assert_eq!((found.untagged.as_ref().map(id), found_tagged.as_slice()), (untagged, tagged));
        };
        let (native, zero) = (json!({"native_vlan_tag": "4094"}), json!({"vlan_tag": 0}));
        let tag = |tag: u64| json!({ "vlan_tag": tag });
        check(&[], None, &[]);
        check(&[(native.clone(), 10)], Some(10), &[]);
        check(&[(zero.clone(), 10)], Some(10), &[]);
        check(&[(tag(100), 10)], None, &[(100, 10)]);
        check(&[(native.clone(), 10), (tag(100), 11), (tag(4094), 12)], Some(10), &[(100, 11), (4094, 12)]);
        // What two claim is nobody's; what beside it is clear is not touched by that.
        check(&[(native.clone(), 10), (zero, 11), (tag(100), 12)], None, &[(100, 12)]);
        check(&[(native, 10), (tag(100), 11), (tag(100), 12)], Some(10), &[]);
        for none in [json!({"vlan_tag": 4095}), json!({"vlan_tag": 65_636}), json!({"vlan_tag": 1_000_000})] {
            check(&[(none, 10)], None, &[]);
        }
    }

    #[test]
    fn a_group_that_the_interface_does_not_refer_to_attaches_nothing() {
        let mut store = store(&[(json!({"vlan_tag": 100}), 10)]);
        store.change(Uuid::from_u128(100), |interface| interface.drop_ref(Uuid::from_u128(GROUP)));
        assert_eq!(wanted(&store).into_values().collect::<Vec<_>>(), [Attached::default()]);
    }
}
