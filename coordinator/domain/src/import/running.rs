//! Decisions: the part of an adoption file that an import file does not have: what runs on a server.
//!
//! ```yaml
//! nodes:
//! - name: srv1
//!   driver_info: ...            # as in an import file
//!   ports: ...
//!   instance:
//!     name: web1
//!     project: demo
//!     image: debian-13
//!     flavor: metal
//!     networks:                 # the first is on the interface that boots from the network, the others as they come
//!     - {network: blue, address: 192.0.2.10}
//!     make_ports: false         # true: make a port that Contrail does not have
//! ```

use std::{collections::HashMap, net::IpAddr};

use super::fields::{Faults, Fields};

/// Networks of one server.
pub const NETWORKS_MAX: usize = 8;

/// What runs on a server, as the file says. Names are not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Line where it begins.
    pub line: usize,
    /// Name of the tenant's server.
    pub name: String,
    /// Keystone project, by name or id.
    pub project: String,
    /// Glance's image, by name or id.
    pub image: String,
    /// Nova's flavor, by name or id.
    pub flavor: String,
    /// Its networks, one for each interface, in their order.
    pub networks: Vec<RunningNetwork>,
    /// Whether a port that Contrail does not have is to be made.
    pub make_ports: bool,
}

/// A network on which it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningNetwork {
    /// By name or id.
    pub network: String,
    /// The address that it has there.
    pub address: IpAddr,
}

/// Reads it.
pub(super) fn read(item: &marked_yaml::Node, path: &str, faults: &mut Faults) -> Option<Running> {
    let mut fields = Fields::of(item, path, faults)?;
    let line = fields.span().start().map_or(0, |mark| mark.line());
    let name = fields.required_text("name", faults);
    if name.as_ref().is_some_and(|name| !is_server_name(name)) {
        let message = "must have 1 to 63 letters, digits or -, and not begin with -";
        faults.add(fields.span(), fields.path("name"), message);
    }
    let project = fields.required_text("project", faults);
    let image = fields.required_text("image", faults);
    let flavor = fields.required_text("flavor", faults);
    let make_ports = fields.boolean("make_ports", faults).unwrap_or(false);
    let items = fields.list("networks", faults);
    if items.is_empty() || items.len() > NETWORKS_MAX {
        let message =
            format!("must list 1 to {NETWORKS_MAX} networks, each with the address that it has there");
        faults.add(fields.span(), fields.path("networks"), message);
    }
    let networks: Vec<RunningNetwork> = items
        .into_iter()
        .take(NETWORKS_MAX)
        .filter_map(|(path, item)| network(item, &path, faults))
        .collect();
    for (index, one) in networks.iter().enumerate() {
        if networks[..index].iter().any(|other| other.network == one.network) {
            faults.add(fields.span(), fields.path("networks"), format!("names {} twice", one.network));
        }
    }
    fields.finish(faults);
    Some(Running {
        line,
        name: name?,
        project: project?,
        image: image?,
        flavor: flavor?,
        networks,
        make_ports,
    })
}

fn is_server_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
}

fn network(item: &marked_yaml::Node, path: &str, faults: &mut Faults) -> Option<RunningNetwork> {
    let mut fields = Fields::of(item, path, faults)?;
    let network = fields.required_text("network", faults);
    if fields.node("address").is_none() {
        faults.add(
            fields.span(),
            fields.path("address"),
            "is missing: the address that the server has there",
        );
    }
    let address = fields.parsed("address", faults);
    fields.finish(faults);
    Some(RunningNetwork { network: network?, address: address? })
}

/// Names and addresses that stand twice in the file: path and line of each server with what runs on it.
pub(super) fn find_doubles<'a>(
    all: impl Iterator<Item = (&'a str, &'a marked_yaml::Node, &'a Running)>,
    faults: &mut Faults,
) {
    let mut first: HashMap<(&str, &str, String), String> = HashMap::new();
    for (path, item, running) in all {
        let project = running.project.as_str();
        let mut things = vec![("server", "name", running.name.clone())];
        for network in &running.networks {
            things.push((
                "address",
                "networks",
                format!("{} of network {}", network.address, network.network),
            ));
        }
        for (what, field, value) in things {
            if let Some(other) = first.insert((project, what, value.clone()), path.to_owned()) {
                let path = format!("{path}.instance.{field}");
                faults.add(item.span(), path, format!("{what} {value} is also used in {other}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_running;

    fn entry(number: u8, instance: &str) -> String {
        format!(
            "- name: srv{number}\n  driver: ipmi\n  driver_info: {{ipmi_address: 192.0.2.{number}, ipmi_username: u, \
             ipmi_password: p}}\n  ports:\n  - {{name: eth0, mac_address: \"52:54:00:00:00:0{number}\", switch_name: leaf1, \
             port_name: xe-0/0/{number}, pxe_enabled: true}}\n{instance}"
        )
    }

    fn instance(name: &str, networks: &str, more: &str) -> String {
        format!(
            "  instance:\n    name: {name}\n    project: demo\n    image: i\n    flavor: f\n    networks: [{networks}]\n{more}"
        )
    }

    #[test]
    fn what_runs_is_read_whole_or_every_fault_is_named() {
        let check = |entries: &[String], must: bool, expected: &[(&str, &str)]| {
            let text = format!("nodes:\n{}", entries.concat());
            let faults = parse_running(&text, must).err().unwrap_or_default();
            let fits = faults.len() == expected.len()
                && faults
                    .iter()
                    .zip(expected)
                    .all(|(fault, (path, words))| fault.path == *path && fault.message.contains(words));
            assert!(fits, "{text}\n{faults:#?}, expected {expected:?}");
        };
        let blue = "{network: blue, address: 192.0.2.10}";
        let good = || entry(1, &instance("web1", blue, "    make_ports: true\n"));
        check(&[good()], true, &[]);
        check(&[good(), entry(2, "")], false, &[]);
        check(&[good(), entry(2, "")], true, &[("nodes[1].instance", "is missing")]);
        let net = "nodes[0].instance.networks";
        check(&[entry(1, &instance("web1", "", ""))], true, &[(net, "1 to 8 networks")]);
        check(
            &[entry(1, &instance("web1", "{network: blue}", ""))],
            true,
            &[(&format!("{net}[0].address"), "missing")],
        );
        let bad = "{network: blue, address: 192.0.2}";
        check(&[entry(1, &instance("web1", bad, ""))], true, &[(&format!("{net}[0].address"), "invalid")]);
        let twice = format!("{blue}, {{network: blue, address: 192.0.2.11}}");
        check(&[entry(1, &instance("web1", &twice, ""))], true, &[(net, "names blue twice")]);
        check(&[entry(1, &instance("-web", blue, ""))], true, &[("nodes[0].instance.name", "1 to 63")]);
        let more = "    colour: red\n";
        check(
            &[entry(1, &instance("web1", blue, more))],
            true,
            &[("nodes[0].instance.colour", "not a known field")],
        );
        let second = "{network: green, address: 192.0.2.10}";
        let name = "nodes[1].instance.name";
        check(
            &[good(), entry(2, &instance("web1", second, ""))],
            true,
            &[(name, "is also used in nodes[0]")],
        );
        let address = "nodes[1].instance.networks";
        check(
            &[good(), entry(2, &instance("web2", blue, ""))],
            true,
            &[(address, "192.0.2.10 of network blue")],
        );
        // An import file has none of it.
        let text = format!("nodes:\n{}", good());
        assert!(super::super::parse(&text).unwrap_err()[0].message.contains("not a known field"));
    }
}
