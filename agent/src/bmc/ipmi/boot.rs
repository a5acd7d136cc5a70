//! Decisions: how a BMC is told where to boot, what it must say when it is asked, and what is tried when it does not.
//!
//! ```text
//!   parameter 3   keep the flags longer than 60 s        a refusal changes nothing
//!   parameter 5   the flags ------- refused ----------> the next way
//!   parameter 5   read back ------- something else ---> the next way
//! ```
//!
//! A power-on with the wrong boot is worse than none: it is done only when the BMC says that it has what was asked. One that
//! cannot be asked is believed. A disk that no BMC can be told to boot from is what most firmware boots by itself.

use std::fmt;

use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    ipmi::chassis::{BootFlagDevice, BootFlags, BootOption},
    quirk::Quirk,
};

use crate::bmc::quirks::Deviations;

/// Parameter 3: the flags are not cleared 60 s after they were set when nothing has started (table 28-14, bit 3).
const KEEP_OVER_TIMEOUT: u8 = 0x08;
/// Parameter 3: nothing clears the flags but their use.
const KEEP_OVER_ALL: u8 = 0x1f;
/// Parameter 4: the BIOS part of the information was dealt with.
const ACKNOWLEDGED: BootOption = BootOption::InfoAcknowledge { mask: 0x01, bits: 0x01 };
/// Parameter 0: several parameters follow; they are to be taken; that was all.
const BEGIN: BootOption = BootOption::SetInProgress(0x01);
const COMMIT: BootOption = BootOption::SetInProgress(0x02);
const COMPLETE: BootOption = BootOption::SetInProgress(0x00);
/// A disk as some makers' firmware calls it in UEFI mode (0x24 on the wire).
const REMOTE_DISK: BootFlagDevice = BootFlagDevice::Other(9);
/// Devices that are disks too: "default disk, safe mode", and what makers use in their place.
const DISKS: [BootFlagDevice; 4] =
    [BootFlagDevice::Disk, REMOTE_DISK, BootFlagDevice::Other(3), BootFlagDevice::Other(11)];

/// Where a server is to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) device: BootDevice,
    pub(super) persistence: Persistence,
    pub(super) mode: BootMode,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = match self.device {
            BootDevice::Pxe => "the network",
            BootDevice::Disk => "the disk",
        };
        let mode = match self.mode {
            BootMode::Bios => "BIOS",
            BootMode::Uefi => "UEFI",
        };
        write!(f, "{device} in {mode} mode")
    }
}

/// One way of telling it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// What is set before the flags; a refusal is no obstacle.
    pub(super) before: Vec<BootOption>,
    /// The flags.
    pub(super) flags: BootFlags,
    /// What is set after them; a refusal is no obstacle.
    pub(super) after: Vec<BootOption>,
}

/// The ways in which this BMC is told, in the order in which they are tried.
pub(super) fn ways(wish: Wish, quirks: &Deviations) -> Vec<Way> {
    let asked = flags(wish, quirks);
    let plain = Way { before: vec![keep(quirks)], flags: asked, after: Vec::new() };
    let announced =
        Way { before: vec![BEGIN, keep(quirks), ACKNOWLEDGED], flags: asked, after: vec![COMMIT, COMPLETE] };
    let mut ways = match quirks.has(Quirk::BootOptionsAnnounced) {
        true => vec![announced, plain],
        false => vec![plain, announced],
    };
    let first = ways[0].clone();
    if asked.valid && asked.efi && wish.device == BootDevice::Disk {
        let other = if asked.device == REMOTE_DISK { BootFlagDevice::Disk } else { REMOTE_DISK };
        ways.push(Way { flags: BootFlags { device: other, ..asked }, ..first.clone() });
    }
    if asked.valid {
        // For how long is of no account: it is told anew before each start.
        ways.push(Way { flags: BootFlags { persistent: !asked.persistent, ..asked }, ..first });
    }
    ways
}

fn keep(quirks: &Deviations) -> BootOption {
    let all = quirks.has(Quirk::AllClearingSuppressed);
    BootOption::ValidBitClearing(if all { KEEP_OVER_ALL } else { KEEP_OVER_TIMEOUT })
}

fn flags(wish: Wish, quirks: &Deviations) -> BootFlags {
    let efi = wish.mode == BootMode::Uefi;
    let persistent = match wish.device {
        BootDevice::Pxe => {
            wish.persistence == Persistence::Persistent || quirks.has(Quirk::NetworkBootPersistent)
        }
        BootDevice::Disk => wish.persistence == Persistence::Persistent,
    };
    let device = match wish.device {
        BootDevice::Pxe => BootFlagDevice::Pxe,
        BootDevice::Disk if quirks.has(Quirk::DiskBootLeftAlone) => return BootFlags::NONE,
        BootDevice::Disk if efi && quirks.has(Quirk::EfiDiskIsRemote) => REMOTE_DISK,
        BootDevice::Disk => BootFlagDevice::Disk,
    };
    BootFlags { valid: true, persistent, efi, device }
}

