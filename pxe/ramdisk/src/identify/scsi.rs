//! Edges: a SCSI disk that is asked, and its answers (SPC-4: 6.4 INQUIRY, 7.8 vital product data, 7.3.8 informational exceptions; SBC-3: 6.6.2).

use protocol::hardware::DiskHealth;

use super::{
    Asking,
    asked::Asked,
    tcg::{self, Locks},
    text::{name, text},
};
use crate::erase::scsi::known;

/// Bytes that are asked of each page; what is longer is cut off.
const PAGE_BYTES: usize = 252;
/// The standard answer's first part, which every device has: some stumble over being asked for more.
const INQUIRY_BYTES: usize = 36;
const SERIAL: u8 = 0x80;
const DESIGNATORS: u8 = 0x83;
const CHARACTERISTICS: u8 = 0xb1;
const EXCEPTIONS: u8 = 0x2f;
/// FAILURE PREDICTION THRESHOLD EXCEEDED, and the qualifier with which it is only tried out.
const PREDICTION: u8 = 0x5d;
const ONLY_A_TRIAL: u8 = 0xff;

/// Asks a device.
pub fn ask(drive: &Asking<'_>) -> Asked {
    let mut asked = Asked::default();
    if let Some(answer) = drive.scsi::<INQUIRY_BYTES>(&[0x12, 0, 0, 0, INQUIRY_BYTES as u8, 0]) {
        (asked.model, asked.firmware) = (text(&answer[16..32]), text(&answer[32..36]));
    }
    let page = |code: u8| {
        let answer = drive.scsi::<PAGE_BYTES>(&[0x12, 1, code, 0, PAGE_BYTES as u8, 0])?;
        body(&answer, code).map(<[u8]>::to_vec)
    };
    asked.serial = page(SERIAL).map(|page| text(&page)).unwrap_or_default();
    asked.wwn = page(DESIGNATORS).map(|page| world_wide_name(&page)).unwrap_or_default();
    asked.rotational = page(CHARACTERISTICS).and_then(|page| rotational(&page));
    if let Some(log) = drive.scsi::<PAGE_BYTES>(&log_sense(EXCEPTIONS)) {
        read_exceptions(&log, &mut asked);
    }
    // REPORT SUPPORTED OPERATION CODES: a device that does not know the command is not tried with it.
    let report = [0xa3, 0x0c, 1, discovery()[0], 0, 0, 0, 0, 0, PAGE_BYTES as u8, 0, 0];
    if drive.scsi::<PAGE_BYTES>(&report).is_some_and(|answer| known(&answer) == Some(true))
        && let Some(answer) = drive.scsi::<{ tcg::DISCOVERY_BYTES }>(&discovery())
        && let Some(locks) = Locks::parse(&answer)
    {
        locks.tell(&mut asked);
    }
    asked
}

/// SECURITY PROTOCOL IN: level 0 discovery, its length in units of 512 bytes (INC_512), which ATA behind a bridge wants.
pub fn discovery() -> [u8; 12] {
    let [high, low] = tcg::DISCOVERY.to_be_bytes();
    let units = (tcg::DISCOVERY_BYTES / 512) as u32;
    let length = units.to_be_bytes();
    [0xa2, tcg::PROTOCOL, high, low, 0x80, 0, length[0], length[1], length[2], length[3], 0, 0]
}

/// LOG SENSE: the current values of a page.
fn log_sense(page: u8) -> [u8; 10] {
    [0x4d, 0, 1 << 6 | page, 0, 0, 0, 0, 0, PAGE_BYTES as u8, 0]
}

/// What stands in a page of vital product data; none: it is another page.
fn body(answer: &[u8], code: u8) -> Option<&[u8]> {
    let [_, page, high, low, rest @ ..] = answer else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    (*page == code).then(|| &rest[..length])
}

/// The best name of the logical unit: NAA's, or else EUI-64.
fn world_wide_name(mut designators: &[u8]) -> String {
    let (mut naa, mut eui) = (String::new(), String::new());
    while let [_, kind, _, length, rest @ ..] = designators {
        let Some(digits) = rest.get(..usize::from(*length)) else { break };
        // Bits 5:4, association: 0 is the logical unit; bits 3:0, the kind.
        match kind & 0x3f {
            3 if naa.is_empty() => naa = name("naa", digits),
            2 if eui.is_empty() => eui = name("eui", digits),
            _ => {}
        }
        designators = &rest[digits.len()..];
    }
    if naa.is_empty() { eui } else { naa }
}

