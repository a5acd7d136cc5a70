//! Values: the Ethernet address of a network interface (IEEE 802, EUI-48).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::hex;

/// Six bytes, written `52:54:00:00:00:01` in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

/// Why a text is not a MAC address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a MAC address such as 52:54:00:00:00:01")]
pub struct InvalidMac(pub String);

impl FromStr for MacAddr {
    type Err = InvalidMac;

    /// Takes six pairs of hex digits, all separated by `:` or all by `-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMac(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            [*byte] = parts.next().and_then(hex::decode_array).ok_or_else(invalid)?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for MacAddr {
    type Error = InvalidMac;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<MacAddr>().is_ok(), good, "{text}");
        check("52:54:00:00:00:01", true);
        check("52-54-00-AB-cd-01", true);
        check("52:54:00:00:00", false);
        check("52:54:00:00:00:01:02", false);
        check("52:54:00:00:00:1", false);
        check("52:54:00:00:00:+1", false);
        check("", false);
    }

    #[test]
    fn writes_lower_case_with_colons() {
        assert_eq!("52-54-00-AB-CD-01".parse::<MacAddr>().unwrap().to_string(), "52:54:00:ab:cd:01");
    }
}
