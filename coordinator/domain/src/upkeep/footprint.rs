//! Decisions: what a tenancy has left in a BMC and in the firmware's settings, seen by what was there before it.
//!
//! What is there is read once while nobody has the server. Once somebody has had it, it is read again, before the server is available to
//! the next one. What differs is told and shown until an administrator accepts it; nothing is put back, and nothing is held up.

use protocol::footprint::{Footprint, Part};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::records::Server;

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

    /// This was read after somebody had the server.
    pub fn compared(self, after: Uuid, now: Footprint, now_us: u64) -> Self {
        let differences = differences(&self.before, &now);
        if differences.is_empty() {
            return Self { before: now, read_us: now_us, had_by: None, found: None };
        }
        Self { had_by: None, found: Some(Found { after, now, differences }), ..self }
    }

    /// An administrator has looked at what differs: it is what there is from now on.
    pub fn accepted(self, now_us: u64) -> Self {
        match self.found {
            None => self,
            Some(found) => Self { before: found.now, read_us: now_us, had_by: self.had_by, found: None },
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
        (Some(traces), Some(instance)) => (traces.had_by != Some(instance)).then_some(Due::Had(instance)),
        (Some(traces), None) => traces.had_by.map(Due::Compare),
    }
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
        let traces = |had_by| Some(Traces { before: footprint(), read_us: 1, had_by, found: None });
        let check = |instance: Option<Uuid>, traces: Option<Traces>, expected: Option<Due>| {
            let mut server = server_in("available");
            server.identity = Some(BmcIdentity::default());
            server.node.as_mut().unwrap().instance_id = instance;
            server.upkeep.traces = traces;
            assert_eq!(due(&server), expected);
        };
        check(None, None, Some(Due::First));
        check(None, traces(None), None);
        check(Some(INSTANCE), None, None);
        check(Some(INSTANCE), traces(None), Some(Due::Had(INSTANCE)));
        check(Some(INSTANCE), traces(Some(INSTANCE)), None);
        check(None, traces(Some(INSTANCE)), Some(Due::Compare(INSTANCE)));
    }
}