/// MEDIUM ROTATION RATE.
fn rotational(page: &[u8]) -> Option<bool> {
    match u16::from_be_bytes([*page.first()?, *page.get(1)?]) {
        1 => Some(false),
        0x0401..=0xfffe => Some(true),
        _ => None,
    }
}

fn read_exceptions(log: &[u8], asked: &mut Asked) {
    let [page, _, _, _, 0, 0, _, length, code, qualifier, ..] = log else { return };
    if page & 0x3f != EXCEPTIONS || *length < 2 {
        return;
    }
    if *code == PREDICTION && *qualifier != ONLY_A_TRIAL {
        asked.health = DiskHealth::Failing;
        asked.says.push(format!("failing: it predicts its failure ({code:02x}/{qualifier:02x})"));
    } else {
        asked.health = DiskHealth::Good;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_are_read_as_the_standard_has_them() {
        assert_eq!(body(&[0, SERIAL, 0, 2, b'Z', b'1', 9], SERIAL), Some(&b"Z1"[..]));
        assert_eq!(body(&[0, SERIAL, 0xff, 2, b'Z'], SERIAL), Some(&b"Z"[..]));
        assert_eq!(body(&[0, 0, 0, 2, b'Z', b'1'], SERIAL), None);
        let naa = [1, 3, 0, 8, 0x50, 0, 0xc5, 0, 0x15, 0xea, 0x71, 0xaa];
        let port = [1, 0x93, 0, 8, 0x50, 0, 0xc5, 0, 0, 0, 0, 1];
        let eui = [1, 2, 0, 8, 0, 0x25, 0x38, 1, 2, 3, 4, 5];
        let vendor = [2, 1, 0, 3, b'A', b'T', b'A'];
        assert_eq!(world_wide_name(&[&vendor[..], &port, &eui, &naa].concat()), "naa.5000c50015ea71aa");
        assert_eq!(world_wide_name(&[&vendor[..], &port, &eui].concat()), "eui.0025380102030405");
        assert_eq!(world_wide_name(&port), "");
        let turns = [rotational(&[0, 1]), rotational(&[0x1c, 0x20]), rotational(&[0, 0]), rotational(&[])];
        assert_eq!(turns, [Some(false), Some(true), None, None]);
    }

    #[test]
    fn only_a_prediction_in_earnest_is_a_failure() {
        let check = |log: &[u8], expected: DiskHealth| {
            let mut asked = Asked::default();
            read_exceptions(log, &mut asked);
            assert_eq!(asked.health, expected, "{log:x?}");
            assert_eq!(asked.says.is_empty(), expected != DiskHealth::Failing);
        };
        check(&[0x2f, 0, 0, 8, 0, 0, 3, 4, 0, 0, 38, 0], DiskHealth::Good);
        check(&[0x2f, 0, 0, 8, 0, 0, 3, 4, 0x5d, 0x10, 38, 0], DiskHealth::Failing);
        check(&[0x2f, 0, 0, 8, 0, 0, 3, 4, 0x5d, 0xff, 38, 0], DiskHealth::Good);
        check(&[0x2f, 0, 0, 8, 0, 0, 3, 4, 0x0b, 0x01, 70, 0], DiskHealth::Good); // a warning of heat
        check(&[0x0d, 0, 0, 8, 0, 0, 3, 4, 0x5d, 0x10, 38, 0], DiskHealth::Unsaid);
        check(&[0x2f, 0, 0, 8, 0, 0], DiskHealth::Unsaid);
        check(&[0; 252], DiskHealth::Unsaid);
    }

    #[test]
    fn questions_have_the_bytes_of_the_standard() {
        assert_eq!(discovery(), [0xa2, 1, 0, 1, 0x80, 0, 0, 0, 0, 4, 0, 0]);
        assert_eq!(log_sense(EXCEPTIONS), [0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 252, 0]);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = world_wide_name(&bytes);
            let _ = rotational(&bytes);
            let _ = body(&bytes, SERIAL);
            read_exceptions(&bytes, &mut Asked::default());
        }
    }
}
