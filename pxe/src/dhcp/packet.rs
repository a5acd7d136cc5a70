//! Values: a BOOTP/DHCP message (RFC 2131 section 2) and its bytes.

use std::net::Ipv4Addr;

use protocol::mac::MacAddr;

use super::option::{Options, Truncated};

/// Largest message that is read; Ethernet carries no larger one without fragments.
pub const MAX_LEN: usize = 1500;

/// Shortest message that is sent: some boot ROMs drop what is shorter than BOOTP's 300 bytes (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const ETHERNET: u8 = 1;
const ETHERNET_LEN: u8 = 6;
const SERVER_NAME_LEN: usize = 64;
const FILE_LEN: usize = 128;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A client (BOOTREQUEST).
    Request,
    /// A server (BOOTREPLY).
    Reply,
}

/// A message of an Ethernet client. The field `sname` is left out: nobody uses it, and overloaded options (RFC 2131
/// section 4.1) come from no boot ROM that we know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who speaks.
    pub op: Op,
    /// Number that joins request and reply.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The highest bit asks for a broadcast reply.
    pub flags: u16,
    /// The address that the client has and uses.
    pub ciaddr: Ipv4Addr,
    /// The address that it is given.
    pub yiaddr: Ipv4Addr,
    /// The server to fetch the boot file from.
    pub siaddr: Ipv4Addr,
    /// The relay, if there is one.
    pub giaddr: Ipv4Addr,
    /// The client's Ethernet address.
    pub mac: MacAddr,
    /// The boot file, up to its first zero byte.
    pub file: Vec<u8>,
    /// All options.
    pub options: Options,
}

/// Why bytes are not a message that we can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPacket {
    /// The fixed part is not there.
    #[error("shorter than a DHCP message")]
    TooShort,
    /// Neither request nor reply.
    #[error("operation {0} is neither request nor reply")]
    Op(u8),
    /// Not Ethernet.
    #[error("hardware type {kind} with {len} bytes of address is not Ethernet")]
    Hardware {
        /// `htype`.
        kind: u8,
        /// `hlen`.
        len: u8,
    },
    /// Plain BOOTP, or something else altogether.
    #[error("the DHCP magic cookie is missing")]
    Cookie,
    /// The options are broken.
    #[error(transparent)]
    Options(#[from] Truncated),
}

/// Takes fields from the front of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], InvalidPacket> {
        let (value, rest) = self.0.split_at_checked(len).ok_or(InvalidPacket::TooShort)?;
        self.0 = rest;
        Ok(value)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidPacket> {
        self.slice(N)?.try_into().map_err(|_| InvalidPacket::TooShort)
    }

    fn address(&mut self) -> Result<Ipv4Addr, InvalidPacket> {
        Ok(Ipv4Addr::from(self.array::<4>()?))
    }
}

impl Packet {
    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPacket> {
        let mut fields = Fields(bytes);
        let [op, kind, len, _hops] = fields.array()?;
        let op = match op {
            1 => Op::Request,
            2 => Op::Reply,
            other => return Err(InvalidPacket::Op(other)),
        };
        if kind != ETHERNET || len != ETHERNET_LEN {
            return Err(InvalidPacket::Hardware { kind, len });
        }
        let xid = u32::from_be_bytes(fields.array()?);
        let secs = u16::from_be_bytes(fields.array()?);
        let flags = u16::from_be_bytes(fields.array()?);
        let ciaddr = fields.address()?;
        let yiaddr = fields.address()?;
        let siaddr = fields.address()?;
        let giaddr = fields.address()?;
        let mac = MacAddr(fields.array()?);
        fields.slice(10)?; // the rest of chaddr
        fields.slice(SERVER_NAME_LEN)?;
        let file = fields.slice(FILE_LEN)?.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        if fields.array::<4>()? != MAGIC_COOKIE {
            return Err(InvalidPacket::Cookie);
        }
        let options = Options::parse(fields.0)?;
        Ok(Self { op, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, mac, file, options })
    }

    /// Writes the message. A boot file that does not fit into its field is cut off there; put it into option 67 too.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MIN_LEN);
        let op = match self.op {
            Op::Request => 1,
            Op::Reply => 2,
        };
        out.extend_from_slice(&[op, ETHERNET, ETHERNET_LEN, 0]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.mac.0);
        out.extend_from_slice(&[0; 10 + SERVER_NAME_LEN]);
        let mut file = [0; FILE_LEN];
        // The last byte stays zero: the field is a C string.
        for (to, from) in file[..FILE_LEN - 1].iter_mut().zip(&self.file) {
            *to = *from;
        }
        out.extend_from_slice(&file);
        out.extend_from_slice(&MAGIC_COOKIE);
        self.options.build(&mut out);
        out.resize(out.len().max(MIN_LEN), 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet() -> impl Strategy<Value = Packet> {
        let options =
            proptest::collection::btree_map(1u8..255, proptest::collection::vec(any::<u8>(), 0..600), 0..6);
        let numbers = (
            any::<bool>(),
            any::<u32>(),
            any::<u16>(),
            any::<u16>(),
            any::<[[u8; 4]; 4]>(),
            any::<[u8; 6]>(),
        );
        (numbers, proptest::collection::vec(1u8.., 0..FILE_LEN), options).prop_map(
            |(numbers, file, values)| {
                let (request, xid, secs, flags, [ciaddr, yiaddr, siaddr, giaddr], mac) = numbers;
                let mut options = Options::default();
                for (code, value) in values {
                    options.append(code, &value);
                }
                Packet {
                    op: if request { Op::Request } else { Op::Reply },
                    xid,
                    secs,
                    flags,
                    ciaddr: ciaddr.into(),
                    yiaddr: yiaddr.into(),
                    siaddr: siaddr.into(),
                    giaddr: giaddr.into(),
                    mac: MacAddr(mac),
                    file,
                    options,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(packet in packet()) {
            prop_assert_eq!(Packet::parse(&packet.build()), Ok(packet));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..MAX_LEN)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn damaged_packets_are_survived(packet in packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = packet.build();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Packet::parse(&bytes);
            let _ = Packet::parse(&bytes[..at]);
        }
    }
}
