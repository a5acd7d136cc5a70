//! Decisions: addresses of the stand-in's networks, of both families: what the server adds to a subnet, which address an
//! instance-ip gets, and which it may not have.
//!
//! Addresses are numbers here; a subnet says of which family they are. Gateway and service address are the last hosts of a
//! subnet unless somebody says otherwise, and addresses are given from the top.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    refusal::{Refusal, quoted},
    store::{Object, Store},
};

/// A subnet as its entry in a network says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subnet {
    six: bool,
    /// First and last address, no hosts in IPv4.
    first: u128,
    last: u128,
    gateway: Option<u128>,
    service: Option<u128>,
    pools: Vec<(u128, u128)>,
    from_start: bool,
    id: String,
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(u32::from(four)),
        IpAddr::V6(six) => six.into(),
    }
}

impl Subnet {
    fn read(entry: &Value) -> Option<Self> {
        let address = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let prefix = address(&entry["subnet"]["ip_prefix"])?;
        let bits: u32 = if prefix.is_ipv6() { 128 } else { 32 };
        let length = u32::try_from(entry["subnet"]["ip_prefix_len"].as_u64()?).ok()?;
        let size = u128::MAX.checked_shr(128 - bits.checked_sub(length)?).unwrap_or(0);
        let first = number(prefix) & !size;
        let pair = |pool: &Value| Some((number(address(&pool["start"])?), number(address(&pool["end"])?)));
        let pools = entry["allocation_pools"].as_array().into_iter().flatten().filter_map(pair).collect();
        Some(Self {
            six: prefix.is_ipv6(),
            first,
            last: first | size,
            gateway: address(&entry["default_gateway"]).map(number),
            service: address(&entry["dns_server_address"]).map(number),
            pools,
            from_start: entry["addr_from_start"].as_bool().unwrap_or(false),
            id: entry["subnet_uuid"].as_str().unwrap_or("").to_owned(),
        })
    }

    fn text(&self, address: u128) -> String {
        if self.six {
            return Ipv6Addr::from(address).to_string();
        }
        u32::try_from(address).map(|four| Ipv4Addr::from(four).to_string()).unwrap_or_default()
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.six && (self.first..=self.last).contains(&number(address))
    }

    /// Whether nobody is ever given this address: the ends, gateway and service address.
    fn reserves(&self, address: u128) -> bool {
        address == self.first || address == self.last || [self.gateway, self.service].contains(&Some(address))
    }

    /// Whether addresses like this one are given to who asks for none.
    fn pools(&self, address: u128) -> bool {
        self.pools.is_empty() || self.pools.iter().any(|(start, end)| (*start..=*end).contains(&address))
    }

    fn free(&self, used: &HashSet<IpAddr>) -> Option<u128> {
        let used: HashSet<u128> =
            used.iter().filter(|it| self.contains(**it)).map(|it| number(*it)).collect();
        let whole = [(self.first, self.last)];
        let pools = if self.pools.is_empty() { &whole[..] } else { &self.pools };
        let takes = |address: &u128| {
            (self.first..=self.last).contains(address) && !used.contains(address) && !self.reserves(*address)
        };
        let mut pools = pools.iter();
        if self.from_start {
            pools.find_map(|(start, end)| (*start..=*end).find(takes))
        } else {
            pools.find_map(|(start, end)| (*start..=*end).rev().find(takes))
        }
    }
}

fn subnets(network: &Object) -> Vec<Subnet> {
    let lists = network.refs_to("network-ipam").filter_map(|ipam| ipam.attr.get("ipam_subnets")?.as_array());
    lists.flatten().filter_map(Subnet::read).collect()
}

/// What the server adds to subnets that leave it open: gateway (last host, or first one where addresses are given from
/// the start), service address (the one beside it) and uuid.
pub fn complete(network: &str, attr: &mut Value) -> Result<(), Refusal> {
    for entry in attr["ipam_subnets"].as_array_mut().into_iter().flatten() {
        let subnet = Subnet::read(entry)
            .ok_or_else(|| Refusal::new(400, format!("Invalid subnet {}", entry["subnet"])))?;
        let size = subnet.last - subnet.first;
        if size < 2 {
            let cidr = format!("{}/{}", subnet.text(subnet.first), entry["subnet"]["ip_prefix_len"]);
            return Err(Refusal::new(
                500,
                format!(
                    "Virtual-Network({network}:{cidr}) has invalid alloc_unit(1) in subnet({cidr}) reason: Pool \
                     range<=block_alloc_unit"
                ),
            ));
        }
        let (gateway, service) = if subnet.from_start {
            (subnet.first + 1, subnet.first + 2)
        } else {
            (subnet.last - 1, subnet.last - 2)
        };
        match subnet.gateway {
            None => entry["default_gateway"] = json!(subnet.text(gateway)),
            Some(gateway) if (subnet.first..=subnet.last).contains(&gateway) => {}
            Some(_) => {
                return Err(Refusal::new(
                    400,
                    format!("gateway Ip {} not in cidr", entry["default_gateway"]),
                ));
            }
        }
        if subnet.service.is_none() {
            entry["dns_server_address"] = json!(subnet.text(service));
        }
        if !entry["subnet_uuid"].is_string() {
            entry["subnet_uuid"] = json!(Uuid::new_v4());
        }
    }
    Ok(())
}

