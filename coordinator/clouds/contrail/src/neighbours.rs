//! Decisions: whose an interface on a server's switch port is, and the refusal where it is somebody else's.
//!
//! What must stay true: nothing is detached, changed or deleted that is not ours or this server's. A tenant's interface is this
//! server's when it is the one that is wanted here, when the inventory has it as its tenant's, or when we noted on it that we bound
//! it here. The MAC address alone shows whose machine is plugged in, and gives nobody the right to unplug it: a server in use that
//! was imported and not adopted has it too. A port group of several switch ports may be another server's bond: there, what we made
//! for another server's port is a neighbour too, and not a leftover.

use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use uuid::Uuid;

use super::{
    binding, members,
    object::{Attached, Interface, Survey},
    site::{Config, boot_interface_id},
};
use domain::rim::{FabricError, ServerPort, WantedNetwork};

/// Whose an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours: made for an isolated network, deleted when done with.
    Us,
    /// The tenant's of this server: detached and attached, never lost.
    Tenant,
    /// Somebody else's: not touched.
    Neighbour,
}

/// Whose the interface is that was found on the server's port. `wanted` is the tenant's interface that is to be there, if one is.
pub fn owner(config: &Config, port: &ServerPort, wanted: Option<Uuid>, attached: &Attached) -> Owner {
    let interface = &attached.interface;
    if is_made_for(port, interface.uuid) {
        return Owner::Us;
    }
    let in_our_project = interface.fq_name.split_last().is_some_and(|(_, parent)| parent == config.project);
    let on_our_network =
        interface.virtual_network_refs.iter().any(|network| config.role_of(&network.to).is_some());
    if in_our_project && on_our_network {
        let is_bond = attached.group.physical_interface_refs.len() > 1;
        return if is_bond { Owner::Neighbour } else { Owner::Us };
    }
    let is_known = wanted == Some(interface.uuid)
        || port.tenant.contains(&interface.uuid)
        || binding::is_noted(interface, port);
    if is_known { Owner::Tenant } else { Owner::Neighbour }
}

/// Whether the interface was made for this port, or for one that follows it in a bond.
fn is_made_for(port: &ServerPort, interface: Uuid) -> bool {
    let followers = port.siblings.iter().filter(|sibling| !sibling.leads).map(|sibling| &sibling.name);
    std::iter::once(&port.name).chain(followers).any(|name| boot_role(port.server, name, interface).is_some())
}

/// Whether what was found on the port is this server's, as far as anybody can see. Enough to say where the port is, and too little
/// to move it: see [`owner`].
pub fn is_servers(config: &Config, port: &ServerPort, wanted: Option<Uuid>, attached: &Attached) -> bool {
    has_mac(&attached.interface, port.mac) || owner(config, port, wanted, attached) != Owner::Neighbour
}

fn has_mac(interface: &Interface, mac: MacAddr) -> bool {
    let macs = interface.virtual_machine_interface_mac_addresses.iter().flat_map(|macs| &macs.mac_address);
    macs.filter_map(|text| text.parse::<MacAddr>().ok()).any(|seen| seen == mac)
}

/// The network for which this interface of ours was made, by its derived uuid.
pub fn boot_role(server: ServerId, port_name: &str, interface: Uuid) -> Option<BootNetwork> {
    [BootNetwork::Provisioning, BootNetwork::Cleaning]
        .into_iter()
        .find(|role| boot_interface_id(server, port_name, *role) == interface)
}

/// The interface that is to be on the port: ours, or the tenant's.
pub fn wanted_interface(port: &ServerPort, to: &WantedNetwork) -> Option<Uuid> {
    match to {
        WantedNetwork::Boot(role) => Some(boot_interface_id(port.server, &port.name, *role)),
        WantedNetwork::Tenant(id) => Some(*id),
        WantedNetwork::Nothing => None,
    }
}

/// The tenant's interface that is to be on the port.
pub fn wanted_tenant(to: &WantedNetwork) -> Option<Uuid> {
    match to {
        WantedNetwork::Tenant(id) => Some(*id),
        WantedNetwork::Boot(_) | WantedNetwork::Nothing => None,
    }
}

/// Why nothing is put on the port while this is on it: interfaces of others, a port group that it shares with others or, where a
/// tenant's interface is to stay, that this one is on a second group.
pub fn why_refused(
    config: &Config,
    port: &ServerPort,
    wanted: Option<Uuid>,
    survey: &Survey,
) -> Option<FabricError> {
    let is_neighbour = |one: &&Attached| owner(config, port, wanted, one) == Owner::Neighbour;
    let neighbours: Vec<&Attached> = survey.attached.iter().filter(is_neighbour).collect();
    if !neighbours.is_empty() {
        return Some(refusal(port, &neighbours));
    }
    // What the API server made goes with the last interface, and what is bound then is in a group of its own.
    let stays = survey.groups.iter().filter(|group| !group.is_internal() || wanted.is_some());
    let mut shared = stays.filter_map(|group| members::shared(port, group));
    let spread = || {
        let of_tenant = survey.attached.iter().filter(|one| wanted == Some(one.interface.uuid));
        of_tenant.filter_map(|one| members::spread(&one.interface, &one.group)).next()
    };
    shared.next().or_else(spread).map(|why| members::refusal(port, why))
}

