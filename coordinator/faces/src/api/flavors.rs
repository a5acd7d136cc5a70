//! Edges: flavors in the API. Nova owns them; we say how the servers stand that they take.

use std::{collections::HashMap, sync::Arc};

use api_types::{Flavor, List, NewFlavor, OtherServers};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::pools::{self, Counts};
use domain::{
    pools::manufacturer_trait,
    records::Server,
    rim::{self, Caller, FlavorSpec, custom_resource},
    tenancy::nics::{self, NICS_MAX},
};

use super::{
    Api,
    auth::User,
    pick::pick,
    plain::check_name,
    request::{JsonBody, Path},
};
use crate::problem::Problem;

/// Longest name, and longest resource class.
const NAME_CHARS_MAX: usize = 80;
/// Projects of one flavor that is not public.
const PROJECTS_MAX: usize = 100;
/// What a trait for a manufacturer begins with.
const MANUFACTURER: &str = "CUSTOM_MANUFACTURER_";

/// Lists the flavors that select physical servers and that the caller can use, with the number of available servers.
#[utoipa::path(get, path = "/v1/flavors", operation_id = "list_flavors", responses((status = 200, body = List<Flavor>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<Flavor>>, Problem> {
    let flavors = api.flavors_of(&user).await?;
    let servers = api.inventory.servers(None).await?;
    let admin = user.sees_all();
    let items = flavors.into_iter().filter_map(|flavor| view(flavor, &servers, admin)).collect();
    Ok(Json(List { items }))
}

/// Shows a flavor.
#[utoipa::path(get, path = "/v1/flavors/{flavor}", operation_id = "show_flavor", params(("flavor" = String, Path, description = "name or id")), responses((status = 200, body = Flavor)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<Json<Flavor>, Problem> {
    let flavor = api.find_flavor(&user, &name).await?;
    api.shown_flavor(flavor, user.sees_all()).await.map(Json)
}

/// Creates a flavor (administrators).
#[utoipa::path(post, path = "/v1/flavors", operation_id = "create_flavor", request_body = NewFlavor, responses((status = 201, body = Flavor)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    JsonBody(wanted): JsonBody<NewFlavor>,
) -> Result<(StatusCode, Json<Flavor>), Problem> {
    for (field, text) in [("name", &wanted.name), ("resource_class", &wanted.resource_class)] {
        check_name(field, text, NAME_CHARS_MAX)?;
    }
    let sizes = [("cpus", u64::from(wanted.cpus)), ("memory_mib", wanted.memory_mib)];
    let nothing: Vec<_> = sizes.into_iter().filter(|(_, size)| *size == 0).map(|(field, _)| field).collect();
    if !nothing.is_empty() {
        return Err(Problem::bad_at_each(&nothing, "must be at least 1"));
    }
    if wanted.projects.len() > PROJECTS_MAX {
        return Err(Problem::bad_at("projects", format!("must be {PROJECTS_MAX} at most")));
    }
    let traits = traits(&wanted)?;
    let mut projects = Vec::new();
    for (position, name) in wanted.projects.iter().enumerate() {
        let found = api.authenticator.identity.find_project(name).await.map_err(|error| {
            if error.is_not_found() {
                Problem::bad_at(
                    &format!("projects[{position}]"),
                    format!("Keystone knows no project {name:?}"),
                )
            } else {
                error.into()
            }
        })?;
        projects.push(found.id);
    }
    let spec = FlavorSpec {
        name: wanted.name,
        id: None,
        vcpus: wanted.cpus.into(),
        ram_mb: wanted.memory_mib,
        disk_gb: wanted.disk_gb,
        resource_class: wanted.resource_class,
        traits,
        capabilities: Default::default(),
        projects,
    };
    let made = api.nova.create_flavor(&spec).await?;
    Ok((StatusCode::CREATED, Json(api.shown_flavor(made, true).await?)))
}

