//! Decisions: a server in Contrail's words: the `node` object and its `port` children, and what both they and the
//! analytics say of its hardware. Its password is in none of them.

use protocol::spec::BmcProtocol;
use serde_json::{Map, Value, json};

use domain::records::{Port, Server};

/// What Ironic and Contrail call a node's properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Architecture.
    pub cpu_arch: Option<String>,
    /// Logical processors.
    pub cpus: Option<u32>,
    /// Largest disk in GB.
    pub local_gb: Option<u32>,
    /// Memory in MiB.
    pub memory_mb: Option<u64>,
    /// Such as `boot_mode:uefi`.
    pub capabilities: Option<String>,
}

/// What the ramdisk found; before an inspection, what the import file says.
pub fn properties(server: &Server) -> Properties {
    let written = |name: &str| server.properties.get(name).filter(|text| !text.is_empty());
    let mut found = Properties {
        cpu_arch: written("cpu_arch").cloned(),
        cpus: written("cpus").and_then(|text| text.parse().ok()),
        local_gb: written("local_gb").and_then(|text| text.parse().ok()),
        memory_mb: written("memory_mb").and_then(|text| text.parse().ok()),
        capabilities: written("capabilities").cloned(),
    };
    if let Some(hardware) = &server.hardware {
        found.cpu_arch = Some(hardware.cpu.architecture.clone());
        found.cpus = Some(hardware.cpu.count);
        found.memory_mb = Some(hardware.memory_mib);
        let largest = hardware.image_disks().map(|disk| disk.size_bytes).max();
        found.local_gb = largest.map(|bytes| u32::try_from(bytes / 1_000_000_000).unwrap_or(u32::MAX));
    }
    found
}

/// A time as Ironic writes it (RFC 3339); empty when it is none.
pub fn time(us: u64) -> String {
    let time = i64::try_from(us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    time.map(|time| format!("{time:.0}")).unwrap_or_default()
}

/// The fields of a server's `node`, but for its name and our notes.
pub fn node(server: &Server) -> Value {
    let driver = match server.bmc.protocol {
        BmcProtocol::Ipmi { .. } => "ipmi",
        BmcProtocol::Redfish { .. } => "redfish",
    };
    let found = properties(server);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        shown.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("cpu_arch", found.cpu_arch.map(Value::from));
    put("cpus", found.cpus.map(Value::from));
    put("local_gb", found.local_gb.map(Value::from));
    put("memory_mb", found.memory_mb.map(Value::from));
    put("capabilities", found.capabilities.map(Value::from));
    let mut node = json!({
        "node_type": "baremetal",
        "hostname": server.name,
        "display_name": server.name,
        "bms_info": {
            "name": server.name,
            "driver": driver,
            "network_interface": "noop",
            "properties": shown,
            // Port as a text: a number is refused. Contrail's own importer would put the password here, in clear.
            "driver_info": {
                "ipmi_address": server.bmc.address,
                "ipmi_port": server.bmc.port.to_string(),
                "ipmi_username": server.bmc.username,
            },
        },
    });
    if let Some(mac) = server.boot_macs().first() {
        node["mac_address"] = json!(mac.to_string());
    }
    node
}

/// The fields of a `port`, but for its name and our notes.
pub fn port(server: &Server, port: &Port) -> Value {
    let mut link = json!({ "switch_info": port.link.switch, "port_id": port.link.port });
    if let Some(id) = &port.link.switch_id {
        link["switch_id"] = json!(id);
    }
    json!({
        "display_name": port.name,
        "bms_port_info": {
            "pxe_enabled": port.pxe_enabled,
            "address": port.mac.to_string(),
            "node_uuid": server.id.to_string(),
            "local_link_connection": link,
        },
    })
}

/// Whether an object says what it should. Fields that the server adds by itself do not count, but for a password.
pub fn says(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => {
            let password = object.get("ipmi_password").is_some_and(|value| !value.is_null());
            !password
                && wanted.iter().all(|(name, value)| object.get(name).is_some_and(|found| says(found, value)))
        }
        _ => object == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::samples;

    #[test]
    fn a_node_has_no_password() {
        let mut server = samples::server_in("available");
        server.properties.insert("cpus".into(), "8".into());
        let node = node(&server);
        for secret in [&server.bmc.password, &server.facade_password] {
            assert!(!node.to_string().contains(secret.reveal()), "{node}");
        }
        assert_eq!(node["bms_info"]["driver_info"]["ipmi_port"], "623");
        assert_eq!(node["bms_info"]["properties"]["cpus"], 8);
        assert_eq!(node["mac_address"], "52:54:00:00:00:0b");
        let port = port(&server, &server.ports[0]);
        assert_eq!(port["bms_port_info"]["local_link_connection"]["switch_info"], "leaf1");
    }

    #[test]
    fn an_object_that_says_more_is_left_but_not_a_password() {
        let wanted = json!({"a": {"x": 1}, "b": "t"});
        let check = |object: Value, expected: bool| assert_eq!(says(&object, &wanted), expected, "{object}");
        check(json!({"a": {"x": 1, "y": null}, "b": "t", "uuid": 5}), true);
        check(json!({"a": {"x": 2}, "b": "t"}), false);
        check(json!({"a": {"x": 1}}), false);
        check(json!({"a": {"x": 1, "ipmi_password": "p"}, "b": "t"}), false);
        check(json!({"a": {"x": 1, "ipmi_password": null}, "b": "t"}), true);
    }
}
