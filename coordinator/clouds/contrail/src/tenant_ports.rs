//! Edges: tenants' ports and their addresses by the VNC API. Contrail's IPAM gives every address, to servers as to virtual machines, so
//! that no two ever have the same one.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Contrail, addresses, binding,
    fabric::{ADDRESS, INTERFACE},
    networks::{NETWORK, NETWORK_FIELDS, VirtualNetwork, not_found},
    object::{MacAddresses, Ref},
    setup::SECURITY_GROUP,
    site::{address_id, contrail_name},
    vnc::Created,
};
use domain::rim::{FabricError, NetworkAddresses, NewTenantPort, SecurityGroup, TenantPort, UsedAddress};

const ADDRESS_FIELDS: &str = "instance_ip_address,virtual_network_refs,virtual_machine_interface_refs";
const NAME_FIELDS: &str = "display_name,virtual_machine_interface_mac_addresses,virtual_network_refs";

#[derive(Clone, Debug, Deserialize)]
struct InstanceIp {
    fq_name: Vec<String>,
    instance_ip_address: Option<String>,
    #[serde(default)]
    virtual_network_refs: Vec<Ref>,
    #[serde(default)]
    virtual_machine_interface_refs: Vec<Ref>,
}

#[derive(Clone, Debug, Deserialize)]
struct NamedInterface {
    uuid: Uuid,
    fq_name: Vec<String>,
    display_name: Option<String>,
    virtual_machine_interface_mac_addresses: Option<MacAddresses>,
    #[serde(default)]
    virtual_network_refs: Vec<Ref>,
}

#[derive(Clone, Debug, Deserialize)]
struct NamedGroup {
    uuid: Uuid,
    fq_name: Vec<String>,
    parent_uuid: Option<Uuid>,
}

fn last(name: &[String]) -> String {
    name.last().cloned().unwrap_or_default()
}

impl NamedInterface {
    /// What people call it.
    fn name(&self) -> String {
        self.display_name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| last(&self.fq_name))
    }
}

impl Contrail {
    async fn network(&self, id: Uuid) -> Result<VirtualNetwork, FabricError> {
        let found = self.vnc.get::<VirtualNetwork>(NETWORK, id, NETWORK_FIELDS).await?;
        found.ok_or_else(|| not_found("network", id))
    }

    /// Makes the port, then its address. Cut off in between, the repetition finds the port and goes on.
    pub(super) async fn make_tenant_port(&self, wanted: &NewTenantPort) -> Result<TenantPort, FabricError> {
        let network = self.network(wanted.network).await?;
        let name = last(&network.fq_name);
        let subnets = addresses::subnets(&network.network_ipam_refs);
        if let Some(address) = wanted.address {
            let unfit = match address {
                IpAddr::V4(address) => addresses::unfit(&subnets, address),
                IpAddr::V6(_) => Some(addresses::Unfit::Outside),
            };
            if let Some(why) = unfit {
                let subnet = subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(FabricError::UnfitAddress {
                    address,
                    network: name,
                    subnet,
                    why: why.to_string(),
                });
            }
        }
        match wanted.vlan {
            Some(tag) => self.check_tag(&network.fq_name, tag).await?,
            // Chosen now, so that who asks for a server hears of a range that is used up.
            None => {
                self.native_vlan(&network.fq_name).await?;
            }
        }
        let mut port_name = network.fq_name.clone();
        port_name.pop();
        port_name.push(contrail_name(&format!("{}-{}", wanted.name, wanted.id)));
        let networks = json!([{ "to": network.fq_name, "uuid": wanted.network }]);
        let mut body = json!({
            "uuid": wanted.id, "fq_name": port_name, "display_name": wanted.name, "parent_type": "project",
            "virtual_network_refs": networks,
            "virtual_machine_interface_device_owner": "baremetal:none",
            "virtual_machine_interface_bindings": binding::never_bound(),
        });
        if !wanted.security_groups.is_empty() {
            body["security_group_refs"] = self.group_refs(&wanted.security_groups).await?;
        }
        if let Some(tag) = wanted.vlan {
            body["virtual_machine_interface_properties"] = json!({ "sub_interface_vlan_tag": tag });
        }
        if let Created::Conflict(reason) = self.vnc.create(INTERFACE, body).await? {
            let existing = self.interface(wanted.id).await?;
            if !existing.is_some_and(|it| it.virtual_network_refs.iter().any(|to| to.uuid == wanted.network))
            {
                return Err(FabricError::Refused { operation: format!("make port {}", wanted.name), reason });
            }
        }
        let address = self.give_address(wanted, &networks, &port_name, &network).await?;
        Ok(TenantPort { id: wanted.id, network: wanted.network, address })
    }

