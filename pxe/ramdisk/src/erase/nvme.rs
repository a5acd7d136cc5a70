//! Decisions: NVMe's commands for erasing, and what a controller says of them (NVM Express base specification 1.4).

use protocol::erase::EraseMethod;

use super::command::NvmeCommand;

/// Bytes of an identify page.
pub const IDENTIFY_BYTES: usize = 4096;
/// Bytes of the sanitize status log.
pub const SANITIZE_LOG_BYTES: usize = 512;
const EVERY_NAMESPACE: u32 = u32::MAX;

/// What a controller says that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The namespace that the disk is.
    pub namespace: u32,
    format: bool,
    format_erases_all: bool,
    crypto_format: bool,
    sanitize_crypto: bool,
    sanitize_block: bool,
    sanitize_overwrite: bool,
    /// How the namespace is formatted: what stays so goes into dword 10.
    format_bits: u32,
}

/// How far a sanitize is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitize {
    /// None was ever begun, or the last one succeeded.
    Idle,
    /// One runs; how far it is, of 65536.
    Running(u16),
    /// The last one failed.
    Failed,
}

/// Asks what the controller can do.
pub fn identify_controller() -> NvmeCommand {
    NvmeCommand { opcode: 0x06, dword_10: 1, ..NvmeCommand::default() }
}

/// Asks how a namespace is formatted.
pub fn identify_namespace(namespace: u32) -> NvmeCommand {
    NvmeCommand { opcode: 0x06, namespace, ..NvmeCommand::default() }
}

/// Asks how far a sanitize is.
pub fn sanitize_log() -> NvmeCommand {
    let dwords = (SANITIZE_LOG_BYTES / 4 - 1) as u32;
    let (opcode, namespace) = (0x02, EVERY_NAMESPACE);
    NvmeCommand { opcode, namespace, dword_10: dwords << 16 | 0x81, dword_11: 0 }
}

impl Facts {
    /// Reads both identify pages.
    pub fn parse(namespace: u32, controller: &[u8; IDENTIFY_BYTES], own: &[u8; IDENTIFY_BYTES]) -> Self {
        let admin = u16::from_le_bytes([controller[256], controller[257]]);
        let format = controller[524];
        let sanitize = controller[328];
        let (flbas, dps) = (u32::from(own[26]), u32::from(own[29]));
        // LBAF, its upper bits, where metadata stands, and protection information with its place: as they are.
        let format_bits = flbas & 0xf
            | (flbas >> 5 & 3) << 12
            | (flbas >> 4 & 1) << 4
            | (dps & 7) << 5
            | (dps >> 3 & 1) << 8;
        Self {
            namespace,
            format: admin & 1 << 1 != 0,
            format_erases_all: format & 0b11 != 0,
            crypto_format: format & 1 << 2 != 0,
            sanitize_crypto: sanitize & 1 != 0,
            sanitize_block: sanitize & 1 << 1 != 0,
            sanitize_overwrite: sanitize & 1 << 2 != 0,
            format_bits,
        }
    }

    /// Whether it sanitizes in any way.
    pub fn sanitizes(&self) -> bool {
        self.sanitize_block || self.sanitize_crypto || self.sanitize_overwrite
    }

    /// Why it does not do this, for a person; none: it says that it does. `beside`: disks of the same drive that must stay.
    pub fn refusal(&self, method: EraseMethod, beside: &[String]) -> Option<String> {
        let (offered, whole) = match method {
            EraseMethod::NvmeSanitizeBlock => (self.sanitize_block, true),
            EraseMethod::NvmeSanitizeCrypto => (self.sanitize_crypto, true),
            EraseMethod::NvmeSanitizeOverwrite => (self.sanitize_overwrite, true),
            EraseMethod::NvmeFormatCrypto => (self.format && self.crypto_format, self.format_erases_all),
            EraseMethod::NvmeFormat => (self.format, self.format_erases_all),
            _ => (false, false),
        };
        if !offered {
            Some("the drive does not offer it".to_owned())
        } else if whole && !beside.is_empty() {
            Some(format!("it would erase {} too, which is excluded", beside.join(", ")))
        } else {
            None
        }
    }

    /// The command of a method; none: it is not NVMe's.
    pub fn command(&self, method: EraseMethod) -> Option<NvmeCommand> {
        // One pass is what NIST 800-88 asks for; what the drive then does not deallocate can be read back.
        let sanitize = |action: u32| NvmeCommand {
            opcode: 0x84,
            namespace: 0,
            dword_10: action | if action == 3 { 1 << 4 } else { 0 },
            dword_11: 0,
        };
        let format = |erase: u32| NvmeCommand {
            opcode: 0x80,
            namespace: self.namespace,
            dword_10: self.format_bits | erase << 9,
            dword_11: 0,
        };
        match method {
            EraseMethod::NvmeSanitizeBlock => Some(sanitize(2)),
            EraseMethod::NvmeSanitizeOverwrite => Some(sanitize(3)),
            EraseMethod::NvmeSanitizeCrypto => Some(sanitize(4)),
            EraseMethod::NvmeFormat => Some(format(1)),
            EraseMethod::NvmeFormatCrypto => Some(format(2)),
            _ => None,
        }
    }
}

