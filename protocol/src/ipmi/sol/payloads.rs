//! Values: which payloads a BMC has beside IPMI's own messages, and whether they are in use (sections 24.4 and 24.8).

use super::{
    super::{
        Malformed, Privilege,
        call::{Command, Kind},
        message::NETFN_APP,
        wire::Reader,
    },
    PAYLOAD,
};

/// Get Payload Activation Status, of the serial console: which of its instances somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstancesInUse;

/// Instances of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    /// How many may be in use at a time, 4 bits.
    pub at_once: u8,
    /// Bit n: instance n + 1 is in use.
    pub in_use: u16,
}

impl Command for InstancesInUse {
    const KIND: &'static Kind =
        &Kind::reads("Get Payload Activation Status", NETFN_APP, 0x4a).needs(Privilege::User);
    type Answer = Instances;

    fn build(&self) -> Vec<u8> {
        vec![PAYLOAD]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        match Reader::new("Get Payload Activation Status request", data).u8()? & 0x3f {
            PAYLOAD => Ok(Self),
            _ => Err(Malformed::new("Get Payload Activation Status request", "is for another payload")),
        }
    }

    fn build_answer(instances: &Instances) -> Vec<u8> {
        let [low, high] = instances.in_use.to_le_bytes();
        vec![instances.at_once & 0x0f, low, high]
    }

    fn parse_answer(data: &[u8]) -> Result<Instances, Malformed> {
        let mut reader = Reader::new("Get Payload Activation Status answer", data);
        Ok(Instances { at_once: reader.u8()? & 0x0f, in_use: reader.u16()? })
    }
}

/// Get Channel Payload Support: the standard payloads of a channel, by its number; 0x0e is the one that the request comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelPayloads(pub u8);

impl Command for ChannelPayloads {
    const KIND: &'static Kind =
        &Kind::reads("Get Channel Payload Support", NETFN_APP, 0x4e).needs(Privilege::User);
    /// Bit n: the payload of type n is spoken; 0 is IPMI, 1 the console.
    type Answer = u16;

    fn build(&self) -> Vec<u8> {
        vec![self.0 & 0x0f]
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(Reader::new("Get Channel Payload Support request", data).u8()? & 0x0f))
    }

    fn build_answer(standard: &u16) -> Vec<u8> {
        // The payloads of the handshake, which has types 10h to 15h; none of a maker's own.
        const HANDSHAKE: u16 = 0x003f;
        let [low, high] = standard.to_le_bytes();
        let [first, second] = HANDSHAKE.to_le_bytes();
        vec![low, high, first, second, 0, 0, 0, 0]
    }

    fn parse_answer(data: &[u8]) -> Result<u16, Malformed> {
        Reader::new("Get Channel Payload Support answer", data).u16()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::call::proof::check, *};

    #[test]
    fn commands_and_answers_come_back() {
        check(InstancesInUse, Instances { at_once: 1, in_use: 1 });
        check(ChannelPayloads(0x0e), 0x0003);
    }
}
