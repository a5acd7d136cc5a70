//! Values: where a client is plugged in, as the switch before it says (RFC 3046, DHCP's option 82). A hint for people: whoever
//! sits on the segment can send one.

use std::fmt;

use protocol::hex;

/// Longest of either text; a switch's names are shorter.
const TEXT_CHARS_MAX: usize = 64;

/// A place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Agent Circuit ID: mostly the switch's port. Text, or hexadecimal where it is none.
    pub circuit: String,
    /// Agent Remote ID: mostly the switch. The same.
    pub remote: String,
}

impl Place {
    /// Reads the value of the option; none: it says nothing about the place.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (mut place, mut rest) = (Self::default(), value);
        while let Some((&[code, len], after)) = rest.split_first_chunk::<2>() {
            let Some((value, next)) = after.split_at_checked(len.into()) else { break };
            match code {
                1 => place.circuit = text(value),
                2 => place.remote = text(value),
                _ => {}
            }
            rest = next;
        }
        (place != Self::default()).then_some(place)
    }

    /// The same of a DHCPv6 relay: its Interface-Id (RFC 8415 section 21.18) and its Remote-ID (RFC 4649), in which a number of
    /// who made it stands first.
    pub fn of_relay(interface_id: Option<&[u8]>, remote_id: Option<&[u8]>) -> Option<Self> {
        let remote = remote_id.and_then(|value| value.get(4..)).map(text).unwrap_or_default();
        let place = Self { circuit: interface_id.map(text).unwrap_or_default(), remote };
        (place != Self::default()).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.circuit.as_str(), self.remote.as_str()) {
            (circuit, "") => write!(f, "port {circuit}"),
            ("", remote) => write!(f, "switch {remote}"),
            (circuit, remote) => write!(f, "port {circuit} of switch {remote}"),
        }
    }
}

fn text(value: &[u8]) -> String {
    let is_text = value.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic());
    let text = match is_text {
        true => String::from_utf8_lossy(value).into_owned(),
        false => hex::encode(value),
    };
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_says_its_port_in_text_or_in_bytes() {
        let check = |value: &[u8], expected: Option<&str>| {
            assert_eq!(Place::parse(value).map(|place| place.to_string()).as_deref(), expected, "{value:?}");
        };
        check(b"\x01\x0age-0/0/3.0\x02\x05leaf1", Some("port ge-0/0/3.0 of switch leaf1"));
        check(&[1, 4, 0, 1, 0, 2], Some("port 00010002"));
        check(&[2, 6, 2, 0, 0, 0, 0, 9, 9, 1, 7], Some("switch 020000000009"));
        check(&[9, 1, 7], None);
        check(&[], None);
        check(&[1], None);
        // What is cut off is left out.
        check(b"\x02\x05leaf1\x01\x09ge", Some("switch leaf1"));
        let long = [&[1, 200][..], &[b'x'; 200]].concat();
        assert_eq!(Place::parse(&long).unwrap().circuit.len(), TEXT_CHARS_MAX);
    }
}