/// Ends the state after a failed sanitize, in which a drive refuses everything else.
pub fn exit_failure() -> NvmeCommand {
    NvmeCommand { opcode: 0x84, namespace: 0, dword_10: 1, dword_11: 0 }
}

/// Reads the sanitize status log.
pub fn sanitize(log: &[u8; SANITIZE_LOG_BYTES]) -> Sanitize {
    match log[2] & 7 {
        2 => Sanitize::Running(u16::from_le_bytes([log[0], log[1]])),
        3 => Sanitize::Failed,
        _ => Sanitize::Idle,
    }
}

/// What a controller's status field means, for a person (NVM Express base specification 1.4, figures 127 to 130).
pub fn status(status: u16) -> String {
    let text = match status & 0x7ff {
        0x001 => "invalid opcode",
        0x002 => "invalid field in the command",
        0x00b => "invalid namespace or format",
        0x015 => "operation denied",
        0x01c => "a sanitize failed",
        0x01d => "a sanitize is in progress",
        0x020 => "the namespace is write-protected",
        0x10a => "invalid format",
        0x10b => "a firmware update waits for a reset",
        _ => "",
    };
    let more = if text.is_empty() { String::new() } else { format!(" ({text})") };
    format!("the drive refused it with NVMe status {:#05x}{more}", status & 0x7ff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(oacs: u8, fna: u8, sanicap: u8) -> Facts {
        let mut controller = [0; IDENTIFY_BYTES];
        (controller[256], controller[524], controller[328]) = (oacs, fna, sanicap);
        let mut own = [0; IDENTIFY_BYTES];
        (own[26], own[29]) = (0b0011_0010, 0b1010);
        Facts::parse(7, &controller, &own)
    }

    #[test]
    fn a_drive_is_asked_only_for_what_it_offers() {
        let check = |facts: Facts, beside: &[&str], expected: &[EraseMethod]| {
            let beside: Vec<_> = beside.iter().map(|name| (*name).to_owned()).collect();
            let offered =
                EraseMethod::ALL.into_iter().filter(|method| facts.refusal(*method, &beside).is_none());
            assert_eq!(offered.collect::<Vec<_>>(), expected, "{facts:?}");
        };
        use EraseMethod::*;
        check(facts(0, 0b111, 0), &[], &[]);
        check(facts(0b10, 0, 0), &[], &[NvmeFormat]);
        check(facts(0b10, 0b100, 0), &["/dev/nvme0n2"], &[NvmeFormatCrypto, NvmeFormat]);
        check(facts(0b10, 0b110, 0b111), &["/dev/nvme0n2"], &[]);
        check(facts(0, 0, 0b101), &[], &[NvmeSanitizeCrypto, NvmeSanitizeOverwrite]);
        check(facts(0, 0, 0b010), &[], &[NvmeSanitizeBlock]);
    }

    #[test]
    fn commands_have_the_bits_of_the_specification() {
        let facts = facts(0b10, 0b100, 0b111);
        let dword = |method| facts.command(method).map(|command| (command.opcode, command.dword_10));
        // LBA format 18 with metadata in the block, protection of type 2 at its start, user data or keys erased.
        let kept = 2 | 1 << 12 | 1 << 4 | 2 << 5 | 1 << 8;
        assert_eq!(dword(EraseMethod::NvmeFormat), Some((0x80, kept | 1 << 9)));
        assert_eq!(dword(EraseMethod::NvmeFormatCrypto), Some((0x80, kept | 2 << 9)));
        assert_eq!(dword(EraseMethod::NvmeSanitizeBlock), Some((0x84, 2)));
        assert_eq!(dword(EraseMethod::NvmeSanitizeOverwrite), Some((0x84, 0x13)));
        assert_eq!(dword(EraseMethod::NvmeSanitizeCrypto), Some((0x84, 4)));
        assert_eq!(dword(EraseMethod::Overwrite), None);
        assert_eq!(sanitize_log().dword_10, 0x007f_0081);
        assert_eq!(facts.command(EraseMethod::NvmeFormat).unwrap().namespace, 7);
    }

    #[test]
    fn the_log_tells_how_far_a_sanitize_is() {
        let check = |head: [u8; 4], expected: Sanitize| {
            let mut log = [0; SANITIZE_LOG_BYTES];
            log[..4].copy_from_slice(&head);
            assert_eq!(sanitize(&log), expected);
        };
        check([0xff, 0xff, 0, 0], Sanitize::Idle);
        check([0xff, 0xff, 1, 1], Sanitize::Idle);
        check([0, 0x80, 2, 0], Sanitize::Running(0x8000));
        check([0, 0, 3, 0], Sanitize::Failed);
        assert_eq!(
            status(0x4002),
            "the drive refused it with NVMe status 0x002 (invalid field in the command)"
        );
    }
}
