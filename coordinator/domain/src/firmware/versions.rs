//! Decisions: what the versions that a BMC tells say of an update.

use protocol::{
    bmc_facts::FirmwareItem,
    text::Shown,
    update::{BIOS, BMC, FirmwareSeen},
};

/// The versions of a server's firmware: as its BMC lists them, and the two that every BMC tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(Vec<FirmwareItem>);

impl Versions {
    /// Those that were seen.
    pub fn of(seen: &FirmwareSeen) -> Self {
        Self::with(seen.items.clone(), &seen.manager_version, &seen.bios_version)
    }

    /// Those of a list; "BMC" and "BIOS" are added where the list calls nothing so.
    pub fn with(mut items: Vec<FirmwareItem>, manager: &str, bios: &str) -> Self {
        for (name, version) in [(BMC, manager), (BIOS, bios)] {
            if !version.is_empty() && !items.iter().any(|item| is_called(item, name)) {
                let (id, name, version) = (name.to_owned(), name.to_owned(), version.to_owned());
                items.push(FirmwareItem { id, name, version, is_updateable: false });
            }
        }
        Self(items)
    }

    /// All of them.
    pub fn items(self) -> Vec<FirmwareItem> {
        self.0
    }

    /// Whether this version of the component is there; of nothing named: of anything.
    pub fn has(&self, component: &str, version: &str) -> bool {
        self.of_component(component).any(|item| says(&item.version, version))
    }

    /// What is said of the component.
    pub fn said_of(&self, component: &str) -> String {
        let said: Vec<_> = self.of_component(component).map(|item| shown(&item.version)).collect();
        if said.is_empty() { "nothing of it".to_owned() } else { said.join(", ") }
    }

    /// What has changed, for a person.
    pub fn changes_since(&self, before: &[FirmwareItem]) -> Vec<String> {
        let was = |item: &FirmwareItem| before.iter().find(|old| old.name == item.name);
        let change = |item: &FirmwareItem| {
            let old = was(item)?;
            (old.version != item.version).then(|| {
                format!("{}: {} -> {}", Shown(&item.name), shown(&old.version), shown(&item.version))
            })
        };
        self.0.iter().filter_map(change).collect()
    }

    fn of_component(&self, component: &str) -> impl Iterator<Item = &FirmwareItem> {
        self.0.iter().filter(move |item| component.is_empty() || is_called(item, component))
    }
}

/// A version as it is shown.
pub fn shown(version: &str) -> String {
    if version.is_empty() { "no version".to_owned() } else { Shown(version).to_string() }
}

/// Whether a piece of firmware is the one of this id or name.
pub fn is_called(item: &FirmwareItem, component: &str) -> bool {
    item.id.eq_ignore_ascii_case(component) || item.name.eq_ignore_ascii_case(component)
}

/// Whether this is how a BMC says this version: as it is, or as a word of it (`iLO 5 v2.72` says 2.72).
fn says(said: &str, version: &str) -> bool {
    let plain = |text: &str| text.trim().trim_start_matches(['v', 'V']).to_ascii_lowercase();
    let wanted = plain(version);
    !wanted.is_empty() && (plain(said) == wanted || said.split_whitespace().any(|word| plain(word) == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_as_bmcs_say_it() {
        let check = |said: &str, version: &str, expected: bool| {
            assert_eq!(says(said, version), expected, "{said:?} {version:?}");
        };
        check("2.72", "2.72", true);
        check("iLO 5 v2.72", "2.72", true);
        check("U30 v2.1 (03/01/2026)", "v2.1", true);
        check("V1.2A", "1.2a", true);
        check("2.72.1", "2.72", false);
        check("12.72", "2.72", false);
        check("", "", false);
        check("2.72", "", false);
    }

    #[test]
    fn every_bmc_has_two_names_that_are_known() {
        let item = |name: &str, version: &str| FirmwareItem {
            id: "Installed-25227".into(),
            name: name.into(),
            version: version.into(),
            is_updateable: true,
        };
        let versions = Versions::with(vec![item("BIOS", "4.5")], "7.0", "other");
        assert!(versions.has("bmc", "7.0") && versions.has("BIOS", "4.5") && !versions.has("BIOS", "other"));
        assert!(versions.has("", "7.0") && !versions.has("NIC", "7.0"));
        assert_eq!(versions.said_of("NIC"), "nothing of it");
        let before = Versions::with(vec![item("BIOS", "4.4")], "7.0", "").items();
        assert_eq!(versions.changes_since(&before), ["BIOS: 4.4 -> 4.5"]);
    }
}
