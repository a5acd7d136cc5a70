//! Decisions: what an administrator may ask of a server in its present state, where Ironic's own refusal would not say why or
//! would come too late.

use super::{
    permit::rescue_is_over,
    release::may_be_ended,
    state::{Node, ProvisionState},
};
use crate::{
    records::TenantServerState,
    rim::{Refusal, RefusalKind},
};

/// The steps that our ramdisk offers for a clean by hand.
pub const CLEAN_STEPS: [&str; 2] = ["erase_devices_metadata", "erase_devices"];
/// Most steps of one clean by hand.
pub const CLEAN_STEPS_MAX: usize = 8;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One of Ironic's verbs that boot a ramdisk: inspect, provide.
    Ramdisk,
    /// Clean by hand.
    Clean,
    /// Take the server away from its tenant.
    Reclaim,
    /// Boot a rescue system for its tenant.
    Rescue,
    /// Boot the tenant's disk again.
    Unrescue,
    /// Switch the tenant's system on, or restart it.
    Start,
    /// Write an image onto a tenant's server anew.
    Rebuild,
}

/// Whether it may be asked; else why not, and what to do.
pub fn admit(name: &str, node: &Node, wish: Wish) -> Result<(), Refusal> {
    let state = &node.provision_state;
    let refuse = |message| Err(Refusal { kind: RefusalKind::State, message });
    match wish {
        Wish::Ramdisk | Wish::Clean if node.maintenance && *state != ProvisionState::CleanFailed => {
            refuse(format!(
                "{name} is in maintenance ({}): Ironic would ignore the ramdisk; end it first with `bmsctl node \
                 maintenance off {name}`",
                node.maintenance_reason.as_deref().unwrap_or("no reason was given")
            ))
        }
        Wish::Clean if *state != ProvisionState::Manageable => refuse(format!(
            "{name} is {state}: only a manageable server can be cleaned manually; make it manageable with `bmsctl node manage`"
        )),
        Wish::Ramdisk | Wish::Clean => Ok(()),
        Wish::Start | Wish::Rescue | Wish::Rebuild if node.held().is_some() => refuse(held_from_tenant(name)),
        // Ironic itself has put it there after a fault: its power may be all that is missing, but it heeds no ramdisk.
        Wish::Rescue | Wish::Rebuild if node.maintenance => refuse(format!(
            "{name} is in maintenance after a fault: ask the operator to look at it; it can be stopped, started and given back"
        )),
        Wish::Rebuild => Ok(()),
        Wish::Reclaim if node.held().is_some() => refuse(format!(
            "{name} is in maintenance ({}): it cannot be cleaned; end it first with `bmsctl node maintenance off {name}`",
            node.held().unwrap_or_default()
        )),
        Wish::Reclaim if may_be_ended(state) => Ok(()),
        Wish::Reclaim if node.instance_id.is_some() => {
            refuse(format!("{name} is {state}, which Ironic must finish first: reclaim it again after that"))
        }
        Wish::Reclaim => {
            refuse(format!("{name} is {state}: it has no tenant from whom it could be reclaimed"))
        }
        Wish::Rescue => match state {
            ProvisionState::Active => Ok(()),
            ProvisionState::Rescue => refuse(format!(
                "{name} is already in rescue; `server unrescue` boots from its own disk again"
            )),
            other => refuse(format!("{name} is {other}: only an active server can be rescued")),
        },
        Wish::Start => match state {
            ProvisionState::Rescue => refuse(rescue_is_over(name)),
            ProvisionState::RescueFailed | ProvisionState::UnrescueFailed => {
                refuse(format!("{name} is {state}: `server unrescue` boots its own disk again"))
            }
            _ => Ok(()),
        },
        Wish::Unrescue => match state {
            ProvisionState::Rescue | ProvisionState::RescueFailed | ProvisionState::UnrescueFailed => Ok(()),
            other => refuse(format!("{name} is {other}: only a server in rescue can be unrescued")),
        },
    }
}

/// Whether a tenant's server is in rescue, switched off in it, or failed on its way there or back: its own disk can be booted
/// again.
pub fn is_in_rescue(state: TenantServerState, node: Option<&Node>) -> bool {
    match state {
        TenantServerState::Active => node.is_some_and(|node| admit("", node, Wish::Unrescue).is_ok()),
        TenantServerState::Requested
        | TenantServerState::Building
        | TenantServerState::Deleting
        | TenantServerState::Error => false,
    }
}

