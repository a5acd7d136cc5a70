//! Values: finding servers that nobody has enrolled: what a coordinator orders of an agent, and what the agent finds.
//!
//! Two ways lead to one machine: its BMC answers in a range of addresses, and it boots our ramdisk on the discovery
//! network while that is open. Both halves name the hardware's UUID.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    bmc_mark::BmcMark,
    hardware::{BmcIdentity, HardwareReport},
    mac::MacAddr,
    secret::Secret,
    spec::BmcProtocol,
};

/// Most addresses that one scan asks, all its ranges together.
pub const ADDRESSES_MAX: u32 = 4096;
/// Most ranges of one scan.
pub const RANGES_MAX: usize = 16;
/// Most credentials of one scan, and so the most log-ins that it tries at one BMC: many lock an account at the fifth.
pub const CREDENTIALS_MAX: usize = 3;
/// Most ports at which one scan looks for Redfish.
pub const REDFISH_PORTS_MAX: usize = 4;
/// Longest time for which the discovery network is open, in seconds.
pub const WINDOW_SECONDS_MAX: u32 = 4 * 3600;

/// Addresses from a first to a last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

/// Why something is not a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a range of IPv4 addresses: {why}; write 192.0.2.0/24, 192.0.2.10-192.0.2.20 or 192.0.2.10"
)]
pub struct InvalidRange {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub why: &'static str,
}

impl AddressRange {
    /// From a first to a last address.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Result<Self, InvalidRange> {
        let invalid = |why| InvalidRange { text: format!("{first}-{last}"), why };
        let span = last.to_bits().checked_sub(first.to_bits()).ok_or_else(|| invalid("it falls"))?;
        if span >= ADDRESSES_MAX {
            return Err(invalid("it has more than 4096 addresses"));
        }
        Ok(Self { first, last })
    }

    /// The first address.
    pub fn first(&self) -> Ipv4Addr {
        self.first
    }

    /// The last address.
    pub fn last(&self) -> Ipv4Addr {
        self.last
    }

    /// How many addresses it has.
    pub fn count(&self) -> u32 {
        self.last.to_bits() - self.first.to_bits() + 1
    }

    /// All of them.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first.to_bits()..=self.last.to_bits()).map(Ipv4Addr::from_bits)
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    /// Of a network, the addresses that hosts may have.
    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let invalid = |why| InvalidRange { text: text.to_owned(), why };
        let address =
            |part: &str| part.trim().parse::<Ipv4Addr>().map_err(|_| invalid("an address is not one"));
        let named = |range: Result<Self, InvalidRange>| {
            range.map_err(|error| InvalidRange { text: text.to_owned(), why: error.why })
        };
        if let Some((network, prefix)) = text.split_once('/') {
            let prefix: u32 = prefix.trim().parse().map_err(|_| invalid("the prefix is not a number"))?;
            let hosts = 32_u32.checked_sub(prefix).ok_or_else(|| invalid("the prefix is above 32"))?;
            let mask = u32::MAX.checked_shl(hosts).unwrap_or(0);
            let lowest = address(network)?.to_bits() & mask;
            let highest = lowest | !mask;
            let (first, last) = if hosts >= 2 { (lowest + 1, highest - 1) } else { (lowest, highest) };
            return named(Self::new(first.into(), last.into()));
        }
        match text.split_once('-') {
            Some((first, last)) => named(Self::new(address(first)?, address(last)?)),
            None => named(address(text).and_then(|one| Self::new(one, one))),
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// A port at which Redfish may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedfishPort {
    /// TCP port.
    pub port: u16,
    /// Without TLS.
    pub http: bool,
}

impl FromStr for RedfishPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is not a place for Redfish; write https:443 or http:8000");
        let (scheme, port) = text.split_once(':').ok_or_else(invalid)?;
        let http = match scheme {
            "http" => true,
            "https" => false,
            _ => return Err(invalid()),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?;
        Ok(Self { port, http })
    }
}

impl fmt::Display for RedfishPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", if self.http { "http" } else { "https" }, self.port)
    }
}

/// A user and a password to be tried at BMCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// What is ordered of an agent. It is not repeated: an agent that is away hears of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id; every finding of it carries this as the report's `server`.
    pub id: Uuid,
    /// What is to be done.
    pub task: OrderTask,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderTask {
    /// Look for BMCs.
    Scan(Scan),
    /// Answer machines on the discovery network that nobody knows, for a while.
    Open {
        /// For how long, in seconds.
        seconds: u32,
        /// Interfaces of enrolled servers: never answered.
        never: Vec<MacAddr>,
    },
    /// Answer them no more.
    Close,
    /// Log in to one BMC that was found, once, with the password that a list has for it.
    Claim(Claim),
}

