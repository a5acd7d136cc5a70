//! Decisions: the security group of ports on the two isolated networks: what a boot needs, between the server and the agent, and
//! nothing else.
//!
//! On a switch the group becomes a filter without a memory of connections, so answers are rules of their own. Two servers
//! never match a rule: each has the agent at one of its ends.

use serde_json::{Value, json};
use uuid::Uuid;

/// RFC 2131 section 4.1.
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
/// RFC 1350 section 4; the transfer itself goes on between ports that both ends choose.
const TFTP: u16 = 69;
const CHOSEN_PORTS: (u16, u16) = (1024, 65535);
/// To whom a server speaks that has no address yet.
const BROADCAST: &str = "255.255.255.255/32";

/// Namespace of the rules' uuids: a rule that says the same has the same uuid.
const RULES: Uuid = uuid::uuid!("a4fd1d0c-3f0e-4f6b-93cb-5a4ff1e0b2b7");

/// The group's entries. `agents` are the agents' addresses on both networks, as prefixes; `tcp_ports` the ports on which they serve
/// boot files and ramdisks.
pub fn boot_entries(agents: &[String], tcp_ports: &[u16]) -> Value {
    let any = [("0.0.0.0/0".to_owned())];
    let agents = if agents.is_empty() { &any[..] } else { agents };
    let mut rules = vec![to_agent("udp", BROADCAST, (DHCP_CLIENT, DHCP_CLIENT), (DHCP_SERVER, DHCP_SERVER))];
    for agent in agents {
        let chosen = CHOSEN_PORTS;
        rules.push(to_agent("udp", agent, (DHCP_CLIENT, DHCP_CLIENT), (DHCP_SERVER, DHCP_SERVER)));
        rules.push(from_agent("udp", agent, (DHCP_SERVER, DHCP_SERVER), (DHCP_CLIENT, DHCP_CLIENT)));
        rules.push(to_agent("udp", agent, chosen, (TFTP, TFTP)));
        rules.push(to_agent("udp", agent, chosen, chosen));
        rules.push(from_agent("udp", agent, chosen, chosen));
        for port in tcp_ports {
            rules.push(to_agent("tcp", agent, chosen, (*port, *port)));
            rules.push(from_agent("tcp", agent, (*port, *port), chosen));
        }
    }
    json!({ "policy_rule": rules })
}

type Ports = (u16, u16);

fn to_agent(protocol: &str, agent: &str, from: Ports, to: Ports) -> Value {
    rule(protocol, (json!({ "security_group": "local" }), from), (subnet(agent), to))
}

fn from_agent(protocol: &str, agent: &str, from: Ports, to: Ports) -> Value {
    rule(protocol, (subnet(agent), from), (json!({ "security_group": "local" }), to))
}

fn subnet(prefix: &str) -> Value {
    let (address, length) = prefix.split_once('/').unwrap_or((prefix, "32"));
    json!({ "subnet": { "ip_prefix": address, "ip_prefix_len": length.parse::<u8>().unwrap_or(32) } })
}

/// Always from source to destination: Contrail knows ingress from egress by which end is "local".
fn rule(protocol: &str, (source, from): (Value, Ports), (destination, to): (Value, Ports)) -> Value {
    let ports = |(start, end): Ports| json!([{ "start_port": start, "end_port": end }]);
    let mut rule = json!({
        "direction": ">", "ethertype": "IPv4", "protocol": protocol,
        "src_addresses": [source], "src_ports": ports(from),
        "dst_addresses": [destination], "dst_ports": ports(to),
    });
    rule["rule_uuid"] = json!(Uuid::new_v5(&RULES, rule.to_string().as_bytes()));
    rule
}

