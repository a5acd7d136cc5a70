//! Decisions: rules that accept a machine without a person: which machines, and what they become.
//!
//! What must stay true: a rule accepts nothing that a person could not accept by a name alone or with the rule's credential; a
//! rule with a credential is bound to addresses, because the password is shown to whatever answers there; a machine's own word for
//! its switch port counts only where the rule names that port.

use std::net::Ipv4Addr;

use protocol::{
    discovery::{AddressRange, Credential, RANGES_MAX},
    id::RackId,
    secret::Secret,
};
use serde::{Deserialize, Serialize};

use super::{SWITCH_PORTS_MAX, SwitchPorts, accept::Wish, entry::Entry};
use crate::{pools::is_like, records::NewPort};

/// Rules of one coordinator.
pub const RULES_MAX: usize = 200;
/// Longest name, pattern, class or user.
const TEXT_BYTES_MAX: usize = 80;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Only machines of this rack.
    pub rack: Option<RackId>,
    /// Only machines whose BMC is in one of these ranges, as people write them; none: anywhere.
    pub ranges: Vec<String>,
    /// Only machines of this manufacturer; `*` stands for any text.
    pub manufacturer: Option<String>,
    /// Only this product; `*` stands for any text.
    pub product: Option<String>,
    /// The switch ports that it may give, as people write them; see [`SwitchPorts`]. None, as in a rule of an older version: it gives
    /// none, and accepts nothing.
    #[serde(default)]
    pub switch_ports: Vec<String>,
    /// What they are called: a text with `{serial}`, `{rack}`, `{bmc}` or `{uuid}`.
    pub node_name: String,
    /// Their resource class.
    pub resource_class: String,
    /// User of BMCs that have accepted no credential yet.
    pub username: Option<String>,
    /// Password of that user; stored sealed, apart from the rest.
    #[serde(skip)]
    pub password: Option<Secret>,
}