/// What a tenant is told of a server in maintenance: not why, which is the operator's own.
fn held_from_tenant(name: &str) -> String {
    format!(
        "the operator is working on {name}: it cannot be powered on now; it can be stopped and given back, and everything \
         else is possible again when the operator has finished"
    )
}

/// Whether a clean by hand may do these steps; else which one not.
pub fn admit_steps(steps: &[String]) -> Result<(), String> {
    let known = CLEAN_STEPS.join(", ");
    if steps.is_empty() {
        return Err(format!("name at least one step; the ramdisk has {known}"));
    }
    if steps.len() > CLEAN_STEPS_MAX {
        return Err(format!("at most {CLEAN_STEPS_MAX} steps can be given at once"));
    }
    match steps.iter().find(|step| !CLEAN_STEPS.contains(&step.as_str())) {
        Some(unknown) => Err(format!("the ramdisk has no step {unknown:?}; it has {known}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;

    use super::*;
    use crate::lifecycle::{Confirmed, outlook::tenant_outlook};

    fn check(state: &str, maintenance: bool, wish: Wish, words: Option<&str>) {
        let mut node = Node::in_state(ServerId(uuid::Uuid::from_u128(1)), ProvisionState::from(state));
        node.maintenance = maintenance;
        match (admit("n1", &node, wish), words) {
            (Ok(()), None) => {}
            (Err(refusal), Some(words)) => assert!(refusal.message.contains(words), "{refusal}"),
            (answer, expected) => panic!("{state} {wish:?}: {answer:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn what_may_be_asked_in_which_state() {
        check("manageable", false, Wish::Clean, None);
        check("available", false, Wish::Clean, Some("only a manageable server"));
        check("manageable", true, Wish::Clean, Some("in maintenance"));
        check("manageable", true, Wish::Ramdisk, Some("maintenance off n1"));
        check("clean failed", true, Wish::Ramdisk, None);
        check("active", false, Wish::Reclaim, None);
        check("available", false, Wish::Reclaim, Some("has no tenant"));
        check("cleaning", false, Wish::Reclaim, Some("n1 is cleaning"));
        check("rescue failed", false, Wish::Unrescue, None);
        check("active", false, Wish::Unrescue, Some("only a server in rescue"));
        check("active", false, Wish::Rescue, None);
        for wish in [Wish::Rescue, Wish::Start, Wish::Rebuild] {
            check("active", true, wish, Some("operator is working on n1"));
        }
        check("active", false, Wish::Rebuild, None);
        check("active", true, Wish::Reclaim, Some("maintenance off n1"));
        check("rescue", false, Wish::Rescue, Some("already"));
        check("rescuing", false, Wish::Rescue, Some("n1 is rescuing"));
        check("rescue", false, Wish::Start, Some("server unrescue"));
        check("rescue failed", false, Wish::Start, Some("server unrescue"));
        check("active", false, Wish::Start, None);
    }

    /// Its sentence tells its tenant of `server unrescue` exactly where that is taken: programs read the fact, people the sentence.
    #[test]
    fn a_server_is_in_rescue_exactly_where_its_tenant_is_told_of_the_way_back() {
        let states = [
            TenantServerState::Requested,
            TenantServerState::Building,
            TenantServerState::Active,
            TenantServerState::Deleting,
            TenantServerState::Error,
        ];
        for state in states {
            assert!(!is_in_rescue(state, None), "{state:?} without a node");
            for provision in ProvisionState::KNOWN {
                let node = Node::in_state(ServerId(uuid::Uuid::from_u128(1)), provision.clone());
                for power in [None, Some(Confirmed::On), Some(Confirmed::Off)] {
                    let told = tenant_outlook(state, Some(&node), power).next.contains("server unrescue");
                    assert_eq!(is_in_rescue(state, Some(&node)), told, "{state:?}, {provision}, {power:?}");
                }
            }
        }
    }

    #[test]
    fn only_steps_that_the_ramdisk_has() {
        let steps =
            |names: &[&str]| admit_steps(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(steps(&["erase_devices_metadata", "erase_devices"]).is_ok());
        assert!(steps(&[]).unwrap_err().contains("at least one"));
        assert!(steps(&["burn_in_cpu"]).unwrap_err().contains("no step \"burn_in_cpu\""));
        assert!(steps(&["erase_devices"; 9]).unwrap_err().contains("at most 8"));
    }
}
