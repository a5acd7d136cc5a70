//! Values: a flavor, and Nova, which keeps it, as a trait.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Caller, ServiceError};

/// A flavor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual processors, as shown to people.
    pub vcpus: u64,
    /// Memory in MiB, as shown to people.
    pub ram: u64,
    /// Disk in GiB, as shown to people.
    pub disk: u64,
    /// Whether every project sees it.
    #[serde(rename = "os-flavor-access:is_public", default)]
    pub is_public: bool,
    /// What the scheduler reads. Only administrators see it.
    #[serde(default)]
    pub extra_specs: BTreeMap<String, String>,
}

impl Flavor {
    /// The resource of which it takes one: a class of nodes as Placement spells it. None: it is not for physical servers.
    pub fn resource(&self) -> Option<&str> {
        self.extra_specs.iter().find_map(|(key, amount)| {
            let resource = key.strip_prefix("resources:").filter(|name| name.starts_with("CUSTOM_"))?;
            (amount == "1").then_some(resource)
        })
    }

    /// Traits that a node must have.
    pub fn traits(&self) -> Vec<&str> {
        let required = self.extra_specs.iter().filter(|(_, value)| *value == "required");
        required.filter_map(|(key, _)| key.strip_prefix("trait:")).collect()
    }
}

/// A flavor to be made for bare metal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlavorSpec {
    /// Its name, also its id unless another is given.
    pub name: String,
    /// Its id; none: Nova makes one.
    pub id: Option<String>,
    /// Virtual processors, as shown to people.
    pub vcpus: u64,
    /// Memory in MiB, as shown to people.
    pub ram_mb: u64,
    /// Disk in GiB, as shown to people; Ironic takes it as the size of the root disk.
    pub disk_gb: u64,
    /// Resource class of the nodes that it takes, as on the node.
    pub resource_class: String,
    /// Traits that such a node must have.
    pub traits: Vec<String>,
    /// Capabilities that such a node must have, such as `boot_mode` = `uefi`.
    pub capabilities: BTreeMap<String, String>,
    /// Projects that may use it, by id; none: every project.
    pub projects: Vec<String>,
}

impl FlavorSpec {
    /// The extra specs: exactly one unit of the class, and none of what virtual machines are counted in.
    pub fn extra_specs(&self) -> BTreeMap<String, String> {
        let mut specs: BTreeMap<String, String> = ["VCPU", "MEMORY_MB", "DISK_GB"]
            .map(|resource| (format!("resources:{resource}"), "0".to_owned()))
            .into_iter()
            .collect();
        specs.insert(format!("resources:{}", custom_resource(&self.resource_class)), "1".to_owned());
        for name in &self.traits {
            specs.insert(format!("trait:{name}"), "required".to_owned());
        }
        for (key, value) in &self.capabilities {
            specs.insert(format!("capabilities:{key}"), value.clone());
        }
        specs
    }
}

/// A node's resource class as Placement spells it: `gold-1` becomes `CUSTOM_GOLD_1`.
pub fn custom_resource(class: &str) -> String {
    let upper = class.to_ascii_uppercase();
    let name: String = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("CUSTOM_{name}")
}

/// Nova, as those need it who list and make flavors.
#[async_trait]
pub trait FlavorService: Send + Sync {
    /// Lists the flavors that the caller may see; to our own user all of them.
    async fn list_flavors(&self, caller: Caller<'_>) -> Result<Vec<Flavor>, ServiceError>;
    /// Makes a flavor with its extra specs, whole or not at all. [`ServiceError::Conflict`]: its name or id is taken.
    async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, ServiceError>;
    /// The projects that may use a flavor that is not public, by id.
    async fn flavor_projects(&self, id: &str) -> Result<Vec<String>, ServiceError>;
    /// Deletes a flavor. Done already is done.
    async fn delete_flavor(&self, id: &str) -> Result<(), ServiceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_takes_one_whole_server() {
        let spec = FlavorSpec {
            name: "gold".into(),
            id: None,
            vcpus: 1,
            ram_mb: 1024,
            disk_gb: 4,
            resource_class: "gold-1".into(),
            traits: vec!["CUSTOM_A".into()],
            capabilities: BTreeMap::new(),
            projects: Vec::new(),
        };
        let specs: Vec<String> = spec.extra_specs().iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            specs,
            [
                "resources:CUSTOM_GOLD_1=1",
                "resources:DISK_GB=0",
                "resources:MEMORY_MB=0",
                "resources:VCPU=0",
                "trait:CUSTOM_A=required",
            ]
        );
    }
}
