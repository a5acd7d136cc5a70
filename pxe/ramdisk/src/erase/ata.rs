//! Decisions: ATA's commands for erasing as SAT carries them (ACS-3; SAT-3, ATA PASS-THROUGH (16)), and what a drive says of itself.

use std::time::Duration;

use protocol::erase::EraseMethod;

use super::{command::ScsiReply, scsi::descriptor};

/// Bytes of a page of data.
pub const PAGE_BYTES: usize = 512;
/// With this a drive is locked while it erases itself: whoever finds it locked after a power cut knows how to go on.
pub const PASSWORD: &[u8; 11] = b"bms-manager";
/// Shortest and longest time for which a security erase is waited for, and what is allowed where the drive does not say.
const SECURITY_WAIT_MIN: Duration = Duration::from_secs(2 * 3600);
const SECURITY_WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a drive says of itself (IDENTIFY DEVICE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Security is supported, a password is set, it is locked by it, frozen, or has refused too many passwords.
    pub security: bool,
    /// A password is set.
    pub enabled: bool,
    /// It answers to no read and no write.
    pub locked: bool,
    /// It takes no security command before the next power cycle.
    pub frozen: bool,
    /// It takes no password before the next power cycle.
    pub expired: bool,
    enhanced: bool,
    normal_wait: Duration,
    enhanced_wait: Duration,
    /// It has SANITIZE DEVICE.
    pub sanitizes: bool,
    sanitize_crypto: bool,
    sanitize_overwrite: bool,
    sanitize_block: bool,
    /// It can hide its end (host protected area), or be configured smaller.
    pub hides: bool,
    /// The same by a configuration overlay.
    pub overlays: bool,
    /// Sectors that it shows.
    pub sectors: u64,
    /// Bytes of a sector.
    pub sector_bytes: u64,
}

impl Facts {
    /// Reads the page; none: it is not one.
    pub fn parse(page: &[u8; PAGE_BYTES]) -> Option<Self> {
        let word = |index: usize| u16::from_le_bytes([page[2 * index], page[2 * index + 1]]);
        let bit = |index: usize, bit: u16| word(index) & 1 << bit != 0;
        // Bit 15 of word 0: no ATA device. Words 83 and 87 are valid with bits 15:14 = 01.
        if bit(0, 15) || page.iter().all(|byte| *byte == 0) || word(83) >> 14 != 1 {
            return None;
        }
        let long = |index: usize| (0..4).map(|at| u64::from(word(index + at)) << (16 * at)).sum();
        let sectors: u64 =
            if bit(83, 10) { long(100) } else { u64::from(word(60)) | u64::from(word(61)) << 16 };
        let large = word(106) >> 14 == 1 && bit(106, 12);
        let words = u64::from(word(117)) | u64::from(word(118)) << 16;
        Some(Self {
            security: bit(128, 0),
            enabled: bit(128, 1),
            locked: bit(128, 2),
            frozen: bit(128, 3),
            expired: bit(128, 4),
            enhanced: bit(128, 5),
            normal_wait: erase_wait(word(89)),
            enhanced_wait: erase_wait(word(90)),
            sanitizes: bit(59, 12),
            sanitize_crypto: bit(59, 12) && bit(59, 13),
            sanitize_overwrite: bit(59, 12) && bit(59, 14),
            sanitize_block: bit(59, 12) && bit(59, 15),
            hides: bit(82, 10),
            overlays: bit(83, 11),
            sectors,
            sector_bytes: if large { 2 * words } else { 512 },
        })
    }

