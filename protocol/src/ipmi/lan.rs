//! Values: a LAN channel's parameters (sections 23.1 and 23.2, table 23-4).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Malformed, Privilege,
    call::{Command, Kind, NETFN_TRANSPORT},
    wire::Reader,
};
use crate::mac::MacAddr;

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[GetParameter::KIND, SetParameter::KIND];

/// Get LAN Configuration Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetParameter {
    /// Channel, 4 bits.
    pub channel: u8,
    /// Which parameter.
    pub parameter: u8,
    /// Which one of several sets.
    pub set: u8,
}

impl Command for GetParameter {
    const KIND: &'static Kind =
        &Kind::reads("Get LAN Configuration Parameters", NETFN_TRANSPORT, 0x02).needs(Privilege::Operator);
    /// The parameter's data: see [`Parameter::parse`].
    type Answer = Vec<u8>;

    fn build(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.parameter, self.set, 0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Get LAN Configuration Parameters request", data);
        let [channel, parameter] = reader.array()?;
        Ok(Self { channel: channel & 0x0f, parameter, set: reader.rest().first().copied().unwrap_or(0) })
    }

    fn build_answer(data: &Vec<u8>) -> Vec<u8> {
        [&[REVISION][..], data].concat()
    }

    fn parse_answer(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new("Get LAN Configuration Parameters answer", data);
        reader.u8()?;
        Ok(reader.rest().to_vec())
    }
}

/// Revision of the parameters, nibbles as the specification has them.
const REVISION: u8 = 0x11;

/// Set LAN Configuration Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetParameter {
    /// Channel, 4 bits.
    pub channel: u8,
    /// The parameter's new value.
    pub value: Parameter,
}

impl Command for SetParameter {
    const KIND: &'static Kind = &Kind::reads("Set LAN Configuration Parameters", NETFN_TRANSPORT, 0x01)
        .needs(Privilege::Administrator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        let mut data = vec![self.channel & 0x0f, self.value.number()];
        data.extend(self.value.build());
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Set LAN Configuration Parameters request", data);
        let [channel, parameter] = reader.array()?;
        Ok(Self { channel: channel & 0x0f, value: Parameter::parse(parameter, reader.rest())? })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Where an IPv4 address comes from (parameter 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Set by hand.
    Static,
    /// By DHCP.
    Dhcp,
    /// By the firmware or in another way, 4 bits.
    Other(u8),
}

/// Which addresses are in use (parameter 51).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Both,
}

/// An IPv6 address of the BMC (parameters 56 and 59).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V6Address {
    /// Which one of its kind.
    pub set: u8,
    /// First byte behind that: of a static one, bit 7 says whether it is enabled; of a dynamic one, where it comes from.
    pub source: u8,
    /// The address.
    pub address: Ipv6Addr,
    /// Bits of its prefix.
    pub prefix: u8,
    /// 0 active, 1 disabled, 2 pending, 3 failed, 4 deprecated, 5 invalid.
    pub status: u8,
}

/// A parameter that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// 0: 1 while several are set, 0 when it is done.
    SetInProgress(u8),
    /// 3.
    Address(Ipv4Addr),
    /// 4.
    Source(Source),
    /// 5.
    Mac(MacAddr),
    /// 6.
    SubnetMask(Ipv4Addr),
    /// 12.
    Gateway(Ipv4Addr),
    /// 20: VLAN id; none: untagged.
    Vlan(Option<u16>),
    /// 51.
    Families(Families),
    /// 55: how many static and dynamic IPv6 addresses there can be.
    V6Counts {
        /// Static ones.
        fixed: u8,
        /// Dynamic ones.
        dynamic: u8,
    },
    /// 56.
    V6Static(V6Address),
    /// 59.
    V6Dynamic(V6Address),
}

impl Parameter {
    /// Number of the IPv4 address.
    pub const ADDRESS: u8 = 3;
    /// Number of its source.
    pub const SOURCE: u8 = 4;
    /// Number of the Ethernet address.
    pub const MAC: u8 = 5;
    /// Number of the subnet mask.
    pub const SUBNET_MASK: u8 = 6;
    /// Number of the default gateway.
    pub const GATEWAY: u8 = 12;
    /// Number of the VLAN id.
    pub const VLAN: u8 = 20;
    /// Number of the families in use.
    pub const FAMILIES: u8 = 51;
    /// Number of the counts of IPv6 addresses.
    pub const V6_COUNTS: u8 = 55;
    /// Number of the static IPv6 addresses.
    pub const V6_STATIC: u8 = 56;
    /// Number of the dynamic IPv6 addresses.
    pub const V6_DYNAMIC: u8 = 59;

