//! Decisions: what we ask of the VNC API when a port is put on a network or taken off it. Pure functions to JSON.

use protocol::network::BootNetwork;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    object::{Interface, KeyValues, PortGroup, Ref, is_internal_group},
    site::{Config, DEFAULT_FABRIC, GLOBAL_SYSTEM_CONFIG, boot_interface_id, contrail_name},
};
use domain::rim::{ServerPort, SwitchPort};

/// Key of our note on an interface that is leaving port groups: their uuids. It makes an unbinding that was cut short
/// something that can be finished, because an emptied group is otherwise not to be found again.
pub const LEAVING_NOTE: &str = "bms-manager.leaving";
/// Key of our note on a tenant's interface: the server and the port to which we bound it last.
pub const PORT_NOTE: &str = "bms-manager.port";

const VNIC_TYPE: &str = "vnic_type";
const VIF_TYPE: &str = "vif_type";
const PROFILE: &str = "profile";
const NATIVE_VLAN_KEY: &str = "tor_port_vlan_id";
const GROUP_KEY: &str = "vpg";
const BAREMETAL: &str = "baremetal";

/// How the frames of an interface are told from others on its switch port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vlan {
    /// They carry this tag.
    Tag(u16),
    /// They carry none; the switch puts them into this VLAN, which is the network's.
    Native(u16),
}

/// Where an interface is to be bound.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The server's port.
    pub port: &'a ServerPort,
    /// The port group that a person made of its switch port; the API server does not find it by itself.
    pub group: Option<&'a PortGroup>,
    /// Which frames are the interface's.
    pub vlan: Vlan,
}

/// The binding that puts an interface on a switch port, beside whatever others keep in the map: a PUT replaces it all. The native VLAN
/// is named for an untagged interface only: beside it the API server would not heed the interface's own tag.
pub fn bound(existing: Option<&KeyValues>, place: Place<'_>) -> KeyValues {
    let mut map = existing.cloned().unwrap_or_default();
    map.set(VNIC_TYPE, Some(BAREMETAL.into()));
    map.set(VIF_TYPE, Some("vrouter".into()));
    let native = match place.vlan {
        Vlan::Native(vlan) => Some(vlan.to_string()),
        Vlan::Tag(_) => None,
    };
    map.set(NATIVE_VLAN_KEY, native);
    map.set(GROUP_KEY, place.group.map(|group| group.name().to_owned()));
    map.set(PROFILE, Some(json!({ "local_link_information": links(place) }).to_string()));
    map
}

/// All links of the port group: the API server takes a switch port out of its group when the request does not list it. They name one
/// fabric, the group's.
fn links(place: Place<'_>) -> Vec<Value> {
    let SwitchPort { switch, port, switch_id, fabric } = &place.port.link;
    let of_group = place.group.and_then(|group| match group.fq_name.as_slice() {
        [root, fabric, _] if root == GLOBAL_SYSTEM_CONFIG => Some(fabric.as_str()),
        _ => None,
    });
    let fabric = of_group.or(fabric.as_deref()).unwrap_or(DEFAULT_FABRIC);
    let own = (switch.as_str(), contrail_name(port));
    let mut own_link = json!({ "switch_info": own.0, "port_id": own.1, "fabric": fabric });
    if let Some(switch_id) = switch_id {
        own_link["switch_id"] = json!(switch_id);
    }
    let members = place.group.map_or(&[][..], |group| &group.physical_interface_refs);
    let others = members.iter().filter_map(|member| match member.to.as_slice() {
        [root, switch, port] if root == GLOBAL_SYSTEM_CONFIG => Some((switch.as_str(), port.clone())),
        _ => None,
    });
    let others = others
        .filter(|link| *link != own)
        .map(|(switch, port)| json!({ "switch_info": switch, "port_id": port, "fabric": fabric }));
    std::iter::once(own_link).chain(others).collect()
}

/// The binding of a new interface that is on no switch port yet. A profile, even an empty one, would be refused: the API server looks
/// in it for a fabric.
pub fn never_bound() -> KeyValues {
    let mut map = KeyValues::default();
    map.set(VNIC_TYPE, Some(BAREMETAL.into()));
    map.set(VIF_TYPE, Some("vrouter".into()));
    map
}