/// Why a rule is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RuleError {
    /// The fields that it is about, as the API calls them.
    pub fields: &'static [&'static str],
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl Rule {
    /// Checks what was asked for.
    pub fn check(&self) -> Result<(), RuleError> {
        let refuse = |fields, why: String| Err(RuleError { fields, why });
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        for (field, text) in [(&["name"], &self.name), (&["resource_class"], &self.resource_class)] {
            if text.is_empty() || text.len() > TEXT_BYTES_MAX || !text.chars().all(word) {
                return refuse(
                    field,
                    format!("{text:?} must have 1 to {TEXT_BYTES_MAX} letters, digits, -, _ or ."),
                );
            }
        }
        if self.ranges.len() > RANGES_MAX {
            return refuse(&["ranges"], format!("give at most {RANGES_MAX}"));
        }
        for range in &self.ranges {
            if let Err(error) = range.parse::<AddressRange>() {
                return refuse(&["ranges"], error.to_string());
            }
        }
        for (field, pattern) in [(&["manufacturer"], &self.manufacturer), (&["product"], &self.product)] {
            if pattern.as_ref().is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
                return refuse(
                    field,
                    format!("must have 1 to {TEXT_BYTES_MAX} characters; leave it out for any"),
                );
            }
        }
        let is_own = ["{serial}", "{bmc}", "{uuid}"].iter().any(|place| self.node_name.contains(place));
        if self.node_name.len() > TEXT_BYTES_MAX || !is_own {
            let why = "must contain {serial}, {bmc} or {uuid}, so that each machine gets a name of its own";
            return refuse(&["node_name"], why.to_owned());
        }
        match (&self.username, &self.password) {
            (None, None) => {}
            (Some(_), Some(_)) if self.ranges.is_empty() => {
                let why = "a rule with a credential needs ranges, because the password is sent to anything that answers there";
                return refuse(&["ranges", "bmc_username"], why.to_owned());
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) | (None, Some(_)) => {
                return refuse(
                    &["bmc_username", "bmc_password"],
                    "give both bmc_username and bmc_password, or neither".to_owned(),
                );
            }
        }
        let selects = self.rack.is_some() || !self.ranges.is_empty();
        if !selects && self.manufacturer.is_none() && self.product.is_none() {
            let why = "the rule would accept every machine: give rack, ranges, manufacturer or product";
            return refuse(&["rack", "ranges", "manufacturer", "product"], why.to_owned());
        }
        if self.switch_ports.is_empty() || self.switch_ports.len() > SWITCH_PORTS_MAX {
            let why = format!(
                "name 1 to {SWITCH_PORTS_MAX} switch ports on which new machines are accepted, such as leaf1:xe-0/0/10-20: \
                 the switch port that a machine reports is only a claim"
            );
            return refuse(&["switch_ports"], why);
        }
        for text in &self.switch_ports {
            if let Err(error) = text.parse::<SwitchPorts>() {
                return refuse(&["switch_ports"], error.to_string());
            }
        }
        Ok(())
    }

    /// Whether it is for this machine.
    pub fn takes(&self, entry: &Entry) -> bool {
        let (manufacturer, product) = identity(entry);
        let is = |pattern: &Option<String>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| is_like(&text.to_lowercase(), &pattern.to_lowercase()))
        };
        self.rack.as_ref().is_none_or(|rack| rack == &entry.rack)
            && (self.ranges.is_empty() || self.has_bmc_of(entry))
            && is(&self.manufacturer, &manufacturer)
            && is(&self.product, &product)
    }

    fn has_bmc_of(&self, entry: &Entry) -> bool {
        let address = entry.bmc.as_ref().and_then(|bmc| bmc.address.parse::<Ipv4Addr>().ok());
        let ranges = self.ranges.iter().filter_map(|range| range.parse::<AddressRange>().ok());
        address.is_some_and(|address| {
            ranges.into_iter().any(|range| (range.first()..=range.last()).contains(&address))
        })
    }

    /// Why a person must accept this machine although the rule takes it: it claims to be where the rule names no switch port, or to be
    /// another one than its BMC says.
    pub fn doubt(&self, entry: &Entry, ports: &[NewPort]) -> Option<String> {
        let named: Vec<SwitchPorts> = self.switch_ports.iter().filter_map(|text| text.parse().ok()).collect();
        let is_named = |port: &&NewPort| named.iter().any(|one| one.holds(&port.link));
        let beyond: Vec<String> = ports
            .iter()
            .filter(|port| !is_named(port))
            .map(|port| format!("{} at {}", port.name, port.link))
            .collect();
        if !beyond.is_empty() {
            return Some(format!(
                "it claims to be connected with {}, which the rule's switch_ports do not include: check the cable, then \
                 accept the machine manually or add the port to the rule",
                beyond.join(" and ")
            ));
        }
        let told = entry.bmc.as_ref().and_then(|bmc| bmc.identity.as_ref()).map(|told| told.serial.trim());
        let claimed = entry.machine.as_ref().map(|machine| machine.hardware.system.serial.trim());
        match (told.filter(|told| !told.is_empty()), claimed) {
            (Some(told), Some(claimed)) if told != claimed => Some(format!(
                "it claims the serial number {claimed:?}, but its BMC reports {told:?}: find out which is right, then \
                 accept the machine manually"
            )),
            (_, _) => None,
        }
    }

    /// What it says of this machine; none: something that its name needs is not known.
    pub fn wish(&self, entry: &Entry) -> Option<Wish> {
        let hardware = entry.machine.as_ref().map(|machine| &machine.hardware);
        let serial = hardware.map(|hardware| hardware.system.serial.clone());
        let bmc = entry.bmc.as_ref().map(|bmc| bmc.address.clone());
        let uuid = entry.uuid().map(|uuid| uuid.to_string());
        let mut name = self.node_name.clone();
        for (place, text) in
            [("{rack}", Some(entry.rack.to_string())), ("{serial}", serial), ("{bmc}", bmc), ("{uuid}", uuid)]
        {
            if name.contains(place) {
                name = name.replace(place, &text.filter(|text| !text.trim().is_empty())?);
            }
        }
        let letter =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        let knows_login =
            entry.bmc.as_ref().is_some_and(|bmc| bmc.username.is_some() && bmc.password.is_some());
        let login = self.username.clone().zip(self.password.clone()).filter(|_| !knows_login);
        Some(Wish { name: name.chars().map(letter).collect(), login, ..Wish::default() })
    }
}

