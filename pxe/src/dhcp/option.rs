//! Values: the options of a message that has arrived (RFC 2132), each code once, as bytes.
//!
//! dhcproto finds them. It joins parts of an option only where they are neighbours, and takes an option that is cut off for
//! the end of the message. That is what we want: boot ROMs pad, repeat and cut off, and what stood there whole is meant.

use dhcproto::v4::{Decoder, OptionCode, borrowed::DhcpOptionIterator};

/// iPXE's own options, encapsulated; dhcproto has no name for them.
pub const IPXE: OptionCode = OptionCode::Unknown(175);
/// Within [`IPXE`]: 1 means "wait for no ProxyDHCP answer", which saves 3 s.
pub const IPXE_NO_PROXY_DHCP: u8 = 176;
/// Where more options stand: 1 in the field `file`, 2 in `sname`, 3 in both (RFC 2132 section 9.3).
pub const OVERLOAD: OptionCode = OptionCode::OptionOverload;

/// Options in the order in which they stand in the packet, every code once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<(OptionCode, Vec<u8>)>);

impl Options {
    /// Reads options up to the end mark or, as some clients leave it out, the last whole one. Parts of one option are
    /// joined, wherever they stand (RFC 3396).
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        options.extend(bytes);
        options
    }

    /// Reads more options, which stand in another field of the same message.
    pub fn extend(&mut self, bytes: &[u8]) {
        for option in DhcpOptionIterator::new(whole(bytes)) {
            self.append(option.code(), option.data());
        }
    }

    /// The value of an option.
    pub fn get(&self, code: OptionCode) -> Option<&[u8]> {
        self.0.iter().find(|(has, _)| *has == code).map(|(_, value)| value.as_slice())
    }

    /// The first bytes of an option that has this many. Some clients send it twice, and RFC 3396 then joins what was
    /// never meant to be one value.
    pub fn get_array<const N: usize>(&self, code: OptionCode) -> Option<[u8; N]> {
        self.get(code)?.first_chunk().copied()
    }

    fn append(&mut self, code: OptionCode, value: &[u8]) {
        match self.0.iter_mut().find(|(has, _)| *has == code) {
            Some((_, has)) => has.extend_from_slice(value),
            None => self.0.push((code, value.to_vec())),
        }
    }
}

/// The options up to the end mark, or to the first that is longer than the bytes.
fn whole(bytes: &[u8]) -> &[u8] {
    let mut rest = Decoder::new(bytes);
    let mut len = 0;
    while let Ok(code) = rest.read_u8() {
        match OptionCode::from(code) {
            OptionCode::Pad => {}
            OptionCode::End => break,
            _ => {
                if rest.read_u8().and_then(|len| rest.read_slice(len.into())).is_err() {
                    break;
                }
            }
        }
        len = bytes.len() - rest.buffer().len();
    }
    bytes.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let check = |bytes: &[u8], expected: &[(u8, &[u8])]| {
            let expected = expected.iter().map(|(code, value)| ((*code).into(), value.to_vec())).collect();
            assert_eq!(Options::parse(bytes), Options(expected), "{bytes:?}");
        };
        check(&[], &[]);
        check(&[0, 0, 53, 1, 1, 255, 9, 9], &[(53, &[1])]);
        check(&[53, 1, 1], &[(53, &[1])]);
        check(&[60, 2, 65, 66, 53, 1, 1, 60, 1, 67, 255], &[(60, b"ABC"), (53, &[1])]);
        check(&[60, 2, 65, 66, 60, 1, 67, 0, 60, 1, 68, 53, 1, 1], &[(60, b"ABCD"), (53, &[1])]);
        check(&[77, 0, 255], &[(77, &[])]);
        // What is cut off is left out, and nothing before it.
        check(&[53], &[]);
        check(&[53, 2, 1], &[]);
        check(&[53, 1, 1, 60], &[(53, &[1])]);
        check(&[60, 1, 65, 60, 2, 66], &[(60, b"A")]);
        check(&[60, 9, 65, 53, 1, 1], &[]);
        check(&[53, 1, 1, 255, 255, 255], &[(53, &[1])]);
    }

    #[test]
    fn of_a_fixed_size_option_that_came_twice_the_first_counts() {
        let options =
            Options::parse(&[53, 1, 1, 53, 1, 3, 54, 4, 198, 18, 1, 1, 54, 4, 198, 18, 1, 2, 50, 2, 198, 18]);
        assert_eq!(options.get_array(OptionCode::MessageType), Some([1]));
        assert_eq!(options.get_array(OptionCode::ServerIdentifier), Some([198, 18, 1, 1]));
        assert_eq!(options.get_array::<4>(OptionCode::RequestedIpAddress), None);
    }

    #[test]
    fn more_options_come_from_other_fields() {
        let mut options = Options::parse(&[52, 1, 1, 60, 1, 65, 255]);
        options.extend(&[53, 1, 1, 60, 1, 66, 255, 0, 0]);
        let read = |code: u8| options.get(code.into());
        assert_eq!((read(53), read(60), read(52)), (Some(&[1][..]), Some(&b"AB"[..]), Some(&[1][..])));
    }
}
