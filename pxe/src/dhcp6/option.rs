//! Values: the options of a DHCPv6 message that has arrived (RFC 8415 section 21.1), as bytes.
//!
//! dhcproto writes our messages and has the options' names. Its reader is not used: like the one for DHCPv4 it panics on some values in a
//! debug build, and gives a whole message up for one option.

use std::net::Ipv6Addr;

use dhcproto::v6::OptionCode;

/// Options, where they stand in a message. Of one that came twice the first counts, unless each is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Reads the bytes from here to the end of the message, or of the option that holds these.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All that stand there whole, in their order.
    pub fn each(self) -> impl Iterator<Item = (OptionCode, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[a, b, c, d], after) = rest.split_first_chunk::<4>()?;
            let (value, next) = after.split_at_checked(u16::from_be_bytes([c, d]).into())?;
            rest = next;
            Some((OptionCode::from(u16::from_be_bytes([a, b])), value))
        })
    }

    /// The value of the first one of this code.
    pub fn get(self, code: OptionCode) -> Option<&'a [u8]> {
        self.each().find(|(has, _)| *has == code).map(|(_, value)| value)
    }

    /// Whether there is one.
    pub fn has(self, code: OptionCode) -> bool {
        self.get(code).is_some()
    }
}

/// The strings of a user class, or of a vendor class behind its number: each with its length in two bytes before it.
pub fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&len, after) = rest.split_first_chunk::<2>()?;
        let (value, next) = after.split_at_checked(u16::from_be_bytes(len).into())?;
        rest = next;
        Some(value)
    })
}

/// The address at the beginning of a value.
pub fn address(value: &[u8]) -> Option<Ipv6Addr> {
    value.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_are_read_up_to_the_first_that_is_cut_off() {
        let bytes = [0, 1, 0, 2, 7, 8, 0, 1, 0, 1, 9, 0, 2, 0, 0, 0, 6, 0, 3, 1, 2];
        let options = Options::new(&bytes);
        assert_eq!(options.get(OptionCode::ClientId), Some(&[7, 8][..]));
        assert_eq!(options.get(OptionCode::ServerId), Some(&[][..]));
        assert_eq!(options.get(OptionCode::ORO), None);
        assert_eq!(options.each().count(), 3);
        let all: Vec<_> = strings(&[0, 1, 65, 0, 0, 0, 2, 66, 67, 0, 9, 1]).collect();
        assert_eq!(all, [&b"A"[..], b"", b"BC"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let len: usize = Options::new(&bytes).each().map(|(_, value)| value.len() + 4).sum();
            prop_assert!(len <= bytes.len());
            prop_assert!(strings(&bytes).map(|one| one.len() + 2).sum::<usize>() <= bytes.len());
        }
    }
}
