//! Decisions: what an image file is, by its first bytes and its length.

use protocol::{
    step::ImageFormat,
    unpack::{PACKED_HEAD_BYTES, Packing},
    whole_disk,
};

use super::{packed::Packed, qcow2::Tables};

/// So much of a file's beginning is read before anything is decided: whatever tells a disk from other things is in it, also when
/// the file is compressed.
pub const HEAD_BYTES: usize = PACKED_HEAD_BYTES;
/// Bytes of a GiB, in which Glance and Nova count disks.
pub const GIB: u64 = 1 << 30;

/// Why an image file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing in it.
    #[error("the file is empty; name the image's file")]
    Empty,
    /// It is none of the formats.
    #[error("the file is neither qcow2 nor a whole disk with a boot record; {hint}")]
    Unknown {
        /// What it looks like, and what to do.
        hint: String,
    },
    /// It has the right format, and what is in it is known to be no disk.
    #[error("what is in the file is no whole disk: it is {what}")]
    NoDisk {
        /// What it is, and what to do.
        what: &'static str,
    },
    /// It is compressed, and this is wrong with what is in it.
    #[error("inside the file, which is compressed by {packing}: {fault}")]
    Inside {
        /// By which program.
        packing: &'static str,
        /// What.
        fault: Box<Fault>,
    },
    /// It uses something that the rack's agent does not read.
    #[error("the qcow2 file {what}; convert it with `qemu-img convert -O qcow2`")]
    Unsupported {
        /// What.
        what: String,
    },
    /// It contradicts itself, as a file does that is cut off.
    #[error("the file is damaged or cut off: {why}; create or download it again")]
    Damaged {
        /// Where.
        why: String,
    },
    /// Its disk is larger than the minimum disk that was asked for.
    #[error(
        "the image describes a disk of {virtual_bytes} bytes, which is larger than the requested minimum disk of \
         {asked_gb} GB; request {needed_gb} GB or more"
    )]
    TooLarge {
        /// Size of its disk.
        virtual_bytes: u64,
        /// What was asked for.
        asked_gb: u64,
        /// What it needs.
        needed_gb: u64,
    },
    /// Another number of bytes came than was announced.
    #[error("the upload was cut off: {came} of {announced} bytes arrived; upload the file again")]
    Length {
        /// How many were announced.
        announced: u64,
        /// How many came.
        came: u64,
    },
    /// It is not the file that was meant.
    #[error(
        "the file's SHA-512 is {found}, but {asked} was expected; it is another file, or it was damaged in transfer"
    )]
    Hash {
        /// The hash that the caller knows.
        asked: String,
        /// The hash of what came.
        found: String,
    },
}

/// What a file is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A disk, byte for byte; for sectors of so many bytes.
    Raw(Option<u32>),
    /// A QEMU copy-on-write file, with the tables that are to be looked at as they pass.
    Qcow2(Tables),
    /// Either of them, compressed as a whole.
    Packed(Packed),
}

impl Kind {
    /// Reads it from the first [`HEAD_BYTES`] of a file of `file_bytes`, or from all of a shorter one.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Self, Fault> {
        if head.is_empty() {
            return Err(Fault::Empty);
        }
        if head.starts_with(b"QFI\xfb") {
            return Tables::read(head, file_bytes).map(Kind::Qcow2);
        }
        if let Some(packing) = Packing::of(head) {
            return Packed::read(packing, head).map(Kind::Packed);
        }
        let gpt =
            [512, 4096].into_iter().find(|at| head.get(*at..).is_some_and(|at| at.starts_with(b"EFI PART")));
        if let Some(what) = whole_disk::something_else(head) {
            return Err(Fault::Unknown { hint: format!("it is {what}") });
        }
        if head.get(510..512) != Some(&[0x55, 0xaa]) && gpt.is_none() {
            return Err(Fault::Unknown { hint: "use an image of a whole disk, raw or qcow2".to_owned() });
        }
        check_mbr(head)?;
        if let Some(sector) = gpt {
            check_gpt(&head[sector..], sector as u64, file_bytes)?;
        }
        Ok(Kind::Raw(whole_disk::made_for(head)))
    }

    /// The format's name for ramdisks and Glance.
    pub fn format(&self) -> ImageFormat {
        match self {
            Kind::Raw(_) | Kind::Packed(_) => ImageFormat::Raw,
            Kind::Qcow2(_) => ImageFormat::Qcow2,
        }
    }
}

