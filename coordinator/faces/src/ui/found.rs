//! Values: machines that were found, as the page of discoveries shows them.

use std::collections::{BTreeSet, HashMap};

use api_types::{DiscoveredNic, Discovery, FoundBy};
use jiff::Timestamp;

use super::view::{self, When};

/// One of them.
pub struct Found {
    /// What the API says.
    pub machine: Discovery,
    /// What it is called here: product and serial number, or the BMC's address.
    pub title: String,
    /// How large it is.
    pub size: String,
    /// How it was found.
    pub how: &'static str,
    /// Its BMC's place, such as `198.51.100.14:623`; empty: not known.
    pub bmc: String,
    /// What is missing before a name is enough.
    pub missing: Vec<String>,
    /// Others that may be the same machine: their ids and titles.
    pub twins: Vec<(String, String)>,
    /// When it was found last.
    pub seen: Option<When>,
}

impl Found {
    /// All of them, each beside those that may be the same.
    pub fn all(machines: Vec<Discovery>, now: Timestamp) -> Vec<Self> {
        let mut holders: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, machine) in machines.iter().enumerate() {
            for key in keys(machine) {
                holders.entry(key).or_default().push(index);
            }
        }
        let twins_of = |(index, machine): (usize, &Discovery)| {
            let keys = keys(machine);
            let holders = keys.iter().filter_map(|key| holders.get(key)).flatten().copied();
            let others: BTreeSet<usize> = holders.filter(|other| *other != index).collect();
            let others = others.into_iter().filter_map(|other| machines.get(other));
            others.map(|other| (other.id.to_string(), title(other))).collect()
        };
        let twins: Vec<Vec<_>> = machines.iter().enumerate().map(twins_of).collect();
        machines.into_iter().zip(twins).map(|(machine, twins)| Self::new(machine, twins, now)).collect()
    }

    fn new(machine: Discovery, twins: Vec<(String, String)>, now: Timestamp) -> Self {
        let disks: Vec<_> = machine.disks.iter().map(view::bytes).collect();
        let size = match (machine.cpus, disks.is_empty()) {
            (0, true) => String::new(),
            (cpus, true) => format!("{cpus} cpus, {}", view::memory(&machine.memory_mib)),
            (cpus, false) => {
                format!("{cpus} cpus, {}, disks {}", view::memory(&machine.memory_mib), disks.join(" + "))
            }
        };
        let has = |how: FoundBy| machine.found_by.contains(&how);
        Found {
            title: title(&machine),
            size,
            how: match (has(FoundBy::Bmc), has(FoundBy::Boot)) {
                (true, true) => "by a scan of its BMC and by its boot, matched by hardware UUID",
                (true, false) => "by a scan of its BMC",
                (false, _) => "by its boot on the discovery network",
            },
            bmc: machine.bmc.as_ref().map_or_else(String::new, |bmc| format!("{}:{}", bmc.address, bmc.port)),
            missing: missing(&machine),
            twins,
            seen: machine.last_seen.as_deref().and_then(|text| When::read(text, now)),
            machine,
        }
    }

    /// Interfaces whose switch port somebody must say, the booting one first.
    pub fn unheard(&self) -> impl Iterator<Item = &DiscoveredNic> {
        let booting = self.machine.nics.iter().filter(|nic| nic.booted);
        let others = self.machine.nics.iter().filter(|nic| !nic.booted);
        booting.chain(others).filter(|nic| !is_heard(nic))
    }

    /// Interfaces whose switch was heard.
    pub fn heard(&self) -> impl Iterator<Item = &DiscoveredNic> {
        self.machine.nics.iter().filter(|nic| is_heard(nic))
    }
}

fn is_heard(nic: &DiscoveredNic) -> bool {
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    has(&nic.switch) && has(&nic.port)
}

fn title(machine: &Discovery) -> String {
    let words = [&machine.manufacturer, &machine.product, &machine.serial];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect();
    match (words.is_empty(), &machine.bmc) {
        (false, _) => words.join(" "),
        (true, Some(bmc)) => format!("Machine with a BMC at {}", bmc.address),
        (true, None) => "Machine without a name".to_owned(),
    }
}

