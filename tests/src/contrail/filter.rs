//! Decisions: what a leaf lets out of a server: the filter that Contrail's device manager makes of security groups.
//!
//! It stands at the port, against what comes in from the server, and remembers no connection. Whatever it says of groups that
//! look odd was seen in device manager, and is kept here because a switch would do so:
//!
//! - ARP passes always, and so does UDP from the ports of DHCP and DNS, to anybody.
//! - Rules' source ports, and rules about what goes to the server, are not heeded.
//! - A rule that lets everything pass makes no term. A group of such rules alone makes no filter; beside other rules it says nothing.
//! - A destination that is no prefix, or one of length 0, is everybody.

use std::{fmt, net::IpAddr, ops::RangeInclusive};

use serde::Serialize;
use serde_json::Value;

use super::store::Object;

/// IP protocols (IANA "Assigned Internet Protocol Numbers").
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// What every filter lets pass first, as rules of nftables.
const ALWAYS: [&str; 2] =
    ["ether type arp accept", "ether type { ip, ip6 } meta l4proto udp th sport { 53, 67, 68 } accept"];

/// What passes; everything else is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Filter {
    terms: Vec<Term>,
}

/// Frames that pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Term {
    /// Destination, and how many of its bits count; none: everybody.
    to: Option<(IpAddr, u8)>,
    /// Number of the IP protocol; none: all.
    protocol: Option<u8>,
    /// Destination's ports; none: all.
    ports: Option<RangeInclusive<u16>>,
}

impl Filter {
    /// The filter that these groups make together; none: they make none, and everything passes.
    pub fn of<'a>(groups: impl IntoIterator<Item = &'a Object>) -> Option<Self> {
        let terms: Vec<Term> = groups.into_iter().flat_map(terms).collect();
        (!terms.is_empty()).then_some(Self { terms })
    }

    /// Its rules in the language of nftables, one a line, for a chain of the family "bridge".
    pub fn nft(&self) -> impl Iterator<Item = String> {
        let always = ALWAYS.into_iter().map(str::to_owned);
        let own = self.terms.iter().map(|term| format!("{term} accept"));
        always.chain(own).chain(["counter drop".to_owned()])
    }
}

/// The whole table of a switch's rules, to be put in the place of whatever is there: for each interface that has a filter the
/// filter. And a bridge is one network, and carries no tags: what has one goes no further than the port where it came in.
pub fn table(name: &str, filters: &[(String, &Filter)]) -> String {
    let mut chains = String::new();
    let mut jumps = String::new();
    for (number, (interface, filter)) in filters.iter().enumerate() {
        let rules: Vec<_> = filter.nft().collect();
        chains += &format!("chain filter{number} {{\n{}\n}}\n", rules.join("\n"));
        jumps += &format!("iifname \"{interface}\" jump filter{number}\n");
    }
    format!(
        "add table bridge {name}\ndelete table bridge {name}\ntable bridge {name} {{\n{chains}\
         chain frames {{\ntype filter hook prerouting priority -300 ; policy accept ;\n\
         ether type {{ 8021q, 8021ad }} drop\n{jumps}}}\n}}\n"
    )
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some((address @ IpAddr::V4(_), bits)) => write!(out, "ip daddr {address}/{bits} ")?,
            Some((address @ IpAddr::V6(_), bits)) => write!(out, "ip6 daddr {address}/{bits} ")?,
            None => write!(out, "ether type {{ ip, ip6 }} ")?,
        }
        match (self.protocol, &self.ports) {
            (Some(protocol), _) => write!(out, "meta l4proto {protocol}")?,
            (None, Some(_)) => write!(out, "meta l4proto {{ {TCP}, {UDP} }}")?,
            (None, None) => write!(out, "meta l4proto 0-255")?,
        }
        match &self.ports {
            Some(ports) => write!(out, " th dport {}-{}", ports.start(), ports.end()),
            None => Ok(()),
        }
    }
}

