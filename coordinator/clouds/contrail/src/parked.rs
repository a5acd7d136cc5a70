//! Decisions: the note by which a tenant's interface is made again as it was: its body, and who referred to it.
//!
//! The body is taken from what the API shows, whatever fields its version has: only what the server itself makes is left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    binding,
    object::{Interface, KeyValues},
    site::{Config, parked_id},
};
use domain::rim::ServerPort;

/// Key of the note itself, in the annotations of the object that keeps it.
const NOTE: &str = "bms-manager.parked";
/// What the API server writes into every interface by itself, and what binding it makes.
const MADE_BY_THE_SERVER: [&str; 7] = [
    "name",
    "href",
    "parent_href",
    "parent_uuid",
    "routing_instance_refs",
    "virtual_port_group_refs",
    "configuration_version",
];
const BACK_REFS: &str = "_back_refs";
const GROUP_BACK_REFS: &str = "virtual_port_group_back_refs";
const BINDINGS: &str = "virtual_machine_interface_bindings";

/// A tenant's interface while it is made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// Its uuid.
    pub interface: Uuid,
    /// What is to be created.
    pub body: Value,
    /// The objects that refer to it, such as its addresses: they have to let go of it, and are given it back.
    pub referrers: Vec<Referrer>,
}

/// An object that refers to the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referrer {
    /// Its kind, such as `instance-ip`.
    pub kind: String,
    /// Its uuid.
    pub uuid: Uuid,
    /// What the reference says.
    pub attr: Value,
}

/// The object that keeps a note: a network policy of our project, without rules and used by nothing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Keeper {
    /// Its uuid.
    pub uuid: Uuid,
    annotations: Option<KeyValues>,
}

impl Keeper {
    /// Fields that are asked for.
    pub const FIELDS: &str = "annotations";

    /// The note; none when it cannot be read.
    pub fn parked(&self) -> Option<Parked> {
        serde_json::from_str(self.annotations.as_ref()?.get(NOTE)?).ok()
    }
}

/// The note of an interface, from all that the API shows of it.
pub fn parked(interface: &Interface, whole: &Value) -> Parked {
    let fields = whole.as_object().cloned().unwrap_or_default();
    let mut body = Map::new();
    let mut referrers = Vec::new();
    for (name, value) in fields {
        if let Some(kind) = name.strip_suffix(BACK_REFS) {
            if name != GROUP_BACK_REFS {
                referrers
                    .extend(value.as_array().into_iter().flatten().filter_map(|one| referrer(kind, one)));
            }
        } else if !MADE_BY_THE_SERVER.contains(&name.as_str()) && !value.is_null() {
            body.insert(name, without_links(value));
        }
    }
    if let Some(bindings) = &interface.virtual_machine_interface_bindings {
        body.insert(BINDINGS.to_owned(), json!(binding::resting(bindings)));
    }
    body.insert("annotations".to_owned(), json!(binding::notes(interface, &[])));
    body.insert("parent_type".to_owned(), json!("project"));
    Parked { interface: interface.uuid, body: Value::Object(body), referrers }
}

fn referrer(kind: &str, reference: &Value) -> Option<Referrer> {
    let uuid = Uuid::parse_str(reference["uuid"].as_str()?).ok()?;
    Some(Referrer { kind: kind.replace('_', "-"), uuid, attr: reference["attr"].clone() })
}

/// References as they are sent: without the addresses that answers show beside them.
fn without_links(mut value: Value) -> Value {
    for one in value.as_array_mut().into_iter().flatten() {
        if let Some(reference) = one.as_object_mut() {
            reference.remove("href");
        }
    }
    value
}

/// The object that keeps the note: found by the interface's uuid, and by the server's port.
pub fn keeper(config: &Config, port: &ServerPort, parked: &Parked) -> Value {
    let mut notes = KeyValues::default();
    notes.set(NOTE, Some(json!(parked).to_string()));
    json!({
        "uuid": parked_id(parked.interface),
        "fq_name": config.parked_name(port),
        "display_name": format!("port {} while it leaves {}: made again by BMS Manager", parked.interface, port.link),
        "parent_type": "project",
        "annotations": notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::tests::port;

    #[test]
    fn an_interface_is_made_again_as_it_was_but_for_what_the_server_makes() {
        let id = Uuid::from_u128(5);
        let reference = |id: u128| json!([{ "to": ["x"], "uuid": Uuid::from_u128(id), "attr": null, "href": "http://a" }]);
        let pairs = |list: &[(&str, &str)]| {
            let pairs: Vec<_> =
                list.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
            json!({ "key_value_pair": pairs })
        };
        let whole = json!({
            "uuid": id, "fq_name": ["d", "acme", "nic"], "name": "nic", "parent_type": "project", "href": "http://a",
            "parent_href": "http://b", "parent_uuid": Uuid::nil(), "display_name": "nic",
            "perms2": { "owner": "acme" }, "id_perms": { "enable": true }, "port_security_enabled": true,
            "some_later_property": { "a": 1 }, "empty": null,
            "virtual_network_refs": reference(1), "security_group_refs": reference(2), "routing_instance_refs": reference(3),
            "virtual_port_group_refs": reference(4), "virtual_port_group_back_refs": reference(4),
            "instance_ip_back_refs": reference(6), "floating_ip_back_refs": reference(7),
            "logical_router_back_refs": reference(8),
            "virtual_machine_interface_bindings": pairs(&[("vnic_type", "baremetal"), ("profile", "{}"), ("host_id", "null")]),
            "annotations": pairs(&[(binding::LEAVING_NOTE, "x"), ("theirs", "stays")]),
        });
        let interface: Interface = serde_json::from_value(whole.clone()).unwrap();
        let made = parked(&interface, &whole);
        let sent = |id: u128| json!([{ "to": ["x"], "uuid": Uuid::from_u128(id), "attr": null }]);
        let expected = json!({
            "uuid": id, "fq_name": ["d", "acme", "nic"], "parent_type": "project", "display_name": "nic",
            "perms2": { "owner": "acme" }, "id_perms": { "enable": true }, "port_security_enabled": true,
            "some_later_property": { "a": 1 }, "virtual_network_refs": sent(1), "security_group_refs": sent(2),
            "virtual_machine_interface_bindings": pairs(&[("host_id", "null")]),
            "annotations": pairs(&[("theirs", "stays")]),
        });
        assert_eq!(made.body, expected);
        let kinds: Vec<_> =
            made.referrers.iter().map(|one| (one.kind.as_str(), one.uuid.as_u128())).collect();
        assert_eq!(kinds, [("floating-ip", 7), ("instance-ip", 6), ("logical-router", 8)]);
        let config = Config::with_default_names("http://127.0.0.1:1");
        let kept = keeper(&config, &port(), &made);
        let found: Keeper = serde_json::from_value(kept).unwrap();
        assert_eq!(found.parked(), Some(made), "the note says what was put in");
    }
}
