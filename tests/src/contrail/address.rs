//! Decisions: addresses of the stand-in's networks: which one an instance-ip gets, and which it may not have.

use std::{collections::HashSet, net::Ipv4Addr};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    refusal::{Refusal, quoted},
    store::{Object, Store},
};

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Network address.
    pub prefix: Ipv4Addr,
    /// Prefix length.
    pub length: u8,
    /// Gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers, as DHCP gives them.
    pub name_servers: Vec<Ipv4Addr>,
    /// uuid that the server gave it.
    pub id: String,
    pools: Vec<(u32, u32)>,
    from_start: bool,
    reserved: Vec<Ipv4Addr>,
}

impl Subnet {
    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0)
    }

    /// The mask as an address.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.mask())
    }

    /// Whether the address is a host's address in here.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let (first, last) = self.hosts();
        (first..=last).contains(&u32::from(address))
    }

    fn hosts(&self) -> (u32, u32) {
        let first = u32::from(self.prefix) & self.mask();
        (first.saturating_add(1), (first | !self.mask()).saturating_sub(1))
    }
}

/// The subnets of a network, in order.
pub fn subnets(network: &Object) -> Vec<Subnet> {
    let entries = network
        .refs_to("network-ipam")
        .filter_map(|ipam| ipam.attr.get("ipam_subnets").and_then(Value::as_array))
        .flatten();
    entries.filter_map(subnet).collect()
}

fn subnet(entry: &Value) -> Option<Subnet> {
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
    let pools = entry["allocation_pools"].as_array().into_iter().flatten();
    let gateway = address(&entry["default_gateway"]);
    let service = address(&entry["dns_server_address"]);
    Some(Subnet {
        prefix: address(&entry["subnet"]["ip_prefix"])?,
        length: u8::try_from(entry["subnet"]["ip_prefix_len"].as_u64()?)
            .ok()
            .filter(|length| *length <= 30)?,
        gateway,
        name_servers: entry["dns_nameservers"].as_array().into_iter().flatten().filter_map(address).collect(),
        id: entry["subnet_uuid"].as_str().unwrap_or("").to_owned(),
        pools: pools
            .filter_map(|pool| Some((address(&pool["start"])?.into(), address(&pool["end"])?.into())))
            .collect(),
        from_start: entry["addr_from_start"].as_bool().unwrap_or(false),
        reserved: gateway.into_iter().chain(service).collect(),
    })
}

/// What the server adds to subnets that leave it open: gateway (first address), service address (second) and uuid.
pub fn complete(attr: &mut Value) -> Result<(), Refusal> {
    for entry in attr["ipam_subnets"].as_array_mut().into_iter().flatten() {
        let parsed =
            subnet(entry).ok_or_else(|| Refusal::new(400, format!("Invalid subnet {}", entry["subnet"])))?;
        let (first, _) = parsed.hosts();
        if parsed.gateway.is_none() {
            entry["default_gateway"] = json!(Ipv4Addr::from(first).to_string());
        } else if parsed.gateway.is_some_and(|gateway| !parsed.contains(gateway)) {
            return Err(Refusal::new(400, format!("gateway Ip {} not in cidr", entry["default_gateway"])));
        }
        if !entry["dns_server_address"].is_string() {
            entry["dns_server_address"] = json!(Ipv4Addr::from(first.saturating_add(1)).to_string());
        }
        if !entry["subnet_uuid"].is_string() {
            entry["subnet_uuid"] = json!(Uuid::new_v4());
        }
    }
    Ok(())
}

/// Gives a new instance-ip its address: the one it asks for, or the topmost free one.
pub fn allocate(store: &mut Store, instance_ip: Uuid) -> Result<(), Refusal> {
    let Some(asking) = store.get(instance_ip) else { return Ok(()) };
    let network = asking.refs_to("virtual-network").next().and_then(|reference| store.get(reference.id));
    let Some(network) = network else {
        return Err(Refusal::new(400, "Virtual network reference missing in instance ip"));
    };
    let subnets = subnets(network);
    let exhausted = || {
        Refusal::new(400, format!("Virtual-Network({}) has exhausted subnet([])", quoted(&network.fq_name)))
    };
    let used: HashSet<Ipv4Addr> = used(store, network.id, instance_ip);
    let asked = asking.properties.get("instance_ip_address").and_then(Value::as_str);
    let (address, subnet) = match asked {
        Some(text) => {
            let address: Ipv4Addr = text.parse().map_err(|_| Refusal::new(400, "Invalid IP address"))?;
            if used.contains(&address) {
                return Err(Refusal::new(409, "IP address already in use"));
            }
            let subnet = subnets.iter().find(|subnet| subnet.contains(address)).ok_or_else(exhausted)?;
            (address, subnet)
        }
        None => subnets
            .iter()
            .find_map(|subnet| free(subnet, &used).map(|address| (address, subnet)))
            .ok_or_else(exhausted)?,
    };
    let (address, subnet_id) = (address.to_string(), subnet.id.clone());
    store.change(instance_ip, |object| {
        object.properties.insert("instance_ip_address".into(), json!(address));
        object.properties.insert("instance_ip_family".into(), json!("v4"));
        object.properties.insert("subnet_uuid".into(), json!(subnet_id));
    });
    Ok(())
}

fn used(store: &Store, network: Uuid, except: Uuid) -> HashSet<Ipv4Addr> {
    let others = store.of_kind("instance-ip").filter(|other| other.id != except && other.refers_to(network));
    others.filter_map(|other| other.properties.get("instance_ip_address")?.as_str()?.parse().ok()).collect()
}

fn free(subnet: &Subnet, used: &HashSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let whole = [subnet.hosts()];
    let pools = if subnet.pools.is_empty() { &whole[..] } else { &subnet.pools };
    let takes = |address: &u32| {
        let address = Ipv4Addr::from(*address);
        subnet.contains(address) && !used.contains(&address) && !subnet.reserved.contains(&address)
    };
    let mut pools = pools.iter();
    let found = if subnet.from_start {
        pools.find_map(|(start, end)| (*start..=*end).find(takes))
    } else {
        pools.find_map(|(start, end)| (*start..=*end).rev().find(takes))
    };
    found.map(Ipv4Addr::from)
}
