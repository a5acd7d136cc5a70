//! Values: what is recorded of a console, and how it lies in a file.
//!
//! One entry is `length (4 bytes) | kind (1) | time in microseconds since 1970 (8) | text`, numbers little-endian; the length is that
//! of all behind it. A file that was cut off within an entry is good up to there. Each file begins with a mark, so that what is in it
//! is known to be whose even when the files before it are gone.

use protocol::id::TenancyId;
use uuid::Uuid;

use crate::bmc::heard::Heard;

/// Longest text of one entry.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of kind and time.
const HEAD_BYTES: usize = 9;

/// Something that happened at a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Characters of the server.
    Output(Vec<u8>),
    /// Something between them, in words.
    Note(String),
    /// The console was lost, and why: an administrator's business, because it tells of the BMC.
    Lost(String),
    /// What follows belongs to this tenancy, or to nobody.
    Mark(Option<TenancyId>),
}

impl What {
    /// What is recorded of this; none: it concerns whoever asked.
    pub fn of(heard: &Heard) -> Option<Self> {
        match heard {
            Heard::Characters(characters) => Some(What::Output(characters.to_vec())),
            Heard::Break => Some(What::Note("the server sent a break".to_owned())),
            Heard::Overrun => Some(What::Note("the BMC has lost characters".to_owned())),
            Heard::Opened => Some(What::Note("console open".to_owned())),
            Heard::Lost(why) => Some(What::Lost(why.clone())),
            Heard::Cannot(_) => None,
        }
    }
}

impl Entry {
    /// To bytes; a text that is too long is cut.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, text) = match &self.what {
            What::Output(characters) => (0, &characters[..]),
            What::Note(note) => (1, note.as_bytes()),
            What::Mark(None) => (2, &[][..]),
            What::Mark(Some(tenancy)) => (2, &tenancy.0.as_bytes()[..]),
            What::Lost(why) => (3, why.as_bytes()),
        };
        let text = &text[..text.len().min(TEXT_BYTES_MAX)];
        let length = u32::try_from(HEAD_BYTES + text.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(self.at_us.to_le_bytes());
        bytes.extend(text);
        bytes
    }

    /// The first entry of these bytes, and what follows it; none: there is no whole one, or something else lies there.
    pub fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if !(HEAD_BYTES..=HEAD_BYTES + TEXT_BYTES_MAX).contains(&length) {
            return None;
        }
        let (entry, rest) = rest.split_at_checked(length)?;
        let (kind, entry) = entry.split_first()?;
        let (at_us, text) = entry.split_first_chunk::<8>()?;
        let what = match kind {
            0 => What::Output(text.to_vec()),
            1 => What::Note(String::from_utf8_lossy(text).into_owned()),
            2 if text.is_empty() => What::Mark(None),
            2 => What::Mark(Some(TenancyId(Uuid::from_slice(text).ok()?))),
            3 => What::Lost(String::from_utf8_lossy(text).into_owned()),
            _ => return None,
        };
        Some((Self { at_us: u64::from_le_bytes(*at_us), what }, rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Entry> {
        let mut found = Vec::new();
        while let Some((entry, rest)) = Entry::decode(bytes) {
            found.push(entry);
            bytes = rest;
        }
        found
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let tenancy = proptest::option::of(any::<u128>());
        let what = prop_oneof![
            vec(any::<u8>(), 0..50).prop_map(What::Output),
            "[a-zß]{0,20}".prop_map(What::Note),
            "[a-zß]{0,20}".prop_map(What::Lost),
            tenancy.prop_map(|id| What::Mark(id.map(|id| TenancyId(Uuid::from_u128(id))))),
        ];
        (any::<u64>(), what).prop_map(|(at_us, what)| Entry { at_us, what })
    }

    proptest! {
        #[test]
        fn entries_come_back_and_a_cut_file_is_good_up_to_its_cut(entries in vec(entry(), 0..10), cut in any::<prop::sample::Index>()) {
            let bytes: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
            prop_assert_eq!(&all(&bytes), &entries);
            let found = all(&bytes[..cut.index(bytes.len() + 1)]);
            prop_assert!(entries.starts_with(&found));
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
            all(&bytes);
        }
    }
}
