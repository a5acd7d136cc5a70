//! Decisions: a pending machine as a server to be enrolled, or what is missing for that and how to get it.

use protocol::{
    bmc_settings::BmcSettings,
    boot::BootMode,
    hardware::Nic,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::entry::{BmcHalf, Entry};
use crate::{
    import::{ImportedNode, PORTS_MAX, Properties},
    records::NewPort,
    rim::SwitchPort,
};

/// What an administrator says of a machine that is accepted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// Where its BMC is; none: where it was found.
    pub bmc: Option<BmcPlace>,
    /// User and password of its BMC; none: those that it accepted.
    pub login: Option<(String, Secret)>,
    /// Switch ports by the names of interfaces; the others are where LLDP said.
    pub ports: Vec<(String, SwitchPort)>,
}

/// Where a BMC is, and what it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmcPlace {
    /// What it speaks.
    pub protocol: BmcProtocol,
    /// Address or name.
    pub address: String,
    /// Port.
    pub port: u16,
}

impl std::str::FromStr for BmcPlace {
    type Err = String;

    /// `ipmi://HOST[:PORT]`, `https://HOST[:PORT]` or `http://HOST[:PORT]`; the latter two are Redfish.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not the address of a BMC; write ipmi://198.51.100.11, https://198.51.100.11 or \
                 http://198.51.100.11:8000"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let redfish = |http| BmcProtocol::Redfish { system: None, certificate_sha256: None, http };
        let (protocol, usual) = match scheme {
            "ipmi" => (BmcProtocol::Ipmi { cipher_suite: None }, 623),
            "https" => (redfish(false), 443),
            "http" => (redfish(true), 80),
            _ => return Err(wrong()),
        };
        let (address, port) = match rest.rsplit_once(':') {
            Some((address, port)) => {
                (address, port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?)
            }
            None => (rest, usual),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if address.is_empty() || address.len() > 253 || !address.chars().all(is_host) {
            return Err(wrong());
        }
        Ok(Self { protocol, address: address.to_owned(), port })
    }
}

/// Something that is missing before a machine can be enrolled, or wrong with what was said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The fields of the request by which it can be given, as the API calls them; none: only the machine itself can tell it.
    pub fields: &'static [&'static str],
    /// What it is, and how to get it.
    pub what: String,
}

impl Missing {
    fn new(fields: &'static [&'static str], what: impl Into<String>) -> Self {
        Missing { fields, what: what.into() }
    }
}

/// What is missing before this machine can be enrolled without a word; empty: only a name.
pub fn missing(entry: &Entry) -> Vec<String> {
    let wish = Wish { name: "x".to_owned(), ..Wish::default() };
    let missing = node(entry, &wish).err().unwrap_or_default();
    missing.into_iter().map(|one| one.what).collect()
}

/// The machine as an import file would describe it, or everything that is missing.
pub fn node(entry: &Entry, wish: &Wish) -> Result<ImportedNode, Vec<Missing>> {
    let mut missing = Vec::new();
    let name = &wish.name;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 63 || !name.chars().all(good) {
        let what = format!("name {name:?} must have 1 to 63 of the characters a-z A-Z 0-9 - _ .");
        missing.push(Missing::new(&["name"], what));
    }
    let bmc = bmc(entry.bmc.as_ref(), wish, &mut missing);
    let ports = ports(entry, wish, &mut missing);
    match (bmc, missing.is_empty()) {
        (Some(bmc), true) => Ok(described(entry, name.clone(), bmc, ports)),
        (Some(_) | None, _) => Err(missing),
    }
}

fn bmc(found: Option<&BmcHalf>, wish: &Wish, missing: &mut Vec<Missing>) -> Option<BmcEndpoint> {
    let at = |half: &BmcHalf| BmcPlace {
        protocol: half.protocol.clone(),
        address: half.address.clone(),
        port: half.port,
    };
    let Some(place) = wish.bmc.clone().or_else(|| found.map(at)) else {
        missing.push(Missing::new(
            &["bmc"],
            "its BMC is not known: scan its range with a credential (bmsctl discovery scan), or give its address with --bmc",
        ));
        return None;
    };
    let login = wish.login.clone().or_else(|| {
        let half = found.filter(|half| half.address == place.address)?;
        Some((half.username.clone()?, half.password.clone()?))
    });
    let Some((username, password)) = login else {
        let problem = found.map(|half| half.problem.as_str()).filter(|problem| !problem.is_empty());
        let what = format!(
            "no credential of its BMC at {} is known{}: give one with --bmc-user and --password-file",
            place.address,
            problem.map(|problem| format!(" ({problem})")).unwrap_or_default()
        );
        missing.push(Missing::new(&["bmc_username", "bmc_password"], what));
        return None;
    };
    let BmcPlace { protocol, address, port } = place;
    Some(BmcEndpoint { protocol, address, port, username, password, settings: BmcSettings::default() })
}