/// What differs between the flags that were set and those that are read; none: nothing that matters. For how long a device is
/// chosen does not: it is chosen anew before each start.
pub(super) fn mismatch(set: BootFlags, read: BootFlags, quirks: &Deviations) -> Option<String> {
    let is_disk = |flags: BootFlags| DISKS.contains(&flags.device);
    if !set.valid {
        let still = read.valid && read.device != BootFlagDevice::None && !is_disk(read);
        return still.then(|| format!("it still shows {}", shown(read)));
    }
    let same_device = read.device == set.device || (is_disk(read) && is_disk(set));
    let same_mode = read.efi == set.efi || (set.efi && quirks.has(Quirk::ForgetsFirmwareMode));
    (!(read.valid && same_device && same_mode)).then(|| format!("it shows {}", shown(read)))
}

/// Whether a server with these flags would start from the network.
pub(super) fn is_network(flags: BootFlags) -> bool {
    flags.valid && flags.device == BootFlagDevice::Pxe
}

/// Flags as a person reads them.
fn shown(flags: BootFlags) -> String {
    let device = match flags.device {
        BootFlagDevice::None => "no boot device".to_owned(),
        BootFlagDevice::Pxe => "the network".to_owned(),
        BootFlagDevice::Disk | REMOTE_DISK => "the disk".to_owned(),
        BootFlagDevice::Cdrom => "the CD-ROM".to_owned(),
        BootFlagDevice::Setup => "the firmware's setup".to_owned(),
        BootFlagDevice::Other(code) => format!("boot device {code}"),
    };
    let mode = if flags.efi { "UEFI" } else { "BIOS" };
    let valid = if flags.valid { "" } else { ", marked as not valid" };
    format!("{device} in {mode} mode{valid}")
}

#[cfg(test)]
mod tests {
    use protocol::quirk::SaidQuirk;

    use super::*;
    use crate::bmc::quirks::Maker;

    fn quirks(names: &[Quirk]) -> Deviations {
        let said: Vec<_> = names.iter().copied().map(SaidQuirk::Has).collect();
        Deviations::of(&Maker::default(), &said)
    }

    fn wish(device: BootDevice, mode: BootMode) -> Wish {
        let persistence = match device {
            BootDevice::Pxe => Persistence::Once,
            BootDevice::Disk => Persistence::Persistent,
        };
        Wish { device, persistence, mode }
    }

    /// What is sent in a way, as on the wire.
    fn sent(way: &Way) -> Vec<Vec<u8>> {
        let flags = BootOption::Flags(way.flags);
        let options = way.before.iter().chain([&flags]).chain(&way.after);
        options.map(|option| [vec![option.parameter()], option.build()].concat()).collect()
    }

