//! Decisions: SCSI's commands for erasing, and what a device answers (SPC-4, SBC-4).

use protocol::erase::EraseMethod;

use super::command::ScsiReply;

const CHECK_CONDITION: u8 = 0x02;

/// What a device answered to a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sense {
    /// Sense key; 0: nothing is wrong.
    pub key: u8,
    /// Additional sense code and its qualifier.
    pub code: (u8, u8),
    /// How far a command is that runs, of 65536.
    pub progress: Option<u16>,
}

/// How far a sanitize or format is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It runs; how far it is, of 65536.
    Yes(u16),
    /// None does.
    No,
    /// The last one failed.
    Failed,
}

impl Sense {
    /// Reads fixed (0x70) and descriptor (0x72) format; what is cut off reads as zero.
    pub fn parse(sense: &[u8]) -> Self {
        let at = |index: usize| sense.get(index).copied().unwrap_or(0);
        let word = |index: usize| u16::from_be_bytes([at(index), at(index + 1)]);
        match at(0) & 0x7f {
            0x70 | 0x71 => Self {
                key: at(2) & 0xf,
                code: (at(12), at(13)),
                progress: (at(15) & 0x80 != 0).then(|| word(16)),
            },
            0x72 | 0x73 => {
                let specific = descriptor(sense, 0x02);
                let progress = specific.filter(|bytes| bytes.len() >= 7 && bytes[4] & 0x80 != 0);
                Self {
                    key: at(1) & 0xf,
                    code: (at(2), at(3)),
                    progress: progress.map(|bytes| u16::from_be_bytes([bytes[5], bytes[6]])),
                }
            }
            _ => Self::default(),
        }
    }

    /// Whether a sanitize or format runs, as REQUEST SENSE tells it.
    pub fn running(&self) -> Running {
        match (self.key, self.code) {
            // NOT READY, or NO SENSE of one that can be asked meanwhile: format, or sanitize in progress.
            (0 | 2, (0x04, 0x04 | 0x1b)) => Running::Yes(self.progress.unwrap_or(0)),
            // Format failed, sanitize failed.
            (_, (0x31, 0x01 | 0x03)) => Running::Failed,
            _ => Running::No,
        }
    }
}

/// The descriptor of this type, with its head.
pub fn descriptor(sense: &[u8], kind: u8) -> Option<&[u8]> {
    let mut rest = sense.get(8..)?;
    while let [found, length, ..] = rest {
        let end = usize::from(*length) + 2;
        if *found == kind {
            return rest.get(..end);
        }
        rest = rest.get(end..)?;
    }
    None
}

/// Why a command was not done, for a person; none: it was.
pub fn refusal(reply: &ScsiReply) -> Option<String> {
    let sense = Sense::parse(&reply.sense);
    match (reply.status, sense.key) {
        (0, _) => None,
        (CHECK_CONDITION, 0 | 1) if !reply.sense.is_empty() => None,
        (CHECK_CONDITION, key) if !reply.sense.is_empty() => {
            let (code, qualifier) = sense.code;
            let text = match (key, sense.code) {
                (5, (0x20, _)) => " (it does not know the command)",
                (5, (0x24, _)) => " (it does not know a field of the command)",
                (5, (0x26, _)) => " (it does not take a parameter)",
                (7, _) => " (it is protected)",
                _ => "",
            };
            Some(format!("the device refused it with sense {key:x}/{code:02x}/{qualifier:02x}{text}"))
        }
        (status, _) => Some(format!("the device refused it with status {status:#04x}")),
    }
}

/// Asks whether a command with a service action is known; the answer's second byte says.
pub fn is_known(opcode: u8, action: u8) -> [u8; 12] {
    [0xa3, 0x0c, 0x03, opcode, 0, action, 0, 0, 0, 20, 0, 0]
}

/// Reads the answer to [`is_known`]; none: it does not say.
pub fn known(answer: &[u8]) -> Option<bool> {
    match answer.get(1)? & 7 {
        1 => Some(false),
        3 | 5 => Some(true),
        _ => None,
    }
}

/// Asks how it is.
pub const REQUEST_SENSE: [u8; 6] = [0x03, 0, 0, 0, 252, 0];