    /// Its number.
    pub fn number(&self) -> u8 {
        match self {
            Parameter::SetInProgress(_) => 0,
            Parameter::Address(_) => Self::ADDRESS,
            Parameter::Source(_) => Self::SOURCE,
            Parameter::Mac(_) => Self::MAC,
            Parameter::SubnetMask(_) => Self::SUBNET_MASK,
            Parameter::Gateway(_) => Self::GATEWAY,
            Parameter::Vlan(_) => Self::VLAN,
            Parameter::Families(_) => Self::FAMILIES,
            Parameter::V6Counts { .. } => Self::V6_COUNTS,
            Parameter::V6Static(_) => Self::V6_STATIC,
            Parameter::V6Dynamic(_) => Self::V6_DYNAMIC,
        }
    }

    /// Its data.
    pub fn build(&self) -> Vec<u8> {
        match self {
            Parameter::SetInProgress(value) => vec![*value],
            Parameter::Address(address) | Parameter::SubnetMask(address) | Parameter::Gateway(address) => {
                address.octets().to_vec()
            }
            Parameter::Source(source) => vec![match source {
                Source::Static => 1,
                Source::Dhcp => 2,
                Source::Other(code) => code & 0x0f,
            }],
            Parameter::Mac(mac) => mac.0.to_vec(),
            Parameter::Vlan(None) => vec![0, 0],
            Parameter::Vlan(Some(id)) => vec![*id as u8, (id >> 8) as u8 & 0x0f | 0x80],
            Parameter::Families(families) => vec![*families as u8],
            Parameter::V6Counts { fixed, dynamic } => vec![*fixed, *dynamic, 3],
            Parameter::V6Static(address) | Parameter::V6Dynamic(address) => address.build(),
        }
    }

    /// From its number and data.
    pub fn parse(number: u8, data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("LAN parameter", data);
        let unknown = Malformed::new("LAN parameter", "has a value that we do not know");
        Ok(match number {
            0 => Parameter::SetInProgress(reader.u8()?),
            Self::ADDRESS => Parameter::Address(reader.array::<4>()?.into()),
            Self::SOURCE => Parameter::Source(match reader.u8()? & 0x0f {
                1 => Source::Static,
                2 => Source::Dhcp,
                code => Source::Other(code),
            }),
            Self::MAC => Parameter::Mac(MacAddr(reader.array()?)),
            Self::SUBNET_MASK => Parameter::SubnetMask(reader.array::<4>()?.into()),
            Self::GATEWAY => Parameter::Gateway(reader.array::<4>()?.into()),
            Self::VLAN => {
                let id = reader.u16()?;
                Parameter::Vlan((id & 0x8000 != 0).then_some(id & 0x0fff))
            }
            Self::FAMILIES => Parameter::Families(match reader.u8()? {
                0 => Families::V4,
                1 => Families::V6,
                2 => Families::Both,
                _ => return Err(unknown),
            }),
            Self::V6_COUNTS => {
                let [fixed, dynamic] = reader.array()?;
                Parameter::V6Counts { fixed, dynamic }
            }
            Self::V6_STATIC => Parameter::V6Static(V6Address::parse(&mut reader)?),
            Self::V6_DYNAMIC => Parameter::V6Dynamic(V6Address::parse(&mut reader)?),
            _ => return Err(unknown),
        })
    }
}

impl V6Address {
    /// Whether the BMC listens there.
    pub fn is_in_use(&self) -> bool {
        self.status == 0 && !self.address.is_unspecified()
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [set, source] = reader.array()?;
        let address = reader.array::<16>()?.into();
        // Who sets one leaves the status out: it is read only.
        Ok(Self {
            set,
            source,
            address,
            prefix: reader.u8()?,
            status: reader.up_to(1).first().copied().unwrap_or(0),
        })
    }

    fn build(&self) -> Vec<u8> {
        let mut data = vec![self.set, self.source];
        data.extend(self.address.octets());
        data.extend([self.prefix, self.status]);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(GetParameter { channel: 1, parameter: 56, set: 2 }, vec![1, 2, 3]);
        let v6 = V6Address {
            set: 1,
            source: 0x80,
            address: "2001:db8::5".parse().unwrap(),
            prefix: 64,
            status: 0,
        };
        for value in [
            Parameter::SetInProgress(1),
            Parameter::Address([192, 0, 2, 5].into()),
            Parameter::Source(Source::Dhcp),
            Parameter::Mac(MacAddr([1, 2, 3, 4, 5, 6])),
            Parameter::SubnetMask([255, 255, 255, 0].into()),
            Parameter::Gateway([192, 0, 2, 1].into()),
            Parameter::Vlan(Some(0x123)),
            Parameter::Vlan(None),
            Parameter::Families(Families::Both),
            Parameter::V6Counts { fixed: 1, dynamic: 4 },
            Parameter::V6Static(v6),
            Parameter::V6Dynamic(v6),
        ] {
            check(SetParameter { channel: 1, value }, ());
        }
        assert!(v6.is_in_use() && !V6Address { status: 2, ..v6 }.is_in_use());
    }
}
