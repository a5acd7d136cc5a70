//! Decisions: what becomes of a finding: nothing, because the machine is enrolled; or an entry, alone or with the other half
//! of the same machine that was found before.
//!
//! What must stay true: one machine is one entry, in whichever order its halves were found; an enrolled server is never one.

use protocol::id::RackId;
use uuid::Uuid;

use super::entry::{BmcHalf, Entry, MachineHalf, is_bmc_of, is_machine_of};
use crate::records::Server;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Half {
    /// By a scan.
    Bmc(BmcHalf),
    /// By a boot.
    Machine(MachineHalf),
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this enrolled server.
    Enrolled(String),
    /// It is pending.
    Pending {
        /// Its entry, as it is to be stored.
        entry: Box<Entry>,
        /// It was not known before.
        is_new: bool,
        /// Another entry that has changed: its BMC's address is another machine's now.
        robbed: Option<Box<Entry>>,
        /// Entries that are in this one now, or of which nothing is left.
        gone: Vec<Uuid>,
    },
}

/// Judges a finding of a rack by what is known. `id` names a new entry.
pub fn judge(
    rack: &RackId,
    half: Half,
    now_us: u64,
    entries: &[Entry],
    servers: &[Server],
    id: Uuid,
) -> Verdict {
    let is_of = |server: &&Server| match &half {
        Half::Bmc(bmc) => is_bmc_of(server, rack, bmc),
        Half::Machine(machine) => is_machine_of(server, machine),
    };
    if let Some(server) = servers.iter().find(is_of) {
        return Verdict::Enrolled(server.name.clone());
    }
    let mut known: Vec<Entry> =
        entries.iter().filter(|entry| &entry.rack == rack && is_same(entry, &half)).cloned().collect();
    // A BMC with a UUID that finds one entry by its address and another by its UUID shows that the two are one.
    known.sort_by_key(|entry| (entry.first_us, entry.id));
    let is_new = known.is_empty();
    let mut known = known.into_iter();
    let mut entry = known.next().unwrap_or_else(|| Entry {
        id,
        rack: rack.clone(),
        ignored: false,
        bmc: None,
        machine: None,
        first_us: now_us,
        last_us: now_us,
    });
    let mut gone = Vec::new();
    for other in known {
        gone.push(other.id);
        entry.ignored |= other.ignored;
        entry.bmc = entry.bmc.or(other.bmc);
        entry.machine = entry.machine.or(other.machine);
    }
    let mut robbed = None;
    if let Half::Bmc(bmc) = &half {
        let holds_address = |other: &&Entry| {
            &other.rack == rack
                && other.id != entry.id
                && !gone.contains(&other.id)
                && other.bmc.as_ref().is_some_and(|old| old.address == bmc.address)
        };
        if let Some(other) = entries.iter().find(holds_address) {
            match other.machine {
                Some(_) => robbed = Some(Box::new(Entry { bmc: None, ..other.clone() })),
                None => gone.push(other.id),
            }
        }
    }
    entry.last_us = now_us;
    match half {
        Half::Bmc(new) => entry.bmc = Some(renewed(entry.bmc.take(), new)),
        Half::Machine(machine) => entry.machine = Some(machine),
    }
    Verdict::Pending { entry: Box::new(entry), is_new, robbed, gone }
}

fn is_same(entry: &Entry, half: &Half) -> bool {
    let by_uuid = |uuid| match (entry.uuid(), uuid) {
        (Some(known), Some(found)) => Some(known.is_of_the_same_machine_as(found)),
        (None, _) | (_, None) => None,
    };
    match half {
        // Two UUIDs decide; without them, the same address or a shared interface does.
        Half::Bmc(bmc) => by_uuid(bmc.uuid())
            .unwrap_or_else(|| entry.bmc.as_ref().is_some_and(|old| old.address == bmc.address)),
        Half::Machine(machine) => by_uuid(machine.uuid()).unwrap_or_else(|| {
            let old = entry.machine.as_ref();
            old.is_some_and(|old| old.macs().any(|mac| machine.macs().any(|found| found == mac)))
        }),
    }
}