/// What is missing, in the words of the page: the API speaks of commands.
fn missing(machine: &Discovery) -> Vec<String> {
    let mut missing = Vec::new();
    match &machine.bmc {
        None => missing.push("Its BMC is not known: scan its range, or give its address.".to_owned()),
        Some(bmc) if bmc.username.is_none() => missing.push(match bmc.problem.as_str() {
            "" => "No credential of its BMC is known: scan with one, or give one.".to_owned(),
            why => format!("No credential of its BMC is known ({why}): scan with one, or give one."),
        }),
        Some(_) => {}
    }
    if machine.nics.is_empty() {
        missing.push(
            "Its interfaces are not known: open the discovery network, put its switch port there and let it boot."
                .to_owned(),
        );
    }
    for nic in machine.nics.iter().filter(|nic| nic.booted && !is_heard(nic)) {
        missing.push(format!("No switch was heard at {}: give its switch port.", nic.name));
    }
    if missing.is_empty() { machine.missing.clone() } else { missing }
}

/// What no two machines should share. The coordinator joins those entries of which it is sure that they are one machine; those
/// that share one of these may be.
fn keys(machine: &Discovery) -> BTreeSet<String> {
    let key =
        |kind: &str, text: &str| (!text.is_empty()).then(|| format!("{kind} {}", text.to_ascii_lowercase()));
    let macs = machine.nics.iter().filter_map(|nic| key("mac", &nic.mac));
    let others = [
        key("serial", &machine.serial),
        machine.uuid.as_ref().and_then(|uuid| key("uuid", uuid)),
        machine.bmc.as_ref().and_then(|bmc| key("bmc", &bmc.address)),
    ];
    macs.chain(others.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use api_types::DiscoveredBmc;
    use uuid::Uuid;

    use super::*;

    fn machine(id: u128, serial: &str, address: Option<&str>) -> Discovery {
        Discovery {
            id: Uuid::from_u128(id),
            rack: "rack1".into(),
            ignored: false,
            found_by: vec![FoundBy::Boot],
            uuid: None,
            manufacturer: "QEMU".into(),
            product: String::new(),
            serial: serial.into(),
            boot_mode: None,
            cpus: 2,
            memory_mib: 512,
            disks: vec![1 << 30],
            bmc: address.map(|address| DiscoveredBmc {
                protocol: api_types::BmcProtocol::Ipmi,
                address: address.into(),
                port: 623,
                certificate_sha256: None,
                username: None,
                problem: String::new(),
            }),
            nics: Vec::new(),
            missing: Vec::new(),
            first_seen: None,
            last_seen: None,
        }
    }

    #[test]
    fn machines_that_share_what_none_should_share_are_shown_as_such() {
        let machines = vec![
            machine(1, "a", None),
            machine(2, "A", Some("198.51.100.14")),
            machine(3, "", Some("198.51.100.14")),
            machine(4, "", None),
        ];
        let twins: Vec<_> =
            Found::all(machines, Timestamp::UNIX_EPOCH).iter().map(|found| found.twins.len()).collect();
        assert_eq!(twins, [1, 2, 1, 0]);
    }

    #[test]
    fn what_is_missing_is_said_in_the_words_of_the_page() {
        let check = |machine: Discovery, expected: &[&str]| {
            let missing = missing(&machine);
            assert_eq!(missing.len(), expected.len(), "{missing:?}");
            for (text, words) in missing.iter().zip(expected) {
                assert!(text.contains(words), "{missing:?} lacks {words}");
            }
        };
        check(machine(1, "a", None), &["Its BMC is not known", "interfaces are not known"]);
        let mut found = machine(1, "a", Some("198.51.100.14"));
        let nic = |name: &str, booted, switch: Option<&str>| DiscoveredNic {
            name: name.into(),
            mac: format!("02:00:00:00:00:0{booted}"),
            switch: switch.map(str::to_owned),
            port: switch.map(|_| "xe-0/0/3".to_owned()),
            carrier: true,
            booted,
        };
        found.nics =
            vec![nic("eth0", false, None), nic("eth1", true, None), nic("eth2", false, Some("leaf1"))];
        check(found.clone(), &["No credential of its BMC", "No switch was heard at eth1"]);
        let shown = Found::all(vec![found.clone()], Timestamp::UNIX_EPOCH).remove(0);
        assert_eq!(shown.unheard().map(|nic| nic.name.as_str()).collect::<Vec<_>>(), ["eth1", "eth0"]);
        assert_eq!(shown.heard().count(), 1);
        assert_eq!((shown.title.as_str(), shown.bmc.as_str()), ("QEMU a", "198.51.100.14:623"));
        found.nics[1] = nic("eth1", true, Some("leaf1"));
        if let Some(bmc) = &mut found.bmc {
            bmc.username = Some("admin".into());
        }
        check(found, &[]);
    }
}
