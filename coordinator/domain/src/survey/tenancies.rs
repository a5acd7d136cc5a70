//! Decisions: what Ironic, Nova and our records say of tenancies that cannot all be true, and which tenancies do not come to their
//! end.

use super::{
    finding::{Finding, FindingKind as Kind, Severity},
    picture::{IronicNode, Known, NovaServer, Picture, Tenant},
};
use crate::{
    lifecycle::{
        Node, ProvisionState,
        release::{Cleaned, cleaned, may_be_ended},
    },
    records::{TenantServer, TenantServerState},
};

/// Compares Ironic's nodes with Nova's servers.
pub fn tenancies(picture: &Picture, nodes: &[IronicNode], servers: &[NovaServer]) -> Vec<Finding> {
    let mut found = Vec::new();
    for node in nodes {
        found.extend(unknown_to_nova(picture, node, servers));
    }
    for server in servers {
        found.extend(on_its_node(picture, nodes, server));
    }
    found
}

fn unknown_to_nova(picture: &Picture, node: &IronicNode, servers: &[NovaServer]) -> Option<Finding> {
    let instance = node.instance?;
    let record = picture.tenants.iter().find(|tenant| tenant.server.held_as() == Some(instance));
    let adopted = record.is_some_and(|tenant| tenant.server.is_adopted());
    if adopted || servers.iter().any(|server| server.id == instance) {
        return None;
    }
    let name = name_of(picture, node);
    let remedy = match record.map(|tenant| tenant.server.state) {
        Some(TenantServerState::Deleting) => reclaim_again(&name, &node.state),
        Some(_) => format!(
            "bring the server back in Nova if its tenant uses it; else `bmsctl node reclaim {name}` ends it, in Ironic"
        ),
        None => format!(
            "if nobody uses it, `bmsctl node reclaim {name}` ends it; a server in use without Nova is adopted (bmsctl node \
             adopt)"
        ),
    };
    Some(Finding {
        ironic: format!("{} with instance {instance}", node.state),
        nova: "no such server".to_owned(),
        seen: record.map_or_else(String::new, |tenant| of_record(&tenant.server)),
        ..Finding::new(Severity::Error, Kind::InstanceUnknownToNova, &name, remedy)
    })
}

fn on_its_node(picture: &Picture, nodes: &[IronicNode], server: &NovaServer) -> Option<Finding> {
    let on = server.node?;
    let nova = format!("{} {} ({}) is on it", server.status, server.name, server.id);
    let Some(node) = nodes.iter().find(|node| node.id == on) else {
        let remedy = "delete the server in Nova, or bring its node back";
        return Some(Finding {
            ironic: format!("no node {on}"),
            nova,
            ..Finding::new(Severity::Error, Kind::NovaServerOnUnknownNode, &server.name, remedy)
        });
    };
    let name = name_of(picture, node);
    if node.instance != Some(server.id) && is_settled(server) {
        let instance = node.instance.map_or("no instance".to_owned(), |id| format!("instance {id}"));
        let remedy =
            "find out which one runs there; delete the other one, in Nova or by `bmsctl node reclaim`";
        return Some(Finding {
            ironic: format!("{} with {instance}", node.state),
            nova,
            ..Finding::new(Severity::Error, Kind::NovaServerOnOtherNode, &name, remedy)
        });
    }
    let record = picture.tenants.iter().find(|tenant| tenant.server.instance == Some(server.id));
    let is_in_use = record.is_none_or(|tenant| tenant.server.state == TenantServerState::Active);
    if node.instance == Some(server.id) && server.status == "ERROR" && node.state == "active" && is_in_use {
        let remedy = format!(
            "if its tenant uses it, `openstack server set --state active {}`; if it was to be deleted, `bmsctl node reclaim \
             {name}` ends it",
            server.id
        );
        return Some(Finding {
            ironic: format!("{} with instance {}", node.state, server.id),
            nova,
            seen: record.map_or_else(String::new, |tenant| of_record(&tenant.server)),
            ..Finding::new(Severity::Error, Kind::NovaServerInError, &name, remedy)
        });
    }
    None
}