/// Whether the stored entries are ours: the same rules, whatever the API server has added to each.
pub fn are_the_same(stored: &Value, ours: &Value) -> bool {
    let rules = |entries: &Value| entries["policy_rule"].as_array().cloned().unwrap_or_default();
    let (stored, ours) = (rules(stored), rules(ours));
    stored.len() == ours.len()
        && ours.iter().all(|rule| {
            stored.iter().any(|other| {
                rule.as_object().is_some_and(|rule| {
                    rule.iter().all(|(field, value)| holds(other.get(field).unwrap_or(&Value::Null), value))
                })
            })
        })
}

/// Whether what is stored says at least this; the API server shows fields that were not given as null.
fn holds(stored: &Value, wanted: &Value) -> bool {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            wanted.iter().all(|(field, value)| holds(stored.get(field).unwrap_or(&Value::Null), value))
        }
        (Value::Array(stored), Value::Array(wanted)) => {
            stored.len() == wanted.len() && stored.iter().zip(wanted).all(|(one, other)| holds(one, other))
        }
        (stored, wanted) => stored == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a packet passes, judged as a filter would: by addresses, protocol and ports.
    fn passes(entries: &Value, protocol: &str, from: (&str, u16), to: (&str, u16)) -> bool {
        let at = |addresses: &Value, who: &str| match who {
            "server" => addresses[0]["security_group"] == "local",
            address => {
                addresses[0]["subnet"]["ip_prefix"] == address || addresses[0]["subnet"]["ip_prefix_len"] == 0
            }
        };
        let within = |ports: &Value, port: u16| {
            (ports[0]["start_port"].as_u64().unwrap()..=ports[0]["end_port"].as_u64().unwrap())
                .contains(&port.into())
        };
        entries["policy_rule"].as_array().unwrap().iter().any(|rule| {
            rule["protocol"] == protocol
                && at(&rule["src_addresses"], from.0)
                && within(&rule["src_ports"], from.1)
                && at(&rule["dst_addresses"], to.0)
                && within(&rule["dst_ports"], to.1)
        })
    }

    #[test]
    fn a_boot_passes_and_nothing_else() {
        let agent = "198.18.1.1";
        let entries = boot_entries(&[format!("{agent}/32")], &[80, 8444]);
        let check = |protocol: &str, from: (&str, u16), to: (&str, u16), expected: bool| {
            assert_eq!(passes(&entries, protocol, from, to), expected, "{protocol} {from:?} {to:?}");
        };
        check("udp", ("server", 68), ("255.255.255.255", 67), true);
        check("udp", (agent, 67), ("server", 68), true);
        check("udp", ("server", 2070), (agent, 69), true);
        check("udp", (agent, 40000), ("server", 2070), true);
        check("tcp", ("server", 40000), (agent, 80), true);
        check("tcp", (agent, 8444), ("server", 40000), true);
        check("tcp", ("server", 40000), (agent, 22), false);
        check("tcp", (agent, 40000), ("server", 22), false);
        check("udp", ("server", 68), ("198.18.1.50", 67), false);
        check("tcp", ("198.18.1.50", 80), ("server", 40000), false);
        check("udp", ("198.18.1.50", 40000), ("server", 2070), false);
        check("tcp", ("server", 40000), ("server", 80), false);
        check("icmp", ("server", 0), (agent, 0), false);
    }

    #[test]
    fn what_the_server_adds_is_no_difference_and_what_a_person_changes_is() {
        let ours = boot_entries(&["198.18.1.1/32".to_owned()], &[80]);
        let mut stored = ours.clone();
        assert!(are_the_same(&stored, &ours));
        stored["policy_rule"][0]["created"] = json!("2026-01-01");
        stored["policy_rule"][1]["src_addresses"][0]["virtual_network"] = Value::Null;
        assert!(are_the_same(&stored, &ours));
        stored["policy_rule"][1]["protocol"] = json!("any");
        assert!(!are_the_same(&stored, &ours));
        let mut more = ours.clone();
        let extra = more["policy_rule"][0].clone();
        more["policy_rule"].as_array_mut().unwrap().push(extra);
        assert!(!are_the_same(&more, &ours));
        assert!(!are_the_same(&Value::Null, &ours));
    }
}