/// Deletes a flavor (administrators).
///
/// Servers that were created with it stay.
#[utoipa::path(delete, path = "/v1/flavors/{flavor}", operation_id = "delete_flavor", params(("flavor" = String, Path, description = "name or id")), responses((status = 204)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let flavor = api.find_flavor(&user, &name).await?;
    api.nova.delete_flavor(&flavor.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// A flavor that the user may use, by id or name.
    pub(super) async fn find_flavor(&self, user: &User, name: &str) -> Result<rim::Flavor, Problem> {
        let flavors = self.flavors_of(user).await?;
        pick("flavor", name, flavors, |flavor| flavor.id == name, |flavor| flavor.name == name)
    }

    /// Flavors that the user may use; administrators see those of other projects, too. Some sites hide from tenants what
    /// the scheduler reads: we read it for them.
    async fn flavors_of(&self, user: &User) -> Result<Vec<rim::Flavor>, Problem> {
        if user.sees_all() {
            return Ok(self.nova.list_flavors(Caller::Service).await?);
        }
        let mut flavors = self.nova.list_flavors(user.caller()).await?;
        if flavors.iter().any(|flavor| flavor.extra_specs.is_empty()) {
            let all = self.nova.list_flavors(Caller::Service).await?;
            let mut specs: HashMap<_, _> = all.into_iter().map(|f| (f.id, f.extra_specs)).collect();
            for flavor in &mut flavors {
                flavor.extra_specs = specs.remove(&flavor.id).unwrap_or_default();
            }
        }
        Ok(flavors)
    }

    async fn shown_flavor(&self, flavor: rim::Flavor, admin: bool) -> Result<Flavor, Problem> {
        let name = flavor.name.clone();
        let projects = match (admin, flavor.is_public) {
            (true, false) => self.nova.flavor_projects(&flavor.id).await?,
            (_, _) => Vec::new(),
        };
        let servers = self.inventory.servers(None).await?;
        let view = view(flavor, &servers, admin).ok_or_else(|| {
            Problem::conflict(format!("flavor {name} is not for physical servers; use Nova for it"))
        })?;
        Ok(Flavor { projects, ..view })
    }
}

/// The traits that a wanted flavor asks for.
fn traits(wanted: &NewFlavor) -> Result<Vec<String>, Problem> {
    let mut traits = Vec::new();
    if let Some(name) = &wanted.manufacturer {
        let maker = manufacturer_trait(name);
        traits.push(maker.ok_or_else(|| Problem::bad_at("manufacturer", "must not be empty"))?);
    }
    match wanted.nics.map(usize::try_from) {
        // One is what every server has.
        None | Some(Ok(1)) => {}
        Some(Ok(nics)) if (2..=NICS_MAX).contains(&nics) => traits.push(nics::trait_name(nics)),
        Some(_) => return Err(Problem::bad_at("nics", format!("must be 1 to {NICS_MAX}"))),
    }
    Ok(traits)
}

/// Only flavors that ask for a resource class are ours to show.
fn view(flavor: rim::Flavor, servers: &[Server], admin: bool) -> Option<Flavor> {
    let resource = flavor.resource()?.to_owned();
    let Counts { free, used, cleaning, broken, preparing } = pools::count(&flavor, servers);
    // Placement's spelling loses small letters and dashes: a server of the class still has them.
    let class = servers.iter().map(Server::class).find(|class| custom_resource(class) == resource);
    let class =
        class.map_or_else(|| resource.trim_start_matches("CUSTOM_").to_ascii_lowercase(), str::to_owned);
    let maker = flavor.traits().into_iter().find_map(|name| name.strip_prefix(MANUFACTURER));
    Some(Flavor {
        resource_class: class,
        manufacturer: maker.map(str::to_owned),
        nics: u32::try_from(nics::asked_by_flavor(&flavor.extra_specs)).unwrap_or(1),
        cpus: u32::try_from(flavor.vcpus).unwrap_or(u32::MAX),
        memory_mib: flavor.ram,
        disk_gb: flavor.disk,
        public: flavor.is_public,
        projects: Vec::new(),
        free,
        others: admin.then_some(OtherServers { used, cleaning, broken, preparing }),
        id: flavor.id,
        name: flavor.name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_asks_for_a_manufacturer_and_interfaces_by_traits() {
        let check = |manufacturer: Option<&str>, nics: Option<u32>, expected: Result<&[&str], &str>| {
            let wanted = NewFlavor {
                name: "metal".into(),
                resource_class: "baremetal".into(),
                cpus: 1,
                memory_mib: 1,
                disk_gb: 1,
                manufacturer: manufacturer.map(str::to_owned),
                nics,
                projects: Vec::new(),
            };
            match (traits(&wanted), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(problem), Err(words)) => assert!(problem.detail.contains(words), "{problem:?}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(None, None, Ok(&[]));
        check(None, Some(1), Ok(&[]));
        check(Some("Dell Inc."), Some(4), Ok(&["CUSTOM_MANUFACTURER_DELL_INC_", "CUSTOM_BMS_NICS_4"]));
        check(Some(""), None, Err("manufacturer: must not be empty"));
        check(None, Some(0), Err("nics: must be 1 to 8"));
        check(None, Some(9), Err("nics: must be 1 to 8"));
    }

    #[test]
    fn a_flavor_shows_its_interfaces() {
        let specs = [("resources:CUSTOM_BAREMETAL", "1"), ("trait:CUSTOM_BMS_NICS_2", "required")];
        let specs: std::collections::BTreeMap<_, _> = specs.into_iter().collect();
        let flavor = serde_json::json!({ "id": "1", "name": "m", "vcpus": 1, "ram": 1, "disk": 1, "extra_specs": specs });
        let flavor = view(serde_json::from_value(flavor).unwrap(), &[], false).unwrap();
        assert_eq!((flavor.nics, flavor.resource_class.as_str()), (2, "baremetal"));
    }
}
