//! Decisions: what a server waits for now and what comes next, in words, from stored facts alone.

use super::{
    decision::Confirmed,
    role::{Role, role},
    state::{Node, NodePower, ProvisionState},
};
use crate::records::{BootReached, TenantServerState};

/// What of a server's record tells its outlook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The node as Ironic last showed it.
    pub node: Option<&'a Node>,
    /// The newest power reading that was an answer.
    pub power: Option<Confirmed>,
    /// Why its rack's agent is away; none: it is here.
    pub agent_away: Option<&'a str>,
    /// What the gate or reconciliation waits for.
    pub waiting: Option<&'a str>,
    /// How far its network boot came.
    pub boot_stage: Option<BootReached>,
    /// Whether a ramdisk runs on it.
    pub ramdisk_runs: bool,
    /// Whether an administrator has deleted it.
    pub forgetting: bool,
    /// What the tenancy on it waits for, which is to end.
    pub ending: Option<&'a str>,
}

/// What it waits for, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What it waits for; none: it is at rest.
    pub waiting_for: Option<String>,
    /// What comes next, or what somebody may do next.
    pub next: String,
}

/// Tells the outlook. Total: every state of Ironic has one.
pub fn outlook(seen: &Seen<'_>) -> Outlook {
    let by_state = match seen.node {
        None => on_its_way("Ironic to take its node", "enroll"),
        Some(node) => of_state(node, seen),
    };
    if seen.forgetting {
        let waiting = seen.waiting.unwrap_or("its ports to be released and its node to be deleted");
        return on_its_way(waiting, "forgotten");
    }
    let Some(node) = seen.node else { return by_state };
    let by_state = match (node.target_power_state, &by_state.waiting_for) {
        (Some(NodePower::On), None) => on_its_way("its power to be switched on", &by_state.next),
        (Some(NodePower::Off), None) => on_its_way("its power to be switched off", &by_state.next),
        (Some(_), Some(_)) | (None, _) => by_state,
    };
    // Reasons that were seen say more than what the state alone lets expect.
    let waiting_for = match (seen.waiting, seen.agent_away) {
        (Some(waiting), _) => Some(waiting.to_owned()),
        (None, _) if node.maintenance && by_state.waiting_for.is_some() => Some(format!(
            "an administrator: it is in maintenance ({}), in which Ironic ignores the ramdisk",
            node.maintenance_reason.as_deref().unwrap_or("no reason was given")
        )),
        (None, Some(away)) if needs_agent(node) => Some(away.to_owned()),
        // A state at rest does not show that it is to be left.
        (None, _) => by_state.waiting_for.or_else(|| {
            let carried = node.instance_id.is_some();
            seen.ending
                .filter(|_| carried || node.provision_state != ProvisionState::Available)
                .map(str::to_owned)
        }),
    };
    Outlook { waiting_for, ..by_state }
}

/// What a tenant's server waits for and what comes next, in its tenant's words: nothing of the rack below.
pub fn tenant_outlook(state: TenantServerState, node: Option<&Node>, power: Option<Confirmed>) -> Outlook {
    if let (TenantServerState::Active, Some(node)) = (state, node)
        && let Some(outlook) = rescue_outlook(node, power)
    {
        return outlook;
    }
    if let Some(held) = held_outlook(state, node, power) {
        return held;
    }
    let switching = node.and_then(|node| node.target_power_state);
    match (state, switching, power) {
        (TenantServerState::Requested, ..) => on_its_way("its address, and Nova to take it", "building"),
        (TenantServerState::Building, ..) => match node {
            None => on_its_way("Nova to choose a physical server", "active"),
            Some(node) => {
                let seen = Seen { node: Some(node), power, ramdisk_runs: true, ..Seen::default() };
                let waiting = of_state(node, &seen).waiting_for;
                on_its_way(waiting.unwrap_or_else(|| "Nova to see that it is ready".to_owned()), "active")
            }
        },
        (TenantServerState::Active, Some(NodePower::On), _) => {
            on_its_way("its power to be switched on", "active")
        }
        (TenantServerState::Active, Some(NodePower::Off), _) => {
            on_its_way("its power to be switched off", "off")
        }
        (TenantServerState::Active, None, Some(Confirmed::Off)) => {
            at_rest("active on its network again, when it is started (server start)")
        }
        (TenantServerState::Active, None, Some(Confirmed::On) | None) => {
            at_rest("in use until it is given back (server delete)")
        }
        (TenantServerState::Deleting, ..) => {
            on_its_way("its network to be unplugged and its disks to be cleaned", "gone")
        }
        (TenantServerState::Error, ..) => {
            on_its_way("its owner: the reason says what failed", "gone, when it is deleted (server delete)")
        }
    }
}

