//! Decisions: a server as Contrail's analytics knows one: the fields of `IronicNode`, without its password.

use protocol::{health::Severity, network::BootNetwork, power::PowerReading};

use super::message::{Field, Struct, Value, field};
use crate::{describe, site::boot_interface_id};
use domain::{
    health::Health,
    records::{Port, Server},
    rim::ObservedNetwork,
};

/// Type of the message.
pub const MESSAGE: &str = "IronicNodeInfo";
/// Type of the structure in it.
pub const STRUCT: &str = "IronicNode";
/// Table of the analytics in which a server is found; its key is Ironic's node uuid.
pub const TABLE: &str = "ObjectServerTable";
/// Checksum of the message's definition.
pub const SIGNATURE: i32 = 1_713_663_921;

fn text(id: u16, name: &'static str, value: impl Into<String>) -> Field {
    field(id, name, Value::Text(value.into()))
}

fn structure(id: u16, name: &'static str, kind: &'static str, fields: Vec<Field>) -> Field {
    field(id, name, Value::Struct(Struct { name: kind.into(), fields }))
}

/// The key: the first field of every message about a server.
pub fn key(id: &str) -> Field {
    Field { key: Some(TABLE.into()), ..text(1, "name", id) }
}

/// That a server is gone.
pub fn deleted() -> Field {
    field(2, "deleted", Value::Bool(true))
}

/// Everything that is told of a server, but for its key. `away`: its rack's agent is away, so that its power is not known.
pub fn fields(server: &Server, away: bool, publisher: &str) -> Vec<Field> {
    let node = server.node.as_ref();
    let mut fields = Vec::new();
    if let Some(node) = node {
        fields.push(text(3, "provision_state", node.provision_state.as_str()));
    }
    fields.push(text(4, "power_state", power_word(server, away)));
    fields.push(text(5, "driver", "redfish"));
    if let Some(node) = node {
        fields.extend(node.instance_id.map(|id| text(6, "instance_uuid", id.to_string())));
        fields.push(field(7, "maintenance", Value::Bool(node.maintenance)));
    }
    fields.push(text(10, "create_timestamp", describe::time(server.created_us)));
    fields.push(text(11, "host_name", &server.name));
    fields.push(text(12, "publisher_id", publisher));
    fields.push(text(14, "network_interface", "noop"));
    let bmc =
        vec![text(1, "ipmi_address", &server.bmc.address), text(3, "ipmi_username", &server.bmc.username)];
    fields.push(structure(15, "driver_info", "DriverInfo", bmc));
    fields.push(structure(17, "node_properties", "NodeProperties", properties(server)));
    let ports = server.ports.iter().map(|port| port_info(server, port)).collect();
    fields.push(field(18, "port_info", Value::Structs(ports)));
    fields
}

/// Most reasons that are told of a server.
pub const REASONS_MAX: usize = 8;

/// How a server's hardware is: fields of ours behind Contrail's own, which a collector keeps by their names. What is not known is not
/// told; the words are what sensors and the event log say, and no more.
pub fn hardware(health: &Health, draw_w: Option<u32>) -> Vec<Field> {
    let reasons =
        health.not_known.iter().cloned().chain(health.reasons.iter().map(|reason| reason.text.clone()));
    let alarms = health.reasons.iter().filter(|reason| reason.severity > Severity::Ok).count();
    let alarms = u32::try_from(alarms).unwrap_or(u32::MAX);
    let mut fields = vec![
        text(60, "hardware_health", health.word.as_str()),
        field(61, "hardware_reasons", Value::Texts(reasons.take(REASONS_MAX).collect())),
        field(62, "hardware_alarms", Value::U32(alarms)),
    ];
    fields.extend(draw_w.map(|watts| field(63, "power_draw_w", Value::U32(watts))));
    fields
}

/// Ironic's words. `error` is its word for a BMC that does not answer: silence is not off.
fn power_word(server: &Server, away: bool) -> &'static str {
    match server.power.as_ref().filter(|_| !away).map(|seen| &seen.reading) {
        Some(PowerReading::On) => "power on",
        Some(PowerReading::Off) => "power off",
        Some(PowerReading::Unreachable { .. }) | None => "error",
    }
}

fn properties(server: &Server) -> Vec<Field> {
    let found = describe::properties(server);
    let mut fields = Vec::new();
    fields.extend(found.cpu_arch.map(|arch| text(1, "cpu_arch", arch)));
    fields.extend(found.cpus.map(|count| field(2, "cpus", Value::U32(count))));
    fields.extend(found.local_gb.map(|size| field(3, "local_gb", Value::U32(size))));
    fields.extend(found.memory_mb.map(|size| field(4, "memory_mb", Value::U64(size))));
    fields.extend(found.capabilities.map(|words| text(5, "capabilities", words)));
    fields
}

