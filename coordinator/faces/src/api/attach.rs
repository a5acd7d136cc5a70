//! Edges: what a request for a server says of networks, turned into ids, and refused when it cannot come true.

use std::{collections::BTreeSet, net::IpAddr};

use api_types::{NewAttachment, NewServer};
use coordinator_core::tenancy::{Attachment, NETWORKS_MAX, TenancyError};
use domain::{
    rim::{Caller, FabricError, Flavor, SecurityGroup, TenantNetwork, custom_resource},
    tenancy::nics,
};
use uuid::Uuid;

use super::Api;
use crate::problem::Problem;

/// Highest VLAN tag that a port may have: 4095 is reserved (IEEE 802.1Q), 4094 is Contrail's native VLAN.
const TAG_MAX: u16 = 4093;
/// Security groups of one server.
const GROUPS_MAX: usize = 16;

/// Where a request says this of one of its networks.
fn place(request: &NewServer, position: usize, part: &str) -> String {
    match request.network {
        Some(_) => "network".to_owned(),
        None => format!("networks[{position}].{part}"),
    }
}

/// The networks that a request names, in order: `network` is short for a list of one.
fn wanted(request: &NewServer) -> Result<Vec<NewAttachment>, Problem> {
    let list = match (&request.network, request.networks.as_slice()) {
        (Some(_), [_, ..]) => {
            return Err(Problem::bad_at_each(&["network", "networks"], "give only one of them"));
        }
        (Some(network), []) => {
            vec![NewAttachment { network: network.clone(), address: None, vlan: None }]
        }
        (None, []) => return Err(Problem::bad_at("networks", "is empty, give at least one network")),
        (None, list) => list.to_vec(),
    };
    if list.len() > NETWORKS_MAX {
        return Err(Problem::bad_at("networks", format!("must be at most {NETWORKS_MAX}")));
    }
    let mut tags = BTreeSet::new();
    for (position, tag) in list.iter().enumerate().filter_map(|(at, one)| Some((at, one.vlan?))) {
        let refuse = |why: String| Err(Problem::bad_at(&place(request, position, "vlan"), why));
        if !(1..=TAG_MAX).contains(&tag) {
            return refuse(format!("VLAN tag {tag} must be 1 to {TAG_MAX}"));
        }
        // A fabric of enterprise style has one network for a tag, and a person means two different ones.
        if !tags.insert(tag) {
            return refuse(format!("VLAN tag {tag} is given for two networks; give each network its own"));
        }
    }
    Ok(list)
}

/// Finds each network among the project's, and its address.
fn resolve(
    request: &NewServer,
    list: &[NewAttachment],
    networks: &[TenantNetwork],
) -> Result<Vec<Attachment>, Problem> {
    let mut seen = BTreeSet::new();
    let mut attachments = Vec::new();
    for (position, one) in list.iter().enumerate() {
        let place = |part| place(request, position, part);
        let id = one.network.parse::<Uuid>().ok();
        let network = networks
            .iter()
            .find(|network| Some(network.id) == id || network.name == one.network)
            .ok_or_else(|| Problem::not_found("network", &one.network).about(place("network")))?;
        if !seen.insert(network.id) {
            return Err(Problem::bad_at(&place("network"), format!("{} is named twice", network.name)));
        }
        let address = one.address.as_ref().map(|text| text.parse::<IpAddr>()).transpose();
        let address = address.map_err(|_| {
            let text = one.address.as_deref().unwrap_or_default();
            Problem::bad_at(
                &place("address"),
                format!("{text:?} is not an address; write one such as 192.0.2.50"),
            )
        })?;
        attachments.push(Attachment { network: network.id, address, vlan: one.vlan });
    }
    Ok(attachments)
}

/// Finds each security group among the project's.
fn resolve_groups(names: &[String], groups: &[SecurityGroup]) -> Result<Vec<Uuid>, Problem> {
    let find = |(position, name): (usize, &String)| {
        let id = name.parse::<Uuid>().ok();
        let found = groups.iter().find(|group| Some(group.id) == id || &group.name == name);
        found.map(|group| group.id).ok_or_else(|| {
            let known: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
            let mut problem = Problem::not_found("security group", name);
            problem.said.detail.push_str(&match known.as_slice() {
                [] => "; the project has none".to_owned(),
                known => format!("; the project has {}", known.join(", ")),
            });
            problem.about(format!("security_groups[{position}]"))
        })
    };
    names.iter().enumerate().map(find).collect()
}

/// Contrail's refusal of a port, with the request's field that it is about.
pub(super) fn of_network(error: TenancyError, request: &NewServer) -> Problem {
    let field = match &error {
        TenancyError::Fabric(error) => field_of(error, request),
        TenancyError::Inventory(_)
        | TenancyError::OpenStack(_)
        | TenancyError::NotDeployed { .. }
        | TenancyError::Refused(_) => None,
    };
    let problem = Problem::from(error);
    match field {
        Some(field) => problem.about(field),
        None => problem,
    }
}

/// A network is named in a request by its name or id, and by Contrail by its name.
fn field_of(error: &FabricError, request: &NewServer) -> Option<String> {
    let is =
        |one: &NewAttachment, network: &str| one.network == network || one.network.parse::<Uuid>().is_ok();
    let networks = request.networks.as_slice();
    match error {
        FabricError::AddressTaken { address, network, .. }
        | FabricError::UnfitAddress { address, network, .. } => {
            let asked = |one: &NewAttachment| {
                is(one, network) && one.address.as_ref().is_some_and(|text| text.parse() == Ok(*address))
            };
            networks.iter().position(asked).map(|position| place(request, position, "address"))
        }
        FabricError::NoAddressLeft { network, .. } => {
            let position = networks.iter().position(|one| is(one, network)).unwrap_or(0);
            Some(place(request, position, "network"))
        }
        FabricError::Unavailable { .. }
        | FabricError::UnknownPort { .. }
        | FabricError::NotFound { .. }
        | FabricError::Refused { .. }
        | FabricError::Neighbours { .. }
        | FabricError::NotAlone { .. }
        | FabricError::InUse { .. } => None,
    }
}