/// A tenant's outlook while somebody keeps its machine in maintenance; none: nobody does. Why is the operator's own.
fn held_outlook(state: TenantServerState, node: Option<&Node>, power: Option<Confirmed>) -> Option<Outlook> {
    node?.held()?;
    let operator = "the operator, who is working on this server";
    Some(match (state, power) {
        (TenantServerState::Active, Some(Confirmed::On) | None) => at_rest(
            "in use until it is given back; the operator is working on this server and may switch it off",
        ),
        // At rest: whoever waits for it to be stopped has what was asked for.
        (TenantServerState::Active, Some(Confirmed::Off)) => at_rest(
            "active on its network again, when it is started (server start), but not before the operator, who is working on this \
             server, has finished",
        ),
        (TenantServerState::Requested | TenantServerState::Building, _) => on_its_way(operator, "active"),
        (TenantServerState::Deleting, _) => on_its_way(operator, "cleaned, and gone"),
        (TenantServerState::Error, _) => return None,
    })
}

/// A tenant's outlook where its server is in rescue, on its way there or back; none: it is not.
fn rescue_outlook(node: &Node, power: Option<Confirmed>) -> Option<Outlook> {
    use ProvisionState as S;
    let own_disk = "its own disk again (server unrescue)";
    Some(match (&node.provision_state, power) {
        (S::Rescuing | S::RescueWait, _) => on_its_way("its rescue system to boot", "rescue"),
        (S::Rescue, Some(Confirmed::Off)) => {
            on_its_way("its owner: its rescue system was lost when the power went off", own_disk)
        }
        (S::Rescue, Some(Confirmed::On) | None) => at_rest(own_disk),
        (S::Unrescuing, _) => on_its_way("its own disk to be booted", "active"),
        (S::RescueFailed | S::UnrescueFailed, _) => {
            on_its_way("its owner: the reason says what failed", own_disk)
        }
        _ => return None,
    })
}

fn of_state(node: &Node, seen: &Seen<'_>) -> Outlook {
    use ProvisionState as S;
    let cleaned = if node.target_provision_state.as_deref() == Some("manageable") {
        "manageable, when its steps are done"
    } else {
        "available, when it is clean"
    };
    match &node.provision_state {
        S::Enroll => at_rest("manageable, once its BMC is verified (node manage)"),
        S::Verifying => on_its_way("its BMC to answer Ironic", "manageable"),
        S::Manageable => {
            at_rest("available, after `node provide` has cleaned it; `node inspect` looks at its hardware")
        }
        S::Adopting => on_its_way("Ironic to finish the adoption", "active"),
        S::AdoptFailed => stuck("`node manage`, then adopt it again"),
        S::Inspecting => {
            on_its_way(working(seen, "Ironic's part of the inspection"), "manageable, with its hardware")
        }
        S::InspectWait => on_its_way(ramdisk(seen, "the ramdisk's report"), "manageable, with its hardware"),
        S::InspectFailed => stuck("`node inspect` tries again"),
        S::Cleaning => match &node.clean_step {
            Some(step) => on_its_way(format!("the step {step} to end"), cleaned),
            None => on_its_way(working(seen, "the next step of the cleaning"), cleaned),
        },
        S::CleanWait => match &node.clean_step {
            Some(step) => on_its_way(ramdisk(seen, &format!("the ramdisk's step {step}")), cleaned),
            None => on_its_way(ramdisk(seen, "the ramdisk's steps"), cleaned),
        },
        S::CleanHold => on_its_way("an administrator, who holds the cleaning", cleaned),
        S::CleanFailed => stuck("`node manage`, then `node provide` cleans it again"),
        S::Available => at_rest("a tenant's server, when one asks for its flavor"),
        S::Deploying => match (role(node), &node.deploy_step) {
            (Role::HandOver, _) => on_its_way("its tenant's disk to be booted", "active"),
            (_, Some(step)) => on_its_way(format!("the step {step} to end"), "active"),
            (_, None) => on_its_way("Ironic to begin the deployment", "active"),
        },
        S::WaitCallBack => on_its_way(ramdisk(seen, "the ramdisk to write the image"), "active"),
        S::DeployHold => on_its_way("an administrator, who holds the deployment", "active"),
        S::DeployFailed => {
            stuck("cleaned and available, once it is given back (server delete, node reclaim)")
        }
        S::Active => match seen.power {
            Some(Confirmed::Off) => at_rest("back on its tenant's network when it is started (server start)"),
            Some(Confirmed::On) => at_rest("in use until it is given back"),
            None => on_its_way("a first power reading", "in use until it is given back"),
        },
        S::Deleting => on_its_way("Ironic to end the tenancy", "cleaned, then available"),
        S::Error => stuck("`node reclaim` ends the tenancy again"),
        S::Rescue => at_rest("its own disk again (server unrescue)"),
        S::Rescuing => on_its_way("Ironic to boot the rescue ramdisk", "rescue"),
        S::RescueWait => on_its_way(ramdisk(seen, "the rescue ramdisk"), "rescue"),
        S::RescueFailed => stuck("its own disk again (server unrescue)"),
        S::Unrescuing => on_its_way("its tenant's disk to be booted", "active"),
        S::UnrescueFailed => stuck("its own disk again (server unrescue)"),
        S::Servicing => on_its_way(working(seen, "the next step of the service"), "active"),
        S::ServiceWait => on_its_way(ramdisk(seen, "the ramdisk's steps"), "active"),
        S::ServiceHold => on_its_way("an administrator, who holds the service", "active"),
        S::ServiceFailed => stuck("active, when the service is done again"),
        S::Unknown(word) => on_its_way(
            format!(
                "an administrator: BMS Manager does not know the state {word:?} and leaves the server as it is"
            ),
            "unknown",
        ),
    }
}

