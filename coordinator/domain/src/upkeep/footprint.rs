//! Decisions: what a tenancy has left in a BMC and in the firmware's settings, seen by what was there before it.
//!
//! What is there is read once while nobody has the server. Once somebody has had it, it is read again, before the server is available to
//! the next one. What differs is told and shown until an administrator accepts it; nothing is put back, and only where the site wants it is
//! the server held back meanwhile ([`super::hold`]).

use protocol::footprint::{Footprint, Part};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    lifecycle::{Node, ProvisionState},
    records::Server,
};

/// What could not be read is read again after so long, in microseconds: ten minutes.
pub const RETRY_US: u64 = 600 * 1_000_000;

/// What is kept of a server's BMC and firmware settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// What was there before the last tenancy.
    pub before: Footprint,
    /// When that was read, in microseconds since 1970.
    pub read_us: u64,
    /// The instance that has had the server since; none: nobody has.
    pub had_by: Option<Uuid>,
    /// What is there now, where it differs.
    pub found: Option<Found>,
    /// Whether the site holds its servers back while something differs, or was not read.
    #[serde(default)]
    pub hold: bool,
}

/// What differs after a tenancy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// After whose.
    pub after: Uuid,
    /// What is there.
    pub now: Footprint,
    /// What differs, in words.
    pub differences: Vec<String>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Read what is there, to compare with later.
    First,
    /// Somebody has the server: note who.
    Had(Uuid),
    /// Read what is there, and compare it.
    Compare(Uuid),
}

impl Traces {
    /// What should be known of it; none: nothing differs.
    pub fn note(&self, name: &str) -> Option<String> {
        let found = self.found.as_ref()?;
        Some(format!(
            "since before the tenancy of {} its BMC or firmware settings differ: {}; look at them, and accept them with `bmsctl bmc \
             accept-changes {name}` once they are right",
            found.after,
            found.differences.join("; ")
        ))
    }

    /// Why nobody is given the server, where the site holds such servers back; none: it may be given. `instance` has it, or is to have it.
    pub fn hold_words(&self, name: &str, instance: Option<Uuid>) -> Option<String> {
        let had_by = self.had_by.filter(|had_by| Some(*had_by) != instance);
        let not_read = had_by.map(|had_by| {
            format!(
                "what the tenancy of {had_by} has left in its BMC has not been read yet; that is tried again by itself, or accept it unread with \
                 `bmsctl bmc accept-changes {name}`"
            )
        });
        self.note(name).or(not_read).filter(|_| self.hold)
    }

    /// This was read after somebody had the server.
    pub fn compared(self, after: Uuid, now: Footprint, now_us: u64) -> Self {
        let differences = differences(&self.before, &now);
        if differences.is_empty() {
            return Self { before: now, read_us: now_us, had_by: None, found: None, hold: self.hold };
        }
        Self { had_by: None, found: Some(Found { after, now, differences }), ..self }
    }

    /// An administrator has looked at what differs: it is what there is from now on. What was not read yet is not compared any more where
    /// that held the server back.
    pub fn accepted(self, now_us: u64) -> Self {
        match self.found {
            None => Self { had_by: self.had_by.filter(|_| !self.hold), ..self },
            Some(found) => Self { before: found.now, read_us: now_us, found: None, ..self },
        }
    }
}

/// What is to be done for a server now.
pub fn due(server: &Server) -> Option<Due> {
    let is_its_own = server.identity.is_some() && server.bmc_doubt.is_none();
    let node =
        server.node.as_ref().filter(|_| is_its_own && server.unwatched.is_none() && !server.forgetting)?;
    match (&server.upkeep.traces, node.instance_id) {
        // A server that was in use when it came has nothing to be compared with.
        (None, Some(_)) => None,
        (None, None) => Some(Due::First),
        // The next one is to have it, and has not had it yet: what the one before left is still to be seen.
        (Some(Traces { had_by: Some(before), .. }), Some(next)) if is_begun(node) && *before != next => {
            Some(Due::Compare(*before))
        }
        (Some(_), Some(_)) if is_begun(node) => None,
        (Some(traces), Some(instance)) => (traces.had_by != Some(instance)).then_some(Due::Had(instance)),
        (Some(traces), None) => traces.had_by.map(Due::Compare),
    }
}