/// The service action of SANITIZE for a method; none: the method is another.
pub fn sanitize_action(method: EraseMethod) -> Option<u8> {
    match method {
        EraseMethod::ScsiSanitizeOverwrite => Some(1),
        EraseMethod::ScsiSanitizeBlock => Some(2),
        EraseMethod::ScsiSanitizeCrypto => Some(3),
        _ => None,
    }
}

/// The command of a method and what goes with it. Each returns at once and goes on by itself (IMMED).
pub fn command(method: EraseMethod) -> Option<(Vec<u8>, Vec<u8>)> {
    if method == EraseMethod::ScsiFormat {
        // FMTDATA with a header that asks for IMMED and no list of defects: the device's own stays.
        return Some((vec![0x04, 0x10, 0, 0, 0, 0], vec![0, 2, 0, 0]));
    }
    let action = sanitize_action(method)?;
    // One pass of four zeroes, again and again.
    let parameters = if action == 1 { vec![1, 0, 0, 4, 0, 0, 0, 0] } else { Vec::new() };
    let length = parameters.len() as u8;
    Some((vec![0x48, 0x80 | action, 0, 0, 0, 0, 0, 0, length, 0], parameters))
}

/// Ends the state after a failed sanitize, in which a device refuses everything else.
pub const EXIT_FAILURE: [u8; 10] = [0x48, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_sense_data_are_read() {
        let fixed = [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x1b, 0, 0x80, 0x40, 0x00];
        let sense = Sense { key: 2, code: (4, 0x1b), progress: Some(0x4000) };
        assert_eq!(Sense::parse(&fixed), sense);
        let other = [0x00, 2, 7, 7];
        let specific = [0x02, 6, 0, 0, 0x80, 0x40, 0x00, 0];
        let descriptors = [&[0x72, 2, 0x04, 0x1b, 0, 0, 0, 12][..], &other, &specific].concat();
        assert_eq!(Sense::parse(&descriptors), sense);
        for end in 0..descriptors.len() {
            Sense::parse(&descriptors[..end]);
            Sense::parse(&fixed[..end.min(fixed.len())]);
        }
    }

    #[test]
    fn a_device_is_done_only_when_it_says_neither_that_it_works_nor_that_it_failed() {
        let check = |key: u8, code: (u8, u8), expected: Running| {
            assert_eq!(Sense { key, code, progress: Some(9) }.running(), expected);
        };
        check(2, (0x04, 0x1b), Running::Yes(9));
        check(0, (0x04, 0x04), Running::Yes(9));
        check(3, (0x31, 0x03), Running::Failed);
        check(0, (0, 0), Running::No);
        let refused = |status: u8, sense: &[u8]| refusal(&ScsiReply { status, sense: sense.to_vec() });
        assert_eq!(refused(0, &[]), None);
        assert_eq!(refused(2, &[0x72, 1, 0, 0x1d, 0, 0, 0, 0]), None);
        assert!(
            refused(2, &[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0]).unwrap().contains("does not know")
        );
        assert!(refused(8, &[]).is_some());
        assert!(refused(2, &[]).is_some(), "an answer without a reason is a refusal");
    }

    #[test]
    fn commands_have_the_bytes_of_the_standard() {
        let check = |method, cdb: &[u8], bytes: &[u8]| {
            assert_eq!(command(method), Some((cdb.to_vec(), bytes.to_vec())));
        };
        check(EraseMethod::ScsiSanitizeBlock, &[0x48, 0x82, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
        check(EraseMethod::ScsiSanitizeCrypto, &[0x48, 0x83, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
        check(
            EraseMethod::ScsiSanitizeOverwrite,
            &[0x48, 0x81, 0, 0, 0, 0, 0, 0, 8, 0],
            &[1, 0, 0, 4, 0, 0, 0, 0],
        );
        check(EraseMethod::ScsiFormat, &[0x04, 0x10, 0, 0, 0, 0], &[0, 2, 0, 0]);
        assert_eq!(command(EraseMethod::Discard), None);
        assert_eq!(
            [known(&[0, 1]), known(&[0, 3]), known(&[0, 0]), known(&[])],
            [Some(false), Some(true), None, None]
        );
    }
}