/// Whether the state can go on only while the rack's agent is here.
fn needs_agent(node: &Node) -> bool {
    match role(node) {
        Role::Ramdisk(..) | Role::HandOver | Role::Returning => true,
        Role::Found
        | Role::Adopted
        | Role::Parked
        | Role::TakenBack
        | Role::Tenant
        | Role::Rescued
        | Role::Unknown => false,
    }
}

/// A state in which a ramdisk works, or is still on its way.
fn ramdisk(seen: &Seen<'_>, work: &str) -> String {
    match (seen.ramdisk_runs, seen.boot_stage) {
        (true, _) => work.to_owned(),
        (false, Some(stage)) => format!("the ramdisk to boot (so far: {stage})"),
        (false, None) => "the ramdisk to boot".to_owned(),
    }
}

/// A state in which Ironic works before the ramdisk is there, and after it has gone off.
fn working(seen: &Seen<'_>, else_for: &str) -> String {
    match seen.boot_stage {
        Some(stage) if !seen.ramdisk_runs && seen.power != Some(Confirmed::Off) => {
            format!("the ramdisk to boot (so far: {stage})")
        }
        Some(_) | None => else_for.to_owned(),
    }
}

fn at_rest(next: &str) -> Outlook {
    Outlook { waiting_for: None, next: next.to_owned() }
}

fn on_its_way(waiting_for: impl Into<String>, next: &str) -> Outlook {
    Outlook { waiting_for: Some(waiting_for.into()), next: next.to_owned() }
}

fn stuck(next: &str) -> Outlook {
    on_its_way("an administrator: the last error says what failed", next)
}

#[cfg(test)]
mod tests {
    use protocol::{boot::BootStage, id::ServerId, network::BootNetwork};

    use super::*;

    fn node(state: &ProvisionState) -> Node {
        Node::in_state(ServerId(uuid::Uuid::from_u128(1)), state.clone())
    }

    #[test]
    fn every_state_says_what_is_next_and_failures_call_somebody() {
        for state in ProvisionState::KNOWN {
            let node = node(state);
            let told = outlook(&Seen { node: Some(&node), power: Some(Confirmed::On), ..Seen::default() });
            assert!(!told.next.is_empty(), "{state}");
            let failed = state.as_str().ends_with("failed") || *state == ProvisionState::Error;
            let calls = told.waiting_for.as_deref().is_some_and(|text| text.contains("administrator"));
            let held = state.as_str().ends_with("hold");
            assert_eq!(calls, failed || held, "{state}: {told:?}");
            let rests = matches!(
                state,
                ProvisionState::Enroll
                    | ProvisionState::Manageable
                    | ProvisionState::Available
                    | ProvisionState::Active
                    | ProvisionState::Rescue
            );
            assert_eq!(told.waiting_for.is_none(), rests, "{state}: {told:?}");
        }
    }

