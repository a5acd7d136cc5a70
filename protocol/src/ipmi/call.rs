//! Decisions: the commands beyond log-in, power and boot: each a type of its own, carried by both machines as bytes.
//!
//! A session need not know what a sensor is. It carries a [`Call`]; whoever asks and whoever answers use the [`Command`] behind it.

use super::{
    Malformed, Privilege, bridge, channels, dcmi, device, front, fru, lan,
    message::{CompletionCode, RequestMessage},
    sdr, sel, sensor, sol, users,
};

/// Longest data of a call: a message for another controller inside "Send Message".
pub const CALL_BYTES_MAX: usize = 40;

/// Network function: sensors and events.
pub const NETFN_SENSOR: u8 = 0x04;
/// Network function: event log, sensor records, FRU inventory.
pub const NETFN_STORAGE: u8 = 0x0a;
/// Network function: LAN and serial settings.
pub const NETFN_TRANSPORT: u8 = 0x0c;
/// Network function: commands of other bodies; the first data byte says of which.
pub const NETFN_GROUP: u8 = 0x2c;

/// What there is to know of a command before anybody asks it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in the specification.
    pub name: &'static str,
    /// Network function (even).
    pub netfn: u8,
    /// Number within the network function.
    pub command: u8,
    /// The body that defined it, for [`NETFN_GROUP`]: first byte of request and answer.
    pub group: Option<u8>,
    /// Privilege that it needs (appendix G).
    pub privilege: Privilege,
    /// Whether doing it twice is the same as doing it once.
    pub is_repeatable: bool,
}

impl Kind {
    /// A command that only reads, for users.
    pub(crate) const fn reads(name: &'static str, netfn: u8, command: u8) -> Self {
        Self { name, netfn, command, group: None, privilege: Privilege::User, is_repeatable: true }
    }

    /// The same for whoever has this privilege.
    pub(crate) const fn needs(self, privilege: Privilege) -> Self {
        Self { privilege, ..self }
    }

    /// Of another body.
    pub(crate) const fn of_group(self, group: u8) -> Self {
        Self { group: Some(group), ..self }
    }

    /// The same, but never asked again when it is not known whether it was done.
    pub(crate) const fn only_once(self) -> Self {
        Self { is_repeatable: false, ..self }
    }
}

/// Every command that a BMC's end can be asked by a [`Call`], by family.
static FAMILIES: [&[&Kind]; 12] = [
    device::KINDS,
    front::KINDS,
    sel::KINDS,
    sdr::KINDS,
    sensor::KINDS,
    fru::KINDS,
    users::KINDS,
    channels::KINDS,
    lan::KINDS,
    dcmi::KINDS,
    sol::KINDS,
    bridge::KINDS,
];

/// All of them, one after the other.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    FAMILIES.iter().flat_map(|family| family.iter().copied())
}

/// One command with its answer, both ways.
pub trait Command: Sized {
    /// What there is to know of it.
    const KIND: &'static Kind;
    /// What a BMC says that has done it.
    type Answer;

    /// The request's data; at most [`CALL_BYTES_MAX`], and none at all where nothing else is said.
    fn build(&self) -> Vec<u8> {
        vec![]
    }
    /// From the request's data.
    fn parse(data: &[u8]) -> Result<Self, Malformed>;
    /// The answer's data behind the completion code.
    fn build_answer(answer: &Self::Answer) -> Vec<u8>;
    /// From the answer's data.
    fn parse_answer(data: &[u8]) -> Result<Self::Answer, Malformed>;
}

/// A command as the machines carry it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Call {
    kind: &'static Kind,
    length: u8,
    data: [u8; CALL_BYTES_MAX],
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not its data: one of them is a password.
        write!(f, "Call({})", self.kind.name)
    }
}

impl Call {
    /// This command.
    pub fn of<C: Command>(command: &C) -> Self {
        let data = command.build();
        Self::with(C::KIND, &data).expect("every command's fields are bounded so that it fits")
    }

