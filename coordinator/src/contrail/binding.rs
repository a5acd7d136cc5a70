//! Decisions: what we ask of the VNC API when a port is put on a network or taken off it. Pure functions to JSON.

use protocol::network::BootNetwork;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    object::{Interface, KeyValues},
    site::{Config, DEFAULT_FABRIC, boot_interface_id},
};
use crate::port::ServerPort;

/// Key of our note on an interface that is leaving port groups: their uuids. It makes an unbinding that was cut short
/// something that can be finished, because an emptied group is otherwise not to be found again.
pub const LEAVING_NOTE: &str = "bms-manager.leaving";

const VNIC_TYPE: &str = "vnic_type";
const VIF_TYPE: &str = "vif_type";
const PROFILE: &str = "profile";
const NATIVE_VLAN_KEY: &str = "tor_port_vlan_id";
const GROUP_KEY: &str = "vpg";

/// How the frames of an interface are told from others on its switch port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vlan {
    /// They carry this tag.
    Tag(u16),
    /// They carry none; the switch puts them into this VLAN, which is the network's.
    Native(u16),
}

/// The binding that puts an interface on a switch port, beside whatever others keep in the map: a PUT replaces it all.
/// `group` names a user-made port group, which the API server does not find by itself. The native VLAN is named for an
/// untagged interface only: beside it the API server would not heed the interface's own tag.
pub fn bound(existing: Option<&KeyValues>, port: &ServerPort, group: Option<&str>, vlan: Vlan) -> KeyValues {
    let mut link = json!({
        "switch_info": port.link.switch,
        "port_id": port.link.port,
        "fabric": port.link.fabric.as_deref().unwrap_or(DEFAULT_FABRIC),
    });
    if let Some(switch_id) = &port.link.switch_id {
        link["switch_id"] = json!(switch_id);
    }
    let mut map = existing.cloned().unwrap_or_default();
    map.set(VNIC_TYPE, Some("baremetal".into()));
    map.set(VIF_TYPE, Some("vrouter".into()));
    let native = match vlan {
        Vlan::Native(vlan) => Some(vlan.to_string()),
        Vlan::Tag(_) => None,
    };
    map.set(NATIVE_VLAN_KEY, native);
    map.set(GROUP_KEY, group.map(str::to_owned));
    map.set(PROFILE, Some(json!({ "local_link_information": [link] }).to_string()));
    map
}

/// The binding of an interface that is on no switch port.
pub fn unbound(existing: Option<&KeyValues>) -> KeyValues {
    let mut map = existing.cloned().unwrap_or_default();
    map.set(VNIC_TYPE, Some("baremetal".into()));
    map.set(VIF_TYPE, Some("vrouter".into()));
    map.set(NATIVE_VLAN_KEY, None);
    map.set(GROUP_KEY, None);
    map.set(PROFILE, Some("{}".into()));
    map
}