/// Gives a new instance-ip its address: the one it asks for, or the topmost free one of the family that it asks for.
/// `request` is what the server looks into when a gateway's address is asked for.
pub fn allocate(store: &mut Store, instance_ip: Uuid, request: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(asking) = store.get(instance_ip) else { return Ok(()) };
    let network = asking.refs_to("virtual-network").next().and_then(|reference| store.get(reference.id));
    let Some(network) = network else {
        return Err(Refusal::new(400, "Virtual network reference missing in instance ip"));
    };
    let subnets = subnets(network);
    let exhausted = || {
        Refusal::new(400, format!("Virtual-Network({}) has exhausted subnet([])", quoted(&network.fq_name)))
    };
    let used = used(store, network.id, instance_ip);
    let text = |field: &str| asking.properties.get(field).and_then(Value::as_str);
    let (address, subnet) = match text("instance_ip_address") {
        Some(text) => asked(text, &subnets, &used, request)?.ok_or_else(exhausted)?,
        None => {
            let family = text("instance_ip_family");
            let fits = |subnet: &&Subnet| family.is_none_or(|family| (family == "v6") == subnet.six);
            let mut fitting = subnets.iter().filter(fits);
            let found = fitting.find_map(|subnet| Some((subnet.text(subnet.free(&used)?), subnet)));
            found.ok_or_else(exhausted)?
        }
    };
    let subnet = subnet.id.clone();
    store.change(instance_ip, |object| {
        object.properties.insert("instance_ip_address".into(), json!(address));
        object.properties.insert("subnet_uuid".into(), json!(subnet));
    });
    Ok(())
}

fn asked<'a>(
    text: &str,
    subnets: &'a [Subnet],
    used: &HashSet<IpAddr>,
    request: &Map<String, Value>,
) -> Result<Option<(String, &'a Subnet)>, Refusal> {
    let address: IpAddr = text.parse().map_err(|_| Refusal::new(500, "</pre>"))?;
    let subnet = subnets.iter().find(|subnet| subnet.contains(address));
    let wanted = number(address);
    let found = subnet.map(|subnet| (text.to_owned(), subnet));
    match subnet {
        Some(subnet) if subnet.gateway == Some(wanted) => {
            // It is given to whoever asks; in a pool, the server looks for the interface, by its uuid alone.
            let interface = request.get("virtual_machine_interface_refs").and_then(|refs| refs.get(0));
            let lost = interface.is_some_and(|interface| interface.get("uuid").is_none());
            if lost && subnet.pools(wanted) { Err(Refusal::new(500, "KeyError: 'uuid'")) } else { Ok(found) }
        }
        Some(subnet) if subnet.service == Some(wanted) && !subnet.pools(wanted) => Ok(found),
        Some(subnet) if subnet.reserves(wanted) => Err(in_use()),
        Some(_) | None if used.contains(&address) => Err(in_use()),
        Some(_) | None => Ok(found),
    }
}

fn in_use() -> Refusal {
    Refusal::new(409, "IP address already in use")
}

fn used(store: &Store, network: Uuid, except: Uuid) -> HashSet<IpAddr> {
    let others = store.of_kind("instance-ip").filter(|other| other.id != except && other.refers_to(network));
    others.filter_map(|other| other.properties.get("instance_ip_address")?.as_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_and_service_address_are_the_last_hosts() {
        let check = |prefix: &str, length: u64, from_start: bool, gateway: &str, service: &str| {
            let subnet = json!({"ip_prefix": prefix, "ip_prefix_len": length});
            let mut attr = json!({"ipam_subnets": [{"subnet": subnet, "addr_from_start": from_start}]});
            complete("vn", &mut attr).unwrap();
            let entry = &attr["ipam_subnets"][0];
            assert_eq!(
                (&entry["default_gateway"], &entry["dns_server_address"]),
                (&json!(gateway), &json!(service))
            );
            let subnet = Subnet::read(entry).unwrap();
            let next = subnet.free(&HashSet::new()).map(|address| subnet.text(address));
            let neighbour = if from_start { u128::MAX } else { 1 };
            let expected = number(service.parse().unwrap()).wrapping_sub(neighbour);
            assert_eq!(next.unwrap(), subnet.text(expected));
        };
        check("192.0.2.0", 24, false, "192.0.2.254", "192.0.2.253");
        check("192.0.2.16", 28, false, "192.0.2.30", "192.0.2.29");
        check("192.0.2.0", 29, false, "192.0.2.6", "192.0.2.5");
        check("192.0.2.0", 24, true, "192.0.2.1", "192.0.2.2");
        check("2001:db8::", 64, false, "2001:db8::ffff:ffff:ffff:fffe", "2001:db8::ffff:ffff:ffff:fffd");
        for length in [31, 32] {
            let mut attr =
                json!({"ipam_subnets": [{"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": length}}]});
            assert_eq!(complete("vn", &mut attr).unwrap_err().status, 500, "/{length}");
        }
    }
}
