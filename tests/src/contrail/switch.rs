//! Decisions: what the objects put on each switch port. The stand-in's switch does this and nothing else.
//!
//! The way is physical-interface <- virtual-port-group -> virtual-machine-interface -> routing-instance: an interface
//! whose network alone was changed stays on its old routing instance, and so does the port. Which security groups filter a port is
//! a matter of the fabric's style.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    binding::binding,
    filter::Filter,
    store::{Object, Store},
};
use crate::vlan::tag::VLANS;

/// How references say that frames carry no tag.
const UNTAGGED: u16 = 0;
/// The VLAN of untagged frames where nobody names another one.
const NATIVE_VLAN: u16 = 4094;

/// How a fabric configures its leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// A port carries VLANs of the whole switch, and is filtered by the groups of its virtual-port-group.
    Enterprise,
    /// A port is cut into units of its own VLANs, and each is filtered by the groups of its interface.
    ServiceProvider,
}

impl fmt::Display for Style {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Enterprise => "enterprise",
            Self::ServiceProvider => "sp",
        })
    }
}

impl FromStr for Style {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Enterprise, Self::ServiceProvider]
            .into_iter()
            .find(|style| style.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no style of a fabric, write enterprise or sp"))
    }
}

/// A switch port by the names of its physical-router and physical-interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortName {
    /// Switch.
    pub switch: String,
    /// Port.
    pub port: String,
}

/// The frames of one VLAN of a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Unit {
    /// Their network.
    #[serde(flatten)]
    pub network: Network,
    /// Their VLAN: the tag on the wire, or the switch's own number for frames without a tag.
    pub vlan: u16,
    /// What of them is let out of the server; none: all.
    pub filter: Option<Filter>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Its untagged frames.
    pub untagged: Option<Unit>,
    /// Its tagged frames, by VLAN.
    pub tagged: BTreeMap<u16, Unit>,
}

impl Attached {
    /// Its frames, untagged and tagged.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.untagged.iter().chain(self.tagged.values())
    }
}

/// Where every switch port belongs. What several interfaces claim, untagged frames or those of one tag, is on no network.
pub fn wanted(store: &Store) -> BTreeMap<PortName, Attached> {
    ports(store).map(|(name, _, attached)| (name, attached)).collect()
}

/// Every switch port, with the style of its fabric and where it belongs.
pub fn ports(store: &Store) -> impl Iterator<Item = (PortName, Style, Attached)> {
    store.of_kind("physical-interface").filter_map(|port| {
        let style = style_at(store, port);
        Some((name(port)?, style, attached(store, port, style)))
    })
}

fn name(port: &Object) -> Option<PortName> {
    let [.., switch, port] = port.fq_name.as_slice() else { return None };
    Some(PortName { switch: switch.clone(), port: port.clone() })
}

fn attached(store: &Store, port: &Object, style: Style) -> Attached {
    let groups = store.back_refs(port.id).filter(|it| it.kind == "virtual-port-group");
    let mut claims: BTreeMap<u16, Vec<(&Object, &Object)>> = BTreeMap::new();
    for group in groups {
        for interface in group.refs_to("virtual-machine-interface").filter_map(|it| store.get(it.id)) {
            if let Some(tag) = tag_in(interface, group.id) {
                claims.entry(tag).or_default().push((group, interface));
            }
        }
    }
    let mut attached = Attached::default();
    for (tag, claims) in claims {
        let [(group, interface)] = claims.as_slice() else { continue };
        let filtering = match style {
            Style::Enterprise => group,
            Style::ServiceProvider => interface,
        };
        let Some(network) = network_of_interface(store, interface) else { continue };
        let vlan = if tag == UNTAGGED { native_vlan(interface) } else { tag };
        let unit = Unit { network, vlan, filter: filter_of(store, filtering) };
        match tag {
            UNTAGGED => attached.untagged = Some(unit),
            tag => drop(attached.tagged.insert(tag, unit)),
        }
    }
    attached
}

/// The style of the fabric that the port's switch is of. One that says nothing is of the enterprise style, as by upstream's schema.
fn style_at(store: &Store, port: &Object) -> Style {
    let switch = port.parent.and_then(|switch| store.get(switch));
    let fabric = switch.and_then(|switch| store.get(switch.refs_to("fabric").next()?.id));
    match fabric.and_then(|fabric| fabric.properties.get("fabric_enterprise_style")?.as_bool()) {
        Some(false) => Style::ServiceProvider,
        Some(true) | None => Style::Enterprise,
    }
}

fn filter_of(store: &Store, object: &Object) -> Option<Filter> {
    Filter::of(object.refs_to("security-group").filter_map(|group| store.get(group.id)))
}

fn native_vlan(interface: &Object) -> u16 {
    binding(interface, "tor_port_vlan_id").and_then(|text| text.parse().ok()).unwrap_or(NATIVE_VLAN)
}

