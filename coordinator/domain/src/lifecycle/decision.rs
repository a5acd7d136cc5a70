//! Decisions: what is right for a server, from the stored facts alone.

use protocol::{boot::BootPurpose, network::BootNetwork, power::PowerReading};
use uuid::Uuid;

use crate::rim::{ObservedNetwork, WantedNetwork};

use super::{
    role::{Role, ports_were_given, role},
    state::Node,
};

/// The facts of one server on which its next steps depend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The node as Ironic last showed it; none: Ironic does not have it.
    pub node: Option<Node>,
    /// What is known of its power.
    pub power: PowerFacts,
    /// Whether its ports were ever given to us (it was inspected, cleaned or deployed).
    pub ports_given: bool,
    /// The port of its tenant, when it has one.
    pub tenant: Option<Uuid>,
    /// A power-on is on its way through the gate.
    pub power_on_pending: bool,
    /// Whether the agent holds a network boot for it.
    pub boot_given: bool,
    /// Where its ports were last seen; none: never looked.
    pub observed: Vec<Option<ObservedNetwork>>,
}

/// What is known of a server's power.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerFacts {
    /// The newest reading; none: never heard, or the rack's agent is away.
    pub now: Option<PowerReading>,
    /// The newest reading that was an answer: silence does not change it.
    pub confirmed: Option<Confirmed>,
    /// It went off unasked, and Ironic has not been told yet.
    pub untold_off: bool,
}

/// A reading that the BMC gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmed {
    /// On.
    On,
    /// Off.
    Off,
}

/// Where ports belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Nothing is moved.
    LeaveAsFound,
    /// On this network.
    On(WantedNetwork),
}

/// How pressing a placement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In its turn.
    Usual,
    /// At once, before anything else and without asking Ironic: a server is off and may be on a tenant's network.
    Isolate,
}

/// What is right for a server now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where its ports belong.
    pub placement: Placement,
    /// The network boot that its state calls for.
    pub boot: Option<BootPurpose>,
    /// Whether the agent must be told to forget its boot.
    pub end_boot: bool,
    /// How pressing the placement is.
    pub urgency: Urgency,
    /// It went off unasked and is isolated: Ironic must be told, unless it is seen to know by now.
    pub tell_ironic_off: bool,
    /// Whether its ports are ours to move from now on.
    pub ports_given: bool,
    /// Why, for a person.
    pub why: &'static str,
}

const CLEANING: Placement = Placement::On(WantedNetwork::Boot(BootNetwork::Cleaning));

/// Decides. Total: every combination of facts has an answer, and the same facts have the same answer.
pub fn decide(facts: &Facts) -> Decision {
    let Some(node) = &facts.node else {
        return leave(facts, facts.ports_given, "Ironic does not know this server yet");
    };
    let role = role(node);
    let ports_given = facts.ports_given || ports_were_given(role);
    match role {
        Role::Found if ports_given => park(facts, "manageable: parked on the cleaning network"),
        Role::Found => {
            leave(facts, false, "never handed over to BMS Manager: its ports stay as they were found")
        }
        Role::Adopted => leave(facts, ports_given, "adopted: its ports stay as they were found"),
        Role::Unknown => leave(facts, ports_given, "unknown provision state: nothing is moved"),
        Role::Parked => park(facts, "without a tenant: parked on the cleaning network"),
        Role::TakenBack => taken_back(facts),
        Role::Ramdisk(purpose, network) => ramdisk(facts, purpose, network),
        Role::HandOver => hand_over(facts),
        Role::Tenant => tenant(facts, node),
        Role::Rescued => rescued(facts, node),
        Role::Returning => returning(facts, node),
    }
}

/// Whether a server is off and may be on a tenant's network. Its tenant's port does not matter for that: pass none.
pub fn isolation_is_due(facts: &Facts) -> bool {
    decide(facts).urgency == Urgency::Isolate
}

/// The ramdisk's networks are for the ramdisk. A server that is not seen off and was given no network boot runs something
/// else, its tenant's system at the start of a rebuild: it belongs on no network until it is off or its power-on is proven.
fn ramdisk(facts: &Facts, purpose: BootPurpose, network: BootNetwork) -> Decision {
    let runs_the_ramdisk = facts.boot_given || facts.power_on_pending;
    let (placement, why) = match facts.power.confirmed {
        Some(Confirmed::Off) => (WantedNetwork::Boot(network), "its state calls for the ramdisk"),
        Some(Confirmed::On) | None if runs_the_ramdisk => {
            (WantedNetwork::Boot(network), "its state calls for the ramdisk, which it boots")
        }
        Some(Confirmed::On) | None => (
            WantedNetwork::Nothing,
            "it may be running something other than the ramdisk: on no network until it is off",
        ),
    };
    Decision {
        placement: Placement::On(placement),
        boot: Some(purpose),
        end_boot: false,
        urgency: Urgency::Usual,
        tell_ironic_off: false,
        ports_given: true,
        why,
    }
}

/// Between the disk's last write and the tenant's first boot. Only a power-on moves the port to the tenant: a stale
/// `deploy_step` at the start of a deploy must not.
fn hand_over(facts: &Facts) -> Decision {
    match facts.tenant {
        Some(port) if facts.power_on_pending || on_tenant(facts, port) => {
            on_tenant_network(facts, port, "its tenant's disk is booted")
        }
        Some(_) => leave(facts, true, "waits for the power-on that boots its tenant's disk"),
        None => leave(facts, true, "no tenant port is known for its instance"),
    }
}

