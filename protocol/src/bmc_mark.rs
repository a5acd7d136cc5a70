//! Values: by what a BMC is known before anybody has logged in to it: its Ethernet address, the serial number of its server, or a UUID.
//!
//! They are what somebody at the BMC's address says or shows, and so claims: enough to find the line of a list, and no proof.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{
    identity::{HardwareUuid, own_serial},
    mac::MacAddr,
};

/// Most marks that are told of one BMC.
pub const MARKS_MAX: usize = 8;
/// Longest serial number, in bytes.
pub const SERIAL_BYTES_MAX: usize = 64;

/// One mark, in the one form in which it is compared: written `mac:02:00:00:00:00:01`, `serial:abc1234` or `uuid:...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BmcMark {
    /// The Ethernet address of the BMC.
    Mac(MacAddr),
    /// The serial number of the server, in small letters.
    Serial(String),
    /// A UUID of the server or of its Redfish service, in one of the orders of its bytes.
    Uuid(Uuid),
}

/// A text that is no mark. What it is, is not repeated: it may stand where a password was meant to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no mark of a BMC: mac:, serial: or uuid: and one that is a machine's own")]
pub struct InvalidMark;

impl BmcMark {
    /// A serial number; none: it is nobody's own, or too long.
    pub fn serial(text: &str) -> Option<Self> {
        let is_good = text.len() <= SERIAL_BYTES_MAX && !text.chars().any(char::is_control);
        own_serial(text).filter(|_| is_good).map(Self::Serial)
    }

    /// A UUID; none: it is none, or nobody's own.
    pub fn uuid(text: &str) -> Option<Self> {
        HardwareUuid::read(text).map(|uuid| Self::Uuid(uuid.canonical()))
    }

    /// Whether both say the same kind of thing.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for BmcMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BmcMark::Mac(mac) => write!(f, "mac:{mac}"),
            BmcMark::Serial(serial) => write!(f, "serial:{serial}"),
            BmcMark::Uuid(uuid) => write!(f, "uuid:{uuid}"),
        }
    }
}

impl FromStr for BmcMark {
    type Err = InvalidMark;
    fn from_str(text: &str) -> Result<Self, InvalidMark> {
        let (kind, value) = text.split_once(':').ok_or(InvalidMark)?;
        let mark = match kind {
            "mac" => value.parse().ok().map(Self::Mac),
            "serial" => Self::serial(value),
            "uuid" => Self::uuid(value),
            _ => None,
        };
        mark.ok_or(InvalidMark)
    }
}

impl Serialize for BmcMark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BmcMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_one_form_however_it_is_written() {
        let check = |text: &str, expected: Option<&str>| {
            let read = text.parse::<BmcMark>().ok();
            assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), expected, "{text}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse(), Ok(read), "{text}");
            }
        };
        check("mac:02-00-00-00-AB-01", Some("mac:02:00:00:00:ab:01"));
        check("serial: 7X0AB12 ", Some("serial:7x0ab12"));
        for nobodys in
            ["serial:0123456789", "serial:To be filled by O.E.M.", "serial:00000000", "serial:", "mac:x"]
        {
            check(nobodys, None);
        }
        check("uuid:00000000-0000-0000-0000-000000000000", None);
        check("7x0ab12", None);
        check("name:7x0ab12", None);
        check(&format!("serial:{}", "ab".repeat(33)), None);
        // Both orders of its bytes are the same UUID.
        let one = BmcMark::uuid("00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(one, BmcMark::uuid("33221100-5544-7766-8899-AABBCCDDEEFF"));
        assert!(one.is_some());
    }
}
