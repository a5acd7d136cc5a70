//! Edges: Nova's flavors.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Nova, done};
use crate::openstack::{error::Error, session::Caller};
use crate::url_text::segment;

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

impl Nova {
    /// Lists the flavors that the caller may see.
    pub async fn list_flavors(&self, caller: Caller<'_>) -> Result<Vec<Flavor>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            flavors: Vec<Flavor>,
        }
        // Without "none" only administrators see what is not public, and of that only their own.
        let all = if matches!(caller, Caller::Service) { "&is_public=none" } else { "" };
        let path = format!("/flavors/detail?limit=1000{all}");
        let answer: Answer =
            self.session.json(self.call(caller, Method::GET, path, "list the flavors".to_owned())).await?;
        Ok(answer.flavors)
    }

    /// Makes a flavor with its extra specs. A name or id that is taken is a conflict.
    pub async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, Error> {
        #[derive(Deserialize)]
        struct Answer {
            flavor: Flavor,
        }
        let operation = format!("create flavor {}", spec.name);
        let mut flavor = json!({
            "name": spec.name, "vcpus": spec.vcpus, "ram": spec.ram_mb, "disk": spec.disk_gb,
            "os-flavor-access:is_public": spec.projects.is_empty(),
        });
        if let Some(id) = &spec.id {
            flavor["id"] = json!(id);
        }
        let call = self
            .call(Caller::Service, Method::POST, "/flavors".to_owned(), operation.clone())
            .body(json!({"flavor": flavor}));
        let mut made: Flavor = self.session.json::<Answer>(call).await?.flavor;
        made.extra_specs = spec.extra_specs();
        if let Err(error) = self.finish_flavor(&made, &spec.projects, operation).await {
            // Without its extra specs the flavor would take any server: rather none than that.
            self.delete_flavor(&made.id).await?;
            return Err(error);
        }
        Ok(made)
    }

    async fn finish_flavor(
        &self,
        made: &Flavor,
        projects: &[String],
        operation: String,
    ) -> Result<(), Error> {
        let path = format!("/flavors/{}/os-extra_specs", segment(&made.id));
        let call = self
            .call(Caller::Service, Method::POST, path, operation.clone())
            .body(json!({"extra_specs": made.extra_specs}));
        self.session.send(call).await?;
        for project in projects {
            let path = format!("/flavors/{}/action", segment(&made.id));
            let call = self
                .call(Caller::Service, Method::POST, path, operation.clone())
                .body(json!({"addTenantAccess": {"tenant": project}}));
            self.session.send(call).await?;
        }
        Ok(())
    }

    /// The projects that may use a flavor that is not public, by id.
    pub async fn flavor_projects(&self, id: &str) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            flavor_access: Vec<Access>,
        }
        #[derive(Deserialize)]
        struct Access {
            tenant_id: String,
        }
        let path = format!("/flavors/{}/os-flavor-access", segment(id));
        let call = self.call(Caller::Service, Method::GET, path, format!("read who may use flavor {id}"));
        let answer: Answer = self.session.json(call).await?;
        Ok(answer.flavor_access.into_iter().map(|access| access.tenant_id).collect())
    }

    /// Deletes a flavor. Done already is done.
    pub async fn delete_flavor(&self, id: &str) -> Result<(), Error> {
        let path = format!("/flavors/{}", segment(id));
        done(
            self.session
                .send(self.call(Caller::Service, Method::DELETE, path, format!("delete flavor {id}")))
                .await,
        )
    }
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