/// The binding that takes an interface off its port group. Refused for one that is in no group.
fn unbound(existing: Option<&KeyValues>) -> KeyValues {
    let mut map = existing.cloned().unwrap_or_default();
    map.set(VNIC_TYPE, Some(BAREMETAL.into()));
    map.set(VIF_TYPE, Some("vrouter".into()));
    map.set(NATIVE_VLAN_KEY, None);
    map.set(GROUP_KEY, None);
    map.set(PROFILE, Some("{}".into()));
    map
}

/// The binding of an interface that is made again and rests: what others put there, and nothing of a switch port.
pub fn resting(existing: &KeyValues) -> KeyValues {
    let mut map = existing.clone();
    for key in [VNIC_TYPE, NATIVE_VLAN_KEY, GROUP_KEY, PROFILE] {
        map.set(key, None);
    }
    map
}

fn noted_groups(interface: &Interface) -> Vec<Uuid> {
    let noted = interface.annotations.as_ref().and_then(|notes| notes.get(LEAVING_NOTE)).unwrap_or("");
    noted.split(',').filter_map(|text| Uuid::parse_str(text).ok()).collect()
}

/// Port groups that the interface is in.
pub fn groups_of(interface: &Interface) -> Vec<Uuid> {
    let referred = interface.virtual_port_group_refs.iter().chain(&interface.virtual_port_group_back_refs);
    let mut groups: Vec<Uuid> = referred.map(|group| group.uuid).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Port groups that the interface is in, or was leaving when we were cut off.
pub fn groups_to_leave(interface: &Interface) -> Vec<Uuid> {
    let mut groups = noted_groups(interface);
    groups.extend(groups_of(interface));
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Whether the interface would leave a claim behind if it were only unbound: its tag is claimed in the fabric, and an untagged one of
/// a group that a person made is claimed in the group, until the interface is deleted while it is bound.
pub fn leaves_a_claim(interface: &Interface) -> bool {
    let mut referred =
        interface.virtual_port_group_refs.iter().chain(&interface.virtual_port_group_back_refs);
    interface.tag().is_some() || referred.any(|group: &Ref| !is_internal_group(&group.to))
}

/// The interface's notes with that of the groups being left set to these, or removed when there are none.
pub fn notes(interface: &Interface, leaving: &[Uuid]) -> KeyValues {
    let mut notes = interface.annotations.clone().unwrap_or_default();
    let text = leaving.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
    notes.set(LEAVING_NOTE, (!leaving.is_empty()).then_some(text));
    notes
}

fn port_note(port: &ServerPort) -> String {
    format!("{}/{}", port.server, port.name)
}

/// Whether we noted on the interface that we bound it to this port.
pub fn is_noted(interface: &Interface, port: &ServerPort) -> bool {
    interface.annotations.as_ref().and_then(|notes| notes.get(PORT_NOTE)) == Some(port_note(port).as_str())
}

/// Our interface on an isolated network, bound to the port at once.
pub fn boot_interface(config: &Config, place: Place<'_>, role: BootNetwork) -> Value {
    let port = place.port;
    json!({
        "uuid": boot_interface_id(port.server, &port.name, role),
        "fq_name": config.boot_interface_name(port, role),
        "parent_type": "project",
        "virtual_network_refs": [{ "to": config.network(role) }],
        "virtual_machine_interface_device_owner": "baremetal:none",
        "virtual_machine_interface_mac_addresses": { "mac_address": [port.mac.to_string()] },
        "virtual_machine_interface_bindings": bound(None, place),
        "security_group_refs": [{ "to": config.boot_group_name() }],
    })
}

/// Changes that bind a tenant's interface to the port. Its tag goes along: the API server looks for it in the request that binds,
/// not in what it has stored, and would attach it untagged.
pub fn bind(place: Place<'_>, interface: &Interface) -> Value {
    let mut notes = notes(interface, &[]);
    notes.set(PORT_NOTE, Some(port_note(place.port)));
    let mut changes = json!({
        "virtual_machine_interface_bindings":
            bound(interface.virtual_machine_interface_bindings.as_ref(), place),
        "virtual_machine_interface_mac_addresses": { "mac_address": [place.port.mac.to_string()] },
        "annotations": notes,
    });
    if interface.tag().is_some() {
        changes["virtual_machine_interface_properties"] =
            json!(interface.virtual_machine_interface_properties);
    }
    changes
}

/// Port groups that have forgotten the interface, which refers to them. Deleted in that state, it would leave the group with its switch
/// ports, and in a person's group its claim. Those that it is leaving are meant to forget it.
pub fn forgotten_by(interface: &Interface) -> Vec<Uuid> {
    let leaving = noted_groups(interface);
    let remembers =
        |group: &Uuid| interface.virtual_port_group_back_refs.iter().any(|back| back.uuid == *group);
    let referred = interface.virtual_port_group_refs.iter().map(|group| group.uuid);
    referred.filter(|group| !remembers(group) && !leaving.contains(group)).collect()
}

/// Changes that unbind a tenant's interface, with the note of the groups to clear up after it. Bindings are sent only while a group
/// refers to the interface: without one they are refused.
pub fn unbind(interface: &Interface, leaving: &[Uuid]) -> Value {
    let mut changes = json!({ "annotations": notes(interface, leaving) });
    if !interface.virtual_port_group_back_refs.is_empty() {
        changes["virtual_machine_interface_bindings"] =
            json!(unbound(interface.virtual_machine_interface_bindings.as_ref()));
    }
    changes
}

/// Changes that end an unbinding: nothing is left to clear up.
pub fn left(interface: &Interface) -> Value {
    json!({ "annotations": notes(interface, &[]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::tests::port as plain_port;

    fn port() -> ServerPort {
        let mut port = plain_port();
        port.link.switch_id = Some("00:11:22:33:44:55".into());
        port.link.fabric = Some("rack1".into());
        port
    }

    fn place<'a>(port: &'a ServerPort, group: Option<&'a PortGroup>) -> Place<'a> {
        Place { port, group, vlan: Vlan::Native(3005) }
    }

    fn interface(more: Value) -> Interface {
        let mut shown = json!({ "uuid": Uuid::from_u128(1), "fq_name": ["a"] });
        for (field, value) in more.as_object().unwrap() {
            shown[field] = value.clone();
        }
        serde_json::from_value(shown).unwrap()
    }

    fn shown_links(map: &KeyValues) -> Value {
        let profile: Value = serde_json::from_str(map.get("profile").unwrap()).unwrap();
        profile["local_link_information"].clone()
    }

    #[test]
    fn bindings_are_texts_and_keep_what_others_put_there() {
        let mut existing = KeyValues::default();
        existing.set("host_id", Some("compute1".into()));
        let port = port();
        let on = bound(Some(&existing), place(&port, None));
        assert_eq!(on.get("host_id"), Some("compute1"));
        assert_eq!(on.get("tor_port_vlan_id"), Some("3005"));
        let expected = json!([{"switch_info": "qfx1", "port_id": "xe-0/0/0",
            "switch_id": "00:11:22:33:44:55", "fabric": "rack1"}]);
        assert_eq!(shown_links(&on), expected);
        for off in [unbound(Some(&on)), resting(&on)] {
            assert_eq!(off.get("host_id"), Some("compute1"));
            assert_eq!(off.get("tor_port_vlan_id"), None);
            assert_eq!(bound(Some(&off), place(&port, None)).get("profile"), on.get("profile"));
        }
        assert_eq!(unbound(Some(&on)).get("profile"), Some("{}"));
        assert_eq!((resting(&on).get("profile"), resting(&on).get("vnic_type")), (None, None));
        assert_eq!(never_bound().get("profile"), None, "the API server refuses an empty one");
        assert_eq!(
            bound(Some(&on), Place { vlan: Vlan::Tag(100), ..place(&port, None) }).get("tor_port_vlan_id"),
            None
        );
    }

    #[test]
    fn every_link_of_a_group_is_said_in_contrails_spelling_and_one_fabric() {
        let mut port = plain_port();
        port.link.port = "xe-0/0/2:0".into();
        let members = |names: &[&str]| {
            let refs = names
                .iter()
                .map(|name| json!({ "to": [GLOBAL_SYSTEM_CONFIG, "qfx1", name], "uuid": Uuid::nil() }));
            let refs: Vec<Value> = refs.collect();
            let name = [GLOBAL_SYSTEM_CONFIG, "rack7", "lag1"];
            serde_json::from_value::<PortGroup>(
                json!({ "uuid": Uuid::nil(), "fq_name": name, "physical_interface_refs": refs }),
            )
            .unwrap()
        };
        let check = |group: Option<&PortGroup>, fabric: &str, expected: &[&str]| {
            let map = bound(None, place(&port, group));
            assert_eq!(map.get("vpg"), group.map(|_| "lag1"));
            let expected: Vec<Value> = expected
                .iter()
                .map(|port| json!({ "switch_info": "qfx1", "port_id": port, "fabric": fabric }))
                .collect();
            assert_eq!(shown_links(&map), json!(expected));
        };
        check(None, "default-fabric", &["xe-0/0/2_0"]);
        check(Some(&members(&["xe-0/0/2_0"])), "rack7", &["xe-0/0/2_0"]);
        check(Some(&members(&["xe-0/0/1", "xe-0/0/2_0"])), "rack7", &["xe-0/0/2_0", "xe-0/0/1"]);
    }

    #[test]
    fn a_tag_is_said_again_with_every_binding() {
        let check = |properties: Value, expected: Value, native: bool| {
            let interface = interface(json!({ "virtual_machine_interface_properties": properties }));
            let vlan = interface.tag().map_or(Vlan::Native(3005), Vlan::Tag);
            let changes = bind(Place { vlan, ..place(&port(), None) }, &interface);
            assert_eq!(changes["virtual_machine_interface_properties"], expected);
            assert_eq!(changes.to_string().contains("tor_port_vlan_id"), native, "{changes}");
        };
        let tagged = json!({ "sub_interface_vlan_tag": 100, "local_preference": 200 });
        check(tagged.clone(), tagged, false);
        check(json!({ "sub_interface_vlan_tag": 0 }), Value::Null, true);
        check(Value::Null, Value::Null, true);
    }

    #[test]
    fn an_unbinding_that_was_cut_short_is_found_again() {
        let mut interface = interface(json!({}));
        assert!(groups_to_leave(&interface).is_empty());
        let groups = [Uuid::from_u128(4), Uuid::from_u128(5)];
        interface.annotations = Some(notes(&interface, &groups));
        assert_eq!(groups_to_leave(&interface), groups);
        assert_eq!(notes(&interface, &[]), KeyValues::default());
    }

    #[test]
    fn bindings_are_taken_back_only_where_a_group_refers_to_the_interface() {
        let group = json!([{ "to": ["g", "f", "vpg-internal-0"], "uuid": Uuid::from_u128(5) }]);
        let check = |more: Value, expected: bool| {
            let changes = unbind(&interface(more), &[Uuid::from_u128(5)]);
            assert_eq!(changes.get("virtual_machine_interface_bindings").is_some(), expected, "{changes}");
        };
        check(json!({}), false);
        check(json!({ "virtual_port_group_refs": group }), false);
        check(json!({ "virtual_port_group_back_refs": group }), true);
    }

    #[test]
    fn a_group_that_forgot_its_interface_is_told_from_one_that_is_left() {
        let id = Uuid::from_u128(5);
        let group = json!([{ "to": ["g", "f", "lag1"], "uuid": id }]);
        let check = |sides: &[&str], leaving: &[Uuid], expected: &[Uuid]| {
            let mut shown = json!({ "annotations": notes(&interface(json!({})), leaving) });
            for side in sides {
                shown[*side] = group.clone();
            }
            assert_eq!(forgotten_by(&interface(shown)), expected, "{sides:?} {leaving:?}");
        };
        check(&["virtual_port_group_refs"], &[], &[id]);
        check(&["virtual_port_group_refs"], &[id], &[]);
        check(&["virtual_port_group_back_refs"], &[], &[]);
        check(&["virtual_port_group_refs", "virtual_port_group_back_refs"], &[], &[]);
        check(&[], &[], &[]);
    }

    #[test]
    fn tags_and_groups_of_people_leave_claims() {
        let group = |name: &str| json!([{ "to": ["g", "f", name], "uuid": Uuid::from_u128(5) }]);
        let tag = json!({ "sub_interface_vlan_tag": 100 });
        let check = |more: Value, expected: bool| {
            assert_eq!(leaves_a_claim(&interface(more.clone())), expected, "{more}")
        };
        check(json!({ "virtual_port_group_refs": group("vpg-internal-3") }), false);
        check(json!({ "virtual_port_group_refs": group("lag1") }), true);
        check(json!({ "virtual_port_group_back_refs": group("lag1") }), true);
        check(
            json!({ "virtual_port_group_refs": group("vpg-internal-3"), "virtual_machine_interface_properties": tag }),
            true,
        );
    }
}