/// The terms of one group. Without a rule of IPv4 there is no filter.
fn terms(group: &Object) -> Vec<Term> {
    let rules = group.properties.get("security_group_entries").and_then(|it| it["policy_rule"].as_array());
    let leaving = rules.into_iter().flatten().filter(|rule| is_outward(rule) && !lets_everything(rule));
    let (mut terms, mut any_v4) = (Vec::new(), false);
    for rule in leaving {
        any_v4 |= rule["ethertype"].as_str().is_some_and(|it| !it.eq_ignore_ascii_case("ipv6"));
        let Some(protocol) = protocol(rule) else { continue };
        for to in each(&rule["dst_addresses"]).map(prefix) {
            for ports in each(&rule["dst_ports"]).map(|it| range(it, protocol)) {
                terms.push(Term { to, protocol, ports });
            }
        }
    }
    if any_v4 { terms } else { Vec::new() }
}

/// A rule is about what leaves the server when its source is the server.
fn is_outward(rule: &Value) -> bool {
    let mut sources = rule["src_addresses"].as_array().into_iter().flatten();
    sources.any(|source| source["security_group"] == "local")
}

/// Whether it names no destination, port or protocol at all.
fn lets_everything(rule: &Value) -> bool {
    let all_ports = |ports: &Value| each(ports).all(|it| it["start_port"] == 0 && it["end_port"] == 65535);
    let everybody = |to: &Value| {
        ["0.0.0.0", "::"].map(Value::from).contains(&to["subnet"]["ip_prefix"])
            && to["subnet"]["ip_prefix_len"] == 0
    };
    rule["protocol"] == "any"
        && each(&rule["dst_addresses"]).all(everybody)
        && all_ports(&rule["dst_ports"])
        && all_ports(&rule["src_ports"])
}

/// The elements of a list; an empty one has one that says nothing.
fn each(list: &Value) -> impl Iterator<Item = &Value> {
    let all = list.as_array().map(Vec::as_slice).filter(|all| !all.is_empty());
    all.unwrap_or(std::slice::from_ref(&Value::Null)).iter()
}

/// Outer none: nobody knows this protocol, and nothing is of it.
#[allow(clippy::option_option)] // "all of them" and "none that is known" are two things
fn protocol(rule: &Value) -> Option<Option<u8>> {
    match rule["protocol"].as_str().unwrap_or("any").to_ascii_lowercase().as_str() {
        "any" => Some(None),
        "icmp" => Some(Some(ICMP)),
        "tcp" => Some(Some(TCP)),
        "udp" => Some(Some(UDP)),
        "icmp6" | "ipv6-icmp" => Some(Some(ICMPV6)),
        number => number.parse().ok().map(Some),
    }
}

fn prefix(to: &Value) -> Option<(IpAddr, u8)> {
    let address = to["subnet"]["ip_prefix"].as_str()?.parse().ok()?;
    let bits = u8::try_from(to["subnet"]["ip_prefix_len"].as_u64()?).ok()?;
    (bits != 0).then_some((address, bits))
}