impl Api {
    /// Networks and security groups of a request for a server, as ids.
    pub(super) async fn attachments(
        &self,
        project_id: &str,
        request: &NewServer,
        flavor: &Flavor,
    ) -> Result<(Vec<Attachment>, Vec<Uuid>), Problem> {
        let list = wanted(request)?;
        if request.security_groups.len() > GROUPS_MAX {
            return Err(Problem::bad_at("security_groups", format!("must be at most {GROUPS_MAX}")));
        }
        let networks = self.networks.list_networks(Some(project_id)).await?;
        let attachments = resolve(request, &list, &networks)?;
        let groups = match request.security_groups.as_slice() {
            [] => Vec::new(),
            names => resolve_groups(names, &self.networks.security_groups(Some(project_id)).await?)?,
        };
        if attachments.len() > 1 {
            self.check_nics(flavor, attachments.len()).await?;
        }
        Ok((attachments, groups))
    }

    async fn check_nics(&self, flavor: &Flavor, networks: usize) -> Result<(), Problem> {
        // Only administrators are shown what a flavor asks for.
        let all = self.nova.list_flavors(Caller::Service).await?;
        let specs = all.into_iter().find(|one| one.id == flavor.id).map(|one| one.extra_specs);
        let specs = specs.unwrap_or_default();
        let servers = self.inventory.servers(None).await?;
        let of_class = servers
            .iter()
            .filter(|server| specs.contains_key(&format!("resources:{}", custom_resource(server.class()))));
        let nics: Vec<usize> = of_class.map(|server| server.ports.len()).collect();
        nics::check(&flavor.name, networks, nics::asked_by_flavor(&specs), &nics)
            .map_err(|why| Problem::conflict_at("networks", &why).at("flavor", &why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(network: Option<&str>, networks: &[(&str, Option<&str>, Option<u16>)]) -> NewServer {
        NewServer {
            name: "web1".into(),
            flavor: "metal".into(),
            image: "demo".into(),
            network: network.map(str::to_owned),
            networks: networks
                .iter()
                .map(|(network, address, vlan)| NewAttachment {
                    network: (*network).to_owned(),
                    address: address.map(str::to_owned),
                    vlan: *vlan,
                })
                .collect(),
            security_groups: Vec::new(),
            key_name: None,
            user_data: None,
        }
    }

    #[test]
    fn networks_are_named_once_and_rightly() {
        let blue = Uuid::from_u128(1);
        let networks = [(blue, "blue"), (Uuid::from_u128(2), "green")].map(|(id, name)| TenantNetwork {
            id,
            name: name.into(),
            project_id: String::new(),
            subnet: String::new(),
            gateway: String::new(),
            name_servers: Vec::new(),
        });
        let check = |request: NewServer, expected: Result<usize, (u16, &str)>| {
            let found = wanted(&request).and_then(|list| resolve(&request, &list, &networks));
            match (found, expected) {
                (Ok(found), Ok(count)) => {
                    assert_eq!((found.len(), found[0].network), (count, blue), "{found:?}")
                }
                (Err(problem), Err((status, part))) => {
                    assert!(problem.status == status && problem.detail.contains(part), "{problem:?}")
                }
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(request(Some("blue"), &[]), Ok(1));
        check(request(None, &[("blue", Some("192.0.2.50"), None), ("green", None, Some(100))]), Ok(2));
        check(request(None, &[(&blue.to_string(), None, None)]), Ok(1));
        check(request(None, &[]), Err((400, "at least one")));
        check(request(Some("blue"), &[("green", None, None)]), Err((400, "only one of them")));
        check(request(None, &[("blue", None, None), ("blue", None, None)]), Err((400, "named twice")));
        check(request(Some("provisioning"), &[]), Err((404, "provisioning")));
        check(request(None, &[("blue", Some("192.0.2"), None)]), Err((400, "not an address")));
        check(request(None, &[("blue", None, Some(4095))]), Err((400, "VLAN tag 4095")));
        check(request(None, &[("blue", None, Some(4094))]), Err((400, "VLAN tag 4094")));
        check(request(None, &[("blue", None, Some(0))]), Err((400, "VLAN tag 0")));
        check(
            request(None, &[("blue", None, Some(7)), ("green", None, Some(7))]),
            Err((400, "VLAN tag 7 is given")),
        );
        check(request(None, &[("blue", None, Some(1)), ("green", None, Some(4093))]), Ok(2));
        let many: Vec<_> = (0..9).map(|_| ("blue", None, None)).collect();
        check(request(None, &many), Err((400, "at most 8")));
    }

    #[test]
    fn an_unknown_security_group_is_answered_with_those_there_are() {
        let groups = [SecurityGroup { id: Uuid::from_u128(3), name: "web".into() }];
        assert_eq!(resolve_groups(&["web".into()], &groups).unwrap(), [Uuid::from_u128(3)]);
        let problem = resolve_groups(&["db".into()], &groups).unwrap_err();
        assert!(problem.status == 404 && problem.detail.ends_with("the project has web"), "{problem:?}");
        assert!(resolve_groups(&["db".into()], &[]).unwrap_err().detail.ends_with("has none"));
    }
}