/// The tag that an interface's reference to its group says. None: it does not refer to it, or says what no frame can have.
fn tag_in(interface: &Object, group: Uuid) -> Option<u16> {
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

    const FABRIC: u128 = 3;
    const SWITCH: u128 = 4;
    /// Security groups: for the port's group and for its interfaces.
    const SG_OF_GROUP: u128 = 5;
    const SG_OF_INTERFACE: u128 = 6;

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
        add("fabric", FABRIC, "default-fabric", None, vec![]);
        add("physical-router", SWITCH, "qfx1", None, vec![to("fabric", FABRIC, Value::Null)]);
        add("physical-interface", PORT, "xe-0/0/0", Some(SWITCH), vec![]);
        add("virtual-port-group", GROUP, "vpg", None, members);
        store
    }

    #[test]
    fn a_port_is_on_what_its_interfaces_references_say() {
        let check = |interfaces: &[(Value, u128)], untagged: Option<u128>, tagged: &[(u16, u128)]| {
            let all = wanted(&store(interfaces));
            let found = &all[&PortName { switch: "qfx1".into(), port: "xe-0/0/0".into() }];
            let id = |unit: &Unit| unit.network.id.as_u128();
            let found_tagged: Vec<_> = found.tagged.iter().map(|(tag, unit)| (*tag, id(unit))).collect();
            assert!(found.tagged.iter().all(|(tag, unit)| unit.vlan == *tag));
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

    #[test]
    fn untagged_frames_have_the_number_that_the_binding_says() {
        let check = |bindings: Value, expected: u16| {
            let mut store = store(&[(json!({ "vlan_tag": 0 }), 10)]);
            store.change(Uuid::from_u128(100), |interface| {
                let name = "virtual_machine_interface_bindings".to_owned();
                interface.properties.insert(name, json!({ "key_value_pair": bindings }));
            });
            let units: Vec<_> = wanted(&store).into_values().filter_map(|port| port.untagged).collect();
            assert_eq!(units.iter().map(|unit| unit.vlan).collect::<Vec<_>>(), [expected]);
        };
        check(json!([{ "key": "tor_port_vlan_id", "value": "3001" }]), 3001);
        check(json!([{ "key": "vnic_type", "value": "baremetal" }]), NATIVE_VLAN);
        check(json!([{ "key": "tor_port_vlan_id", "value": "none" }]), NATIVE_VLAN);
    }

    #[test]
    fn the_fabrics_style_says_whose_security_groups_filter() {
        let rule = |port: u16| {
            json!({ "policy_rule": [{ "ethertype": "IPv4", "protocol": "tcp",
                "src_addresses": [{ "security_group": "local" }],
                "dst_ports": [{ "start_port": port, "end_port": port }] }] })
        };
        let check = |style: Value, of_group: bool, of_interface: bool, expected: Option<u16>| {
            let mut store = store(&[(json!({ "vlan_tag": 0 }), 10), (json!({ "vlan_tag": 100 }), 11)]);
            for (referring, group, port) in [(GROUP, SG_OF_GROUP, 22), (100, SG_OF_INTERFACE, 23)] {
                let id = Uuid::from_u128(group);
                let properties = Map::from_iter([("security_group_entries".to_owned(), rule(port))]);
                let (kind, fq_name) = ("security-group".into(), vec![format!("sg{group}")]);
                store.insert(Object { kind, id, fq_name, parent: None, properties, refs: vec![] });
                if (of_group && referring == GROUP) || (of_interface && referring != GROUP) {
                    store.change(Uuid::from_u128(referring), |it| {
                        it.set_ref("security-group", id, Value::Null);
                    });
                }
            }
            store.change(Uuid::from_u128(FABRIC), |fabric| {
                fabric.properties.insert("fabric_enterprise_style".to_owned(), style.clone());
            });
            let (_, found_style, port) = ports(&store).next().unwrap();
            assert_eq!(found_style == Style::ServiceProvider, style == json!(false));
            let of = |unit: &Unit| unit.filter.as_ref()?.nft().find(|line| line.contains(" 6 th dport"));
            let line = expected
                .map(|port| format!("ether type {{ ip, ip6 }} meta l4proto 6 th dport {port}-{port} accept"));
            assert_eq!(port.untagged.as_ref().and_then(of), line, "{style} {of_group} {of_interface}");
            // A port's group filters all its units, an interface's group its own unit only.
            let tagged = if found_style == Style::Enterprise { line } else { None };
            assert_eq!(port.tagged.get(&100).and_then(of), tagged, "{style} {of_group} {of_interface}");
        };
        for enterprise in [json!(true), Value::Null] {
            check(enterprise.clone(), false, true, None);
            check(enterprise.clone(), true, false, Some(22));
            check(enterprise, true, true, Some(22));
        }
        check(json!(false), false, true, Some(23));
        check(json!(false), true, false, None);
        check(json!(false), true, true, Some(23));
    }
}
