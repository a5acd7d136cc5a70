//! Values: the options of a message that has arrived (RFC 2132), each code once, as bytes.
//!
//! dhcproto finds them; what it lets pass and we do not is checked first. It takes an option that is cut off for the end of
//! the message, so that whatever comes after it would be missing without a word, and it joins parts of an option only where
//! they are neighbours.

use dhcproto::v4::{Decoder, OptionCode, borrowed::DhcpOptionIterator};

/// iPXE's own options, encapsulated; dhcproto has no name for them.
pub const IPXE: OptionCode = OptionCode::Unknown(175);
/// Within [`IPXE`]: 1 means "wait for no ProxyDHCP answer", which saves 3 s.
pub const IPXE_NO_PROXY_DHCP: u8 = 176;

/// The bytes end inside an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {code} is longer than the packet")]
pub struct Truncated {
    /// Which option.
    pub code: u8,
}

/// Options in the order in which they stand in the packet, every code once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<(OptionCode, Vec<u8>)>);

impl Options {
    /// Reads options up to the end mark or, as some clients leave it out, the last byte. Parts of one option are
    /// joined, wherever they stand (RFC 3396).
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        check_lengths(bytes)?;
        let mut options = Self::default();
        for option in DhcpOptionIterator::new(bytes) {
            options.append(option.code(), option.data());
        }
        Ok(options)
    }

    /// The value of an option.
    pub fn get(&self, code: OptionCode) -> Option<&[u8]> {
        self.0.iter().find(|(has, _)| *has == code).map(|(_, value)| value.as_slice())
    }

    /// The value of an option that has exactly this many bytes.
    pub fn get_array<const N: usize>(&self, code: OptionCode) -> Option<[u8; N]> {
        self.get(code)?.try_into().ok()
    }

    fn append(&mut self, code: OptionCode, value: &[u8]) {
        match self.0.iter_mut().find(|(has, _)| *has == code) {
            Some((_, has)) => has.extend_from_slice(value),
            None => self.0.push((code, value.to_vec())),
        }
    }
}

/// Whether every option up to the end mark is there whole.
fn check_lengths(bytes: &[u8]) -> Result<(), Truncated> {
    let mut rest = Decoder::new(bytes);
    while let Ok(code) = rest.read_u8() {
        match OptionCode::from(code) {
            OptionCode::Pad => {}
            OptionCode::End => break,
            _ => {
                let value = rest.read_u8().and_then(|len| rest.read_slice(len.into()));
                value.map_err(|_| Truncated { code })?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let check = |bytes: &[u8], expected: Result<&[(u8, &[u8])], u8>| {
            let found = Options::parse(bytes);
            let expected = expected
                .map(|list| {
                    Options(list.iter().map(|(code, value)| ((*code).into(), value.to_vec())).collect())
                })
                .map_err(|code| Truncated { code });
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(&[], Ok(&[]));
        check(&[0, 0, 53, 1, 1, 255, 9, 9], Ok(&[(53, &[1])]));
        check(&[53, 1, 1], Ok(&[(53, &[1])]));
        check(&[60, 2, 65, 66, 53, 1, 1, 60, 1, 67, 255], Ok(&[(60, b"ABC"), (53, &[1])]));
        check(&[60, 2, 65, 66, 60, 1, 67, 0, 60, 1, 68, 53, 1, 1], Ok(&[(60, b"ABCD"), (53, &[1])]));
        check(&[53], Err(53));
        check(&[53, 2, 1], Err(53));
        check(&[53, 1, 1, 60], Err(60));
        check(&[60, 1, 65, 60, 2, 66], Err(60));
        check(&[60, 9, 65, 53, 1, 1], Err(60));
        check(&[77, 0, 255], Ok(&[(77, &[])]));
    }
}
