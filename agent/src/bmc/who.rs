//! Decisions: who a BMC must be, and who it said it is.

use protocol::{
    hardware::BmcIdentity,
    identity::{ExpectedIdentity, HardwareUuid, Likeness, compare},
};

use super::error::BmcError;

/// What a BMC says of itself is cut at so many characters: it is shown to people.
const WORDS_CHARS_MAX: usize = 100;

/// Who a BMC must be, and who it was last.
#[derive(Debug)]
pub(super) struct Who {
    expected: ExpectedIdentity,
    seen: Option<BmcIdentity>,
}

impl Who {
    pub(super) fn new(expected: ExpectedIdentity) -> Self {
        Self { expected, seen: None }
    }

    /// As whom it is known, if it is.
    pub(super) fn expected(&self) -> &BmcIdentity {
        &self.expected.bmc
    }

    pub(super) fn seen(&self) -> Option<BmcIdentity> {
        self.seen.clone()
    }

    /// Whether this server's BMC has told a GUID of its own before.
    pub(super) fn is_known_by_guid(&self) -> bool {
        HardwareUuid::read(&self.expected.bmc.guid).is_some()
    }

    /// Whether somebody who says this of himself is who is expected. It is not noted.
    pub(super) fn likeness(&self, identity: &BmcIdentity) -> Likeness {
        compare(&self.expected, identity)
    }

    /// Notes who answers at this address; an error when that is another machine.
    pub(super) fn judge(&mut self, address: &str, identity: BmcIdentity) -> Result<(), BmcError> {
        let judged = match compare(&self.expected, &identity) {
            Likeness::Same | Likeness::ProvesNothing => Ok(()),
            Likeness::Another { field } => Err(BmcError::OtherMachine {
                address: address.to_owned(),
                expected: self.expected.bmc.to_string(),
                seen: identity.to_string(),
                field,
            }),
        };
        self.seen = Some(identity);
        judged
    }
}

/// A BMC's words as they may be shown and kept.
pub(super) fn words(text: Option<String>) -> String {
    let plain = text.unwrap_or_default();
    plain.chars().filter(|letter| !letter.is_control()).take(WORDS_CHARS_MAX).collect()
}
