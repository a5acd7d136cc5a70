//! Decisions: what an administrator is offered for a server in its present state.
//!
//! The API decides; a page that offers what would be refused would only waste somebody's time.

use api_types::{Node, PowerState};
use domain::lifecycle::{
    self, ProvisionState,
    admission::{self, Wish},
};
use protocol::id::ServerId;

/// Something that may be asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The API's word.
    pub word: &'static str,
    /// On the button.
    pub label: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What is lost by it; empty: nothing.
    pub loses: &'static str,
}

const fn harmless(word: &'static str, label: &'static str, does: &'static str) -> Action {
    Action { word, label, does, loses: "" }
}

const MANAGE: Action = harmless(
    "manage",
    "Manage",
    "Verify the BMC and make the node manageable; after a failure, start again.",
);
const INSPECT: Action = harmless("inspect", "Inspect", "Boot the ramdisk and inspect the hardware.");
const PROVIDE: Action = Action {
    word: "provide",
    label: "Provide",
    does: "Clean the node, then make it available to tenants.",
    loses: "Everything on its disks is erased first.",
};
const CLEAN: Action = Action {
    word: "clean",
    label: "Clean",
    does: "Erase its disks now; the node stays manageable.",
    loses: "Everything on its disks is erased.",
};
const ABORT: Action = harmless("abort", "Abort", "Abort the step that waits for the ramdisk.");
const RECLAIM: Action = Action {
    word: "reclaim",
    label: "Reclaim",
    does: "Take the server back from its tenant; then the node is cleaned and available.",
    loses: "The tenant's server ends, and everything on its disks is erased.",
};
const ACCEPT_BMC: Action = Action {
    word: "accept_bmc",
    label: "Accept the BMC",
    does: "Accept the BMC that answers at this address as this node's.",
    loses: "If another machine answers there, that machine is powered on and off instead.",
};
const RETRY_BMC: Action = harmless(
    "retry_bmc",
    "Ask the BMC now",
    "Retry the refused login now, without waiting for the pause to end.",
);
/// Accepts what a tenancy left.
pub const ACCEPT_CHANGES: Action = Action {
    word: "accept_bmc_changes",
    label: "Accept the BMC's changes",
    does: "Accept what differs in its BMC and firmware settings since before its last tenancy.",
    loses: "What a tenant may have left there stays.",
};
const ACCEPT_CERTIFICATE: Action = Action {
    word: "accept_certificate",
    label: "Accept the certificate",
    does: "Pin the certificate that its BMC shows now.",
    loses: "If somebody else shows it, that one is told the BMC's password.",
};
const REFUSE_CERTIFICATE: Action = harmless(
    "refuse_certificate",
    "Refuse the certificate",
    "Keep the pinned certificate; the BMC stays out of reach until it shows it again.",
);
const POWER_ON: Action = harmless("power_on", "Power on", "Power on, if its state allows it.");
const POWER_OFF: Action =
    harmless("power_off", "Power off", "Power off at once, without shutting down a tenant's system.");
const REBOOT: Action = harmless("reboot", "Reboot", "Off, and on again.");
const MAINTENANCE_OFF: Action =
    harmless("maintenance_off", "End maintenance", "Take the node out of maintenance.");

/// What is done next usually, and what else can be done.
pub fn offered(node: &Node) -> (Vec<Action>, Vec<Action>) {
    use ProvisionState as S;
    let (mut next, mut more) = (Vec::new(), Vec::new());
    if node.provision_state.is_empty() {
        // Ironic does not have it yet.
        return (next, more);
    }
    if node.has_another_machines_bmc() {
        next.push(ACCEPT_BMC);
    }
    if node.bmc.has_changes {
        next.push(ACCEPT_CHANGES);
    }
    if node.bmc.certificate_in_question.is_some() {
        next.extend([ACCEPT_CERTIFICATE, REFUSE_CERTIFICATE]);
    }
    if node.is_refused_by_its_bmc() {
        next.push(RETRY_BMC);
    }
    let facts = lifecycle::Node {
        maintenance: node.maintenance,
        ..lifecycle::Node::in_state(ServerId(node.id), S::from(node.provision_state.as_str()))
    };
    let admits = |wish| admission::admit(&node.name, &facts, wish).is_ok();
    match &facts.provision_state {
        S::Enroll | S::CleanFailed | S::InspectFailed | S::AdoptFailed => next.push(MANAGE),
        S::Manageable if admits(Wish::Ramdisk) => next.extend([INSPECT, PROVIDE]),
        S::Available => more.push(MANAGE),
        S::InspectWait | S::CleanWait | S::CleanHold | S::WaitCallBack | S::RescueWait | S::ServiceWait => {
            next.push(ABORT);
        }
        S::Manageable
        | S::Verifying
        | S::Adopting
        | S::Active
        | S::Inspecting
        | S::Cleaning
        | S::Deploying
        | S::DeployHold
        | S::DeployFailed
        | S::Deleting
        | S::Error
        | S::Rescuing
        | S::Rescue
        | S::RescueFailed
        | S::Unrescuing
        | S::UnrescueFailed
        | S::Servicing
        | S::ServiceHold
        | S::ServiceFailed
        | S::Unknown(_) => {}
    }
    if admits(Wish::Clean) {
        more.push(CLEAN);
    }
    if node.maintenance {
        next.push(MAINTENANCE_OFF);
    }
    match node.power {
        PowerState::On => more.extend([POWER_OFF, REBOOT]),
        PowerState::Off => more.push(POWER_ON),
        PowerState::Unreachable | PowerState::Unknown => more.extend([POWER_ON, POWER_OFF, REBOOT]),
    }
    if admits(Wish::Reclaim) {
        let failed = matches!(facts.provision_state, S::Error | S::DeployFailed);
        if failed { &mut next } else { &mut more }.push(RECLAIM);
    }
    (next, more)
}