/// A later scan may have tried less than an earlier one: what was learnt of the same address stays.
fn renewed(old: Option<BmcHalf>, mut new: BmcHalf) -> BmcHalf {
    if let Some(old) = old.filter(|old| old.address == new.address && new.password.is_none()) {
        new.identity = new.identity.or(old.identity);
        if new.marks.is_empty() {
            new.marks = old.marks;
        }
        if old.protocol == new.protocol && old.port == new.port {
            (new.username, new.password) = (old.username, old.password);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{
        hardware::{BmcIdentity, HardwareReport, Nic, SystemIdentity},
        mac::MacAddr,
        secret::Secret,
        spec::BmcProtocol,
    };

    use super::*;
    use crate::samples;

    fn rack() -> RackId {
        "rack1".parse().unwrap()
    }

    fn uuid(machine: u8) -> String {
        Uuid::from_u128(0x1000 + u128::from(machine)).to_string()
    }

    fn bmc(machine: u8, address: u8, logged_in: bool) -> Half {
        let identity = BmcIdentity { guid: uuid(machine), ..BmcIdentity::default() };
        Half::Bmc(BmcHalf {
            address: format!("198.51.100.{address}"),
            port: 623,
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            identity: logged_in.then_some(identity),
            problem: String::new(),
            username: logged_in.then(|| "admin".to_owned()),
            password: logged_in.then(|| Secret::new("secret")),
            marks: Vec::new(),
        })
    }

    fn machine(number: u8) -> Half {
        let nic = Nic {
            name: "eth0".into(),
            mac: MacAddr([2, 0, 0, 0, 1, number]),
            ipv4: String::new(),
            carrier: true,
            speed_mbps: 0,
            driver: String::new(),
            vendor: String::new(),
            product: String::new(),
            booted: true,
            neighbour: None,
        };
        let system = SystemIdentity { uuid: uuid(number), ..SystemIdentity::default() };
        let hardware = HardwareReport { system, nics: vec![nic], ..HardwareReport::default() };
        Half::Machine(MachineHalf { hardware })
    }

    /// The entries after these findings, by the names of the machines of which they have each half.
    fn after(findings: &[Half], servers: &[Server]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for (now_us, half) in (1..).zip(findings.iter().cloned()) {
            let id = Uuid::from_u128(now_us.into());
            if let Verdict::Pending { entry, robbed, gone, .. } =
                judge(&rack(), half, now_us, &entries, servers, id)
            {
                entries.retain(|old| !gone.contains(&old.id) && old.id != entry.id);
                if let Some(changed) = robbed {
                    entries.retain(|old| old.id != changed.id);
                    entries.push(*changed);
                }
                entries.push(*entry);
            }
        }
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    fn check(findings: &[Half], expected: &[(Option<&str>, bool)]) {
        let seen = after(findings, &[]);
        let seen: Vec<_> = seen
            .iter()
            .map(|entry| (entry.bmc.as_ref().map(|bmc| bmc.address.as_str()), entry.machine.is_some()))
            .collect();
        assert_eq!(seen, expected, "{findings:?}");
    }

    #[test]
    fn both_halves_of_one_machine_are_one_entry() {
        check(&[bmc(1, 11, true), machine(1)], &[(Some("198.51.100.11"), true)]);
        check(&[machine(1), bmc(1, 11, true)], &[(Some("198.51.100.11"), true)]);
        check(&[machine(1), bmc(2, 11, true)], &[(None, true), (Some("198.51.100.11"), false)]);
        // Without a log-in nobody knows whose BMC it is; with one, the two entries become one.
        check(&[bmc(1, 11, false), machine(1)], &[(Some("198.51.100.11"), false), (None, true)]);
        check(&[bmc(1, 11, false), machine(1), bmc(1, 11, true)], &[(Some("198.51.100.11"), true)]);
        // A BMC that moved, and its address that went to another machine.
        check(&[bmc(1, 11, true), bmc(1, 12, true)], &[(Some("198.51.100.12"), false)]);
        check(
            &[bmc(1, 11, true), machine(1), bmc(2, 11, true)],
            &[(None, true), (Some("198.51.100.11"), false)],
        );
        check(&[bmc(1, 11, true), bmc(2, 11, true)], &[(Some("198.51.100.11"), false)]);
    }

    #[test]
    fn a_later_scan_that_tries_nothing_forgets_nothing() {
        let entries = after(&[bmc(1, 11, true), bmc(1, 11, false)], &[]);
        let known = entries[0].bmc.as_ref().unwrap();
        assert!(known.password.is_some() && known.identity.is_some());
    }

    fn enrolled() -> Server {
        let mut server = samples::server();
        server.rack = rack();
        server.bmc.address = "198.51.100.11".into();
        server.ports[0].mac = MacAddr([2, 0, 0, 0, 1, 2]);
        server.identity = Some(BmcIdentity { guid: uuid(3), ..BmcIdentity::default() });
        server
    }

    #[test]
    fn an_enrolled_server_is_not_offered() {
        let servers = [enrolled()];
        let check = |half: Half, offered: bool| {
            assert_eq!(after(std::slice::from_ref(&half), &servers).len(), usize::from(offered), "{half:?}");
        };
        check(bmc(9, 11, false), false); // its BMC's address
        check(bmc(3, 99, true), false); // its UUID, elsewhere
        check(bmc(9, 99, true), true);
        check(machine(2), false); // its interface
        check(machine(3), false); // its UUID
        check(machine(9), true);
    }

    proptest! {
        /// Machine n has BMC n; whatever was found, in whatever order and how often, each machine is one entry at most, and
        /// once its BMC let us in and it has booted, both halves are in it.
        #[test]
        fn one_machine_is_one_entry(
            findings in proptest::collection::vec((0u8..4, 0u8..3), 0..24),
        ) {
            let halves: Vec<Half> = findings
                .iter()
                .map(|(number, kind)| match kind {
                    0 => bmc(*number, *number, true),
                    1 => machine(*number),
                    _ => bmc(*number, *number, false),
                })
                .collect();
            let entries = after(&halves, &[]);
            for number in 0..4u8 {
                let found = |kind| findings.contains(&(number, kind));
                let of = HardwareUuidText(uuid(number));
                let own: Vec<_> = entries.iter().filter(|entry| of.is(entry)).collect();
                let expected = usize::from(found(0) || found(1));
                prop_assert_eq!(own.len(), expected, "machine {}: {:?}", number, findings);
                if found(0) && found(1) {
                    prop_assert!(own[0].bmc.is_some() && own[0].machine.is_some());
                }
            }
        }
    }

    struct HardwareUuidText(String);

    impl HardwareUuidText {
        fn is(&self, entry: &Entry) -> bool {
            entry.uuid().is_some_and(|uuid| uuid.to_string() == self.0)
        }
    }
}
