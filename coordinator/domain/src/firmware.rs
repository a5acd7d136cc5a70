//! Decisions: which firmware servers have, where servers of one model differ, and how it is updated.

pub mod files;
pub mod rules;
pub mod update;
pub mod versions;

use std::collections::{BTreeMap, BTreeSet};

use protocol::bmc_facts::{BmcFacts, FirmwareItem, PartFacts};

/// What is known of what a BMC says, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFacts {
    /// What it says.
    pub facts: BmcFacts,
    /// When its oldest part was read, in microseconds since 1970; none: nothing was.
    pub read_us: Option<u64>,
}

impl KnownFacts {
    /// Takes a part.
    pub fn take(&mut self, part: PartFacts, read_us: u64) {
        self.facts.take(part);
        self.read_us = Some(self.read_us.map_or(read_us, |oldest| oldest.min(read_us)));
    }

    /// All pieces of firmware: as the BMC lists them, or, where it lists none, the two that every BMC tells.
    pub fn firmware(&self) -> Vec<FirmwareItem> {
        if !self.facts.firmware.is_empty() {
            return self.facts.firmware.clone();
        }
        let system = &self.facts.system;
        let two = [("BMC", &system.manager_version), ("BIOS", &system.bios_version)];
        two.into_iter()
            .filter(|(_, version)| !version.is_empty())
            .map(|(name, version)| FirmwareItem {
                id: name.to_owned(),
                name: name.to_owned(),
                version: version.clone(),
                is_updateable: false,
            })
            .collect()
    }
}

/// A server with its firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFirmware {
    /// Its name.
    pub name: String,
    /// Its model, with its maker; empty: not known.
    pub model: String,
    /// Its firmware.
    pub items: Vec<FirmwareItem>,
}

/// One piece of firmware over all servers of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The model; empty: not known.
    pub model: String,
    /// What it is the firmware of.
    pub name: String,
    /// Which servers have which version.
    pub versions: BTreeMap<String, BTreeSet<String>>,
}

impl Component {
    /// Whether servers of the model differ. Servers of no known model are not compared: they may be of different ones.
    pub fn has_drift(&self) -> bool {
        self.versions.len() > 1 && !self.model.is_empty()
    }
}

/// All pieces of firmware, by model and name.
pub fn components(servers: Vec<ServerFirmware>) -> Vec<Component> {
    let mut all = BTreeMap::<(String, String), BTreeMap<String, BTreeSet<String>>>::new();
    for server in servers {
        for item in server.items {
            let versions = all.entry((server.model.clone(), item.name)).or_default();
            versions.entry(item.version).or_default().insert(server.name.clone());
        }
    }
    let component = |((model, name), versions)| Component { model, name, versions };
    all.into_iter().map(component).collect()
}

#[cfg(test)]
mod tests {
    use protocol::bmc_facts::SystemFacts;

    use super::*;

    fn server(name: &str, model: &str, items: &[(&str, &str)]) -> ServerFirmware {
        let item = |(name, version): &(&str, &str)| FirmwareItem {
            name: (*name).into(),
            version: (*version).into(),
            ..FirmwareItem::default()
        };
        ServerFirmware { name: name.into(), model: model.into(), items: items.iter().map(item).collect() }
    }

    #[test]
    fn servers_of_one_model_are_compared_and_others_are_not() {
        let check = |servers: &[ServerFirmware], drifting: &[&str]| {
            let all = components(servers.to_vec());
            let found: Vec<_> = all.iter().filter(|it| it.has_drift()).map(|it| it.name.as_str()).collect();
            assert_eq!(found, drifting, "{all:?}");
        };
        let (a, b) = (
            server("a", "R650", &[("BIOS", "1"), ("BMC", "7")]),
            server("b", "R650", &[("BIOS", "2"), ("BMC", "7")]),
        );
        check(&[a.clone(), b.clone()], &["BIOS"]);
        check(&[a.clone(), server("c", "R750", &[("BIOS", "2")])], &[]);
        check(&[a.clone(), server("d", "R650", &[])], &[]);
        check(&[server("e", "", &[("BIOS", "1")]), server("f", "", &[("BIOS", "2")])], &[]);
        // Two disks of one server with different firmware are a difference too.
        check(&[server("g", "R650", &[("Disk", "1"), ("Disk", "2")])], &["Disk"]);
        check(&[a.clone(), a, b], &["BIOS"]);
    }

    #[test]
    fn a_bmc_that_lists_nothing_still_has_two_versions() {
        let check = |facts: BmcFacts, expected: &[&str]| {
            let known = KnownFacts { facts, read_us: None };
            let found: Vec<_> =
                known.firmware().into_iter().map(|it| format!("{} {}", it.name, it.version)).collect();
            assert_eq!(found, expected);
        };
        let system = SystemFacts { manager_version: "2.78".into(), ..SystemFacts::default() };
        check(BmcFacts { system: system.clone(), ..BmcFacts::default() }, &["BMC 2.78"]);
        let item = FirmwareItem { name: "NIC".into(), version: "14".into(), ..FirmwareItem::default() };
        check(BmcFacts { system, firmware: vec![item], ..BmcFacts::default() }, &["NIC 14"]);
        check(BmcFacts::default(), &[]);
    }

    #[test]
    fn facts_are_as_old_as_their_oldest_part() {
        let mut known = KnownFacts::default();
        known.take(PartFacts::Firmware(vec![]), 7);
        known.take(PartFacts::Media(vec![]), 5);
        known.take(PartFacts::SecureBoot(Default::default()), 9);
        assert_eq!(known.read_us, Some(5));
    }
}
