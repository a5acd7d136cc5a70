//! Decisions: how a tenancy ends: who is asked next, and what is waited for until a server may be told to be given back.
//!
//! ```text
//!   Nova has it                               Nova is asked, again when it gave up: its own records end with it
//!   Nova has it no more, or cannot end it,
//!   and Ironic's node still carries it        Ironic is asked by us
//!   Ironic has let go of it                   the ports leave the tenant's network, then they are unmade
//!   and its disks are clean                   given back
//! ```
//!
//! What must stay true: nothing is told to be given back while a node carries it, while a port of it is seen on the tenant's
//! network, or before its disks are clean. Only a tenancy that somebody wanted to end comes here.

use std::time::Duration;

use crate::{
    lifecycle::{
        Node, ProvisionState,
        release::{Cleaned, cleaned, may_be_ended},
    },
    records::Wait,
};

/// How long Nova may say that it is deleting a server before Ironic is asked beside it.
pub const NOVA_TIME_MAX: Duration = Duration::from_secs(30);

/// What Nova says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NovaSays {
    /// It has no such server: not any more, or it never had.
    Nothing,
    /// It is ending it.
    Ending,
    /// It tried to, and gave up.
    GaveUp,
    /// It has it, and was not asked to end it.
    HasIt,
}

impl NovaSays {
    /// Reads Nova's two words.
    pub fn of(status: &str, task: Option<&str>) -> Self {
        match (status, task) {
            ("DELETED" | "SOFT_DELETED", _) => NovaSays::Ending,
            (_, Some("deleting" | "soft-deleting")) => NovaSays::Ending,
            ("ERROR", None) => NovaSays::GaveUp,
            (_, _) => NovaSays::HasIt,
        }
    }
}

/// What Ironic says of the server's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IronicSays<'a> {
    /// No node carries it, and none is known on which it was.
    NoNode,
    /// This node carries it.
    Carries(&'a Node),
    /// This node, on which it was, carries it no more.
    LetGo(&'a Node),
    /// The machine on which it was has no node: nothing is known of its disks.
    Lost,
}

/// What is known of a tenancy that is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// What Nova says.
    pub nova: NovaSays,
    /// What Ironic says.
    pub ironic: IronicSays<'a>,
    /// Whether every port of the server is seen off the tenant's networks.
    pub is_unplugged: bool,
    /// Whether its ports and addresses are unmade.
    pub ports_unmade: bool,
    /// How long ago Nova was asked to end it; where that is not known, how long its end is wanted.
    pub nova_asked_for: Duration,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask Nova to delete its server.
    AskNova,
    /// Ask Ironic to take the instance away, and clean.
    AskIronic,
    /// Unmake its ports and give its addresses back.
    UnmakePorts,
    /// Nothing now.
    Wait(Wait),
    /// Forget the record, and tell that it is given back.
    GivenBack,
}

/// What comes next. Total: whatever the services say, something is asked or waited for.
pub fn next(seen: &Seen<'_>) -> Next {
    let asks_ironic = match seen.ironic {
        IronicSays::Carries(node) => may_be_ended(&node.provision_state),
        IronicSays::LetGo(_) | IronicSays::Lost | IronicSays::NoNode => false,
    };
    let carried = matches!(seen.ironic, IronicSays::Carries(_));
    // Whatever ends it boots the ramdisk next, and that on a machine on which somebody works.
    if held(&seen.ironic) {
        return Next::Wait(Wait::Operator);
    }
    match seen.nova {
        NovaSays::HasIt => Next::AskNova,
        NovaSays::GaveUp if asks_ironic => Next::AskIronic,
        NovaSays::Ending if asks_ironic && seen.nova_asked_for >= NOVA_TIME_MAX => Next::AskIronic,
        // Nova would only meet the same lock again.
        NovaSays::GaveUp if carried => of_ironic(seen),
        NovaSays::GaveUp => Next::AskNova,
        NovaSays::Ending => Next::Wait(Wait::Nova),
        NovaSays::Nothing if asks_ironic => Next::AskIronic,
        NovaSays::Nothing => of_ironic(seen),
    }
}

/// Whether somebody keeps its node in maintenance before its clean has failed or ended: from then on its state says what is to do.
fn held(ironic: &IronicSays<'_>) -> bool {
    match ironic {
        IronicSays::Carries(node) => node.held().is_some(),
        IronicSays::LetGo(node) => node.held().is_some() && cleaned(node) == Cleaned::OnItsWay,
        IronicSays::NoNode | IronicSays::Lost => false,
    }
}