/// The refusal to move a port while these are on it.
fn refusal(port: &ServerPort, neighbours: &[&Attached]) -> FabricError {
    let mut names: Vec<String> = neighbours.iter().map(|one| described(one)).collect();
    names.sort_unstable();
    FabricError::Neighbours { port: port.link.to_string(), neighbours: names.join("; ") }
}

fn described(attached: &Attached) -> String {
    let interface = &attached.interface;
    let networks: Vec<_> =
        interface.virtual_network_refs.iter().map(|network| network.to.join(":")).collect();
    let (name, project) = match interface.fq_name.split_last() {
        Some((name, project)) => (name.as_str(), project.join(":")),
        None => ("", String::new()),
    };
    format!(
        "interface {name} ({}) of project {project} on network {} by port group {}",
        interface.uuid,
        if networks.is_empty() { "(none)".to_owned() } else { networks.join(" and ") },
        attached.group.name(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observed::tests::{port, sibling};

    fn attached(uuid: Uuid, project: &[String], network: &[String], links: usize, more: Value) -> Attached {
        let mut name = project.to_vec();
        name.push("nic".to_owned());
        let mut interface = json!({ "uuid": uuid, "fq_name": name,
            "virtual_network_refs": [{ "to": network, "uuid": Uuid::from_u128(60) }] });
        for (field, value) in more.as_object().unwrap() {
            interface[field] = value.clone();
        }
        let links: Vec<Value> = (0..links as u128)
            .map(|link| json!({ "to": ["g", "qfx1", format!("xe-0/0/{link}")], "uuid": Uuid::from_u128(link) }))
            .collect();
        let group = json!({ "uuid": Uuid::from_u128(50), "fq_name": ["g", "f", "lag1"],
            "physical_interface_refs": links });
        Attached {
            interface: serde_json::from_value(interface).unwrap(),
            group: serde_json::from_value(group).unwrap(),
        }
    }

    #[test]
    fn nothing_is_touched_that_is_not_ours_or_this_servers() {
        let config = Config::with_default_names("http://127.0.0.1:1");
        let acme = ["default-domain", "acme"].map(str::to_owned);
        let web = ["default-domain", "acme", "web"].map(str::to_owned);
        let (ours, cleaning) = (config.project.clone(), config.cleaning.clone());
        let ours_here = boot_interface_id(port().server, "eth0", BootNetwork::Provisioning);
        let theirs = Uuid::from_u128(99);
        let mac =
            |text: &str| json!({ "virtual_machine_interface_mac_addresses": { "mac_address": [text] } });
        let noted = |text: String| json!({ "annotations": { "key_value_pair": [{ "key": binding::PORT_NOTE, "value": text }] } });
        let check = |wanted: Option<Uuid>, found: Attached, expected: Owner| {
            assert_eq!(owner(&config, &port(), wanted, &found), expected, "{found:?}");
        };
        check(None, attached(ours_here, &ours, &cleaning, 1, json!({})), Owner::Us);
        check(None, attached(ours_here, &ours, &cleaning, 2, json!({})), Owner::Us);
        check(None, attached(theirs, &ours, &cleaning, 1, json!({})), Owner::Us);
        check(None, attached(theirs, &ours, &cleaning, 2, json!({})), Owner::Neighbour);
        check(None, attached(theirs, &acme, &cleaning, 1, json!({})), Owner::Neighbour);
        check(None, attached(theirs, &acme, &web, 1, json!({})), Owner::Neighbour);
        check(Some(theirs), attached(theirs, &acme, &web, 1, json!({})), Owner::Tenant);
        // Its MAC address says that it is the server's, and not that the server was given to us.
        let with_mac = attached(theirs, &acme, &web, 1, mac("52:54:00:00:00:01"));
        assert!(is_servers(&config, &port(), None, &with_mac));
        check(None, with_mac.clone(), Owner::Neighbour);
        let recorded = ServerPort { tenant: vec![theirs], ..port() };
        assert_eq!(owner(&config, &recorded, None, &with_mac), Owner::Tenant);
        let of_eth1 = boot_interface_id(port().server, "eth1", BootNetwork::Provisioning);
        for (leads, expected) in [(false, Owner::Us), (true, Owner::Neighbour)] {
            let bonded = ServerPort { siblings: vec![sibling("eth1", "xe-0/0/1", leads)], ..port() };
            let found = attached(of_eth1, &ours, &cleaning, 2, json!({}));
            assert_eq!(owner(&config, &bonded, None, &found), expected, "{leads}");
        }
        check(None, attached(theirs, &acme, &web, 1, mac("02:00:00:00:00:99")), Owner::Neighbour);
        check(
            None,
            attached(theirs, &acme, &web, 1, noted(format!("{}/eth0", port().server))),
            Owner::Tenant,
        );
        check(
            None,
            attached(theirs, &acme, &web, 1, noted(format!("{}/eth1", port().server))),
            Owner::Neighbour,
        );
    }

    #[test]
    fn a_refusal_names_interface_project_network_and_remedy() {
        let acme = ["default-domain", "acme"].map(str::to_owned);
        let web = ["default-domain", "acme", "web"].map(str::to_owned);
        let found = attached(Uuid::from_u128(99), &acme, &web, 2, json!({}));
        let text = refusal(&port(), &[&found]).to_string();
        for part in
            ["qfx1:xe-0/0/0", "nic", "default-domain:acme", "acme:web", "lag1", "detach", "node adopt"]
        {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}
