//! Decisions: serial over LAN (chapters 15 and 26): its commands, its packets, and how characters get across once and in order.
//!
//! [`packet`] has the packets, [`flow`] is one end of the line, [`mod@line`] a whole console over a session of its own.

pub mod flow;
pub mod line;
pub mod packet;
mod payloads;

pub use payloads::{ChannelPayloads, Instances, InstancesInUse};

use super::{
    Malformed, Privilege,
    call::{Command, Kind, NETFN_TRANSPORT},
    message::NETFN_APP,
    wire::Reader,
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[
    Activate::KIND,
    Deactivate::KIND,
    InstanceInfo::KIND,
    InstancesInUse::KIND,
    ChannelPayloads::KIND,
    GetSetting::KIND,
    SetSetting::KIND,
];

/// Payload type of serial over LAN (table 13-16).
pub const PAYLOAD: u8 = 1;
/// Completion code of [`Activate`]: another session has it.
pub const ALREADY_ACTIVE: u8 = 0x80;
/// Completion code of [`Activate`]: switched off in the BMC's settings.
pub const DISABLED: u8 = 0x81;
/// Completion code of [`Activate`]: not without encryption.
pub const NEEDS_SEALING: u8 = 0x84;
/// Completion code of [`Deactivate`]: nobody has it.
pub const NOT_ACTIVE: u8 = 0x80;

/// Activate Payload: the console is this session's from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activate {
    /// Which console, from 1, 4 bits.
    pub instance: u8,
    /// Whether packets are encrypted and authenticated.
    pub sealed: bool,
}

/// How the console is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Longest payload to the BMC, with its header of four bytes.
    pub to_bmc_max: u16,
    /// Longest payload from the BMC.
    pub from_bmc_max: u16,
    /// UDP port of the console; the session's own almost everywhere.
    pub port: u16,
}

/// Encryption and authentication in the first byte of [`Activate`].
const SEALED: u8 = 0xc0;

impl Command for Activate {
    const KIND: &'static Kind =
        &Kind::reads("Activate Payload", NETFN_APP, 0x48).needs(Privilege::Operator).only_once();
    type Answer = Activated;

    fn build(&self) -> Vec<u8> {
        let head = if self.sealed { SEALED } else { 0 };
        vec![PAYLOAD, self.instance & 0x0f, head, 0, 0, 0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [kind, instance, head] = Reader::new("Activate Payload request", data).array()?;
        match kind & 0x3f {
            PAYLOAD => Ok(Self { instance: instance & 0x0f, sealed: head & SEALED == SEALED }),
            _ => Err(Malformed::new("Activate Payload request", "is for another payload")),
        }
    }

    fn build_answer(activated: &Activated) -> Vec<u8> {
        let mut data = vec![0; 4];
        for value in [activated.to_bmc_max, activated.from_bmc_max, activated.port, u16::MAX] {
            data.extend(value.to_le_bytes());
        }
        data
    }

    fn parse_answer(data: &[u8]) -> Result<Activated, Malformed> {
        let mut reader = Reader::new("Activate Payload answer", data);
        reader.u32()?;
        Ok(Activated { to_bmc_max: reader.u16()?, from_bmc_max: reader.u16()?, port: reader.u16()? })
    }
}

/// Deactivate Payload: the console is free again, whoever had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deactivate {
    /// Which console, from 1, 4 bits.
    pub instance: u8,
}

