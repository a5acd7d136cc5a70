//! Decisions: a self-encrypting drive's word on its locks (TCG Storage Architecture Core, 3.3.6: level 0 discovery), which it gives to anybody.

use super::asked::Asked;

/// Bytes that are asked for; real answers have a few hundred.
pub const DISCOVERY_BYTES: usize = 2048;
/// The security protocol of TCG, and the communication id of level 0 discovery.
pub const PROTOCOL: u8 = 1;
pub const DISCOVERY: u16 = 1;
const HEAD_BYTES: usize = 48;
const LOCKING: u16 = 0x0002;
/// Features that name the drive's rules.
const RULES: [(u16, &str); 8] = [
    (0x0100, "TCG Enterprise"),
    (0x0200, "TCG Opal 1"),
    (0x0203, "TCG Opal 2"),
    (0x0301, "TCG Opalite"),
    (0x0302, "TCG Pyrite 1"),
    (0x0303, "TCG Pyrite 2"),
    (0x0304, "TCG Ruby"),
    (0x0305, "TCG Key per I/O"),
];

/// How a drive's locks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locks {
    /// By whose rules.
    pub rules: &'static str,
    /// Somebody has taken it into use: it locks itself when it is without power.
    pub enabled: bool,
    /// A range of it gives nothing now, or it shows other bytes than its own (shadow MBR).
    pub locked: bool,
}

impl Locks {
    /// Reads the answer; none: the drive has no locks.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let stated = answer.first_chunk::<4>().map(|length| u32::from_be_bytes(*length))?;
        let end = usize::try_from(stated).unwrap_or(usize::MAX).saturating_add(4).min(answer.len());
        let mut rest = answer.get(HEAD_BYTES..end)?;
        let (mut rules, mut locking) = ("TCG", None);
        while let [high, low, _, length, ..] = rest {
            let code = u16::from_be_bytes([*high, *low]);
            let data = rest.get(4..4 + usize::from(*length))?;
            rules = RULES.iter().find(|(known, _)| *known == code).map_or(rules, |(_, words)| words);
            if code == LOCKING {
                locking = data.first().copied();
            }
            rest = &rest[4 + data.len()..];
        }
        // Bits: 0 supported, 1 enabled, 2 locked, 4 shadow MBR enabled, 5 done with it.
        let flags = locking.filter(|flags| flags & 1 != 0)?;
        let is = |bit: u8| flags & 1 << bit != 0;
        Some(Self { rules, enabled: is(1), locked: is(1) && (is(2) || (is(4) && !is(5))) })
    }

    /// Tells it of a disk.
    pub fn tell(self, asked: &mut Asked) {
        let Self { rules, enabled, locked } = self;
        if locked {
            asked.locked = true;
            asked.says.push(format!(
                "locked: by {rules}; whoever has its password opens it, or it is given back, and all that is on it lost, by a revert \
                 with the PSID printed on its label"
            ));
        } else if enabled {
            asked.says.push(format!(
                "{rules} is in use on it and open now: it is locked when it was without power"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer with these features.
    fn answer(features: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_BYTES];
        for (code, data) in features {
            bytes.extend(code.to_be_bytes());
            bytes.extend([0x10, data.len() as u8]);
            bytes.extend(*data);
        }
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes.resize(DISCOVERY_BYTES, 0);
        bytes
    }

    #[test]
    fn a_drive_says_whether_it_is_locked() {
        let check = |flags: u8, expected: Option<(bool, bool)>| {
            let locking = [flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let features: [(u16, &[u8]); 3] =
                [(0x0001, &[0x11; 12]), (LOCKING, &locking), (0x0203, &[7; 16])];
            let found = Locks::parse(&answer(&features));
            assert_eq!(found.map(|locks| (locks.enabled, locks.locked)), expected, "{flags:#x}");
            assert!(found.is_none_or(|locks| locks.rules == "TCG Opal 2"));
        };
        check(0b0000_1000, None);
        check(0b0000_1001, Some((false, false)));
        check(0b0000_1011, Some((true, false)));
        check(0b0000_1111, Some((true, true)));
        check(0b0001_1011, Some((true, true))); // the shadow MBR is shown
        check(0b0011_1011, Some((true, false)));
        check(0b0000_1101, Some((false, false))); // the bit means nothing on a drive that nobody uses
        assert_eq!(Locks::parse(&answer(&[(0x0203, &[7; 16])])), None);
    }

    #[test]
    fn a_locked_drive_tells_the_way_out() {
        let mut asked = Asked::default();
        Locks { rules: "TCG Opal 2", enabled: true, locked: true }.tell(&mut asked);
        assert!(asked.locked && asked.says[0].starts_with("locked: by TCG Opal 2"), "{asked:?}");
        assert!(asked.says[0].contains("PSID"), "{asked:?}");
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Locks::parse(&bytes);
        }
    }
}