/// Whether its deployment is under way: what runs on it is ours.
fn is_begun(node: &Node) -> bool {
    use ProvisionState as S;
    matches!(node.provision_state, S::Available | S::Deploying | S::WaitCallBack | S::DeployHold)
}

/// What differs, in words. A part that was not read, before or after, is not compared.
pub fn differences(before: &Footprint, after: &Footprint) -> Vec<String> {
    let is_read = |part: Part| !before.unread.contains(&part) && !after.unread.contains(&part);
    let mut all = Vec::new();
    for (part, what, was, is) in [
        (Part::Users, "user", &before.users, &after.users),
        (Part::Firmware, "firmware", &before.firmware, &after.firmware),
    ] {
        if is_read(part) {
            all.extend(is.iter().filter(|one| !was.contains(one)).map(|one| format!("{what} {one} is new")));
            all.extend(was.iter().filter(|one| !is.contains(one)).map(|one| format!("{what} {one} is gone")));
        }
    }
    if is_read(Part::BootOrder) && before.boot_order != after.boot_order {
        let (was, is) = (before.boot_order.join(", "), after.boot_order.join(", "));
        all.push(format!("the boot order was {was}, and is {is}"));
    }
    if let (true, Some(was), Some(is)) = (is_read(Part::SecureBoot), before.secure_boot, after.secure_boot)
        && was != is
    {
        let word = |on: bool| if on { "on" } else { "off" };
        all.push(format!("Secure Boot was {}, and is {}", word(was), word(is)));
    }
    all
}

#[cfg(test)]
mod tests {
    use protocol::hardware::BmcIdentity;

    use super::*;
    use crate::samples::{INSTANCE, server_in};

    fn footprint() -> Footprint {
        Footprint {
            users: vec!["2 \"admin\"".to_owned()],
            boot_order: vec!["disk".to_owned(), "net".to_owned()],
            secure_boot: Some(true),
            firmware: vec!["BMC 1.10".to_owned()],
            unread: vec![],
        }
    }

    #[test]
    fn every_kind_of_trace_is_named_and_what_was_not_read_is_not_compared() {
        let check = |change: &dyn Fn(&mut Footprint), expected: &[&str]| {
            let mut after = footprint();
            change(&mut after);
            assert_eq!(differences(&footprint(), &after), expected);
        };
        check(&|_| {}, &[]);
        check(&|after| after.users.push("4 \"evil\"".to_owned()), &["user 4 \"evil\" is new"]);
        check(&|after| after.users.clear(), &["user 2 \"admin\" is gone"]);
        check(&|after| after.boot_order.reverse(), &["the boot order was disk, net, and is net, disk"]);
        check(&|after| after.secure_boot = Some(false), &["Secure Boot was on, and is off"]);
        check(
            &|after| after.firmware = vec!["BMC 1.09".to_owned()],
            &["firmware BMC 1.09 is new", "firmware BMC 1.10 is gone"],
        );
        check(&|after| (after.users, after.unread) = (vec![], vec![Part::Users]), &[]);
        check(&|after| after.secure_boot = None, &[]);
    }

    #[test]
    fn it_is_read_before_a_tenancy_and_compared_after_it() {
        let traces =
            |had_by| Some(Traces { before: footprint(), read_us: 1, had_by, found: None, hold: false });
        let check_in =
            |state: &str, instance: Option<Uuid>, traces: Option<Traces>, expected: Option<Due>| {
                let mut server = server_in(state);
                server.identity = Some(BmcIdentity::default());
                server.node.as_mut().unwrap().instance_id = instance;
                server.upkeep.traces = traces;
                assert_eq!(due(&server), expected);
            };
        let check = |instance, traces, expected| check_in("active", instance, traces, expected);
        check(None, None, Some(Due::First));
        check(None, traces(None), None);
        check(Some(INSTANCE), None, None);
        check(Some(INSTANCE), traces(None), Some(Due::Had(INSTANCE)));
        check(Some(INSTANCE), traces(Some(INSTANCE)), None);
        check(None, traces(Some(INSTANCE)), Some(Due::Compare(INSTANCE)));
        // The next tenant is on its way in: it has left nothing yet, and hides nothing of the one before.
        let next = Some(Uuid::from_u128(7));
        for state in ["available", "deploying", "wait call-back"] {
            check_in(state, next, traces(Some(INSTANCE)), Some(Due::Compare(INSTANCE)));
            check_in(state, next, traces(None), None);
        }
    }
}