fn ports(entry: &Entry, wish: &Wish, missing: &mut Vec<Missing>) -> Vec<NewPort> {
    let Some(machine) = &entry.machine else {
        missing.push(Missing::new(
            &[],
            "its interfaces are not known: open the discovery network (bmsctl discovery open), move its switch port there \
             and boot it from the network",
        ));
        return Vec::new();
    };
    let nics = &machine.hardware.nics;
    for (name, _) in wish.ports.iter().filter(|(name, _)| nics.iter().all(|nic| &nic.name != name)) {
        let names: Vec<_> = nics.iter().map(|nic| nic.name.as_str()).collect();
        let what = format!("it has no interface {name:?}; its interfaces are {}", names.join(", "));
        missing.push(Missing::new(&["ports"], what));
    }
    let ports: Vec<_> = nics
        .iter()
        .filter_map(|nic| {
            let link = link_of(nic, wish);
            if link.is_none() && nic.booted {
                let what = format!(
                    "the switch port of {} ({}), from which it booted, is not known, because no LLDP was received from its \
                     switch: give it with --port {}=SWITCH:PORT",
                    nic.name, nic.mac, nic.name
                );
                missing.push(Missing::new(&["ports"], what));
            }
            Some(NewPort { name: nic.name.clone(), mac: nic.mac, link: link?, pxe_enabled: nic.booted })
        })
        .take(PORTS_MAX)
        .collect();
    if missing.is_empty() && !ports.iter().any(|port| port.pxe_enabled) {
        missing.push(Missing::new(
            &[],
            "none of its interfaces booted from the network: boot it on the discovery network again",
        ));
    }
    ports
}

fn link_of(nic: &Nic, wish: &Wish) -> Option<SwitchPort> {
    if let Some((_, link)) = wish.ports.iter().find(|(name, _)| name == &nic.name) {
        return Some(link.clone());
    }
    let heard = nic.neighbour.as_ref().filter(|heard| !heard.switch.is_empty() && !heard.port.is_empty())?;
    let switch_id = Some(heard.switch_id.clone()).filter(|id| !id.is_empty());
    Some(SwitchPort { switch: heard.switch.clone(), port: heard.port.clone(), switch_id, fabric: None })
}

fn described(entry: &Entry, name: String, bmc: BmcEndpoint, ports: Vec<NewPort>) -> ImportedNode {
    let hardware = entry.machine.as_ref().map(|machine| &machine.hardware);
    let boot_mode = hardware.map(|hardware| hardware.boot_mode).unwrap_or_default();
    let largest_gib =
        hardware.and_then(|hardware| hardware.image_disks().map(|disk| disk.size_bytes >> 30).max());
    let properties = Properties {
        cpus: hardware.map(|hardware| hardware.cpu.count).filter(|count| *count > 0),
        cpu_arch: hardware.map(|hardware| hardware.cpu.architecture.clone()).filter(|arch| !arch.is_empty()),
        memory_mb: hardware.map(|hardware| hardware.memory_mib).filter(|mib| *mib > 0),
        local_gb: largest_gib,
        capabilities: Some(
            match boot_mode {
                BootMode::Bios => "boot_mode:bios",
                BootMode::Uefi => "boot_mode:uefi",
            }
            .to_owned(),
        ),
    };
    ImportedNode {
        line: 0,
        name,
        rack: Some(entry.rack.clone()),
        bmc,
        ports,
        boot_mode,
        resource_class: None,
        properties,
    }
}

#[cfg(test)]
mod tests {
    use protocol::hardware::{HardwareReport, Neighbour};
    use uuid::Uuid;

    use super::*;
    use crate::discovery::entry::MachineHalf;