    #[test]
    fn every_quirk_of_boot_flags_changes_what_is_sent() {
        use BootDevice::{Disk, Pxe};
        use BootMode::{Bios, Uefi};
        let check = |device, mode, has: &[Quirk], expected: &[&[&[u8]]]| {
            let ways = ways(wish(device, mode), &quirks(has));
            assert_eq!(ways.iter().map(sent).collect::<Vec<_>>(), expected, "{device:?} {mode:?} {has:?}");
        };
        let pxe_efi: &[u8] = &[5, 0xa0, 0x04, 0, 0, 0];
        let pxe_bios: &[u8] = &[5, 0x80, 0x04, 0, 0, 0];
        let pxe_efi_always: &[u8] = &[5, 0xe0, 0x04, 0, 0, 0];
        let pxe_bios_always: &[u8] = &[5, 0xc0, 0x04, 0, 0, 0];
        let disk_bios: &[u8] = &[5, 0xc0, 0x08, 0, 0, 0];
        let disk_bios_once: &[u8] = &[5, 0x80, 0x08, 0, 0, 0];
        let disk_efi_once: &[u8] = &[5, 0xa0, 0x08, 0, 0, 0];
        let remote_efi_once: &[u8] = &[5, 0xa0, 0x24, 0, 0, 0];
        let disk_efi: &[u8] = &[5, 0xe0, 0x08, 0, 0, 0];
        let remote_efi: &[u8] = &[5, 0xe0, 0x24, 0, 0, 0];
        let none: &[u8] = &[5, 0, 0, 0, 0, 0];
        let (keep, keep_all): (&[u8], &[u8]) = (&[3, 0x08], &[3, 0x1f]);
        let (begin, known): (&[u8], &[u8]) = (&[0, 1], &[4, 1, 1]);
        let (commit, complete): (&[u8], &[u8]) = (&[0, 2], &[0, 0]);
        let announced = |flags| [begin, keep, known, flags, commit, complete];
        check(Pxe, Uefi, &[], &[&[keep, pxe_efi], &announced(pxe_efi), &[keep, pxe_efi_always]]);
        check(Pxe, Bios, &[], &[&[keep, pxe_bios], &announced(pxe_bios), &[keep, pxe_bios_always]]);
        check(Disk, Bios, &[], &[&[keep, disk_bios], &announced(disk_bios), &[keep, disk_bios_once]]);
        // A disk in UEFI mode has two names, and no maker is sure to be known.
        check(
            Disk,
            Uefi,
            &[],
            &[&[keep, disk_efi], &announced(disk_efi), &[keep, remote_efi], &[keep, disk_efi_once]],
        );
        check(
            Disk,
            Uefi,
            &[Quirk::EfiDiskIsRemote],
            &[&[keep, remote_efi], &announced(remote_efi), &[keep, disk_efi], &[keep, remote_efi_once]],
        );
        check(
            Disk,
            Bios,
            &[Quirk::EfiDiskIsRemote],
            &[&[keep, disk_bios], &announced(disk_bios), &[keep, disk_bios_once]],
        );
        check(
            Pxe,
            Uefi,
            &[Quirk::AllClearingSuppressed],
            &[
                &[keep_all, pxe_efi],
                &[begin, keep_all, known, pxe_efi, commit, complete],
                &[keep_all, pxe_efi_always],
            ],
        );
        check(
            Pxe,
            Uefi,
            &[Quirk::BootOptionsAnnounced],
            &[&announced(pxe_efi), &[keep, pxe_efi], &announced(pxe_efi_always)],
        );
        check(
            Pxe,
            Uefi,
            &[Quirk::NetworkBootPersistent],
            &[&[keep, pxe_efi_always], &announced(pxe_efi_always), &[keep, pxe_efi]],
        );
        check(Disk, Uefi, &[Quirk::DiskBootLeftAlone], &[&[keep, none], &announced(none)]);
    }

    #[test]
    fn what_is_read_back_must_be_what_was_asked() {
        use BootFlagDevice::{Cdrom, Disk, None as Nothing, Pxe};
        let flags = |valid, efi, device| BootFlags { valid, persistent: false, efi, device };
        let check = |set: BootFlags, read: BootFlags, has: &[Quirk], expected: Option<&str>| {
            let found = mismatch(set, read, &quirks(has));
            assert_eq!(found.as_deref(), expected, "{set:?} {read:?} {has:?}");
        };
        let pxe = flags(true, true, Pxe);
        check(pxe, pxe, &[], None);
        check(pxe, BootFlags { persistent: true, ..pxe }, &[], None);
        check(pxe, BootFlags::NONE, &[], Some("it shows no boot device in BIOS mode, marked as not valid"));
        // Stale flags of an earlier boot look right but for one bit.
        check(
            pxe,
            flags(false, true, Pxe),
            &[],
            Some("it shows the network in UEFI mode, marked as not valid"),
        );
        check(pxe, flags(true, true, Disk), &[], Some("it shows the disk in UEFI mode"));
        check(pxe, flags(true, false, Pxe), &[], Some("it shows the network in BIOS mode"));
        check(pxe, flags(true, false, Pxe), &[Quirk::ForgetsFirmwareMode], None);
        check(
            flags(true, false, Pxe),
            pxe,
            &[Quirk::ForgetsFirmwareMode],
            Some("it shows the network in UEFI mode"),
        );
        for disk in [Disk, REMOTE_DISK, BootFlagDevice::Other(3), BootFlagDevice::Other(11)] {
            check(flags(true, true, Disk), flags(true, true, disk), &[], None);
            check(flags(true, true, REMOTE_DISK), flags(true, true, disk), &[], None);
        }
        check(
            flags(true, true, Disk),
            flags(true, true, Cdrom),
            &[],
            Some("it shows the CD-ROM in UEFI mode"),
        );
        // Removed: whatever is left must not be another device's.
        check(BootFlags::NONE, flags(true, true, Nothing), &[], None);
        check(BootFlags::NONE, flags(true, true, Disk), &[], None);
        check(BootFlags::NONE, pxe, &[], Some("it still shows the network in UEFI mode"));
    }
}