    fn with(kind: &'static Kind, bytes: &[u8]) -> Option<Self> {
        let mut data = [0; CALL_BYTES_MAX];
        data.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { kind, length: u8::try_from(bytes.len()).ok()?, data })
    }

    /// Which command.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The request's data without the group's byte.
    pub fn data(&self) -> &[u8] {
        &self.data[..usize::from(self.length)]
    }

    /// Network function, command and data.
    pub fn encode(&self) -> (u8, u8, Vec<u8>) {
        let mut data: Vec<u8> = self.kind.group.into_iter().collect();
        data.extend(self.data());
        (self.kind.netfn, self.kind.command, data)
    }

    /// From a message, or what to answer instead.
    pub fn parse(message: &RequestMessage<'_>) -> Result<Self, CompletionCode> {
        let fits = |kind: &&'static Kind| {
            (kind.netfn, kind.command) == (message.netfn, message.command)
                && kind.group.is_none_or(|group| message.data.first() == Some(&group))
        };
        let kind = kinds().find(fits).ok_or(CompletionCode::INVALID_COMMAND)?;
        let data = &message.data[usize::from(kind.group.is_some())..];
        Self::with(kind, data).ok_or(CompletionCode::BAD_LENGTH)
    }

    /// The command behind it; none: it is another one. What cannot be read is answered with the completion code.
    pub fn read<C: Command>(&self) -> Option<Result<C, CompletionCode>> {
        // By what it says: a constant may have several addresses.
        (self.kind == C::KIND).then(|| C::parse(self.data()).map_err(|_| CompletionCode::BAD_LENGTH))
    }

    /// Answers it if it is this command; none: it is another one.
    pub fn serve<C: Command>(
        &self,
        act: impl FnOnce(C) -> Result<C::Answer, CompletionCode>,
    ) -> Option<Result<Vec<u8>, CompletionCode>> {
        let command = self.read::<C>()?;
        Some(command.and_then(act).map(|answer| Self::answer::<C>(&answer)))
    }

    /// An answer's data, with the group's byte where there is one.
    pub fn answer<C: Command>(answer: &C::Answer) -> Vec<u8> {
        let mut data: Vec<u8> = C::KIND.group.into_iter().collect();
        data.extend(C::build_answer(answer));
        data
    }

    /// What an answer to this command says.
    pub fn parse_answer<C: Command>(data: &[u8]) -> Result<C::Answer, Malformed> {
        let data = match C::KIND.group {
            None => data,
            Some(group) => data
                .strip_prefix(&[group])
                .ok_or(Malformed::new("answer of a group's command", "is not of the group that was asked"))?,
        };
        C::parse_answer(data)
    }
}

/// What every family's tests ask of each of its commands.
#[cfg(test)]
pub(super) mod proof {
    use std::fmt::Debug;

    use super::*;

    /// A command and an answer to it come back from their bytes, as both machines carry them.
    #[track_caller]
    pub(in super::super) fn check<C: Command + PartialEq + Debug>(command: C, answer: C::Answer)
    where
        C::Answer: PartialEq + Debug,
    {
        let call = Call::of(&command);
        let (netfn, number, data) = call.encode();
        let parsed = Call::parse(&RequestMessage { netfn, command: number, sequence: 0, data: &data });
        assert_eq!(parsed, Ok(call), "{command:?}");
        assert_eq!(call.read::<C>(), Some(Ok(command)));
        let data = Call::answer::<C>(&answer);
        assert_eq!(Call::parse_answer::<C>(&data), Ok(answer));
        // Whatever is cut off an answer, or is wrong in it, is read or refused.
        for length in 0..data.len() {
            let mut bent = data.clone();
            bent[length] ^= 0x55;
            any::<C>(&bent);
            any::<C>(&data[..length]);
        }
    }

    /// Any bytes are a command or an answer, or are refused; what was read can be written.
    pub(in super::super) fn any<C: Command>(data: &[u8]) {
        if let Ok(answer) = Call::parse_answer::<C>(data) {
            let _ = Call::answer::<C>(&answer);
        }
        if let Ok(command) = C::parse(data) {
            assert!(command.build().len() <= CALL_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn every_command_has_a_number_of_its_own() {
        let numbers: HashSet<_> = kinds().map(|kind| (kind.netfn, kind.command, kind.group)).collect();
        assert_eq!(numbers.len(), kinds().count());
        assert!(kinds().all(|kind| kind.netfn % 2 == 0));
    }

    proptest! {
        #[test]
        fn any_message_is_a_call_or_refused(netfn in 0..0x30_u8, command: u8, data in vec(any::<u8>(), 0..60)) {
            let message = RequestMessage { netfn, command, sequence: 0, data: &data };
            if let Ok(call) = Call::parse(&message) {
                prop_assert_eq!(call.encode(), (netfn, command, data));
            }
        }
    }
}