    /// Why it does not do this, for a person; none: it says that it does.
    pub fn refusal(&self, method: EraseMethod) -> Option<String> {
        let offered = match method {
            EraseMethod::AtaSanitizeBlock => self.sanitize_block,
            EraseMethod::AtaSanitizeCrypto => self.sanitize_crypto,
            EraseMethod::AtaSanitizeOverwrite => self.sanitize_overwrite,
            EraseMethod::AtaSecurityEnhanced => self.security && self.enhanced,
            EraseMethod::AtaSecurity => self.security,
            _ => false,
        };
        let by_security = matches!(method, EraseMethod::AtaSecurityEnhanced | EraseMethod::AtaSecurity);
        if !offered {
            Some("the drive does not offer it".to_owned())
        } else if by_security && self.frozen {
            Some(
                "the drive is frozen, mostly by the server's firmware; it takes this after it was without power, with the \
                 firmware's security freeze disabled"
                    .to_owned(),
            )
        } else if by_security && self.expired {
            Some(
                "the drive has refused too many passwords; it takes another one after it was without power"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// How long a security erase may take.
    pub fn security_wait(&self, method: EraseMethod) -> Duration {
        if method == EraseMethod::AtaSecurityEnhanced { self.enhanced_wait } else { self.normal_wait }
    }
}

/// Twice the drive's own estimate, which is in units of two minutes (ACS-3, 7.12.7.42); 0 and the largest value do not say.
fn erase_wait(word: u16) -> Duration {
    let (units, most) = if word & 1 << 15 != 0 { (word & 0x7fff, 0x7fff) } else { (word & 0xff, 0xff) };
    if units == 0 || units == most {
        return SECURITY_WAIT_MAX;
    }
    Duration::from_secs(2 * 120 * u64::from(units)).clamp(SECURITY_WAIT_MIN, SECURITY_WAIT_MAX)
}

/// How bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    NonData,
    PioIn,
    PioOut,
}

/// A command to a drive.
#[derive(Clone, Copy, Debug, Default)]
struct Command {
    code: u8,
    feature: u16,
    count: u16,
    lba: u64,
}

impl Command {
    /// As ATA PASS-THROUGH (16).
    fn pass(self, protocol: Protocol) -> [u8; 16] {
        let Self { code, feature, count, lba } = self;
        let (number, flags) = match protocol {
            // CK_COND: the drive's registers come back.
            Protocol::NonData => (3, 0x20),
            // T_LENGTH: sectors, in the count; BYT_BLOK; T_DIR.
            Protocol::PioIn => (4, 0x0e),
            Protocol::PioOut => (5, 0x06),
        };
        let extend = u8::from(protocol == Protocol::NonData);
        let byte = |shift: u32| (lba >> shift) as u8;
        let (feature, count) = (feature.to_be_bytes(), count.to_be_bytes());
        // LBA: high order bytes beside the low ones, as the registers were written twice.
        [
            0x85,
            number << 1 | extend,
            flags,
            feature[0],
            feature[1],
            count[0],
            count[1],
            byte(24),
            byte(0),
            byte(32),
            byte(8),
            byte(40),
            byte(16),
            0x40,
            code,
            0,
        ]
    }
}

/// Asks a drive for its page.
pub fn identify() -> [u8; 16] {
    Command { code: 0xec, count: 1, ..Command::default() }.pass(Protocol::PioIn)
}

/// Asks for what the configuration overlay may show at most.
pub fn identify_overlay() -> [u8; 16] {
    Command { code: 0xb1, feature: 0xc2, count: 1, ..Command::default() }.pass(Protocol::PioIn)
}

/// Sectors that the drive has without its overlay (ACS-2, 7.10.3): words 3 to 6 of the page are the largest address.
pub fn overlay_sectors(page: &[u8; PAGE_BYTES]) -> u64 {
    let word = |index: usize| u64::from(u16::from_le_bytes([page[2 * index], page[2 * index + 1]]));
    (0..4).map(|at| word(3 + at) << (16 * at)).sum::<u64>().saturating_add(1)
}

/// Asks for the largest address that there is.
pub fn read_native_max() -> [u8; 16] {
    Command { code: 0x27, ..Command::default() }.pass(Protocol::NonData)
}

/// Shows everything up to this address until the next power cycle.
pub fn set_max(address: u64) -> [u8; 16] {
    Command { code: 0x37, lba: address, ..Command::default() }.pass(Protocol::NonData)
}

/// The command of a sanitize (ACS-3, 7.36); none: the method is another.
pub fn sanitize(method: EraseMethod) -> Option<[u8; 16]> {
    let (feature, lba, count) = match method {
        EraseMethod::AtaSanitizeCrypto => (0x0011, 0x4372_7970, 0),
        EraseMethod::AtaSanitizeBlock => (0x0012, 0x426b_4572, 0),
        // One pass of zeroes.
        EraseMethod::AtaSanitizeOverwrite => (0x0014, 0x4f57 << 32, 1),
        _ => return None,
    };
    Some(Command { code: 0xb4, feature, count, lba }.pass(Protocol::NonData))
}

/// Asks how far a sanitize is.
pub fn sanitize_status() -> [u8; 16] {
    Command { code: 0xb4, ..Command::default() }.pass(Protocol::NonData)
}

/// The security commands, each with a page of [`PAGE_BYTES`] or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// SECURITY SET PASSWORD.
    SetPassword,
    /// SECURITY UNLOCK.
    Unlock,
    /// SECURITY ERASE PREPARE.
    ErasePrepare,
    /// SECURITY ERASE UNIT.
    Erase {
        /// Also what was remapped.
        enhanced: bool,
    },
    /// SECURITY DISABLE PASSWORD.
    DisablePassword,
}

impl Security {
    /// The command, and what goes with it.
    pub fn command(self) -> ([u8; 16], Option<[u8; PAGE_BYTES]>) {
        let (code, control) = match self {
            Self::SetPassword => (0xf1, 0u16),
            Self::Unlock => (0xf2, 0),
            Self::ErasePrepare => {
                return (Command { code: 0xf3, ..Command::default() }.pass(Protocol::NonData), None);
            }
            Self::Erase { enhanced } => (0xf4, if enhanced { 1 << 1 } else { 0 }),
            Self::DisablePassword => (0xf6, 0),
        };
        let mut page = [0; PAGE_BYTES];
        page[..2].copy_from_slice(&control.to_le_bytes());
        page[2..2 + PASSWORD.len()].copy_from_slice(PASSWORD);
        let command = Command { code, count: 1, ..Command::default() };
        (command.pass(Protocol::PioOut), Some(page))
    }
}

/// The registers that came back with CK_COND.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Count.
    pub count: u16,
    /// LBA.
    pub lba: u64,
}