/// Tenancies that are to end, and whose machine still carries them, or is not clean and not being cleaned. For a moment that is
/// nothing unusual: only one that stays is worth a word.
pub fn not_ending(picture: &Picture) -> Vec<Finding> {
    let ends = |tenant: &&Tenant| tenant.server.state == TenantServerState::Deleting;
    picture.tenants.iter().filter(ends).filter_map(|tenant| is_not_ending(picture, &tenant.server)).collect()
}

fn is_not_ending(picture: &Picture, record: &TenantServer) -> Option<Finding> {
    let held_as = record.held_as();
    let node_of = |known: &Known| known.server.node.clone();
    let carries = |node: &Node| node.instance_id.is_some() && node.instance_id == held_as;
    let carrier = picture.known.iter().find(|known| known.server.node.as_ref().is_some_and(carries));
    let was_on = picture.known.iter().find(|known| Some(known.server.id) == record.node);
    let nova = picture.nova.iter().flatten().find(|nova| Some(nova.id) == record.instance);
    let (name, ironic, remedy) = match (carrier, was_on) {
        (Some(known), _) => {
            let (name, node) = (known.server.name.clone(), node_of(known)?);
            let state = &node.provision_state;
            let remedy = match node.held() {
                Some(why) => format!(
                    "it is in maintenance ({why}): when the work is done, `bmsctl node maintenance off {name}`; the rest follows by \
                     itself"
                ),
                None => reclaim_again(&name, state.as_str()),
            };
            (name, format!("{state} with its instance"), remedy)
        }
        (None, Some(known)) => {
            let (name, node) = (known.server.name.clone(), node_of(known)?);
            let remedy = match (cleaned(&node), nova) {
                (Cleaned::No, _) => format!(
                    "its disks are not clean: `bmsctl node manage {name}`, then `bmsctl node provide {name}`; its last error says \
                     what failed"
                ),
                (Cleaned::Yes | Cleaned::OnItsWay, Some(_)) => nova_holds_it(),
                (Cleaned::Yes | Cleaned::OnItsWay, None) => return None,
            };
            (name, node.provision_state.to_string(), remedy)
        }
        (None, None) if nova.is_some() => (record.name.clone(), "no node of it".to_owned(), nova_holds_it()),
        (None, None) => return None,
    };
    Some(Finding {
        ironic,
        nova: nova.map_or("no such server".to_owned(), |nova| format!("{} {}", nova.status, nova.name)),
        seen: of_record(record),
        ..Finding::new(Severity::Error, Kind::TenancyNotEnding, &name, remedy)
    })
}

fn nova_holds_it() -> String {
    "find out why Nova does not delete its server (nova-compute's log)".to_owned()
}

fn reclaim_again(name: &str, state: &str) -> String {
    match ProvisionState::from(state) {
        ProvisionState::Deleting => {
            format!("Ironic is ending it: `bmsctl node show {name}` says what it waits for")
        }
        state if may_be_ended(&state) => format!(
            "`bmsctl node reclaim {name}` asks Ironic again at once and shows what refuses; otherwise Ironic is asked \
             every few seconds"
        ),
        state => format!(
            "Ironic is {state} and ends that first; if it does not, check its conductor, then `bmsctl node reclaim {name}`"
        ),
    }
}

fn of_record(record: &TenantServer) -> String {
    let reason = record.reason.as_ref().map(|reason| format!(" ({})", reason.text)).unwrap_or_default();
    format!("server {} is {}{reason}", record.name, record.state.word())
}

fn name_of(picture: &Picture, node: &IronicNode) -> String {
    let known = picture.known.iter().find(|known| known.server.id == node.id);
    known.map_or_else(|| node.name.clone(), |known| known.server.name.clone())
}

/// While Nova builds or deletes, it and Ironic are told one after the other.
fn is_settled(server: &NovaServer) -> bool {
    matches!(server.status.as_str(), "ACTIVE" | "SHUTOFF" | "PAUSED" | "SUSPENDED" | "STOPPED" | "RESCUE")
}