/// Whether somebody must have said that the loss is meant.
pub fn needs_word(action: &str) -> bool {
    [PROVIDE, CLEAN, RECLAIM, ACCEPT_BMC, ACCEPT_CERTIFICATE, ACCEPT_CHANGES]
        .iter()
        .any(|lossy| lossy.word == action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_state_admits_is_offered_and_nothing_else() {
        let check = |state: &str, power: &str, maintenance: bool, next: &[&str], more: &[&str]| {
            let node = serde_json::json!({
                "id": uuid::Uuid::nil(), "name": "srv1", "rack": "rack1", "resource_class": "x", "boot_mode": "uefi",
                "provision_state": state, "power": power, "maintenance": maintenance, "ports": [],
                "bmc": { "protocol": "ipmi", "address": "a", "port": 1, "username": "u" },
            });
            let node: Node = serde_json::from_value(node).unwrap();
            let words = |actions: Vec<Action>| actions.iter().map(|action| action.word).collect::<Vec<_>>();
            let (found_next, found_more) = offered(&node);
            assert_eq!((words(found_next), words(found_more)), (next.to_vec(), more.to_vec()), "{state}");
        };
        check("", "off", false, &[], &[]);
        check("enroll", "off", false, &["manage"], &["power_on"]);
        check("manageable", "off", false, &["inspect", "provide"], &["clean", "power_on"]);
        check("manageable", "off", true, &["maintenance_off"], &["power_on"]);
        check("available", "off", false, &[], &["manage", "power_on"]);
        check("active", "on", false, &[], &["power_off", "reboot", "reclaim"]);
        check("clean wait", "on", false, &["abort"], &["power_off", "reboot"]);
        check(
            "clean failed",
            "unreachable",
            true,
            &["manage", "maintenance_off"],
            &["power_on", "power_off", "reboot"],
        );
        check("error", "off", false, &["reclaim"], &["power_on"]);
        check("brewing", "on", false, &[], &["power_off", "reboot"]);
    }

    #[test]
    fn a_bmc_is_accepted_while_it_is_in_doubt_and_asked_again_while_it_refuses() {
        let node = |why: Option<&str>| {
            let node = serde_json::json!({
                "id": uuid::Uuid::nil(), "name": "srv1", "rack": "rack1", "resource_class": "x", "boot_mode": "uefi",
                "provision_state": "active", "power": "unreachable", "maintenance": false, "ports": [], "not_watched": why.map(|why| serde_json::json!({ "why": why, "reason": "r", "since": null })),
                "bmc": { "protocol": "ipmi", "address": "a", "port": 1, "username": "u" },
            });
            serde_json::from_value::<Node>(node).unwrap()
        };
        assert!(offered(&node(Some("other_machine"))).0.contains(&ACCEPT_BMC));
        for why in [None, Some("credentials_refused")] {
            assert!(!offered(&node(why)).0.contains(&ACCEPT_BMC), "{why:?}");
        }
        assert!(offered(&node(Some("credentials_refused"))).0.contains(&RETRY_BMC));
        for why in [None, Some("other_machine")] {
            assert!(!offered(&node(why)).0.contains(&RETRY_BMC), "{why:?}");
        }
    }

    #[test]
    fn a_persons_answer_is_asked_for_where_a_bmc_waits_for_one() {
        let check = |bmc: serde_json::Value, expected: &[Action]| {
            let node = serde_json::json!({
                "id": uuid::Uuid::nil(), "name": "srv1", "rack": "rack1", "resource_class": "x", "boot_mode": "uefi",
                "provision_state": "available", "power": "off", "maintenance": false, "ports": [], "bmc": bmc,
            });
            let (next, _) = offered(&serde_json::from_value(node).unwrap());
            assert_eq!(next, expected);
        };
        let bmc = |question: Option<&str>, has_changes: bool| {
            serde_json::json!({ "protocol": "redfish", "address": "a", "port": 1, "username": "u",
                "certificate_in_question": question, "has_changes": has_changes })
        };
        check(bmc(None, false), &[]);
        check(bmc(Some("ab"), false), &[ACCEPT_CERTIFICATE, REFUSE_CERTIFICATE]);
        check(bmc(None, true), &[ACCEPT_CHANGES]);
    }

    #[test]
    fn every_loss_needs_a_word() {
        for action in [
            MANAGE,
            INSPECT,
            PROVIDE,
            CLEAN,
            ABORT,
            RECLAIM,
            ACCEPT_BMC,
            RETRY_BMC,
            POWER_ON,
            POWER_OFF,
            REBOOT,
            MAINTENANCE_OFF,
        ] {
            assert_eq!(needs_word(action.word), !action.loses.is_empty(), "{}", action.word);
        }
    }
}