    #[test]
    fn what_was_seen_says_more_than_the_state() {
        let waiting = node(&ProvisionState::CleanWait);
        let check = |seen: Seen<'_>, words: &str| {
            let told = outlook(&seen).waiting_for.unwrap_or_default();
            assert!(told.contains(words), "{seen:?}: {told:?} has no {words:?}");
        };
        let reached = |stage| Some(BootReached { stage, network: BootNetwork::Cleaning });
        let seen = Seen { node: Some(&waiting), ..Seen::default() };
        check(seen, "the ramdisk to boot");
        check(Seen { boot_stage: reached(BootStage::DhcpAck), ..seen }, "so far: DHCP lease on cleaning)");
        check(Seen { ramdisk_runs: true, ..seen }, "the ramdisk's steps");
        let inspecting = node(&ProvisionState::Inspecting);
        let booted =
            Seen { node: Some(&inspecting), boot_stage: reached(BootStage::Initrd), ..Seen::default() };
        check(Seen { power: Some(Confirmed::On), ..booted }, "so far: initial ramdisk on cleaning)");
        check(Seen { power: Some(Confirmed::Off), ..booted }, "Ironic's part");
        check(Seen { agent_away: Some("the agent has been disconnected since noon"), ..seen }, "since noon");
        check(Seen { waiting: Some("power-on waits: eth0"), agent_away: Some("x"), ..seen }, "eth0");
        check(Seen { forgetting: true, ..seen }, "its ports to be released");
        check(Seen::default(), "Ironic to take its node");
        let mut kept = waiting.clone();
        (kept.maintenance, kept.maintenance_reason) = (true, Some("fan".to_owned()));
        check(Seen { node: Some(&kept), ..Seen::default() }, "maintenance (fan)");
        let unknown = node(&ProvisionState::Unknown("brewing".to_owned()));
        check(Seen { node: Some(&unknown), ..Seen::default() }, "brewing");
        let mut in_use = node(&ProvisionState::Active);
        in_use.instance_id = Some(uuid::Uuid::from_u128(2));
        let power = Some(Confirmed::On);
        check(
            Seen { node: Some(&in_use), power, ending: Some("web is being given back"), ..Seen::default() },
            "web is being",
        );
        // A server at rest does not wait for an agent that it does not need.
        let free = node(&ProvisionState::Available);
        let away = outlook(&Seen { node: Some(&free), agent_away: Some("away"), ..Seen::default() });
        assert_eq!(away.waiting_for, None);
    }

    #[test]
    fn a_tenant_is_told_of_its_server_and_not_of_the_rack() {
        use TenantServerState::{Active, Building, Deleting, Error, Requested};
        let deploying = node(&ProvisionState::WaitCallBack);
        let mut switched = node(&ProvisionState::Active);
        switched.target_power_state = Some(NodePower::On);
        let check = |state, node: Option<&Node>, power, waiting: Option<&str>, next: &str| {
            let told = tenant_outlook(state, node, power);
            let waits = told.waiting_for.as_deref();
            assert_eq!(waits.is_some(), waiting.is_some(), "{state:?}: {told:?}");
            assert!(waits.unwrap_or_default().contains(waiting.unwrap_or_default()), "{told:?}");
            assert!(told.next.contains(next), "{told:?}");
        };
        check(Requested, None, None, Some("its address"), "building");
        check(Building, None, None, Some("Nova to choose"), "active");
        check(Building, Some(&deploying), None, Some("write the image"), "active");
        check(Active, Some(&switched), Some(Confirmed::Off), Some("switched on"), "active");
        check(Active, Some(&node(&ProvisionState::Active)), Some(Confirmed::Off), None, "server start");
        check(Active, None, Some(Confirmed::On), None, "server delete");
        check(Deleting, None, None, Some("unplugged"), "gone");
        check(Error, None, None, Some("its owner"), "server delete");
    }

    #[test]
    fn a_tenant_is_told_that_the_operator_works_on_its_server_and_not_why() {
        use TenantServerState::{Active, Building, Deleting, Error};
        let mut held = node(&ProvisionState::Active);
        (held.maintenance, held.maintenance_reason) = (true, Some("replacing PSU, ticket 1".to_owned()));
        let check = |state, power, waits: bool| {
            let told = tenant_outlook(state, Some(&held), Some(power));
            let text = format!("{told:?}");
            assert!(text.contains("the operator") && text.contains("working on this server"), "{text}");
            assert!(!text.contains("PSU"), "{text}");
            assert_eq!(told.waiting_for.is_some(), waits, "{text}");
        };
        check(Active, Confirmed::On, false);
        check(Active, Confirmed::Off, false);
        check(Building, Confirmed::On, true);
        check(Deleting, Confirmed::On, true);
        let failed = tenant_outlook(Error, Some(&held), None);
        assert!(failed.waiting_for.unwrap().contains("its owner"));
        held.fault = Some("power failure".to_owned());
        let told = tenant_outlook(Active, Some(&held), Some(Confirmed::Off));
        assert!(told.waiting_for.is_none(), "{told:?}");
    }

    #[test]
    fn a_clean_by_hand_ends_where_it_began() {
        let mut by_hand = node(&ProvisionState::Cleaning);
        by_hand.target_provision_state = Some("manageable".to_owned());
        by_hand.clean_step = Some("erase_devices_metadata".to_owned());
        let told = outlook(&Seen { node: Some(&by_hand), ..Seen::default() });
        assert!(told.next.starts_with("manageable"), "{told:?}");
        assert!(told.waiting_for.unwrap().contains("erase_devices_metadata"));
    }
}