    async fn give_address(
        &self,
        wanted: &NewTenantPort,
        networks: &Value,
        port_name: &[String],
        network: &VirtualNetwork,
    ) -> Result<IpAddr, FabricError> {
        let id = address_id(wanted.id);
        let mut body = json!({
            "uuid": id, "fq_name": [format!("{}-address", wanted.id)],
            "virtual_network_refs": networks,
            "virtual_machine_interface_refs": [{ "to": port_name }],
        });
        if let Some(address) = wanted.address {
            body["instance_ip_address"] = json!(address.to_string());
        }
        let made = self.vnc.create(ADDRESS, body).await;
        let refusal = match made {
            Ok(Created::New(_)) => None,
            // Ours already, or taken: what the text says is not to be relied on, so we look.
            Ok(Created::Conflict(reason)) => Some(FabricError::Refused {
                operation: format!("give port {} an address", wanted.name),
                reason,
            }),
            Err(error @ FabricError::Refused { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        let read = self.vnc.get::<InstanceIp>(ADDRESS, id, ADDRESS_FIELDS).await?;
        let given = read.and_then(|it| it.instance_ip_address).and_then(|text| text.parse::<IpAddr>().ok());
        match (given, refusal) {
            (Some(given), _) if wanted.address.is_none_or(|wanted| wanted == given) => Ok(given),
            (Some(given), _) => Err(FabricError::Refused {
                operation: format!("give port {} the address it asks for", wanted.name),
                reason: format!("it has {given} already"),
            }),
            (None, None) => Err(FabricError::Refused {
                operation: format!("give port {} an address", wanted.name),
                reason: "the address cannot be read back".into(),
            }),
            (None, Some(refusal)) => Err(self.explain(wanted, network, refusal).await?),
        }
    }

    /// Why there is no address: by what the network's addresses show.
    async fn explain(
        &self,
        wanted: &NewTenantPort,
        network: &VirtualNetwork,
        refusal: FabricError,
    ) -> Result<FabricError, FabricError> {
        let all = self.addresses_of(wanted.network).await?;
        let name = last(&network.fq_name);
        Ok(match wanted.address {
            Some(address) => match all.used.iter().find(|used| used.address == address) {
                Some(used) => FabricError::AddressTaken { address, network: name, holder: used.name.clone() },
                None => refusal,
            },
            None if all.free == 0 => FabricError::NoAddressLeft {
                network: name,
                subnet: addresses::subnets(&network.network_ipam_refs)
                    .first()
                    .map_or("no subnet".to_owned(), ToString::to_string),
                used: all.used.len(),
            },
            None => refusal,
        })
    }

    /// Every address of a network that is in use, and how many are left.
    pub(super) async fn addresses_of(&self, network: Uuid) -> Result<NetworkAddresses, FabricError> {
        let subnets = addresses::subnets(&self.network(network).await?.network_ipam_refs);
        let query = |fields: &str| [("back_ref_id", network.to_string()), ("fields", fields.to_owned())];
        let is_here = |refs: &[Ref]| refs.iter().any(|to| to.uuid == network);
        let interfaces: Vec<NamedInterface> = self.vnc.list(INTERFACE, &query(NAME_FIELDS)).await?;
        let interfaces: HashMap<Uuid, &NamedInterface> =
            interfaces.iter().map(|interface| (interface.uuid, interface)).collect();
        let ips: Vec<InstanceIp> = self.vnc.list(ADDRESS, &query(ADDRESS_FIELDS)).await?;
        let mut used = Vec::new();
        for ip in ips.iter().filter(|ip| is_here(&ip.virtual_network_refs)) {
            let Some(address) = ip.instance_ip_address.as_ref().and_then(|text| text.parse().ok()) else {
                continue;
            };
            let port = ip.virtual_machine_interface_refs.first().map(|to| to.uuid);
            let interface = port.and_then(|id| interfaces.get(&id));
            let mac = interface
                .and_then(|it| it.virtual_machine_interface_mac_addresses.as_ref())
                .and_then(|macs| macs.mac_address.first().cloned());
            let name = match (interface, port) {
                (Some(interface), _) => interface.name(),
                (None, Some(port)) => format!("port {port}"),
                (None, None) => format!("the reserved address {}", last(&ip.fq_name)),
            };
            used.push(UsedAddress { address, mac: mac.filter(|mac| mac != "00:00:00:00:00:00"), port, name });
        }
        used.sort_by_key(|one| one.address);
        let taken: HashSet<Ipv4Addr> = used
            .iter()
            .filter_map(|one| match one.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect();
        Ok(NetworkAddresses { free: addresses::free(&subnets, &taken), used })
    }

    /// What is on a network, in words, so that a refusal to delete it can name it.
    pub(super) async fn users_of(&self, network: Uuid) -> Result<Vec<String>, FabricError> {
        let query = [("back_ref_id", network.to_string()), ("fields", NAME_FIELDS.to_owned())];
        let interfaces: Vec<NamedInterface> = self.vnc.list(INTERFACE, &query).await?;
        let here = interfaces.iter().filter(|it| it.virtual_network_refs.iter().any(|to| to.uuid == network));
        Ok(here.map(NamedInterface::name).collect())
    }

    /// Deletes a port and frees its address. It is deleted while it is bound, for only that frees what it claims.
    pub(super) async fn remove_tenant_port(&self, id: Uuid) -> Result<(), FabricError> {
        if let Some(interface) = self.interface(id).await? {
            self.delete_interface(&interface).await?;
        }
        self.vnc.delete(ADDRESS, address_id(id)).await?;
        self.forget_parked(id).await
    }

    /// The security groups of a project; of all projects with none.
    pub(super) async fn groups_of(&self, project: Option<Uuid>) -> Result<Vec<SecurityGroup>, FabricError> {
        let mut query = vec![("fields", "display_name".to_owned())];
        query.extend(project.map(|project| ("parent_id", project.to_string())));
        let found: Vec<NamedGroup> = self.vnc.list(SECURITY_GROUP, &query).await?;
        let own = found.into_iter().filter(|group| project.is_none() || group.parent_uuid == project);
        Ok(own.map(|group| SecurityGroup { id: group.uuid, name: last(&group.fq_name) }).collect())
    }

    async fn group_refs(&self, groups: &[Uuid]) -> Result<Value, FabricError> {
        let mut refs = Vec::new();
        for id in groups {
            let found = self.vnc.get::<NamedGroup>(SECURITY_GROUP, *id, "display_name").await?;
            let group = found.ok_or_else(|| not_found("security group", *id))?;
            refs.push(json!({ "to": group.fq_name, "uuid": id }));
        }
        Ok(json!(refs))
    }
}
