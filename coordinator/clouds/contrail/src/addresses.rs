//! Decisions: the arithmetic of a network's subnets, as its reference to an IPAM shows them: which addresses may be asked for, and how
//! many are free.
//!
//! Contrail gives the addresses. We count, so that a refusal can say what is wrong: the API's own texts do not, and are not to
//! be interpreted.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;
use serde_json::Value;

use super::object::Ref;

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its addresses.
    pub net: Ipv4Net,
    /// Gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Where Contrail's own DHCP and DNS answer.
    pub service: Option<Ipv4Addr>,
    /// Name servers that it hands out.
    pub name_servers: Vec<Ipv4Addr>,
    /// Ranges from which addresses are given by themselves; none: the whole subnet.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// Why an address may not be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is in none of the subnets.
    #[error("is outside the network's subnet")]
    Outside,
    /// The first or the last address of a subnet.
    #[error("is the subnet's own or its broadcast address")]
    NoHost,
    /// It is the gateway's.
    #[error("is the gateway's")]
    Gateway,
    /// It is Contrail's.
    #[error("is the one where Contrail's own DHCP and DNS answer")]
    Service,
}

impl Subnet {
    fn parse(entry: &Value) -> Option<Self> {
        let address = |value: &Value| value.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
        let length = u8::try_from(entry["subnet"]["ip_prefix_len"].as_u64()?).ok()?;
        let list = |name: &str| entry[name].as_array().into_iter().flatten();
        // Longer prefixes have no addresses for hosts.
        let length = Some(length).filter(|length| (1..=30).contains(length))?;
        Some(Self {
            net: Ipv4Net::new(address(&entry["subnet"]["ip_prefix"])?, length).ok()?,
            gateway: address(&entry["default_gateway"]),
            service: address(&entry["dns_server_address"]),
            name_servers: list("dns_nameservers").filter_map(address).collect(),
            pools: list("allocation_pools")
                .filter_map(|pool| Some((address(&pool["start"])?, address(&pool["end"])?)))
                .collect(),
        })
    }

    /// The name servers that its DHCP names: those of the subnet, or else Contrail's own.
    pub fn resolvers(&self) -> Vec<IpAddr> {
        let own = self.service.filter(|_| self.name_servers.is_empty());
        self.name_servers.iter().copied().chain(own).map(IpAddr::V4).collect()
    }

    /// Why this address of the subnet is nobody's to have.
    fn unfit(&self, address: Ipv4Addr) -> Option<Unfit> {
        if [self.net.network(), self.net.broadcast()].contains(&address) {
            Some(Unfit::NoHost)
        } else if self.gateway == Some(address) {
            Some(Unfit::Gateway)
        } else if self.service == Some(address) {
            Some(Unfit::Service)
        } else {
            None
        }
    }

    /// How many addresses are still given by themselves.
    fn free(&self, used: &HashSet<Ipv4Addr>) -> u64 {
        let (first, last) = (u32::from(self.net.network()), u32::from(self.net.broadcast()));
        let whole = [(first.saturating_add(1), last.saturating_sub(1))];
        let pools: Vec<(u32, u32)> = self
            .pools
            .iter()
            .map(|(start, end)| (u32::from(*start).max(whole[0].0), u32::from(*end).min(whole[0].1)))
            .collect();
        let pools = if pools.is_empty() { &whole[..] } else { &pools };
        let inside = |address: &Ipv4Addr| {
            pools.iter().any(|(start, end)| (*start..=*end).contains(&u32::from(*address)))
        };
        let reserved = self.gateway.into_iter().chain(self.service);
        let taken: HashSet<Ipv4Addr> = used.iter().copied().chain(reserved).filter(inside).collect();
        let size: u64 = pools.iter().map(|(start, end)| u64::from(end.saturating_sub(*start)) + 1).sum();
        size.saturating_sub(taken.len() as u64)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.net.fmt(f)
    }
}

/// The subnets of a network, from its references to IPAMs, in order.
pub fn subnets(ipam_refs: &[Ref]) -> Vec<Subnet> {
    let entries = ipam_refs.iter().filter_map(|ipam| ipam.attr["ipam_subnets"].as_array()).flatten();
    entries.filter_map(Subnet::parse).collect()
}

/// Why a port on these subnets may not have this address; none: it may be asked for.
pub fn unfit(subnets: &[Subnet], address: Ipv4Addr) -> Option<Unfit> {
    match subnets.iter().find(|subnet| subnet.net.contains(&address)) {
        Some(subnet) => subnet.unfit(address),
        None => Some(Unfit::Outside),
    }
}

