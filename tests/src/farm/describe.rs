//! Values: a farm of virtual BMCs as its file describes it. Whatever is not known in it is refused by name.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context, ensure};
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// Most BMCs of a farm.
pub const BMCS_MAX: usize = 20_000;

/// A file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Farm {
    /// Where faults are listed and switched by HTTP while it runs; none: they are not.
    pub control: Option<SocketAddr>,
    /// BMCs that are alike.
    pub group: Vec<Group>,
}

/// BMCs that are alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name; its BMCs are called `NAME-1`, `NAME-2` and so on.
    pub name: String,
    /// How many there are.
    #[serde(default = "one")]
    pub count: usize,
    /// What they speak.
    pub protocol: Speaks,
    /// Where the first one listens; port 0: each takes a free one.
    pub address: SocketAddr,
    /// Where the others listen.
    #[serde(default)]
    pub spread: Spread,
    /// User of all.
    #[serde(default = "admin")]
    pub user: String,
    /// Password of all.
    pub password: Secret,
    /// IPMI: their own key K_g, as text; none: they have none.
    pub k_g: Option<String>,
    /// IPMI: the user may be OPERATOR at most.
    #[serde(default)]
    pub operator_only: bool,
    /// Who they say they are.
    #[serde(default)]
    pub who: Who,
    /// How their power behaves.
    #[serde(default)]
    pub power: PowerTimes,
    /// IPMI: raw values of sensors, by the sensors' names.
    #[serde(default)]
    pub sensors: BTreeMap<String, u8>,
    /// IPMI: users beside the one who may log in, by their numbers.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
    /// IPMI: what is in the event log.
    #[serde(default)]
    pub log: Log,
    /// Faults of all from the start on.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Faults of some of them besides.
    #[serde(default)]
    pub some: Vec<Share>,
}

/// Faults of some of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Each how many-th BMC has them.
    pub every: usize,
    /// The first of them, counted from 1.
    #[serde(default = "one")]
    pub from: usize,
    /// Which.
    pub faults: Vec<Fault>,
}

impl Share {
    fn has(&self, number: usize) -> bool {
        number >= self.from && (number - self.from).is_multiple_of(self.every)
    }
}

/// What BMCs speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// IPMI 2.0 over LAN.
    Ipmi,
    /// Redfish by plain HTTP.
    Redfish,
    /// Redfish by TLS, with one certificate for the whole group.
    RedfishTls,
}

/// Where the BMCs of a group listen after the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// At the same address, each at the next port.
    #[default]
    Ports,
    /// At the same port, each at the next address.
    Addresses,
}

/// Who a BMC says it is. What is not said is as our own virtual BMC has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// IPMI: the manufacturer's IANA enterprise number.
    pub iana: Option<u32>,
    /// IPMI: the product's number.
    pub product: Option<u16>,
    /// Redfish: manufacturer.
    pub manufacturer: Option<String>,
    /// Redfish: model.
    pub model: Option<String>,
    /// Firmware of the BMC; IPMI: `1.10`, two numbers.
    pub firmware: Option<String>,
}

/// How long the power takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PowerTimes {
    /// Whether the server is on at the start.
    pub on: bool,
    /// From the command to on, in milliseconds.
    pub on_ms: u64,
    /// From the command to off, in milliseconds.
    pub off_ms: u64,
    /// From the button to off, in milliseconds.
    pub soft_off_ms: u64,
}

/// What is in an event log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// A handful of events.
    #[default]
    Example,
    /// Nothing.
    Empty,
}

fn one() -> usize {
    1
}

fn admin() -> String {
    "admin".to_owned()
}

impl Farm {
    /// From a file's text, checked.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let farm: Self = toml::from_str(text)?;
        farm.check()?;
        Ok(farm)
    }

    fn check(&self) -> anyhow::Result<()> {
        let count: usize = self.group.iter().map(|group| group.count).sum();
        ensure!(count <= BMCS_MAX, "the file describes {count} BMCs; {BMCS_MAX} are the most");
        for (at, group) in self.group.iter().enumerate() {
            group.check().with_context(|| format!("group {:?}", group.name))?;
            let is_taken = self.group[..at].iter().any(|other| other.name == group.name);
            ensure!(!is_taken, "group {:?}: there are two of this name; rename one", group.name);
        }
        Ok(())
    }
}

impl Group {
    fn check(&self) -> anyhow::Result<()> {
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        ensure!(
            !self.name.is_empty() && plain(&self.name),
            "name: letters, digits and -_. are what it may have"
        );
        ensure!(self.count > 0, "count: at least 1");
        self.address_of(self.count).context("count and address")?;
        for some in &self.some {
            ensure!(some.every > 0 && some.from > 0, "some: every and from are counted from 1");
        }
        for number in self.users.keys() {
            number
                .parse::<u8>()
                .with_context(|| format!("users: {number:?} is no number of a user, such as \"4\""))?;
        }
        self.who.firmware_numbers().map(drop)
    }