fn port_info(server: &Server, port: &Port) -> Struct {
    let mut link = vec![text(1, "switch_info", &port.link.switch), text(2, "port_id", &port.link.port)];
    link.extend(port.link.switch_id.as_ref().map(|id| text(3, "switch_id", id)));
    let mut fields = vec![
        text(1, "name", &port.name),
        field(2, "pxe_enabled", Value::Bool(port.pxe_enabled)),
        text(3, "mac_address", port.mac.to_string()),
        structure(6, "local_link_connection", "LocalLinkConnection", link),
    ];
    let interface = match &port.observed {
        Some(ObservedNetwork::Tenant(id)) => Some(text(1, "tenant_vif_port_id", id.to_string())),
        Some(ObservedNetwork::Boot(network @ (BootNetwork::Provisioning | BootNetwork::Cleaning))) => {
            let id = boot_interface_id(server.id, &port.name, *network);
            Some(text(2, "provisioning_vif_port_id", id.to_string()))
        }
        Some(ObservedNetwork::Nothing | ObservedNetwork::Bond { .. } | ObservedNetwork::Other { .. })
        | None => None,
    };
    if let Some(interface) = interface {
        fields.push(structure(7, "internal_info", "InternalPortInfo", vec![interface]));
    }
    Struct { name: "PortInfo".into(), fields }
}

/// What has changed, for a collector that merges: fields that are gone are told as empty.
pub fn delta(before: &[Field], now: &[Field]) -> Vec<Field> {
    let changed = now.iter().filter(|field| !before.contains(field)).cloned();
    let gone = before.iter().filter(|old| now.iter().all(|new| new.id != old.id));
    changed.chain(gone.map(|old| Field { value: empty(&old.value), ..old.clone() })).collect()
}

fn empty(value: &Value) -> Value {
    match value {
        Value::Bool(_) => Value::Bool(false),
        Value::I32(_) => Value::I32(0),
        Value::I64(_) => Value::I64(0),
        Value::U32(_) => Value::U32(0),
        Value::U64(_) => Value::U64(0),
        Value::Text(_) => Value::Text(String::new()),
        Value::Struct(inner) => Value::Struct(Struct { name: inner.name.clone(), fields: Vec::new() }),
        Value::Texts(_) => Value::Texts(Vec::new()),
        Value::Structs(_) => Value::Structs(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use protocol::power::PowerCause;

    use super::*;
    use domain::{
        health::{Reason, Source, Word},
        records::SeenPower,
        samples,
    };

    fn server() -> Server {
        let off = SeenPower { reading: PowerReading::Off, cause: PowerCause::First, at_us: 1 };
        Server { power: Some(off), ..samples::server_in("available") }
    }

    #[test]
    fn everything_is_told_but_the_password() {
        let server = server();
        let fields = fields(&server, false, "bms-coordinator.lab");
        let shown = format!("{fields:?}");
        for secret in [&server.bmc.password, &server.facade_password] {
            assert!(!shown.contains(secret.reveal()), "{shown}");
        }
        for word in ["available", "power off", "198.51.100.11", "52:54:00:00:00:0b", "xe-0/0/1", "n1"] {
            assert!(shown.contains(word), "{word} is not in {shown}");
        }
        let numbers: Vec<_> = fields.iter().map(|field| field.id).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }

    #[test]
    fn hardware_is_told_in_a_word_with_its_reasons_bounded() {
        let reason = |number: u64| Reason {
            severity: Severity::Critical,
            source: Source::Entry(number),
            text: format!("fan {number} & more"),
            since_us: 1,
        };
        let health = |count, not_known: Option<&str>| Health {
            word: Word::Critical,
            not_known: not_known.map(str::to_owned),
            reasons: (0..count).map(reason).collect(),
        };
        let shown = |fields: &[Field]| {
            let mut xml = String::new();
            fields.iter().for_each(|field| field.write(&mut xml));
            xml
        };
        // The bytes that a collector is sent.
        let golden = concat!(
            r#"<hardware_health type="string" identifier="60">critical</hardware_health>"#,
            r#"<hardware_reasons type="list" identifier="61"><list type="string" size="1">"#,
            r#"<element>fan 0 &amp; more</element></list></hardware_reasons>"#,
            r#"<hardware_alarms type="u32" identifier="62">1</hardware_alarms>"#,
            r#"<power_draw_w type="u32" identifier="63">212</power_draw_w>"#,
        );
        assert_eq!(shown(&hardware(&health(1, None), Some(212))), golden);
        assert!(!shown(&hardware(&health(0, None), None)).contains("power_draw"), "not known is not 0");
        let many = hardware(&health(100, Some("its agent is away")), None);
        let Value::Texts(texts) = &many[1].value else { panic!("{many:?}") };
        assert_eq!((texts.len(), texts[0].as_str()), (REASONS_MAX, "its agent is away"));
        assert_eq!(many[2].value, Value::U32(100));
    }

    #[test]
    fn silence_is_not_off() {
        let server = server();
        assert_eq!(power_word(&server, false), "power off");
        assert_eq!(power_word(&server, true), "error");
    }

    #[test]
    fn a_delta_has_what_changed_and_empties_what_is_gone() {
        let check =
            |before: &[(u16, &'static str)], now: &[(u16, &'static str)], expected: &[(u16, &str)]| {
                let fields = |all: &[(u16, &'static str)]| {
                    all.iter().map(|(id, word)| text(*id, "f", *word)).collect::<Vec<_>>()
                };
                let delta = delta(&fields(before), &fields(now));
                let shown: Vec<_> = delta
                    .iter()
                    .map(|field| match &field.value {
                        Value::Text(text) => (field.id, text.as_str()),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                assert_eq!(shown, expected);
            };
        check(&[(3, "a"), (4, "b")], &[(3, "a"), (4, "b")], &[]);
        check(&[(3, "a"), (4, "b")], &[(3, "a"), (4, "c")], &[(4, "c")]);
        check(&[(3, "a"), (6, "i")], &[(3, "a")], &[(6, "")]);
        check(&[], &[(3, "a")], &[(3, "a")]);
    }
}
