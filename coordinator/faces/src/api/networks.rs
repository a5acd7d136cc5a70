//! Edges: tenants' networks in the API. Contrail owns them; we pass on and translate.

use std::sync::Arc;

use api_types::{List, NetworkDetail, NewNetwork, SecurityGroup, SiteSetup, TenantNetwork};
use axum::{Json, extract::State, http::StatusCode};
use domain::rim::NetworkAddresses;
use uuid::Uuid;

use super::{
    Api,
    auth::{Tenant, User},
    pick::pick,
    request::{JsonBody, Path},
    subnet::check_subnet,
};
use crate::problem::Problem;

/// Networks of one project; a site that wants fewer sets Contrail's own quota.
const NETWORKS_PER_PROJECT_MAX: usize = 100;

/// Lists the networks of the caller's project.
#[utoipa::path(get, path = "/v1/networks", responses((status = 200, body = List<TenantNetwork>)))]
pub async fn list(State(api): State<Arc<Api>>, user: User) -> Result<Json<List<TenantNetwork>>, Problem> {
    Ok(Json(List { items: api.networks.list_networks(user.sees()?).await? }))
}

/// Creates a network with a subnet in the caller's project.
#[utoipa::path(post, path = "/v1/networks", request_body = NewNetwork, responses((status = 201, body = TenantNetwork)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    tenant: Tenant,
    JsonBody(wanted): JsonBody<NewNetwork>,
) -> Result<(StatusCode, Json<TenantNetwork>), Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if wanted.name.is_empty() || wanted.name.len() > 63 || !wanted.name.chars().all(good) {
        return Err(Problem::bad_at("name", "must have 1 to 63 letters, digits, - or _"));
    }
    check_subnet(&wanted.subnet)?;
    let Tenant { project_id, project_name, .. } = tenant;
    check_room(&api.networks.list_networks(Some(&project_id)).await?, &wanted.name)?;
    let network =
        api.networks.ensure_network(&project_id, &project_name, &wanted.name, &wanted.subnet).await?;
    Ok((StatusCode::CREATED, Json(network)))
}

/// Shows a network with its addresses: which are in use, by what, and how many are free.
#[utoipa::path(get, path = "/v1/networks/{network}", params(("network" = String, Path, description = "name or id")),
    responses((status = 200, body = NetworkDetail)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<Json<NetworkDetail>, Problem> {
    let network = api.find_network(&user, &name).await?;
    let NetworkAddresses { used, free } = api.networks.network_addresses(network.id).await?;
    Ok(Json(NetworkDetail { network, addresses: used, free }))
}

/// Creates what a site needs in Contrail (administrators).
///
/// That is our project, the provisioning and the cleaning network, and the security group of their ports. It can be repeated:
/// what exists is kept, and what differs is corrected.
#[utoipa::path(post, path = "/v1/networks/setup", responses((status = 200, body = SiteSetup)))]
pub async fn set_up(State(api): State<Arc<Api>>) -> Result<Json<SiteSetup>, Problem> {
    Ok(Json(SiteSetup { objects: api.networks.set_site_up().await? }))
}

/// Deletes a network that nothing uses.
#[utoipa::path(delete, path = "/v1/networks/{network}", params(("network" = String, Path, description = "name or id")), responses((status = 204)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let network = api.find_network(&user, &name).await?;
    api.networks.delete_network(network.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the security groups of the caller's project.
#[utoipa::path(get, path = "/v1/security-groups", operation_id = "list_security_groups", responses((status = 200, body = List<SecurityGroup>)))]
pub async fn security_groups(
    State(api): State<Arc<Api>>,
    tenant: Tenant,
) -> Result<Json<List<SecurityGroup>>, Problem> {
    Ok(Json(List { items: api.networks.security_groups(Some(&tenant.project_id)).await? }))
}

impl Api {
    /// A network of the user's project, by id or name.
    pub(super) async fn find_network(&self, user: &User, name: &str) -> Result<TenantNetwork, Problem> {
        let networks = self.networks.list_networks(user.sees()?).await?;
        let id = name.parse::<Uuid>().ok();
        pick("network", name, networks, |network| Some(network.id) == id, |network| network.name == name)
    }
}

/// Refuses a new network beyond the bound; one of that name is there already and only found.
fn check_room(networks: &[TenantNetwork], name: &str) -> Result<(), Problem> {
    if networks.len() < NETWORKS_PER_PROJECT_MAX || networks.iter().any(|network| network.name == name) {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "the project has {} networks, and {NETWORKS_PER_PROJECT_MAX} is the maximum; delete an unused one",
        networks.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_bounded_number_of_networks() {
        let network = |number: usize| TenantNetwork {
            id: Uuid::from_u128(number as u128),
            name: format!("web{number}"),
            project_id: "acme".to_owned(),
            subnet: "192.0.2.0/24".to_owned(),
            gateway: "192.0.2.1".to_owned(),
            name_servers: Vec::new(),
        };
        let check = |have: usize, name: &str, good: bool| {
            let networks: Vec<_> = (0..have).map(network).collect();
            assert_eq!(check_room(&networks, name).is_ok(), good, "{name} beside {have}");
        };
        check(0, "new", true);
        check(NETWORKS_PER_PROJECT_MAX - 1, "new", true);
        check(NETWORKS_PER_PROJECT_MAX, "new", false);
        check(NETWORKS_PER_PROJECT_MAX, "web7", true);
        check(NETWORKS_PER_PROJECT_MAX + 7, "new", false);
    }
}