/// How many addresses these subnets still have.
pub fn free(subnets: &[Subnet], used: &HashSet<Ipv4Addr>) -> u64 {
    subnets.iter().map(|subnet| subnet.free(used)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn network(entry: Value) -> Vec<Subnet> {
        let attr = json!({ "ipam_subnets": [entry] });
        subnets(&[Ref { to: vec!["ipam".into()], uuid: Uuid::nil(), attr }])
    }

    fn small() -> Value {
        json!({"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 29},
            "default_gateway": "192.0.2.1", "dns_server_address": "192.0.2.2"})
    }

    #[test]
    fn an_address_is_judged_before_it_is_asked_for() {
        let subnets = network(small());
        let check = |address: &str, expected: Option<Unfit>| {
            assert_eq!(unfit(&subnets, address.parse().unwrap()), expected, "{address}");
        };
        check("192.0.2.3", None);
        check("192.0.2.6", None);
        check("192.0.2.0", Some(Unfit::NoHost));
        check("192.0.2.7", Some(Unfit::NoHost));
        check("192.0.2.1", Some(Unfit::Gateway));
        check("192.0.2.2", Some(Unfit::Service));
        check("192.0.2.8", Some(Unfit::Outside));
        check("10.0.0.1", Some(Unfit::Outside));
    }

    /// As the server completes a subnet of which only the prefix was given, beside one of IPv6.
    #[test]
    fn subnets_of_others_are_read_as_the_server_completes_them() {
        let attr = json!({ "ipam_subnets": [
            {"subnet": {"ip_prefix": "2001:db8::", "ip_prefix_len": 64}, "default_gateway": "2001:db8::ffff:ffff:ffff:fffe",
                "dns_server_address": "2001:db8::ffff:ffff:ffff:fffd", "dns_nameservers": ["2001:db8::53"]},
            {"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24}, "default_gateway": "192.0.2.254",
                "dns_server_address": "192.0.2.253", "dns_nameservers": ["2001:db8::53", "192.0.2.10"],
                "allocation_pools": []},
            {"subnet_uuid": "7f3c1c9e-0000-0000-0000-000000000000"},
        ]});
        let subnets = subnets(&[Ref { to: vec!["ipam".into()], uuid: Uuid::nil(), attr }]);
        assert_eq!(subnets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.0/24"]);
        assert_eq!(subnets[0].name_servers, ["192.0.2.10".parse::<Ipv4Addr>().unwrap()]);
        assert_eq!(subnets[0].resolvers(), ["192.0.2.10".parse::<IpAddr>().unwrap()]);
        let none = Subnet { name_servers: vec![], ..subnets[0].clone() };
        assert_eq!(none.resolvers(), ["192.0.2.253".parse::<IpAddr>().unwrap()]);
        assert_eq!(Subnet { service: None, ..none }.resolvers(), [] as [IpAddr; 0]);
        let check = |address: &str, expected: Option<Unfit>| {
            assert_eq!(unfit(&subnets, address.parse().unwrap()), expected, "{address}");
        };
        check("192.0.2.1", None);
        check("192.0.2.254", Some(Unfit::Gateway));
        check("192.0.2.253", Some(Unfit::Service));
        assert_eq!(free(&subnets, &HashSet::new()), 252);
    }

    #[test]
    fn free_addresses_are_counted_without_going_through_them() {
        let check = |entry: Value, used: &[&str], expected: u64| {
            let used = used.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(free(&network(entry.clone()), &used), expected, "{entry}");
        };
        check(small(), &[], 4);
        check(small(), &["192.0.2.6", "192.0.2.3"], 2);
        check(small(), &["192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"], 0);
        let mut pooled = small();
        pooled["allocation_pools"] = json!([{"start": "192.0.2.4", "end": "192.0.2.5"}]);
        check(pooled.clone(), &["192.0.2.6"], 2);
        check(pooled, &["192.0.2.4"], 1);
        let large = json!({"subnet": {"ip_prefix": "10.0.0.0", "ip_prefix_len": 8}});
        check(large, &[], (1 << 24) - 2);
        check(json!({"subnet": {"ip_prefix": "10.0.0.0", "ip_prefix_len": 99}}), &[], 0);
        check(json!({}), &[], 0);
    }
}
