//! Values: a node and a port as Ironic shows them, and what can be asked of a node.

use std::collections::BTreeMap;

use protocol::{id::ServerId, mac::MacAddr, root_device::RootDeviceHints};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

pub use domain::rim::{PowerTarget, ProvisionTarget};

/// A node. States are Ironic's own words; what they mean for us is decided in `lifecycle`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct IronicNode {
    /// Its uuid, which is our server's id.
    #[serde(rename = "uuid")]
    pub id: ServerId,
    /// Its name.
    pub name: Option<String>,
    /// Its driver.
    #[serde(default)]
    pub driver: String,
    /// Provision state, such as `clean wait`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub provision_state: String,
    /// Where it is going; none when it is at rest.
    pub target_provision_state: Option<String>,
    /// `power on`, `power off`, `error`; none: not known yet.
    pub power_state: Option<String>,
    /// Power change in progress.
    pub target_power_state: Option<String>,
    /// Whether Ironic keeps its hands off it.
    #[serde(default)]
    pub maintenance: bool,
    /// Why.
    pub maintenance_reason: Option<String>,
    /// Fault that put it there, such as `power failure`.
    pub fault: Option<String>,
    /// Reason of the last failure, for people.
    pub last_error: Option<String>,
    /// Host that holds the node's lock.
    pub reservation: Option<String>,
    /// Step of a deploy. It can be left over from an aborted one: look at `provision_state` first.
    #[serde(default, deserialize_with = "step")]
    pub deploy_step: Option<NodeStep>,
    /// Step of a clean.
    #[serde(default, deserialize_with = "step")]
    pub clean_step: Option<NodeStep>,
    /// Nova's server on it.
    pub instance_uuid: Option<Uuid>,
    /// What a flavor asks for.
    pub resource_class: Option<String>,
    /// Size and architecture.
    #[serde(default)]
    pub properties: NodeProperties,
    /// Traits.
    #[serde(default)]
    pub traits: Vec<String>,
    /// What we wrote beside it.
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
    /// Group of conductors that serve it.
    #[serde(default)]
    pub conductor_group: String,
    /// Project that owns it.
    pub owner: Option<String>,
    /// When the provision state last changed.
    pub provision_updated_at: Option<jiff::Timestamp>,
    /// When the last inspection ended well.
    pub inspection_finished_at: Option<jiff::Timestamp>,
    /// What is deployed.
    #[serde(default)]
    pub instance_info: InstanceInfo,
}

impl IronicNode {
    /// Whether this power-on is the one that boots the deployed instance.
    pub fn is_booting_instance(&self) -> bool {
        self.provision_state == "deploying"
            && self.deploy_step.as_ref().is_some_and(|step| step.step == "boot_instance")
    }

    /// Which disk an image goes to: what the instance says, or else what the node does.
    pub fn root_device(&self) -> RootDeviceHints {
        let read = |value: &Option<Value>| value.as_ref().map(RootDeviceHints::from_json).unwrap_or_default();
        let of_instance = read(&self.instance_info.root_device);
        if of_instance.is_empty() { read(&self.properties.root_device) } else { of_instance }
    }
}

/// The step in progress.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeStep {
    /// Which interface does it, such as `deploy`.
    #[serde(default)]
    pub interface: String,
    /// Its name, such as `write_image`.
    pub step: String,
}

/// What is deployed on a node, as far as Ironic shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct InstanceInfo {
    /// Name of the instance.
    pub display_name: Option<String>,
    /// Image's id or URL.
    pub image_source: Option<String>,
    /// Keystone project of the tenant.
    pub project_id: Option<String>,
    /// Root device hints of this instance.
    pub root_device: Option<Value>,
}