    /// The faults of its n-th BMC, counted from 1.
    pub fn faults_of(&self, number: usize) -> Vec<Fault> {
        let of_some = self.some.iter().filter(|some| some.has(number)).flat_map(|some| &some.faults);
        self.faults.iter().chain(of_some).copied().collect()
    }

    /// Where its n-th BMC listens, counted from 1.
    pub fn address_of(&self, number: usize) -> anyhow::Result<SocketAddr> {
        let (first, more) = (self.address, number - 1);
        match (self.spread, first.ip()) {
            (Spread::Ports, _) if first.port() == 0 => Ok(first),
            (Spread::Ports, ip) => {
                let port = usize::from(first.port()) + more;
                let port = u16::try_from(port).with_context(|| format!("there is no port {port}"))?;
                Ok(SocketAddr::new(ip, port))
            }
            (Spread::Addresses, IpAddr::V4(ip)) => {
                let more = u32::try_from(more)?;
                let ip = ip.to_bits().checked_add(more).context("there are no such addresses")?;
                Ok(SocketAddr::new(IpAddr::V4(ip.into()), first.port()))
            }
            (Spread::Addresses, IpAddr::V6(ip)) => {
                let ip = ip.to_bits().checked_add(more as u128).context("there are no such addresses")?;
                Ok(SocketAddr::new(IpAddr::V6(ip.into()), first.port()))
            }
        }
    }
}

impl Who {
    /// IPMI's form of the firmware: major, and minor in binary coded decimal.
    pub(super) fn firmware_numbers(&self) -> anyhow::Result<Option<(u8, u8)>> {
        let (None, Some(firmware)) = (&self.manufacturer, &self.firmware) else { return Ok(None) };
        let numbers = firmware.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u8>().ok()?, u8::from_str_radix(minor, 16).ok()?))
        });
        numbers.map(Some).with_context(|| {
            format!("who.firmware: {firmware:?} is not of the form 1.10; Redfish's may be any text, with who.manufacturer")
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::quirk::Quirk;

    use super::*;

    const TWO: &str = r#"
        control = "127.0.0.1:0"
        [[group]]
        name = "old"
        count = 300
        protocol = "ipmi"
        address = "127.1.0.250:6230"
        spread = "addresses"
        password = "secret-1"
        who = { iana = 10876, firmware = "1.35" }
        power = { on = true, off_ms = 4000 }
        faults = [{ deviation = "efi-disk-is-remote" }]
        some = [{ every = 10, from = 3, faults = ["silent", { slow = { answer_ms = 5 } }] }]
        [[group]]
        name = "new"
        protocol = "redfish-tls"
        address = "127.0.0.1:0"
        password = "secret-2"
    "#;

    #[test]
    fn a_file_says_where_each_bmc_is_and_what_is_wrong_with_it() {
        let farm = Farm::parse(TWO).unwrap();
        let old = &farm.group[0];
        assert_eq!(old.address_of(1).unwrap().to_string(), "127.1.0.250:6230");
        assert_eq!(old.address_of(8).unwrap().to_string(), "127.1.1.1:6230");
        let remote = Fault::Deviation(Quirk::EfiDiskIsRemote);
        assert_eq!(old.faults_of(12), [remote]);
        assert_eq!(old.faults_of(13), [remote, Fault::Silent, Fault::Slow { answer_ms: 5 }]);
        assert_eq!((farm.group[1].count, farm.group[1].user.as_str()), (1, "admin"));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        #[track_caller]
        fn check(from: &str, to: &str, words: &str) {
            let text = TWO.replacen(from, to, 1);
            assert_ne!(text, TWO);
            let error = format!("{:#}", Farm::parse(&text).unwrap_err());
            assert!(error.contains(words), "{words:?} is not in {error}");
        }
        check("count = 300", "cuont = 300", "cuont");
        check("\"silent\"", "\"mute\"", "mute");
        check("answer_ms", "answer_s", "answer_s");
        check("efi-disk-is-remote", "efi-disk", "efi-disk");
        check("iana = 10876", "vendor = 10876", "vendor");
        check("off_ms", "off_s", "off_s");
        check("\"ipmi\"", "\"ipmi2\"", "ipmi2");
        check("count = 300", "count = 30000", "30001 BMCs; 20000 are the most");
        check("name = \"new\"", "name = \"old\"", "two of this name");
        check("\"1.35\"", "\"1.x\"", "who.firmware");
        check("every = 10", "every = 0", "counted from 1");
        check("spread = \"addresses\"", "spread = \"ports\"\nusers = { four = \"x\" }", "users: \"four\"");
    }

    #[test]
    fn every_fault_comes_back_from_its_name() {
        for (fault, what) in Fault::all() {
            let text = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault, "{text}: {what}");
        }
    }
}
