//! Decisions: the few properties whose values the real server checks.

use serde_json::Value;

use super::{
    kind::{Kind, NODE_TYPES},
    refusal::Refusal,
};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is changed.
    Update,
}

impl Verb {
    /// As the server calls it in texts about references.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
        }
    }

    /// As the server calls it in texts about values.
    fn place(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "http_put",
        }
    }
}

/// References that say something; the server looks for that under `attr` whether it is there or not.
const SAYING: &[(&str, &str)] = &[
    ("virtual-port-group", "physical-interface"),
    ("virtual-machine-interface", "virtual-port-group"),
    ("virtual-machine-interface", "routing-instance"),
    ("virtual-network", "network-ipam"),
    ("virtual-network", "network-policy"),
];

/// Checks one reference of a creation or a change.
pub fn reference(kind: &Kind, target: &str, item: &Value, verb: Verb) -> Result<(), Refusal> {
    if !SAYING.contains(&(kind.name, target)) || item.get("attr").is_some() {
        return Ok(());
    }
    let (verb, field) = (verb.place(), target.replace('-', "_"));
    let why = format!("Error validating reference {field}_refs value {item}'attr'");
    Err(Refusal::new(400, format!("Bad reference in {verb}: {why}")))
}

const BMS_INFO: &[&str] = &["name", "driver", "network_interface", "properties", "driver_info"];
const BMS_PROPERTIES: &[&str] = &["memory_mb", "cpus", "local_gb", "cpu_arch", "capabilities"];
const BMS_DRIVER: &[&str] =
    &["ipmi_address", "ipmi_username", "ipmi_password", "ipmi_port", "deploy_kernel", "deploy_ramdisk"];
const PORT_INFO: &[&str] = &["pxe_enabled", "address", "node_uuid", "local_link_connection"];
const LINK: &[&str] = &["switch_info", "port_id", "switch_id", "port_index"];

/// Checks one property of a creation or a change.
pub fn property(field: &str, value: &Value, verb: Verb) -> Result<(), Refusal> {
    let bad = |why: String| {
        Err(Refusal::new(400, format!("Bad property in {}: Error validating property {why}", verb.place())))
    };
    match field {
        "node_type" if !value.as_str().is_some_and(|text| NODE_TYPES.contains(&text)) => {
            bad(format!("node_type: value must be one of {NODE_TYPES:?}").replace('"', "'"))
        }
        "virtual_machine_interface_bindings" | "annotations" if !value.is_null() => {
            let pairs = value.get("key_value_pair").and_then(Value::as_array);
            let texts = pairs.into_iter().flatten().all(|pair| {
                pair.get("key").is_some_and(Value::is_string)
                    && pair.get("value").is_some_and(Value::is_string)
            });
            if texts { Ok(()) } else { bad(format!("{field}: value is not a string")) }
        }
        "bms_info" => {
            known(field, value, BMS_INFO, verb)?;
            known("properties", &value["properties"], BMS_PROPERTIES, verb)?;
            known("driver_info", &value["driver_info"], BMS_DRIVER, verb)?;
            match value["driver_info"].get("ipmi_port") {
                Some(port) if !port.is_string() => bad("ipmi_port: value is not a string".into()),
                Some(_) | None => Ok(()),
            }
        }
        "bms_port_info" => {
            known(field, value, PORT_INFO, verb)?;
            known("local_link_connection", &value["local_link_connection"], LINK, verb)
        }
        _ => Ok(()),
    }
}

/// Nested fields that the schema does not list are refused, unlike top-level ones.
fn known(name: &str, value: &Value, fields: &[&str], verb: Verb) -> Result<(), Refusal> {
    match value.as_object().and_then(|map| map.keys().find(|key| !fields.contains(&key.as_str()))) {
        Some(unknown) => Err(Refusal::new(
            400,
            format!(
                "Bad property in {}: Error validating property {name}: unknown field {unknown}",
                verb.place()
            ),
        )),
        None => Ok(()),
    }
}