fn of_ironic(seen: &Seen<'_>) -> Next {
    match seen.ironic {
        IronicSays::Carries(node) if node.provision_state == ProvisionState::Deleting => {
            Next::Wait(Wait::Release)
        }
        IronicSays::Carries(_) => Next::Wait(Wait::Work),
        IronicSays::LetGo(_) | IronicSays::Lost | IronicSays::NoNode if !seen.is_unplugged => {
            Next::Wait(Wait::Unplug)
        }
        IronicSays::LetGo(_) | IronicSays::Lost | IronicSays::NoNode if !seen.ports_unmade => {
            Next::UnmakePorts
        }
        IronicSays::Lost => Next::Wait(Wait::Person),
        IronicSays::NoNode => Next::GivenBack,
        IronicSays::LetGo(node) => match cleaned(node) {
            Cleaned::Yes => Next::GivenBack,
            Cleaned::OnItsWay => Next::Wait(Wait::Clean),
            Cleaned::No => Next::Wait(Wait::Person),
        },
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ServerId;
    use uuid::Uuid;

    use super::*;

    fn node(state: &str, instance: Option<u128>) -> Node {
        let mut node = Node::in_state(ServerId(Uuid::from_u128(1)), ProvisionState::from(state));
        node.instance_id = instance.map(Uuid::from_u128);
        node
    }

    #[test]
    fn the_one_who_still_has_it_is_asked() {
        use NovaSays::{Ending, GaveUp, HasIt, Nothing};
        let check = |nova, state: &str, wanted_s, expected| {
            let node = node(state, Some(0x15));
            let ironic = IronicSays::Carries(&node);
            let nova_asked_for = Duration::from_secs(wanted_s);
            let seen = Seen { nova, ironic, is_unplugged: false, ports_unmade: false, nova_asked_for };
            assert_eq!(next(&seen), expected, "{nova:?} {state} {wanted_s}");
        };
        for state in ["active", "error", "deploy failed", "wait call-back", "rescue", "unrescue failed"] {
            check(HasIt, state, 0, Next::AskNova);
            check(GaveUp, state, 0, Next::AskIronic);
            check(Nothing, state, 0, Next::AskIronic);
            check(Ending, state, 0, Next::Wait(Wait::Nova));
            check(Ending, state, 30, Next::AskIronic);
        }
        for state in ["deploying", "rescuing", "unrescuing", "cleaning", "brewing"] {
            check(HasIt, state, 99, Next::AskNova);
            check(GaveUp, state, 99, Next::Wait(Wait::Work));
            check(Nothing, state, 99, Next::Wait(Wait::Work));
            check(Ending, state, 99, Next::Wait(Wait::Nova));
        }
        check(Nothing, "deleting", 99, Next::Wait(Wait::Release));
    }

    #[test]
    fn a_machine_on_which_somebody_works_is_left_alone() {
        use NovaSays::{Ending, GaveUp, HasIt, Nothing};
        let check = |nova, state: &str, instance, fault: Option<&str>, expected| {
            let mut node = node(state, instance);
            (node.maintenance, node.fault) = (true, fault.map(str::to_owned));
            let ironic =
                if instance.is_some() { IronicSays::Carries(&node) } else { IronicSays::LetGo(&node) };
            let nova_asked_for = Duration::from_secs(99);
            let seen = Seen { nova, ironic, is_unplugged: true, ports_unmade: true, nova_asked_for };
            assert_eq!(next(&seen), expected, "{nova:?} {state} {fault:?}");
        };
        for nova in [HasIt, GaveUp, Ending, Nothing] {
            for state in ["active", "wait call-back", "deploying", "deploy failed", "rescue"] {
                check(nova, state, Some(0x15), None, Next::Wait(Wait::Operator));
            }
        }
        check(Nothing, "clean wait", None, None, Next::Wait(Wait::Operator));
        check(Nothing, "clean failed", None, None, Next::Wait(Wait::Person));
        check(Nothing, "available", None, None, Next::GivenBack);
        // What Ironic has put there itself after a fault is in nobody's hands.
        check(HasIt, "active", Some(0x15), Some("power failure"), Next::AskNova);
        check(Nothing, "active", Some(0x15), Some("power failure"), Next::AskIronic);
        check(Nothing, "clean failed", None, Some("clean failure"), Next::Wait(Wait::Person));
    }

    #[test]
    fn it_is_given_back_when_its_disks_are_clean_and_not_before() {
        let check = |state: &str, instance, is_unplugged, ports_unmade, expected| {
            let node = node(state, instance);
            let ironic = IronicSays::LetGo(&node);
            let (nova, nova_asked_for) = (NovaSays::Nothing, Duration::ZERO);
            let seen = Seen { nova, ironic, is_unplugged, ports_unmade, nova_asked_for };
            assert_eq!(next(&seen), expected, "{state} {instance:?} {is_unplugged} {ports_unmade}");
            // Whatever the node says, Nova's server ends first.
            assert_eq!(next(&Seen { nova: NovaSays::GaveUp, ..seen }), Next::AskNova);
        };
        for state in ["deleting", "cleaning", "clean wait", "clean failed", "available"] {
            check(state, None, false, false, Next::Wait(Wait::Unplug));
            check(state, None, true, false, Next::UnmakePorts);
        }
        check("cleaning", None, true, true, Next::Wait(Wait::Clean));
        check("available", None, true, true, Next::GivenBack);
        check("active", Some(0x99), true, true, Next::GivenBack);
        for state in ["clean failed", "clean hold", "manageable", "active", "error", "brewing"] {
            check(state, None, true, true, Next::Wait(Wait::Person));
        }
    }

    #[test]
    fn a_server_without_a_node_is_given_back_only_if_it_never_had_one() {
        let check = |ironic, is_unplugged, ports_unmade, expected| {
            let (nova, nova_asked_for) = (NovaSays::Nothing, Duration::ZERO);
            let seen = Seen { nova, ironic, is_unplugged, ports_unmade, nova_asked_for };
            assert_eq!(next(&seen), expected, "{ironic:?} {is_unplugged} {ports_unmade}");
        };
        for (ironic, at_last) in
            [(IronicSays::NoNode, Next::GivenBack), (IronicSays::Lost, Next::Wait(Wait::Person))]
        {
            check(ironic, false, false, Next::Wait(Wait::Unplug));
            check(ironic, true, false, Next::UnmakePorts);
            check(ironic, true, true, at_last);
        }
    }

    #[test]
    fn novas_words_are_told_apart() {
        let check =
            |status, task, expected| assert_eq!(NovaSays::of(status, task), expected, "{status} {task:?}");
        check("ACTIVE", None, NovaSays::HasIt);
        check("ACTIVE", Some("deleting"), NovaSays::Ending);
        check("BUILD", Some("spawning"), NovaSays::HasIt);
        check("ERROR", None, NovaSays::GaveUp);
        check("ERROR", Some("deleting"), NovaSays::Ending);
        check("DELETED", None, NovaSays::Ending);
    }
}
