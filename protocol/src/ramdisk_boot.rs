//! Values: the words on the kernel command line by which a ramdisk finds its agent.

use std::{fmt, net::SocketAddr};

use crate::{hex, mac::MacAddr, secret::Secret};

/// What the boot script hands to the ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootArguments {
    /// `bms.agent=IP:PORT`: where the agent listens for this boot network.
    pub agent: SocketAddr,
    /// `bms.fingerprint=`: SHA-256 of the agent's certificate, lower-case hex.
    pub fingerprint: String,
    /// `bms.token=`: 32 random bytes as hex, good for one hello.
    pub token: Secret,
    /// `bms.mac=`: the interface the server was booted over; the firmware's own `BOOTIF=` is read as well.
    pub mac: Option<MacAddr>,
    /// `bms.address=IP/PREFIX`: use this address instead of asking DHCP (for tests and for sites without it).
    pub address: Option<(std::net::Ipv4Addr, u8)>,
    /// `bms.lldp=`: for so many seconds at most its switches are listened to before it says hello; none: not at all.
    pub lldp_seconds: Option<u16>,
    /// `bms.parts=PORT`: the agent gives modules and firmware by HTTP at this port; none: all that there is was loaded.
    pub parts_port: Option<u16>,
}

/// Why a command line is not one of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel command line: {word} {why}")]
pub struct InvalidBootArguments {
    /// Which word.
    pub word: &'static str,
    /// What is wrong.
    pub why: &'static str,
}

impl BootArguments {
    /// Reads a kernel command line; words of others are passed over.
    pub fn parse(line: &str) -> Result<Self, InvalidBootArguments> {
        let value =
            |word: &str| line.split_ascii_whitespace().find_map(|w| w.strip_prefix(word)?.strip_prefix('='));
        let missing = |word| InvalidBootArguments { word, why: "is missing" };
        let bad = |word, why| InvalidBootArguments { word, why };
        let agent = value("bms.agent").ok_or_else(|| missing("bms.agent"))?;
        let fingerprint = value("bms.fingerprint").ok_or_else(|| missing("bms.fingerprint"))?;
        let token = value("bms.token").ok_or_else(|| missing("bms.token"))?;
        if !hex::is_digits(fingerprint, 64) {
            return Err(bad("bms.fingerprint", "is not 64 hex digits"));
        }
        if !hex::is_digits(token, 64) {
            return Err(bad("bms.token", "is not 64 hex digits"));
        }
        // PXELINUX's BOOTIF puts the hardware type (01, Ethernet) before the address.
        let mac = value("bms.mac").or_else(|| value("BOOTIF").and_then(|text| text.strip_prefix("01-")));
        Ok(Self {
            agent: agent.parse().map_err(|_| bad("bms.agent", "is not IP:PORT"))?,
            fingerprint: fingerprint.to_ascii_lowercase(),
            token: Secret::new(token.to_ascii_lowercase()),
            mac: mac.map(|m| m.parse().map_err(|_| bad("bms.mac", "is not a MAC address"))).transpose()?,
            address: value("bms.address")
                .map(|a| parse_address(a).ok_or_else(|| bad("bms.address", "is not IPv4/PREFIX")))
                .transpose()?,
            lldp_seconds: value("bms.lldp")
                .map(|seconds| seconds.parse().map_err(|_| bad("bms.lldp", "is not a number of seconds")))
                .transpose()?,
            parts_port: value("bms.parts")
                .map(|port| port.parse().map_err(|_| bad("bms.parts", "is not a port")))
                .transpose()?,
        })
    }
}

fn parse_address(text: &str) -> Option<(std::net::Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|p| *p <= 32)?;
    Some((address.parse().ok()?, prefix))
}

/// Written as it stands on the command line: the token is in it, so this goes into a boot script and nowhere else.
impl fmt::Display for BootArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bms.agent={} bms.fingerprint={} bms.token={}",
            self.agent,
            self.fingerprint,
            self.token.reveal()
        )?;
        if let Some(mac) = self.mac {
            write!(f, " bms.mac={mac}")?;
        }
        if let Some((address, prefix)) = self.address {
            write!(f, " bms.address={address}/{prefix}")?;
        }
        if let Some(seconds) = self.lldp_seconds {
            write!(f, " bms.lldp={seconds}")?;
        }
        if let Some(port) = self.parts_port {
            write!(f, " bms.parts={port}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let digits = "0123456789abcdef".repeat(4);
        let good = format!("bms.agent=198.18.1.1:4433 bms.fingerprint={digits} bms.token={digits}");
        let check = |line: String, word: Option<&str>| match (BootArguments::parse(&line), word) {
            (Ok(arguments), None) => {
                let again = BootArguments::parse(&arguments.to_string()).unwrap();
                assert_eq!(again, arguments, "{line}");
            }
            (Err(error), Some(word)) => assert_eq!(error.word, word, "{line}"),
            (result, _) => panic!("{line}: {result:?}"),
        };
        check(format!("console=ttyS0 {good} quiet"), None);
        check(format!("{good} bms.mac=52:54:00:00:00:01 bms.address=198.18.1.9/24"), None);
        check(format!("{good} BOOTIF=01-52-54-00-00-00-01"), None);
        check(format!("{good} bms.lldp=35"), None);
        check(format!("{good} bms.parts=80"), None);
        check(format!("{good} bms.parts=http"), Some("bms.parts"));
        check(format!("{good} bms.lldp=long"), Some("bms.lldp"));
        check(format!("{good} bms.mac=52:54"), Some("bms.mac"));
        check(format!("{good} bms.address=198.18.1.9/33"), Some("bms.address"));
        check(good.replace("198.18.1.1:4433", "agent:4433"), Some("bms.agent"));
        check(good.replace("bms.token=0", "bms.token="), Some("bms.token"));
        check("quiet".into(), Some("bms.agent"));
    }

    #[test]
    fn bootif_is_the_mac() {
        let digits = "0".repeat(64);
        let line = format!(
            "bms.agent=1.2.3.4:5 bms.fingerprint={digits} bms.token={digits} BOOTIF=01-52-54-00-00-00-01"
        );
        assert_eq!(BootArguments::parse(&line).unwrap().mac.unwrap().to_string(), "52:54:00:00:00:01");
    }
}