/// Reads the registers of a command that has no data; an error is for a person.
pub fn registers(reply: &ScsiReply) -> Result<Registers, String> {
    if let Some(why) = super::scsi::refusal(reply) {
        return Err(why);
    }
    let Some([_, _, _, error, count_high, count_low, l24, l0, l32, l8, l40, l16, _, status]) =
        descriptor(&reply.sense, 0x09).and_then(|bytes| bytes.first_chunk::<14>())
    else {
        return Err("its controller does not pass on what the drive answered".to_owned());
    };
    // ERR and DF.
    if status & 0x21 != 0 {
        return Err(format!("the drive refused it with ATA status {status:#04x}, error {error:#04x}"));
    }
    let lba = u64::from_be_bytes([0, 0, *l40, *l32, *l24, *l16, *l8, *l0]);
    Ok(Registers { count: u16::from_be_bytes([*count_high, *count_low]), lba })
}

/// How far a sanitize is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitize {
    /// It runs; how far it is, of 65536.
    Running(u16),
    /// The last one succeeded, or none was begun since the drive was made.
    Idle,
    /// The last one failed, or was never begun.
    NotDone,
}

/// Reads what [`sanitize_status`] brought (ACS-3, 7.36.9).
pub fn sanitize_state(registers: Registers) -> Sanitize {
    if registers.count & 1 << 14 != 0 {
        Sanitize::Running(registers.lba as u16)
    } else if registers.count & 1 << 15 != 0 {
        Sanitize::Idle
    } else {
        Sanitize::NotDone
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An IDENTIFY DEVICE page with these words, and those that make it one.
    pub fn page(words: &[(usize, u16)]) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let usual = [(83, 1 << 14 | 1 << 10), (100, 0x1000)];
        for (index, word) in usual.iter().chain(words) {
            page[2 * index..2 * index + 2].copy_from_slice(&word.to_le_bytes());
        }
        page
    }

    /// The answer with the drive's registers.
    pub fn answer(status: u8, count: u16, lba: u64) -> ScsiReply {
        let (count, lba) = (count.to_be_bytes(), lba.to_be_bytes());
        let head = [0x72, 1, 0, 0x1d, 0, 0, 0, 14];
        let registers = [
            0x09, 12, 1, 0, count[0], count[1], lba[4], lba[7], lba[3], lba[6], lba[2], lba[5], 0x40, status,
        ];
        ScsiReply { status: 2, sense: [&head[..], &registers].concat() }
    }

    #[test]
    fn a_drive_says_what_it_offers_and_what_is_in_the_way() {
        let check = |words: &[(usize, u16)], expected: &[EraseMethod]| {
            let facts = Facts::parse(&page(words)).unwrap();
            let offered = EraseMethod::ALL.into_iter().filter(|method| facts.refusal(*method).is_none());
            assert_eq!(offered.collect::<Vec<_>>(), expected, "{facts:?}");
        };
        use EraseMethod::*;
        check(&[], &[]);
        check(&[(128, 0x21)], &[AtaSecurityEnhanced, AtaSecurity]);
        check(&[(128, 0x01)], &[AtaSecurity]);
        check(&[(128, 0x29)], &[]); // frozen
        check(&[(128, 0x31)], &[]); // too many passwords
        check(&[(59, 0xf000)], &[AtaSanitizeBlock, AtaSanitizeCrypto, AtaSanitizeOverwrite]);
        check(&[(59, 0xe000)], &[]); // the feature set itself is not there
        let frozen = Facts::parse(&page(&[(128, 0x29)])).unwrap().refusal(AtaSecurity).unwrap();
        assert!(frozen.contains("frozen"), "{frozen}");
        assert_eq!(Facts::parse(&[0; PAGE_BYTES]), None);
        assert_eq!(Facts::parse(&page(&[(0, 1 << 15)])), None);
        let large = Facts::parse(&page(&[(106, 0x5000), (117, 2048)])).unwrap();
        assert_eq!((large.sectors, large.sector_bytes), (0x1000, 4096));
    }

    #[test]
    fn a_security_erase_is_given_the_time_that_the_drive_wants() {
        let check = |word: u16, hours: u64| {
            assert_eq!(erase_wait(word), Duration::from_secs(3600 * hours), "{word:#x}")
        };
        check(0, 7 * 24);
        check(0xff, 7 * 24);
        check(1, 2);
        check(240, 16);
        check(0x8000 | 960, 64); // 32 hours for a disk of 20 TB
        check(0xffff, 7 * 24);
    }

    #[test]
    fn commands_have_the_bytes_of_the_standards() {
        assert_eq!(identify(), [0x85, 8, 0x0e, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0xec, 0]);
        let scramble = sanitize(EraseMethod::AtaSanitizeCrypto).unwrap();
        assert_eq!(scramble, [0x85, 7, 0x20, 0, 0x11, 0, 0, 0x43, 0x70, 0, 0x79, 0, 0x72, 0x40, 0xb4, 0]);
        let block = sanitize(EraseMethod::AtaSanitizeBlock).unwrap();
        assert_eq!(block, [0x85, 7, 0x20, 0, 0x12, 0, 0, 0x42, 0x72, 0, 0x45, 0, 0x6b, 0x40, 0xb4, 0]);
        let overwrite = sanitize(EraseMethod::AtaSanitizeOverwrite).unwrap();
        assert_eq!(overwrite, [0x85, 7, 0x20, 0, 0x14, 0, 1, 0, 0, 0x57, 0, 0x4f, 0, 0x40, 0xb4, 0]);
        let (erase, page) = Security::Erase { enhanced: true }.command();
        assert_eq!(erase, [0x85, 10, 0x06, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0xf4, 0]);
        let page = page.unwrap();
        assert_eq!((&page[..2], &page[2..13]), (&[2, 0][..], &PASSWORD[..]));
        assert_eq!(Security::ErasePrepare.command().1, None);
        assert_eq!(set_max(0x0102_0304_0506)[7..13], [0x03, 0x06, 0x02, 0x05, 0x01, 0x04]);
    }

    #[test]
    fn registers_come_back_and_an_error_is_one() {
        let read = registers(&answer(0x50, 0x8001, 0x0102_0304_0506)).unwrap();
        assert_eq!(read, Registers { count: 0x8001, lba: 0x0102_0304_0506 });
        assert!(registers(&answer(0x51, 0, 0)).is_err());
        assert!(registers(&ScsiReply::default()).is_err(), "no registers, no answer");
        let state = |count, lba| sanitize_state(Registers { count, lba });
        assert_eq!(state(1 << 14, 0x8000), Sanitize::Running(0x8000));
        assert_eq!([state(1 << 15, 0), state(0, 0)], [Sanitize::Idle, Sanitize::NotDone]);
        let mut overlay = [0; PAGE_BYTES];
        overlay[6..8].copy_from_slice(&[0xff, 0x0f]);
        assert_eq!(overlay_sectors(&overlay), 0x1000);
    }
}