    fn entry() -> Entry {
        let nic = |name: &str, last: u8, heard: bool, booted| Nic {
            name: name.into(),
            mac: protocol::mac::MacAddr([2, 0, 0, 0, 2, last]),
            ipv4: String::new(),
            carrier: true,
            speed_mbps: 0,
            driver: String::new(),
            vendor: String::new(),
            product: String::new(),
            booted,
            neighbour: heard.then(|| Neighbour {
                switch: "leaf1".into(),
                switch_id: "02:00:00:00:00:99".into(),
                port: "xe-0/0/3".into(),
                port_description: String::new(),
            }),
        };
        let nics = vec![nic("eth0", 1, true, true), nic("eth1", 2, false, false)];
        let hardware = HardwareReport { nics, memory_mib: 512, ..HardwareReport::default() };
        let bmc = BmcHalf {
            address: "198.51.100.14".into(),
            port: 623,
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            identity: None,
            problem: String::new(),
            username: Some("admin".into()),
            password: Some(Secret::new("secret")),
            marks: Vec::new(),
        };
        Entry {
            id: Uuid::nil(),
            rack: "rack1".parse().unwrap(),
            ignored: false,
            bmc: Some(bmc),
            machine: Some(MachineHalf { hardware }),
            first_us: 1,
            last_us: 1,
        }
    }

    fn wish() -> Wish {
        Wish { name: "srv4".into(), ..Wish::default() }
    }

    #[test]
    fn a_whole_entry_becomes_a_server() {
        let node = node(&entry(), &wish()).unwrap();
        assert_eq!((node.bmc.username.as_str(), node.bmc.password.reveal()), ("admin", "secret"));
        // An interface whose switch port nobody knows is left out.
        let ports: Vec<_> =
            node.ports.iter().map(|port| (port.name.as_str(), port.link.to_string())).collect();
        assert_eq!(ports, [("eth0", "leaf1:xe-0/0/3".to_owned())]);
        assert_eq!(node.properties.memory_mb, Some(512));
        assert!(missing(&entry()).is_empty());
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let check = |change: fn(&mut Entry, &mut Wish), expected: &[&str]| {
            let (mut entry, mut wish) = (entry(), wish());
            change(&mut entry, &mut wish);
            match (node(&entry, &wish), expected) {
                (Ok(_), []) => {}
                (Ok(_), expected) => panic!("nothing is missing, and not {expected:?}"),
                (Err(missing), expected) => {
                    assert_eq!(missing.len(), expected.len(), "{missing:?}");
                    for (missing, expected) in missing.iter().zip(expected) {
                        let said = format!("{}: {}", missing.fields.join(", "), missing.what);
                        assert!(said.contains(expected), "{said} lacks {expected:?}");
                    }
                }
            }
        };
        check(|entry, _| entry.bmc = None, &["bmc: its BMC is not known"]);
        check(|entry, _| entry.bmc = None, &["give its address with --bmc"]);
        check(
            |entry, _| entry.bmc.as_mut().unwrap().password = None,
            &["bmc_username, bmc_password: no credential of its BMC"],
        );
        check(|entry, _| entry.machine = None, &["open the discovery network"]);
        check(
            |entry, _| (entry.bmc, entry.machine) = (None, None),
            &["give its address with --bmc", "open the discovery network"],
        );
        check(
            |entry, _| entry.machine.as_mut().unwrap().hardware.nics[0].neighbour = None,
            &["ports: the switch port of eth0"],
        );
        check(
            |entry, wish| {
                entry.machine.as_mut().unwrap().hardware.nics[0].neighbour = None;
                let link = SwitchPort {
                    switch: "leaf1".into(),
                    port: "xe-0/0/3".into(),
                    switch_id: None,
                    fabric: None,
                };
                wish.ports.push(("eth0".into(), link));
            },
            &[],
        );
        check(|_, wish| wish.name = "a b".into(), &["name: name \"a b\" must have 1 to 63"]);
        check(
            |_, wish| wish.bmc = Some("ipmi://198.51.100.20".parse().unwrap()),
            &["no credential of its BMC at 198.51.100.20 is known"],
        );
        check(
            |entry, wish| {
                entry.bmc = None;
                wish.bmc = Some("http://198.51.100.20:8000".parse().unwrap());
                wish.login = Some(("root".into(), Secret::new("x")));
            },
            &[],
        );
    }

    #[test]
    fn places_of_bmcs() {
        let check = |text: &str, expected: Option<(&str, u16)>| {
            let seen = text.parse::<BmcPlace>();
            let seen = seen.as_ref().map(|place| (place.address.as_str(), place.port)).ok();
            assert_eq!(seen, expected, "{text}");
        };
        check("ipmi://198.51.100.11", Some(("198.51.100.11", 623)));
        check("https://bmc-1.example:8443", Some(("bmc-1.example", 8443)));
        check("http://198.51.100.11:8000", Some(("198.51.100.11", 8000)));
        for bad in
            ["198.51.100.11", "ftp://a", "ipmi://", "ipmi://a:0", "ipmi://a:b", "http://a/b", "ipmi://u@h"]
        {
            check(bad, None);
        }
    }
}
