//! Values: DHCP options (RFC 2132), as a list of codes and bytes.

/// Subnet mask.
pub const SUBNET_MASK: u8 = 1;
/// Vendor-specific information; for PXE, what the boot ROM shall do (PXE 2.1, table 2-1).
pub const VENDOR_SPECIFIC: u8 = 43;
/// The address a client would like.
pub const REQUESTED_ADDRESS: u8 = 50;
/// Seconds for which an address is lent.
pub const LEASE_TIME: u8 = 51;
/// What kind of message it is.
pub const MESSAGE_TYPE: u8 = 53;
/// Which server speaks, or is meant.
pub const SERVER_IDENTIFIER: u8 = 54;
/// Codes of the options that a client would like to have.
pub const PARAMETER_LIST: u8 = 55;
/// What the client's firmware calls itself.
pub const VENDOR_CLASS: u8 = 60;
/// What the client calls itself.
pub const CLIENT_IDENTIFIER: u8 = 61;
/// The TFTP server, as text.
pub const TFTP_SERVER_NAME: u8 = 66;
/// The boot file.
pub const BOOT_FILE_NAME: u8 = 67;
/// What the software in the client calls itself (RFC 3004).
pub const USER_CLASS: u8 = 77;
/// Processor and firmware (RFC 4578).
pub const CLIENT_ARCHITECTURE: u8 = 93;
/// The client's UUID (RFC 4578); its firmware expects to see it again.
pub const CLIENT_UUID: u8 = 97;
/// iPXE's own options, encapsulated.
pub const IPXE: u8 = 175;
/// Within [`IPXE`]: 1 means "wait for no ProxyDHCP answer", which saves 3 s.
pub const IPXE_NO_PROXY_DHCP: u8 = 176;

const PAD: u8 = 0;
const END: u8 = 255;

/// The bytes end inside an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {code} is longer than the packet")]
pub struct Truncated {
    /// Which option.
    pub code: u8,
}

/// Options in the order in which they stand in the packet, every code once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// Reads options up to the end mark or, as some clients leave it out, the last byte. Parts of one option are
    /// joined as RFC 3396 says.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, Truncated> {
        let mut options = Self::default();
        while let Some((&code, rest)) = bytes.split_first() {
            bytes = rest;
            match code {
                PAD => {}
                END => break,
                code => {
                    let (&len, rest) = bytes.split_first().ok_or(Truncated { code })?;
                    let (value, rest) = rest.split_at_checked(usize::from(len)).ok_or(Truncated { code })?;
                    options.append(code, value);
                    bytes = rest;
                }
            }
        }
        Ok(options)
    }

    /// Writes the options and the end mark; a value of more than 255 bytes becomes several parts.
    pub fn build(&self, out: &mut Vec<u8>) {
        for (code, value) in &self.0 {
            let mut rest = value.as_slice();
            loop {
                let (part, after) = rest.split_at(rest.len().min(usize::from(u8::MAX)));
                out.push(*code);
                out.push(u8::try_from(part.len()).expect("at most 255 by the line above"));
                out.extend_from_slice(part);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
        }
        out.push(END);
    }

    /// The value of an option.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.iter().find(|(has, _)| *has == code).map(|(_, value)| value.as_slice())
    }

    /// The value of an option that has exactly this many bytes.
    pub fn get_array<const N: usize>(&self, code: u8) -> Option<[u8; N]> {
        self.get(code)?.try_into().ok()
    }

    /// Adds a value, behind what the option has already.
    pub fn append(&mut self, code: u8, value: &[u8]) {
        match self.0.iter_mut().find(|(has, _)| *has == code) {
            Some((_, has)) => has.extend_from_slice(value),
            None => self.0.push((code, value.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let check = |bytes: &[u8], expected: Result<&[(u8, &[u8])], u8>| {
            let found = Options::parse(bytes);
            let expected = expected
                .map(|list| Options(list.iter().map(|(code, value)| (*code, value.to_vec())).collect()))
                .map_err(|code| Truncated { code });
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(&[], Ok(&[]));
        check(&[0, 0, 53, 1, 1, 255, 9, 9], Ok(&[(53, &[1])]));
        check(&[53, 1, 1], Ok(&[(53, &[1])]));
        check(&[60, 2, 65, 66, 53, 1, 1, 60, 1, 67, 255], Ok(&[(60, b"ABC"), (53, &[1])]));
        check(&[53], Err(53));
        check(&[53, 2, 1], Err(53));
        check(&[77, 0, 255], Ok(&[(77, &[])]));
    }
}