/// Size, architecture and capabilities. Ironic holds numbers now as numbers, now as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NodeProperties {
    /// Logical processors.
    #[serde(default, deserialize_with = "number")]
    pub cpus: Option<u64>,
    /// Memory in MiB.
    #[serde(default, deserialize_with = "number")]
    pub memory_mb: Option<u64>,
    /// Size of the root disk in GiB.
    #[serde(default, deserialize_with = "number")]
    pub local_gb: Option<u64>,
    /// Architecture, such as `x86_64`.
    #[serde(default)]
    pub cpu_arch: Option<String>,
    /// Capabilities, such as `boot_mode` = `uefi`.
    #[serde(default, deserialize_with = "capabilities")]
    pub capabilities: BTreeMap<String, String>,
    /// Root device hints.
    #[serde(default)]
    pub root_device: Option<Value>,
}

/// A port of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Port {
    /// Its uuid.
    #[serde(rename = "uuid")]
    pub id: Uuid,
    /// Its node.
    #[serde(rename = "node_uuid")]
    pub node: ServerId,
    /// Its MAC address.
    #[serde(rename = "address")]
    pub mac: MacAddr,
    /// Whether the node may boot over it.
    #[serde(default)]
    pub pxe_enabled: bool,
}

/// The request for a provision state.
pub(super) fn provision_body(wanted: &ProvisionTarget) -> Value {
    let target = wanted.verb();
    match wanted {
        ProvisionTarget::Active { config_drive: Some(drive) } => {
            json!({"target": target, "configdrive": drive})
        }
        ProvisionTarget::Clean { steps } => {
            let step = |step: &String| json!({"interface": "deploy", "step": step});
            json!({"target": target, "clean_steps": steps.iter().map(step).collect::<Vec<_>>()})
        }
        ProvisionTarget::Rescue { password } => {
            json!({"target": target, "rescue_password": password.reveal()})
        }
        ProvisionTarget::Manage
        | ProvisionTarget::Inspect
        | ProvisionTarget::Provide
        | ProvisionTarget::Active { config_drive: None }
        | ProvisionTarget::Rebuild
        | ProvisionTarget::Deleted
        | ProvisionTarget::Abort
        | ProvisionTarget::Adopt
        | ProvisionTarget::Unrescue => json!({"target": target}),
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// `{}` and null both mean that there is none.
fn step<'de, D: Deserializer<'de>>(d: D) -> Result<Option<NodeStep>, D::Error> {
    Ok(Option::<Value>::deserialize(d)?.and_then(|value| NodeStep::deserialize(value).ok()))
}

fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Value>::deserialize(d)?.and_then(|value| match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    }))
}

fn capabilities<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.map(|text| parse_capabilities(&text)).unwrap_or_default())
}

/// Reads `boot_mode:uefi,secure_boot:true`.
pub(super) fn parse_capabilities(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|pair| pair.split_once(':'))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// Writes what [`parse_capabilities`] reads.
pub(super) fn write_capabilities(capabilities: &BTreeMap<String, String>) -> String {
    capabilities.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_node_as_ironic_writes_it() {
        let node: IronicNode = serde_json::from_value(json!({
            "uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": null, "driver": "redfish",
            "provision_state": "deploying", "target_provision_state": "active", "power_state": null,
            "deploy_step": {"interface": "deploy", "step": "boot_instance", "priority": 20, "argsinfo": null},
            "clean_step": {}, "properties": {"cpus": "4", "memory_mb": 4096, "capabilities": "boot_mode:uefi, x:1"},
            "provision_updated_at": "2026-11-22T04:30:00+00:00", "inspection_finished_at": null,
            "instance_info": {"configdrive": "******", "fixed_ips": "[]", "root_device": {"serial": "S1"}},
        }))
        .unwrap();
        assert_eq!(node.root_device(), RootDeviceHints::from_json(&json!({"serial": "S1"})));
        assert!(node.is_booting_instance());
        assert_eq!(node.clean_step, None);
        assert_eq!((node.properties.cpus, node.properties.memory_mb), (Some(4), Some(4096)));
        assert_eq!(write_capabilities(&node.properties.capabilities), "boot_mode:uefi,x:1");
        assert!(node.provision_updated_at.is_some());
    }
}