/// What a scan of these ranges tries beside what it was given: a BMC tells its hardware UUID only to whoever logs in, and by that
/// its other half is found. A rule's credential is shown within the rule's ranges only.
pub fn credentials(rules: &[Rule], rack: &RackId, ranges: &[AddressRange]) -> Vec<Credential> {
    let within = |rule: &Rule| {
        let own: Vec<_> = rule.ranges.iter().filter_map(|own| own.parse::<AddressRange>().ok()).collect();
        let holds = |range: &AddressRange| {
            own.iter().any(|own| own.first() <= range.first() && range.last() <= own.last())
        };
        rule.rack.as_ref().is_none_or(|own| own == rack) && ranges.iter().all(holds)
    };
    let login = |rule: &Rule| {
        let (username, password) = rule.username.clone().zip(rule.password.clone())?;
        Some(Credential { username, password })
    };
    rules.iter().filter(|rule| within(rule)).filter_map(login).collect()
}

/// Manufacturer and product: the firmware's word, or else the BMC's.
fn identity(entry: &Entry) -> (String, String) {
    let system = entry.machine.as_ref().map(|machine| &machine.hardware.system);
    let told = entry.bmc.as_ref().and_then(|bmc| bmc.identity.as_ref());
    let either = |first: Option<&String>, second: Option<&String>| {
        let known = first.filter(|text| !text.is_empty()).or(second);
        known.cloned().unwrap_or_default()
    };
    (
        either(system.map(|system| &system.manufacturer), told.map(|told| &told.manufacturer)),
        either(system.map(|system| &system.product), told.map(|told| &told.product)),
    )
}

