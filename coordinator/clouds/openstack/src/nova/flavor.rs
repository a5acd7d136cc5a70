//! Edges: Nova's flavors.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Nova, done};
use crate::{Caller, error::Error};
use domain::{
    rim::{Flavor, FlavorSpec},
    url_text::segment,
};

impl Nova {
    /// Lists the flavors that the caller may see.
    pub async fn list_flavors(&self, caller: Caller<'_>) -> Result<Vec<Flavor>, Error> {
        #[derive(Deserialize)]
        struct Flavors {
            flavors: Vec<Flavor>,
        }
        // Without "none" only administrators see what is not public, and of that only their own.
        let all = if matches!(caller, Caller::Service) { "&is_public=none" } else { "" };
        let path = format!("/flavors/detail?limit=1000{all}");
        let answer: Flavors =
            self.session.json(self.call(caller, Method::GET, path, "list the flavors".to_owned())).await?;
        Ok(answer.flavors)
    }

    /// Makes a flavor with its extra specs. A name or id that is taken is a conflict.
    pub async fn create_flavor(&self, spec: &FlavorSpec) -> Result<Flavor, Error> {
        #[derive(Deserialize)]
        struct Made {
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
        let mut made: Flavor = self.session.json::<Made>(call).await?.flavor;
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
        struct Projects {
            flavor_access: Vec<Access>,
        }
        #[derive(Deserialize)]
        struct Access {
            tenant_id: String,
        }
        let path = format!("/flavors/{}/os-flavor-access", segment(id));
        let call = self.call(Caller::Service, Method::GET, path, format!("read who may use flavor {id}"));
        let answer: Projects = self.session.json(call).await?;
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
