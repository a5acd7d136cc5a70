//! Edges: an ATA disk that is asked, and its answers (ACS-3: 7.12 IDENTIFY DEVICE, 7.48.8 SMART RETURN STATUS), as SAT carries them.

use super::{
    Asking,
    asked::Asked,
    scsi::discovery,
    tcg::{self, Locks},
    text::{name, swapped},
};
use crate::erase::{
    ata::{Facts, PAGE_BYTES, identify},
    scsi::descriptor,
};

/// SMART RETURN STATUS as ATA PASS-THROUGH (16): no data, and the drive's registers come back.
const SMART_STATUS: [u8; 16] = [0x85, 3 << 1, 0x20, 0, 0xda, 0, 0, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0xb0, 0];

/// Asks a drive.
pub fn ask(drive: &Asking<'_>) -> Asked {
    let mut asked = Asked::default();
    let Some(page) = drive.scsi::<PAGE_BYTES>(&identify()) else { return asked };
    let Some(facts) = Facts::parse(&page) else { return asked };
    read_page(&page, &mut asked);
    read_security(&facts, &mut asked);
    if does_smart(&page)
        && let Some(failing) = drive.sense(&SMART_STATUS).and_then(|sense| is_failing(&sense))
    {
        asked.set_health(if failing { &["SMART says that a threshold was passed"] } else { &[] });
    }
    // The kernel carries this one over to ATA; by ATA PASS-THROUGH it refuses it.
    if is_trusted(&page)
        && let Some(answer) = drive.scsi::<{ tcg::DISCOVERY_BYTES }>(&discovery())
        && let Some(locks) = Locks::parse(&answer)
    {
        locks.tell(&mut asked);
    }
    asked
}

fn word(page: &[u8; PAGE_BYTES], index: usize) -> u16 {
    u16::from_le_bytes([page[2 * index], page[2 * index + 1]])
}

fn read_page(page: &[u8; PAGE_BYTES], asked: &mut Asked) {
    asked.serial = swapped(&page[20..40]);
    asked.firmware = swapped(&page[46..54]);
    asked.model = swapped(&page[54..94]);
    // Words 84 and 87 are valid with bits 15:14 = 01.
    if word(page, 87) >> 14 == 1 && word(page, 87) & 1 << 8 != 0 {
        let digits: Vec<u8> = (108..112).flat_map(|index| word(page, index).to_be_bytes()).collect();
        asked.wwn = name("naa", &digits);
    }
    asked.rotational = match word(page, 217) {
        1 => Some(false),
        0x0401..=0xfffe => Some(true),
        _ => None,
    };
}

/// SMART is there, and switched on.
fn does_smart(page: &[u8; PAGE_BYTES]) -> bool {
    word(page, 82) & word(page, 85) & 1 != 0
}

/// The trusted computing feature set: word 48 is valid with bits 15:14 = 01.
fn is_trusted(page: &[u8; PAGE_BYTES]) -> bool {
    word(page, 48) >> 14 == 1 && word(page, 48) & 1 != 0
}

fn read_security(facts: &Facts, asked: &mut Asked) {
    if facts.locked {
        asked.locked = true;
        let tries =
            if facts.expired { ", and it takes no other one before it was without power" } else { "" };
        asked.says.push(format!("locked: it gives nothing without its password (ATA security){tries}"));
    } else if facts.enabled {
        asked.says.push("it has a password (ATA security) and is open now".to_owned());
    }
    if facts.security && facts.frozen {
        asked
            .says
            .push("its security is frozen: no ATA security erase before it was without power".to_owned());
    }
}

