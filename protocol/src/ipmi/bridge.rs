//! Values: commands for other controllers of a chassis, carried by "Send Message" (sections 6.13 and 22.7).
//!
//! A multi-node chassis has one BMC on the network and others behind it on a bus. A message within a message reaches them; where a
//! second bus follows, a message within that one.

use super::{
    Malformed,
    call::{CALL_BYTES_MAX, Call, Command, Kind},
    command::Request,
    message::{BMC_ADDRESS, CompletionCode, NETFN_APP, RequestMessage, ResponseMessage, build_to},
};

/// The commands of this family.
pub(super) const KINDS: &[&Kind] = &[SendMessage::KIND];

/// Longest message that is carried: a byte before it says by which channel.
pub const CARRIED_BYTES_MAX: usize = CALL_BYTES_MAX - 1;
/// "The BMC remembers who asked, and sends the answer back there."
const TRACKED: u8 = 0x40;

/// Where another controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Channel to it, 4 bits; 0 is the primary management bus.
    pub channel: u8,
    /// Its address on that bus.
    pub address: u8,
    /// Its logical unit, 2 bits.
    pub lun: u8,
}

/// Send Message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendMessage {
    channel: u8,
    length: u8,
    bytes: [u8; CARRIED_BYTES_MAX],
}

impl std::fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: what is carried may set a password.
        write!(f, "SendMessage by channel {}, {} bytes", self.channel, self.length)
    }
}

impl SendMessage {
    /// Carries a command to a controller; none: it is too long to be carried. `sequence` has 6 bits.
    pub fn new(target: Target, call: &Call, sequence: u8) -> Option<Self> {
        let (netfn, command, data) = call.encode();
        let to = (target.address, target.lun);
        Self::carrying(target.channel, &build_to(to, BMC_ADDRESS, netfn, sequence, command, &data))
    }

    fn carrying(channel: u8, message: &[u8]) -> Option<Self> {
        let mut bytes = [0; CARRIED_BYTES_MAX];
        bytes.get_mut(..message.len())?.copy_from_slice(message);
        Some(Self { channel: channel & 0x0f, length: u8::try_from(message.len()).ok()?, bytes })
    }

    /// By which channel.
    pub fn channel(&self) -> u8 {
        self.channel
    }

    /// The message that is carried.
    pub fn message(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The address that it is for; none: the message is no message.
    pub fn address(&self) -> Option<u8> {
        self.message().first().copied()
    }
}

impl Command for SendMessage {
    const KIND: &'static Kind = &Kind::reads("Send Message", NETFN_APP, 0x34).only_once();
    /// The message that came back; empty when the BMC has only taken the request so far.
    type Answer = Vec<u8>;

    fn build(&self) -> Vec<u8> {
        let mut data = vec![TRACKED | self.channel];
        data.extend(self.message());
        data
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let (head, message) = data.split_first().ok_or(Malformed::new("Send Message request", "is empty"))?;
        Self::carrying(head & 0x0f, message).ok_or(Malformed::new("Send Message request", "is too long"))
    }

    fn build_answer(message: &Vec<u8>) -> Vec<u8> {
        message.clone()
    }

    fn parse_answer(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        Ok(data.to_vec())
    }
}

/// What becomes of a response while a "Send Message" is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// It is the response to the request itself, or to none that is known.
    Usual,
    /// The BMC has taken the message; the other controller's answer comes by itself.
    Taken,
    /// It is the other controller's answer, come by itself.
    Answer,
}

/// Some BMCs put the other controller's answer into their own, others send it afterwards as a message of its own, with the number of
/// the carried message or of the request (section 6.13.2 has it both ways).
pub(super) fn meanwhile(request: &Request, number: u8, response: &ResponseMessage<'_>) -> Meanwhile {
    let Request::Call(call) = request else { return Meanwhile::Usual };
    let Some(Ok(sent)) = call.read::<SendMessage>() else { return Meanwhile::Usual };
    let own = (SendMessage::KIND.netfn, SendMessage::KIND.command, number);
    let came = (response.netfn, response.command, response.sequence);
    if came == own && response.code == CompletionCode::OK && response.data.is_empty() {
        return Meanwhile::Taken;
    }
    match RequestMessage::parse(sent.message()) {
        Ok(carried) if came.0 == carried.netfn && came.1 == carried.command && came != own => {
            if [carried.sequence, number].contains(&came.2) { Meanwhile::Answer } else { Meanwhile::Usual }
        }
        Ok(_) | Err(_) => Meanwhile::Usual,
    }
}

/// How the other controller answered: its completion code and the data behind it.
pub fn answer(message: &[u8]) -> Result<(CompletionCode, &[u8]), Malformed> {
    if message.is_empty() {
        return Err(Malformed::new("Send Message answer", "has no message of the other controller in it"));
    }
    ResponseMessage::parse(message).map(|response| (response.code, response.data))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{call::proof::check, sensor::GetReading},
        *,
    };

    #[test]
    fn a_command_is_carried_there_and_its_answer_back() {
        let call = Call::of(&GetReading(0x30));
        let target = Target { channel: 7, address: 0x72, lun: 0 };
        let sent = SendMessage::new(target, &call, 5).unwrap();
        // Tracked, channel 7; to 0x72, network function 4, checksum; from 0x20, number 5, Get Sensor Reading, 0x30, checksum.
        assert_eq!(sent.build(), [0x47, 0x72, 0x10, 0x7e, 0x20, 0x14, 0x2d, 0x30, 0x6f]);
        assert_eq!((sent.address(), sent.channel()), (Some(0x72), 7));
        check(sent, vec![1, 2]);
        let carried = RequestMessage::parse(sent.message()).unwrap();
        assert_eq!(Call::parse(&carried), Ok(call));
        let data = [42, 0xc0];
        let back =
            ResponseMessage { netfn: 4, command: 0x2d, sequence: 5, code: CompletionCode::OK, data: &data };
        assert_eq!(answer(&back.build()), Ok((CompletionCode::OK, &data[..])));
        assert!(answer(&[]).is_err(), "taken, and not answered");
    }

    #[test]
    fn an_answer_that_comes_by_itself_is_known_from_that_of_the_bmc() {
        let target = Target { channel: 0, address: 0x72, lun: 0 };
        let sent = SendMessage::new(target, &Call::of(&GetReading(0x30)), 5).unwrap();
        let check = |netfn, command, sequence, code, data: &[u8], expected| {
            let response = ResponseMessage { netfn, command, sequence, code: CompletionCode(code), data };
            assert_eq!(meanwhile(&Request::Call(Call::of(&sent)), 9, &response), expected, "{response:?}");
        };
        check(NETFN_APP, 0x34, 9, 0, &[], Meanwhile::Taken);
        check(NETFN_APP, 0x34, 9, 0x83, &[], Meanwhile::Usual);
        check(NETFN_APP, 0x34, 9, 0, &[1], Meanwhile::Usual);
        check(4, 0x2d, 5, 0, &[42, 0xc0], Meanwhile::Answer);
        check(4, 0x2d, 9, 0xcb, &[], Meanwhile::Answer);
        check(4, 0x2d, 8, 0, &[42, 0xc0], Meanwhile::Usual);
        let response =
            ResponseMessage { netfn: 4, command: 0x2d, sequence: 9, code: CompletionCode::OK, data: &[] };
        assert_eq!(meanwhile(&Request::ChassisStatus, 9, &response), Meanwhile::Usual);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = answer(&bytes);
            if let Ok(sent) = SendMessage::parse(&bytes) {
                prop_assert_eq!(SendMessage::parse(&sent.build()), Ok(sent));
            }
        }
    }
}