/// Ports that are said of a protocol which has some. One end that is 0 says: all of them.
fn range(ports: &Value, protocol: Option<u8>) -> Option<RangeInclusive<u16>> {
    let end = |name: &str| u16::try_from(ports[name].as_u64()?).ok().filter(|port| *port != 0);
    let has_ports = protocol.is_none_or(|number| [TCP, UDP].contains(&number));
    Some(end("start_port")?..=end("end_port")?).filter(|_| has_ports)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use uuid::Uuid;

    use super::*;

    fn group(rules: &Value) -> Object {
        let properties =
            Map::from_iter([("security_group_entries".to_owned(), json!({ "policy_rule": rules }))]);
        let (id, fq_name) = (Uuid::nil(), vec!["sg".to_owned()]);
        Object { kind: "security-group".into(), id, fq_name, parent: None, properties, refs: vec![] }
    }

    /// A rule about what leaves the server.
    fn rule(protocol: &str, to: &str, bits: u8, ports: (u16, u16)) -> Value {
        json!({
            "direction": ">", "ethertype": if to.contains(':') { "IPv6" } else { "IPv4" }, "protocol": protocol,
            "src_addresses": [{ "security_group": "local" }], "src_ports": [{ "start_port": 0, "end_port": 65535 }],
            "dst_addresses": [{ "subnet": { "ip_prefix": to, "ip_prefix_len": bits } }],
            "dst_ports": [{ "start_port": ports.0, "end_port": ports.1 }],
        })
    }

    fn own_lines(groups: &[Object]) -> Option<Vec<String>> {
        let lines: Vec<_> = Filter::of(groups)?.nft().collect();
        let [arp, dhcp, own @ .., rest] = lines.as_slice() else { panic!("too few lines: {lines:?}") };
        assert_eq!([arp.as_str(), dhcp.as_str(), rest.as_str()], [ALWAYS[0], ALWAYS[1], "counter drop"]);
        Some(own.to_vec())
    }

    #[test]
    fn what_leaves_a_server_is_what_the_groups_rules_say() {
        let check = |groups: &[Value], expected: Option<&[&str]>| {
            let groups: Vec<_> = groups.iter().map(group).collect();
            let found = own_lines(&groups);
            let expected = expected.map(|lines| lines.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{groups:?}");
        };
        let all = (0, 65535);
        let agent = "ip daddr 198.18.1.1/32 ";
        check(&[], None);
        check(&[json!([])], None);
        check(
            &[json!([
                rule("udp", "198.18.1.1", 32, (69, 69)),
                rule("tcp", "198.18.1.1", 32, (80, 80)),
                rule("icmp", "192.0.2.0", 24, (8, 8)),
                rule("any", "203.0.113.0", 24, all),
                rule("any", "203.0.113.0", 24, (1, 9)),
            ])],
            Some(&[
                &format!("{agent}meta l4proto 17 th dport 69-69 accept"),
                &format!("{agent}meta l4proto 6 th dport 80-80 accept"),
                "ip daddr 192.0.2.0/24 meta l4proto 1 accept",
                "ip daddr 203.0.113.0/24 meta l4proto 0-255 accept",
                "ip daddr 203.0.113.0/24 meta l4proto { 6, 17 } th dport 1-9 accept",
            ]),
        );
        // Everybody is named by a length of 0, by another group, and by nothing at all.
        let mut other = rule("tcp", "10.0.0.1", 32, (22, 22));
        other["dst_addresses"] = json!([{ "security_group": "default-domain:acme:web" }]);
        let to_all = "ether type { ip, ip6 } meta l4proto 6 th dport 22-22 accept";
        check(&[json!([rule("tcp", "0.0.0.0", 0, (22, 22))])], Some(&[to_all]));
        check(&[json!([other])], Some(&[to_all]));
        // What goes to the server is not the filter's.
        let mut inward = rule("tcp", "10.0.0.1", 32, (22, 22));
        inward["dst_addresses"] = json!([{ "security_group": "local" }]);
        inward["src_addresses"] = json!([{ "subnet": { "ip_prefix": "10.0.0.1", "ip_prefix_len": 32 } }]);
        check(&[json!([inward])], None);
        // Rules that let everything pass say nothing, neither alone nor beside others.
        let everything = [rule("any", "0.0.0.0", 0, all), rule("any", "::", 0, all)];
        check(&[json!(everything)], None);
        let ssh = rule("tcp", "10.0.0.1", 32, (22, 22));
        let ssh_line = "ip daddr 10.0.0.1/32 meta l4proto 6 th dport 22-22 accept";
        check(&[json!([everything[0], ssh])], Some(&[ssh_line]));
        check(&[json!(everything), json!([ssh])], Some(&[ssh_line]));
        check(&[json!([ssh]), json!([ssh])], Some(&[ssh_line, ssh_line]));
        // Rules of IPv6 alone make no filter.
        let six = rule("tcp", "2001:db8::1", 128, (22, 22));
        let six_line = "ip6 daddr 2001:db8::1/128 meta l4proto 6 th dport 22-22 accept";
        check(&[json!([six])], None);
        check(&[json!([six, ssh])], Some(&[six_line, ssh_line]));
    }

    #[test]
    fn our_own_group_lets_a_boot_pass() {
        let entries = contrail::security::boot_entries(&["198.18.1.1/32".to_owned()], &[80, 8444]);
        let lines = own_lines(&[group(&entries["policy_rule"])]).unwrap();
        let said = |protocol: u8, to: &str, ports: &str| {
            format!("ip daddr {to}/32 meta l4proto {protocol} th dport {ports} accept")
        };
        let agent = "198.18.1.1";
        let expected = [
            said(UDP, "255.255.255.255", "67-67"),
            said(UDP, agent, "67-67"),
            said(UDP, agent, "69-69"),
            said(UDP, agent, "1024-65535"),
            said(TCP, agent, "80-80"),
            said(TCP, agent, "8444-8444"),
        ];
        assert_eq!(lines, expected);
    }
}