/// Port groups that the interface is in, or was leaving when we were cut off.
pub fn groups_to_leave(interface: &Interface) -> Vec<Uuid> {
    let noted = interface.annotations.as_ref().and_then(|notes| notes.get(LEAVING_NOTE)).unwrap_or("");
    let mut groups: Vec<Uuid> = noted.split(',').filter_map(|text| Uuid::parse_str(text).ok()).collect();
    let referred = interface.virtual_port_group_refs.iter().chain(&interface.virtual_port_group_back_refs);
    groups.extend(referred.map(|group| group.uuid));
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The interface's notes with ours set to these groups, or removed when there are none.
pub fn notes(interface: &Interface, leaving: &[Uuid]) -> KeyValues {
    let mut notes = interface.annotations.clone().unwrap_or_default();
    let text = leaving.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
    notes.set(LEAVING_NOTE, (!leaving.is_empty()).then_some(text));
    notes
}

/// Our interface on an isolated network, bound to the port at once.
pub fn boot_interface(config: &Config, port: &ServerPort, role: BootNetwork, group: Option<&str>) -> Value {
    json!({
        "uuid": boot_interface_id(port.server, &port.name, role),
        "fq_name": config.boot_interface_name(port, role),
        "parent_type": "project",
        "virtual_network_refs": [{ "to": config.network(role) }],
        "virtual_machine_interface_device_owner": "baremetal:none",
        "virtual_machine_interface_mac_addresses": { "mac_address": [port.mac.to_string()] },
        "virtual_machine_interface_bindings": bound(None, port, group, Vlan::Native(config.native_vlans.of(role))),
        "security_group_refs": [{ "to": config.boot_group_name() }],
    })
}

/// Changes that bind a tenant's interface to the port. Its tag goes along: the API server looks for it in the request that binds,
/// not in what it has stored, and would attach it untagged.
pub fn bind(port: &ServerPort, interface: &Interface, group: Option<&str>, vlan: Vlan) -> Value {
    let mut changes = json!({
        "virtual_machine_interface_bindings":
            bound(interface.virtual_machine_interface_bindings.as_ref(), port, group, vlan),
        "virtual_machine_interface_mac_addresses": { "mac_address": [port.mac.to_string()] },
        "annotations": notes(interface, &[]),
    });
    if interface.tag().is_some() {
        changes["virtual_machine_interface_properties"] =
            json!(interface.virtual_machine_interface_properties);
    }
    changes
}

/// Changes that unbind a tenant's interface, with the note of the groups to clear up after it.
pub fn unbind(interface: &Interface, leaving: &[Uuid]) -> Value {
    json!({
        "virtual_machine_interface_bindings":
            unbound(interface.virtual_machine_interface_bindings.as_ref()),
        "annotations": notes(interface, leaving),
    })
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;

    use super::*;
    use crate::port::SwitchPort;

    fn port() -> ServerPort {
        ServerPort {
            server: ServerId(Uuid::from_u128(7)),
            name: "eth0".into(),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            link: SwitchPort {
                switch: "qfx1".into(),
                port: "xe-0/0/0".into(),
                switch_id: Some("00:11:22:33:44:55".into()),
                fabric: Some("rack1".into()),
            },
        }
    }

    #[test]
    fn bindings_are_texts_and_keep_what_others_put_there() {
        let mut existing = KeyValues::default();
        existing.set("host_id", Some("compute1".into()));
        let on = bound(Some(&existing), &port(), None, Vlan::Native(3005));
        assert_eq!(on.get("host_id"), Some("compute1"));
        assert_eq!(on.get("tor_port_vlan_id"), Some("3005"));
        let profile: Value = serde_json::from_str(on.get("profile").unwrap()).unwrap();
        assert_eq!(
            profile,
            json!({"local_link_information": [{"switch_info": "qfx1", "port_id": "xe-0/0/0",
                "switch_id": "00:11:22:33:44:55", "fabric": "rack1"}]})
        );
        let off = unbound(Some(&on));
        assert_eq!(off.get("host_id"), Some("compute1"));
        assert_eq!(off.get("profile"), Some("{}"));
        assert_eq!(off.get("tor_port_vlan_id"), None);
        assert_eq!(bound(Some(&off), &port(), None, Vlan::Native(3005)).get("profile"), on.get("profile"));
        assert_eq!(bound(Some(&on), &port(), None, Vlan::Tag(100)).get("tor_port_vlan_id"), None);
    }

    #[test]
    fn a_tag_is_said_again_with_every_binding() {
        let check = |properties: Value, expected: Value, native: bool| {
            let shown = json!({ "uuid": Uuid::from_u128(1), "fq_name": ["a"],
                "virtual_machine_interface_properties": properties });
            let interface: Interface = serde_json::from_value(shown).unwrap();
            let vlan = interface.tag().map_or(Vlan::Native(3005), Vlan::Tag);
            let changes = bind(&port(), &interface, None, vlan);
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
        let mut interface: Interface =
            serde_json::from_value(json!({ "uuid": Uuid::from_u128(1), "fq_name": ["a"] })).unwrap();
        assert!(groups_to_leave(&interface).is_empty());
        let groups = [Uuid::from_u128(4), Uuid::from_u128(5)];
        interface.annotations = Some(notes(&interface, &groups));
        assert_eq!(groups_to_leave(&interface), groups);
        assert_eq!(notes(&interface, &[]), KeyValues::default());
    }
}
