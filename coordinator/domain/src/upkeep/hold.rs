//! Decisions: whether a server is held back after a tenancy, so that nobody is given it before an administrator has looked at what differs in its
//! BMC. In Ironic it is in maintenance meanwhile, in which Nova gives it to nobody; and the gate starts no deployment of it, whoever ended that.

use crate::{
    lifecycle::{Node, ProvisionState},
    records::Server,
};

/// How the reason of a maintenance begins that is ours, and that we end.
pub const HELD: &str = "held back after a tenancy: ";

/// What a site wants of servers whose BMC or firmware settings differ after a tenancy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterTenancy {
    /// An alarm and a note.
    #[default]
    Report,
    /// The same, and nobody is given such a server, nor one whose BMC was not read yet.
    Hold,
}

/// What is to be done in Ironic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Put the node into maintenance for this reason.
    HoldBack(String),
    /// End the maintenance, which is ours.
    LetGo,
}

/// What is to be done for a server now. Whoever else has put it into maintenance is left alone.
pub fn step(server: &Server) -> Step {
    let Some(node) = &server.node else { return Step::Nothing };
    let is_free = node.provision_state == ProvisionState::Available && node.instance_id.is_none();
    match words(server, node) {
        Some(words) if is_free && !node.maintenance => Step::HoldBack(format!("{HELD}{words}")),
        None if is_held(node) => Step::LetGo,
        Some(_) | None => Step::Nothing,
    }
}

/// Why a deployment of this server is not begun; an error: the reason, for a person.
pub fn admit_deployment(server: &Server, node: &Node) -> Result<(), String> {
    use ProvisionState as S;
    let is_deployed = matches!(node.provision_state, S::Deploying | S::WaitCallBack | S::DeployHold);
    match words(server, node).filter(|_| is_deployed) {
        None => Ok(()),
        Some(words) => Err(format!("{} was not powered on: {words}", server.name)),
    }
}

/// Whether the node's maintenance is ours.
fn is_held(node: &Node) -> bool {
    node.maintenance && node.maintenance_reason.as_ref().is_some_and(|reason| reason.starts_with(HELD))
}

fn words(server: &Server, node: &Node) -> Option<String> {
    server.upkeep.traces.as_ref()?.hold_words(&server.name, node.instance_id)
}

#[cfg(test)]
mod tests {
    use protocol::footprint::Footprint;
    use uuid::Uuid;

    use super::*;
    use crate::{
        samples::{INSTANCE, server_in},
        upkeep::footprint::{Found, Traces},
    };

    const NEXT: Uuid = Uuid::from_u128(0xabc);

    fn found() -> Option<Found> {
        let differences = vec!["user evil is new".to_owned()];
        Some(Found { after: INSTANCE, now: Footprint::default(), differences })
    }

    fn server(state: &str, instance: Option<Uuid>, traces: Traces) -> Server {
        let mut server = server_in(state);
        server.node.as_mut().unwrap().instance_id = instance;
        server.upkeep.traces = Some(traces);
        server
    }

    fn traces(hold: bool, had_by: Option<Uuid>, found: Option<Found>) -> Traces {
        Traces { before: Footprint::default(), read_us: 1, had_by, found, hold }
    }

    #[test]
    fn a_free_server_is_held_back_until_it_was_looked_at_and_only_where_the_site_wants_it() {
        let check = |traces: Traces, maintenance: Option<&str>, expected: &str| {
            let mut server = server("available", None, traces);
            let node = server.node.as_mut().unwrap();
            (node.maintenance, node.maintenance_reason) =
                (maintenance.is_some(), maintenance.map(str::to_owned));
            let found = match step(&server) {
                Step::Nothing => "nothing".to_owned(),
                Step::HoldBack(reason) => reason,
                Step::LetGo => "let go".to_owned(),
            };
            assert!(found.contains(expected), "{found}");
        };
        check(traces(true, None, found()), None, "user evil is new");
        check(traces(true, Some(INSTANCE), None), None, "has not been read");
        check(traces(true, None, None), None, "nothing");
        check(traces(false, None, found()), None, "nothing");
        // Held already, by us or by somebody else.
        let ours = format!("{HELD}user evil is new");
        check(traces(true, None, found()), Some(&ours), "nothing");
        check(traces(true, None, None), Some(&ours), "let go");
        check(traces(false, None, found()), Some(&ours), "let go");
        check(traces(true, None, None), Some("replacing PSU"), "nothing");
    }

    #[test]
    fn nobody_is_given_a_held_server_and_a_tenant_keeps_the_one_that_he_has() {
        let check = |state: &str, instance: Uuid, traces: Traces, expected: bool| {
            let server = server(state, Some(instance), traces);
            let admitted = admit_deployment(&server, server.node.as_ref().unwrap());
            assert_eq!(admitted.is_ok(), expected, "{state}: {admitted:?}");
        };
        check("deploying", NEXT, traces(true, None, found()), false);
        check("wait call-back", NEXT, traces(true, Some(INSTANCE), None), false);
        check("deploying", NEXT, traces(true, None, None), true);
        check("deploying", NEXT, traces(false, None, found()), true);
        check("deploying", NEXT, traces(true, Some(NEXT), None), true);
        check("active", INSTANCE, traces(true, Some(INSTANCE), found()), true);
        check("cleaning", INSTANCE, traces(true, None, found()), true);
    }
}