/// One log-in to a BMC that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it is, and what it showed there.
    pub address: Ipv4Addr,
    /// UDP port of IPMI, TCP port of Redfish.
    pub port: u16,
    /// What it speaks.
    pub protocol: BmcProtocol,
    /// What is tried.
    pub credential: Credential,
}

/// A scan for BMCs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Where.
    pub ranges: Vec<AddressRange>,
    /// At which ports Redfish is looked for.
    pub redfish: Vec<RedfishPort>,
    /// What is tried at each BMC, in this order and each once. None: no log-in is tried.
    pub credentials: Vec<Credential>,
    /// BMCs that are in use: no log-in is tried there.
    pub spare: Vec<Ipv4Addr>,
    /// BMCs for which there is a password of their own: none of the credentials is tried there.
    pub listed: Vec<BmcMark>,
}

/// What an agent found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// A BMC answers.
    Bmc(Box<FoundBmc>),
    /// A machine that nobody knows has booted our ramdisk on the discovery network; it is being switched off again.
    Machine {
        /// What the ramdisk found.
        hardware: Box<HardwareReport>,
    },
    /// A scan goes on; at most one a second is sent.
    Progress {
        /// Addresses asked.
        done: u32,
        /// Addresses in all.
        total: u32,
    },
    /// A scan is over.
    ScanEnded {
        /// Why it was not done to its end; empty: it was.
        fault: String,
    },
    /// The discovery network is closed again.
    WindowEnded {
        /// Why.
        reason: String,
    },
}

/// A BMC that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBmc {
    /// Where.
    pub address: Ipv4Addr,
    /// UDP port of IPMI, TCP port of Redfish.
    pub port: u16,
    /// What it speaks; of a BMC that speaks both, Redfish.
    pub protocol: BmcProtocol,
    /// Which credential it accepted, counted from 0.
    pub credential: Option<u32>,
    /// What it says of itself, once a credential was accepted.
    pub identity: Option<BmcIdentity>,
    /// Why no credential was accepted; empty when one was, or none was tried.
    pub problem: String,
    /// What was heard of it before any log-in, [`crate::bmc_mark::MARKS_MAX`] at most.
    pub marks: Vec<BmcMark>,
    /// It called user or password wrong.
    pub is_refused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_bounded() {
        let check = |text: &str, expected: Result<(&str, &str, u32), &str>| {
            let seen = text.parse::<AddressRange>();
            match (seen, expected) {
                (Ok(range), Ok((first, last, count))) => {
                    assert_eq!(
                        (range.first.to_string(), range.last.to_string()),
                        (first.into(), last.into())
                    );
                    assert_eq!((range.count(), range.addresses().count()), (count, count as usize), "{text}");
                    assert_eq!(range.to_string().parse(), Ok(range), "{text}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (seen, expected) => panic!("{text}: {seen:?} and not {expected:?}"),
            }
        };
        check("198.51.100.0/27", Ok(("198.51.100.1", "198.51.100.30", 30)));
        check("198.51.100.9/27", Ok(("198.51.100.1", "198.51.100.30", 30)));
        check("198.51.100.4/31", Ok(("198.51.100.4", "198.51.100.5", 2)));
        check("198.51.100.4/32", Ok(("198.51.100.4", "198.51.100.4", 1)));
        check("198.51.100.4", Ok(("198.51.100.4", "198.51.100.4", 1)));
        check("198.51.100.4 - 198.51.100.6", Ok(("198.51.100.4", "198.51.100.6", 3)));
        check("198.51.100.6-198.51.100.4", Err("it falls"));
        check("10.0.0.0/8", Err("more than 4096"));
        check("0.0.0.0/0", Err("more than 4096"));
        check("10.0.0.0/33", Err("above 32"));
        check("10.0.0/24", Err("not one"));
        check("", Err("not one"));
    }

    #[test]
    fn redfish_ports_are_read() {
        assert_eq!("http:8000".parse(), Ok(RedfishPort { port: 8000, http: true }));
        assert_eq!("https:443".parse::<RedfishPort>().unwrap().to_string(), "https:443");
        for bad in ["443", "ftp:21", "https:0", "https:x"] {
            assert!(bad.parse::<RedfishPort>().is_err(), "{bad}");
        }
    }
}