#[cfg(test)]
mod tests {
    use protocol::{
        hardware::{BmcIdentity, HardwareReport},
        spec::BmcProtocol,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{
        discovery::entry::{BmcHalf, MachineHalf},
        rim::SwitchPort,
        samples::rule,
    };

    fn entry() -> Entry {
        let mut hardware = HardwareReport::default();
        hardware.system.manufacturer = "QEMU Inc.".into();
        hardware.system.serial = "A 7/x".into();
        Entry {
            id: Uuid::nil(),
            rack: "rack1".parse().unwrap(),
            ignored: false,
            bmc: Some(BmcHalf {
                address: "198.51.100.14".into(),
                port: 623,
                protocol: BmcProtocol::Ipmi { cipher_suite: None },
                identity: None,
                problem: String::new(),
                username: None,
                password: None,
                marks: Vec::new(),
            }),
            machine: Some(MachineHalf { hardware }),
            first_us: 0,
            last_us: 0,
        }
    }

    #[test]
    fn a_rule_takes_the_machines_that_it_describes() {
        type Change = fn(&mut Rule, &mut Entry);
        let check = |change: Change, expected: bool, why: &str| {
            let (mut rule, mut entry) = (rule(), entry());
            change(&mut rule, &mut entry);
            assert_eq!(rule.takes(&entry), expected, "{why}");
        };
        check(|_, _| {}, true, "as it is");
        check(|_, entry| entry.rack = "rack2".parse().unwrap(), false, "another rack");
        check(|rule, _| rule.rack = None, true, "any rack");
        check(
            |_, entry| entry.bmc.as_mut().unwrap().address = "198.51.100.20".into(),
            false,
            "another range",
        );
        check(|_, entry| entry.bmc = None, false, "no BMC is in no range");
        check(|rule, _| rule.ranges.clear(), true, "any range");
        check(
            |_, entry| entry.machine.as_mut().unwrap().hardware.system.manufacturer = "Dell".into(),
            false,
            "maker",
        );
        check(|rule, _| rule.product = Some("R650".into()), false, "product");
    }

    #[test]
    fn what_a_machine_says_of_itself_is_a_claim() {
        let check = |rule: Rule, entry: &Entry, port: &str, words: &[&str]| {
            let link =
                SwitchPort { switch: "leaf1".into(), port: port.into(), switch_id: None, fabric: None };
            let mac = protocol::mac::MacAddr([2, 0, 0, 0, 2, 1]);
            let ports = [NewPort { name: "eth0".into(), mac, link, pxe_enabled: true }];
            let doubt = rule.doubt(entry, &ports);
            assert_eq!(doubt.is_some(), !words.is_empty(), "{doubt:?}");
            for word in words {
                assert!(doubt.as_ref().unwrap().contains(word), "{word} is not in {doubt:?}");
            }
        };
        check(rule(), &entry(), "xe-0/0/3", &[]);
        check(rule(), &entry(), "xe-0/0/6", &["eth0 at leaf1:xe-0/0/6", "claims", "manually"]);
        let unbound = Rule { switch_ports: vec![], ..rule() };
        check(unbound, &entry(), "xe-0/0/3", &["leaf1:xe-0/0/3", "switch_ports"]);
        let with_serial = |serial: &str| {
            let mut entry = entry();
            let told = BmcIdentity { serial: serial.into(), ..BmcIdentity::default() };
            entry.bmc.as_mut().unwrap().identity = Some(told);
            entry
        };
        check(rule(), &with_serial(""), "xe-0/0/3", &[]);
        check(rule(), &with_serial("A 7/x"), "xe-0/0/3", &[]);
        check(rule(), &with_serial("B 8"), "xe-0/0/3", &["A 7/x", "B 8", "manually"]);
    }

    #[test]
    fn a_machine_gets_a_name_of_its_own_and_the_credential_only_where_none_is_known() {
        let wish = rule().wish(&entry()).unwrap();
        assert_eq!(wish.name, "rack1-A-7-x");
        assert_eq!(wish.login.unwrap().0, "admin");
        let mut known = entry();
        let bmc = known.bmc.as_mut().unwrap();
        (bmc.username, bmc.password) = (Some("root".into()), Some(Secret::new("x")));
        assert!(rule().wish(&known).unwrap().login.is_none());
        let mut nameless = entry();
        nameless.machine = None;
        assert!(rule().wish(&nameless).is_none(), "without a serial number there is no name");
    }

    #[test]
    fn a_rules_credential_is_tried_within_its_ranges_only() {
        let check = |rack: &str, ranges: &[&str], expected: usize| {
            let ranges: Vec<_> = ranges.iter().map(|range| range.parse().unwrap()).collect();
            let found = credentials(&[rule()], &rack.parse().unwrap(), &ranges);
            assert_eq!(found.len(), expected, "{rack} {ranges:?}");
        };
        check("rack1", &["198.51.100.8/29"], 1);
        check("rack1", &["198.51.100.10-198.51.100.12", "198.51.100.14"], 1);
        check("rack1", &["198.51.100.10", "198.51.100.20"], 0);
        check("rack1", &["198.51.100.0/24"], 0);
        check("rack2", &["198.51.100.10"], 0);
        let without = Rule { username: None, password: None, ..rule() };
        assert!(credentials(&[without], &"rack1".parse().unwrap(), &[]).is_empty());
    }

    #[test]
    fn a_bad_rule_names_the_field_and_the_remedy() {
        let check = |change: fn(&mut Rule), expected: &str| {
            let mut rule = rule();
            change(&mut rule);
            match rule.check() {
                Ok(()) => assert!(expected.is_empty(), "{expected}"),
                Err(error) => {
                    let said = format!("{}: {error}", error.fields.join(", "));
                    assert!(!expected.is_empty() && said.starts_with(expected), "{said}");
                }
            }
        };
        check(|_| {}, "");
        check(|rule| rule.name.clear(), "name: ");
        check(|rule| rule.resource_class = "a b".into(), "resource_class: ");
        check(|rule| rule.ranges = vec!["10.0.0.0/8".into()], "ranges: \"10.0.0.0/8\" is not a range");
        check(|rule| rule.ranges.clear(), "ranges, bmc_username: a rule with a credential needs ranges");
        check(|rule| rule.password = None, "bmc_username, bmc_password: give both");
        check(|rule| rule.node_name = "{rack}-srv".into(), "node_name: must contain {serial}");
        check(|rule| rule.manufacturer = Some(String::new()), "manufacturer: must have");
        check(|rule| rule.switch_ports.clear(), "switch_ports: name 1 to");
        check(
            |rule| rule.switch_ports = vec!["leaf*".into()],
            "switch_ports: \"leaf*\" names no switch ports",
        );
        check(
            |rule| {
                (rule.rack, rule.manufacturer) = (None, None);
                rule.ranges.clear();
                (rule.username, rule.password) = (None, None);
            },
            "rack, ranges, manufacturer, product: the rule would accept every machine",
        );
    }
}
