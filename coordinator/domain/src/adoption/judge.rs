//! Decisions: whether what Contrail has agrees with what an administrator says of a running server. Anything that does not is a
//! contradiction, and ends the adoption: a guess would put a tenant's server onto somebody else's network.

use std::collections::HashMap;

use uuid::Uuid;

use super::{found::FoundInterface, wanted::WantedInstance};
use crate::{
    lifecycle::placement::{networks_of_ports, port_uses},
    records::NewPort,
    rim::WantedNetwork,
};

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The server's ports.
    pub cables: &'a [NewPort],
    /// What runs there.
    pub wanted: &'a WantedInstance,
    /// Every interface that Contrail has.
    pub interfaces: &'a [FoundInterface],
    /// Interfaces that this very adoption makes, by the networks' positions.
    pub made: &'a [Uuid],
    /// Interfaces of tenants' servers that are known: whose.
    pub owners: &'a HashMap<Uuid, String>,
}

/// The interface of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The server's port.
    pub port: String,
    /// The interface that was found; none: it is to be made.
    pub interface: Option<Uuid>,
    /// VLAN tag.
    pub vlan: Option<u16>,
    /// Its security groups.
    pub security_groups: Vec<Uuid>,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Which field of the server's entry, such as `instance.networks[0].address`.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The interface behind every network, in their order; or everything that contradicts.
pub fn judge(question: Question<'_>) -> Result<Vec<Match>, Vec<Contradiction>> {
    let Question { cables, wanted, interfaces, .. } = question;
    let mut against = Vec::new();
    let Some(places) = places(cables, wanted.networks.len()) else {
        let message = format!(
            "{} networks need {0} network interfaces, and the entry lists {} ports",
            wanted.networks.len(),
            cables.len()
        );
        return Err(vec![Contradiction { field: "instance.networks".to_owned(), message }]);
    };
    let mut matches = Vec::new();
    for (position, index) in places.iter().enumerate() {
        match judge_one(question, position, &cables[*index]) {
            Ok(found) => matches.push(found),
            Err(contradictions) => against.extend(contradictions),
        }
    }
    for (index, cable) in cables.iter().enumerate().filter(|(index, _)| !places.contains(index)) {
        // What a bond carries is found on each of its cables.
        let is_matched =
            |found: &&FoundInterface| matches.iter().any(|one: &Match| one.interface == Some(found.id));
        let here = interfaces.iter().filter(|found| found.is_on(&cable.link));
        for found in here.filter(|found| !is_matched(found)) {
            let message = format!(
                "{} at {} is on {found}, which instance.networks does not name: after the adoption it would be on no \
                 network; add that network, or detach the interface in Contrail",
                cable.name, cable.link
            );
            against.push(Contradiction { field: format!("ports[{index}]"), message });
        }
    }
    if against.is_empty() { Ok(matches) } else { Err(against) }
}

/// For each network the server's port that carries it: the same order in which a deployed server's ports are used.
fn places(cables: &[NewPort], networks: usize) -> Option<Vec<usize>> {
    let stand_ins: Vec<Uuid> = (1..=networks as u128).map(Uuid::from_u128).collect();
    let first = WantedNetwork::Tenant(*stand_ins.first()?);
    let uses = port_uses(&cables.iter().map(|cable| cable.pxe_enabled).collect::<Vec<_>>());
    let on = networks_of_ports(first, &uses, &stand_ins)?;
    stand_ins.iter().map(|id| on.iter().position(|network| *network == WantedNetwork::Tenant(*id))).collect()
}

fn judge_one(question: Question<'_>, position: usize, cable: &NewPort) -> Result<Match, Vec<Contradiction>> {
    let Question { wanted, interfaces, made, owners, .. } = question;
    let network = &wanted.networks[position];
    let field = format!("instance.networks[{position}]");
    let mut against = Vec::new();
    let mut contradict = |field: String, message: String| against.push(Contradiction { field, message });
    let is_made = |found: &&FoundInterface| made.contains(&found.id);
    let here: Vec<&FoundInterface> = interfaces.iter().filter(|found| found.is_on(&cable.link)).collect();
    let with_mac = interfaces.iter().filter(|found| found.macs.contains(&cable.mac) && !is_made(found));
    let of_address = interfaces
        .iter()
        .find(|found| found.network == Some(network.network) && found.addresses.contains(&network.address));
    let mut result =
        Match { port: cable.name.clone(), interface: None, vlan: None, security_groups: Vec::new() };
    match here.as_slice() {
        [] => {
            for found in with_mac {
                let message = format!(
                    "{found} has the MAC address {} of {}, but is not attached to {}: attach it there in Contrail, or correct \
                     the entry's switch port",
                    cable.mac, cable.name, cable.link
                );
                contradict(field.clone(), message);
            }
            if let Some(holder) = of_address.filter(|found| !is_made(found)) {
                contradict(format!("{field}.address"), format!("{} is in use by {holder}", network.address));
            }
            if !wanted.make_ports {
                let message = format!(
                    "Contrail has no interface on {} for {}: make one there for network {}, or set make_ports: true",
                    cable.link, cable.name, network.name
                );
                contradict(field, message);
            }
        }
        [found] => {
            if let Some(isolated) = found.isolated {
                let message = format!(
                    "{} at {} is on our {} network: this is not a server in use",
                    cable.name,
                    cable.link,
                    isolated.as_str()
                );
                return Err(vec![Contradiction { field, message }]);
            }
            if let Some(owner) = owners.get(&found.id) {
                contradict(field.clone(), format!("{found} belongs to the tenant's server {owner} already"));
            }
            if found.network != Some(network.network) {
                let message = format!(
                    "{} at {} is on {found}, not on network {}: correct the entry; the port is not moved",
                    cable.name, cable.link, network.name
                );
                return Err(vec![Contradiction { field: format!("{field}.network"), message }]);
            }
            if found.project_id.as_ref().is_some_and(|owner| *owner != wanted.project_id) {
                let message = format!(
                    "{found} belongs to project {}, not to the entry's",
                    found.project_id.as_deref().unwrap_or_default()
                );
                contradict("instance.project".to_owned(), message);
            }
            if !found.macs.contains(&cable.mac) && !is_made(found) {
                let macs: Vec<_> = found.macs.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{found} at {} has the MAC address {}, not {} of {}: another machine may be plugged in there",
                    cable.link,
                    macs.join(", "),
                    cable.mac,
                    cable.name
                );
                contradict(field.clone(), message);
            }
            for other in with_mac.filter(|other| other.id != found.id) {
                let message = format!("{other} also has the MAC address {}: delete the wrong one", cable.mac);
                contradict(field.clone(), message);
            }
            match of_address {
                Some(holder) if holder.id == found.id => {}
                Some(holder) => {
                    let message = format!("{} is in use by {holder}", network.address);
                    contradict(format!("{field}.address"), message);
                }
                None => {
                    let message = format!(
                        "{found} has {}, not {}: correct the entry, or the address in Contrail",
                        found.addresses_text(),
                        network.address
                    );
                    contradict(format!("{field}.address"), message);
                }
            }
            result.interface = Some(found.id);
            result.vlan = found.vlan;
            result.security_groups = found.security_groups.clone();
        }
        several => {
            let names: Vec<_> = several.iter().map(ToString::to_string).collect();
            let message =
                format!("several interfaces are on {} at the same time: {}", cable.link, names.join("; "));
            contradict(field, message);
        }
    }
    if against.is_empty() { Ok(result) } else { Err(against) }
}