/// What the registers say: C2h and 4Fh come back as they were sent while all is well, and turned around otherwise. None: they did not
/// come, or say neither.
fn is_failing(sense: &[u8]) -> Option<bool> {
    let (mid, high) = match sense.first()? & 0x7f {
        0x72 | 0x73 => match descriptor(sense, 0x09)? {
            [_, _, _, _, _, _, _, _, _, mid, _, high, ..] => (*mid, *high),
            _ => return None,
        },
        // Fixed format: only with ATA PASS-THROUGH INFORMATION AVAILABLE (SAT-3, 12.2.5).
        0x70 | 0x71 if sense.get(12..14)? == [0, 0x1d] => (*sense.get(10)?, *sense.get(11)?),
        _ => return None,
    };
    match (mid, high) {
        (0x4f, 0xc2) => Some(false),
        (0xf4, 0x2c) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erase::ata::tests::{answer, page};

    #[test]
    fn a_drive_says_who_it_is() {
        let mut page =
            page(&[(217, 7200), (87, 1 << 14 | 1 << 8), (108, 0x5000), (109, 0xc500), (111, 0x71aa)]);
        let put = |page: &mut [u8; PAGE_BYTES], at: usize, text: &str| {
            for (index, letter) in text.bytes().enumerate() {
                page[2 * at + (index ^ 1)] = letter;
            }
        };
        put(&mut page, 10, &format!("{:>20}", "ZC1ABCDE"));
        put(&mut page, 23, "SN05    ");
        put(&mut page, 27, &format!("{:40}", "ST4000NM0035-1V4107"));
        let mut asked = Asked::default();
        read_page(&page, &mut asked);
        assert_eq!((asked.serial.as_str(), asked.firmware.as_str()), ("ZC1ABCDE", "SN05"));
        assert_eq!(
            (asked.model.as_str(), asked.wwn.as_str()),
            ("ST4000NM0035-1V4107", "naa.5000c500000071aa")
        );
        assert_eq!(asked.rotational, Some(true));
    }

    #[test]
    fn what_a_page_leaves_open_stays_open() {
        let check = |words: &[(usize, u16)], expected: Option<bool>| {
            let mut asked = Asked::default();
            read_page(&page(words), &mut asked);
            assert_eq!((asked.rotational, asked.wwn.as_str()), (expected, ""));
        };
        check(&[], None);
        check(&[(217, 1)], Some(false));
        check(&[(217, 0xffff)], None);
        check(&[(217, 2), (108, 0x5000)], None);
        assert!(!does_smart(&page(&[(82, 1)])) && does_smart(&page(&[(82, 1), (85, 1)])));
        assert!(!is_trusted(&page(&[(48, 1)])) && is_trusted(&page(&[(48, 1 << 14 | 1)])));
    }

    #[test]
    fn locks_are_told_with_what_is_in_the_way() {
        let check = |word: u16, locked: bool, words: &[&str]| {
            let mut asked = Asked::default();
            read_security(&Facts::parse(&page(&[(128, word)])).unwrap(), &mut asked);
            assert_eq!((asked.locked, asked.says.len()), (locked, words.len()), "{word:#x} {asked:?}");
            for (said, part) in asked.says.iter().zip(words) {
                assert!(said.contains(part), "{said}");
            }
        };
        check(0x0000, false, &[]);
        check(0x0021, false, &[]);
        check(0x0007, true, &["locked: it gives nothing without its password"]);
        check(0x0017, true, &["no other one before"]);
        check(0x0003, false, &["has a password"]);
        check(0x0009, false, &["frozen"]);
    }

    #[test]
    fn smart_is_read_from_the_registers_in_either_format() {
        let check = |lba: u64, expected: Option<bool>| {
            assert_eq!(is_failing(&answer(0x50, 0, lba).sense), expected, "{lba:#x}");
            let [.., high, mid, _] = lba.to_be_bytes();
            let fixed = [0x70, 0, 1, 0, 0x50, 0, 0, 10, 0, 0, mid, high, 0, 0x1d, 0, 0, 0, 0];
            assert_eq!(is_failing(&fixed), expected, "{lba:#x}");
        };
        check(0x00c2_4f00, Some(false));
        check(0x002c_f400, Some(true));
        check(0, None);
        // A plain error's information field is no register.
        assert_eq!(is_failing(&[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0xf4, 0x2c, 0x20, 0, 0, 0]), None);
        assert_eq!(is_failing(&[]), None);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in prop::collection::vec(any::<u8>(), PAGE_BYTES), short in prop::collection::vec(any::<u8>(), 0..40)) {
            let page: [u8; PAGE_BYTES] = bytes.try_into().unwrap();
            let mut asked = Asked::default();
            read_page(&page, &mut asked);
            if let Some(facts) = Facts::parse(&page) {
                read_security(&facts, &mut asked);
            }
            let _ = is_failing(&short);
        }
    }
}