impl Command for Deactivate {
    const KIND: &'static Kind =
        &Kind::reads("Deactivate Payload", NETFN_APP, 0x49).needs(Privilege::Operator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        vec![PAYLOAD, self.instance & 0x0f, 0, 0, 0, 0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [_, instance] = Reader::new("Deactivate Payload request", data).array()?;
        Ok(Self { instance: instance & 0x0f })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get Payload Instance Info: whose the console is (section 24.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Which console, from 1, 4 bits.
    pub instance: u8,
}

impl Command for InstanceInfo {
    const KIND: &'static Kind =
        &Kind::reads("Get Payload Instance Info", NETFN_APP, 0x4b).needs(Privilege::User);
    /// The session that has it, by an id of the BMC's choice; 0: nobody has it.
    type Answer = u32;

    fn build(&self) -> Vec<u8> {
        vec![PAYLOAD, self.instance & 0x0f]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [_, instance] = Reader::new("Get Payload Instance Info request", data).array()?;
        Ok(Self { instance: instance & 0x0f })
    }

    fn build_answer(owner: &u32) -> Vec<u8> {
        // Port number and seven bytes that mean nothing.
        [&owner.to_le_bytes()[..], &[0; 8]].concat()
    }

    fn parse_answer(data: &[u8]) -> Result<u32, Malformed> {
        Reader::new("Get Payload Instance Info answer", data).u32()
    }
}

/// A setting of the console (table 26-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// 1: whether there is a console by LAN.
    Enabled(bool),
    /// 2: who may use it.
    Access {
        /// Only encrypted.
        encrypted: bool,
        /// Only authenticated.
        authenticated: bool,
        /// Least privilege, as its number.
        privilege: u8,
    },
    /// 5: bit rate that is kept (table 26-5): 6 is 9600, 10 is 115200.
    BitRate(u8),
    /// 6: bit rate until the BMC starts anew.
    BitRateNow(u8),
}

impl Setting {
    /// Number of "enabled".
    pub const ENABLED: u8 = 1;
    /// Number of who may use it.
    pub const ACCESS: u8 = 2;
    /// Number of the bit rate that is kept.
    pub const BIT_RATE: u8 = 5;
    /// Number of the bit rate now.
    pub const BIT_RATE_NOW: u8 = 6;

    fn encode(self) -> (u8, u8) {
        match self {
            Setting::Enabled(enabled) => (Self::ENABLED, u8::from(enabled)),
            Setting::Access { encrypted, authenticated, privilege } => {
                let flags = u8::from(encrypted) << 7 | u8::from(authenticated) << 6;
                (Self::ACCESS, flags | privilege & 0x0f)
            }
            Setting::BitRate(rate) => (Self::BIT_RATE, rate & 0x0f),
            Setting::BitRateNow(rate) => (Self::BIT_RATE_NOW, rate & 0x0f),
        }
    }

    /// From its number and its byte.
    pub fn parse(number: u8, data: &[u8]) -> Result<Self, Malformed> {
        let byte = Reader::new("SOL setting", data).u8()?;
        match number {
            Self::ENABLED => Ok(Setting::Enabled(byte & 1 != 0)),
            Self::ACCESS => Ok(Setting::Access {
                encrypted: byte & 0x80 != 0,
                authenticated: byte & 0x40 != 0,
                privilege: byte & 0x0f,
            }),
            Self::BIT_RATE => Ok(Setting::BitRate(byte & 0x0f)),
            Self::BIT_RATE_NOW => Ok(Setting::BitRateNow(byte & 0x0f)),
            _ => Err(Malformed::new("SOL setting", "is one that we do not know")),
        }
    }
}

/// Get SOL Configuration Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetSetting {
    /// Channel, 4 bits.
    pub channel: u8,
    /// Which setting.
    pub number: u8,
}

impl Command for GetSetting {
    const KIND: &'static Kind =
        &Kind::reads("Get SOL Configuration Parameters", NETFN_TRANSPORT, 0x22).needs(Privilege::User);
    /// The setting's data: see [`Setting::parse`].
    type Answer = Vec<u8>;

    fn build(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.number, 0, 0]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let [channel, number] = Reader::new("Get SOL Configuration Parameters request", data).array()?;
        Ok(Self { channel: channel & 0x0f, number })
    }

    fn build_answer(data: &Vec<u8>) -> Vec<u8> {
        // Revision 1.1 of the settings.
        [&[0x11][..], data].concat()
    }

    fn parse_answer(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new("Get SOL Configuration Parameters answer", data);
        reader.u8()?;
        Ok(reader.rest().to_vec())
    }
}

/// Set SOL Configuration Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetSetting {
    /// Channel, 4 bits.
    pub channel: u8,
    /// The new value.
    pub setting: Setting,
}

impl Command for SetSetting {
    const KIND: &'static Kind = &Kind::reads("Set SOL Configuration Parameters", NETFN_TRANSPORT, 0x21)
        .needs(Privilege::Administrator);
    type Answer = ();

    fn build(&self) -> Vec<u8> {
        let (number, byte) = self.setting.encode();
        vec![self.channel & 0x0f, number, byte]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new("Set SOL Configuration Parameters request", data);
        let [channel, number] = reader.array()?;
        Ok(Self { channel: channel & 0x0f, setting: Setting::parse(number, reader.rest())? })
    }

    fn build_answer((): &()) -> Vec<u8> {
        vec![]
    }

    fn parse_answer(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        let activated = Activated { to_bmc_max: 200, from_bmc_max: 255, port: 623 };
        check(Activate { instance: 1, sealed: true }, activated);
        check(Deactivate { instance: 1 }, ());
        check(InstanceInfo { instance: 1 }, 0x0102_0304);
        check(GetSetting { channel: 1, number: 2 }, vec![1]);
        for setting in [
            Setting::Enabled(true),
            Setting::Access { encrypted: true, authenticated: true, privilege: 3 },
            Setting::BitRate(10),
            Setting::BitRateNow(6),
        ] {
            check(SetSetting { channel: 1, setting }, ());
        }
    }
}