/// A boot record has four entries of 16 bytes at 446: a flag first, the kind of partition at 4. Glance wants them in order,
/// too, and says less about it.
fn check_mbr(head: &[u8]) -> Result<(), Fault> {
    let entries = head.get(446..510).map(|bytes| bytes.as_chunks::<16>().0).unwrap_or_default();
    for (number, entry) in (1..).zip(entries) {
        if !matches!(entry[0], 0 | 0x80) {
            let why = format!("partition {number} in its boot record has the flag {:#04x}", entry[0]);
            return Err(Fault::Damaged { why });
        }
    }
    if entries.iter().all(|entry| entry[4] == 0) {
        return Err(Fault::Unknown { hint: "its boot record has no partition".to_owned() });
    }
    Ok(())
}

/// UEFI specification, section 5.3.2: bytes 32 to 39 of the header are the place of its copy, the disk's last sector.
fn check_gpt(header: &[u8], sector_bytes: u64, file_bytes: u64) -> Result<(), Fault> {
    let Some(field) = header.get(32..40).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) else {
        return Err(Fault::Damaged { why: "it ends inside its partition table".to_owned() });
    };
    let needed = u64::from_le_bytes(field).saturating_add(1).saturating_mul(sector_bytes);
    if needed > file_bytes {
        return Err(Fault::Damaged {
            why: format!(
                "its partition table describes a disk of {needed} bytes, but the file has {file_bytes}"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(gpt_at: Option<usize>, last_sector: u64) -> Vec<u8> {
        let mut disk = vec![0; 8192];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk[450] = 0x83;
        if let Some(at) = gpt_at {
            disk[at..at + 8].copy_from_slice(b"EFI PART");
            disk[at + 32..at + 40].copy_from_slice(&last_sector.to_le_bytes());
        }
        disk
    }

    #[test]
    fn whole_disks_are_told_from_everything_else() {
        let check = |file: &[u8], expected: Option<&str>| {
            let head = &file[..file.len().min(HEAD_BYTES)];
            match (Kind::read(head, file.len() as u64), expected) {
                (Ok(Kind::Raw(_)), None) => {}
                (Err(fault), Some(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(&disk(None, 0), None);
        check(&disk(Some(512), 15), None);
        check(&disk(Some(4096), 1), None);
        check(&disk(Some(512), 16), Some("a disk of 8704 bytes, but the file has 8192"));
        check(&disk(Some(512), u64::MAX), Some("cut off"));
        let mut odd = disk(None, 0);
        odd[462] = 1;
        check(&odd, Some("partition 2 in its boot record has the flag 0x01"));
        odd[450] = 0;
        odd[462] = 0;
        check(&odd, Some("no partition"));
        check(b"", Some("empty"));
        check(b"x", Some("with a boot record"));
        check(&[0; 8192], Some("use an image of a whole disk"));
        check(b"BZh and so on", Some("it is compressed by bzip2: unpack it with bunzip2"));
        let mut medium = disk(Some(512), 15);
        medium.resize(0x8001, 0);
        medium.extend(b"CD001");
        check(&medium, Some("it is an ISO image, a medium to install from"));
        check(b"KDMV", Some("VMDK"));
        check(b"<!DOCTYPE html>", Some("failed download"));
        check(b"QFI\xfb", Some("shorter than a qcow2 header"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(mut head in proptest::collection::vec(proptest::num::u8::ANY, 0..8192), bytes: u64, qcow2: bool) {
            if qcow2 && head.len() >= 8 {
                head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
            }
            let _ = Kind::read(&head, bytes);
        }
    }
}