/// A deployed server: on its tenant's network while it is on, off it while it is off, untouched while nobody knows.
fn tenant(facts: &Facts, node: &Node) -> Decision {
    match (facts.power.confirmed, facts.tenant) {
        _ if facts.power_on_pending => match facts.tenant {
            Some(port) => on_tenant_network(facts, port, "its power-on is on its way"),
            None => leave(facts, true, "no tenant port is known for its instance"),
        },
        (Some(Confirmed::Off), _) => off(facts, node),
        (Some(Confirmed::On), None) => leave(facts, true, "on, and no tenant port of it is known"),
        (Some(Confirmed::On), Some(port)) => match &facts.power.now {
            Some(PowerReading::On) => on_tenant_network(facts, port, "deployed and on"),
            // Silence proves nothing, and a reading of Off would have been confirmed.
            Some(PowerReading::Unreachable { .. }) | Some(PowerReading::Off) | None => {
                leave(facts, true, "its power is unknown: nothing is isolated without a reading")
            }
        },
        (None, _) => leave(facts, true, "its power was never read: nothing is isolated without a reading"),
    }
}

/// A rescue system is its tenant's, as the system on its disk is. While a network boot of ours is still answered, what runs may
/// be the ramdisk with our secrets, or may get an address on our network and let its tenant in there: it belongs on none. Off is
/// off for good: the rescue system went with the power.
fn rescued(facts: &Facts, node: &Node) -> Decision {
    if facts.power.confirmed == Some(Confirmed::Off) {
        return off(facts, node);
    }
    if facts.boot_given || facts.power_on_pending {
        // In this order: once the boot is ended, nothing tells any more that the port may be on a network of ours.
        let is_unplugged = facts.observed.iter().all(|seen| seen == &Some(ObservedNetwork::Nothing));
        let unplugged = unplugged(facts, "in rescue, and its network boot is not yet ended: on no network");
        return Decision { end_boot: facts.boot_given && is_unplugged, ..unplugged };
    }
    tenant(facts, node)
}

/// From the rescue system to the disk, both the tenant's: off in between it is isolated as ever, and its power-on puts it on the
/// tenant's network. While it is on it stays where it is: on its tenant's network, or on none after a rescue that failed.
fn returning(facts: &Facts, node: &Node) -> Decision {
    match (facts.power.confirmed, facts.tenant) {
        (_, Some(port)) if facts.power_on_pending => {
            on_tenant_network(facts, port, "its tenant's disk is booted")
        }
        (Some(Confirmed::Off), _) => off(facts, node),
        (Some(Confirmed::On) | None, _) => {
            leave(facts, true, "waits for the power-on that boots its tenant's disk")
        }
    }
}

/// Ironic takes the power a moment after it has said `deleting`. Until it is seen off, the tenant's system may run: it
/// belongs on no network any more, the cleaning network included.
fn taken_back(facts: &Facts) -> Decision {
    match facts.power.confirmed {
        Some(Confirmed::Off) => {
            let parked = park(facts, "taken back and off: parked on the cleaning network");
            let left = |seen: &Option<ObservedNetwork>| {
                matches!(seen, Some(ObservedNetwork::Nothing | ObservedNetwork::Boot(_)))
            };
            let is_open = !facts.power_on_pending && !facts.observed.iter().all(left);
            Decision { urgency: if is_open { Urgency::Isolate } else { parked.urgency }, ..parked }
        }
        Some(Confirmed::On) | None => unplugged(facts, "taken back and not yet confirmed off: on no network"),
    }
}

/// Off means off the tenant's network; Ironic is told once that is seen.
fn off(facts: &Facts, node: &Node) -> Decision {
    let isolated = all_on_cleaning(facts);
    let ironic_is_busy = node.reservation.is_some();
    Decision {
        placement: CLEANING,
        boot: None,
        end_boot: facts.boot_given,
        urgency: if isolated { Urgency::Usual } else { Urgency::Isolate },
        tell_ironic_off: isolated && facts.power.untold_off && !ironic_is_busy,
        ports_given: true,
        why: "deployed and off: isolated on the cleaning network",
    }
}

fn on_tenant_network(facts: &Facts, port: Uuid, why: &'static str) -> Decision {
    Decision {
        placement: Placement::On(WantedNetwork::Tenant(port)),
        boot: None,
        end_boot: facts.boot_given,
        urgency: Urgency::Usual,
        tell_ironic_off: false,
        ports_given: true,
        why,
    }
}

fn park(facts: &Facts, why: &'static str) -> Decision {
    // Off on a tenant's network is off on a tenant's network, whatever became of the tenancy: that waits for nobody's newest word.
    let is_off = facts.power.confirmed == Some(Confirmed::Off) && !facts.power_on_pending;
    let is_open = facts.observed.iter().any(|seen| matches!(seen, Some(ObservedNetwork::Tenant(_))));
    Decision {
        placement: CLEANING,
        boot: None,
        end_boot: facts.boot_given,
        urgency: if is_off && is_open { Urgency::Isolate } else { Urgency::Usual },
        tell_ironic_off: false,
        ports_given: true,
        why,
    }
}

fn unplugged(facts: &Facts, why: &'static str) -> Decision {
    Decision { placement: Placement::On(WantedNetwork::Nothing), ..park(facts, why) }
}

fn leave(facts: &Facts, ports_given: bool, why: &'static str) -> Decision {
    Decision {
        placement: Placement::LeaveAsFound,
        boot: None,
        end_boot: facts.boot_given,
        urgency: Urgency::Usual,
        tell_ironic_off: false,
        ports_given,
        why,
    }
}

fn on_tenant(facts: &Facts, port: Uuid) -> bool {
    facts.observed.iter().any(|seen| seen == &Some(ObservedNetwork::Tenant(port)))
}

fn all_on_cleaning(facts: &Facts) -> bool {
    facts.observed.iter().all(|seen| seen == &Some(ObservedNetwork::Boot(BootNetwork::Cleaning)))
}
