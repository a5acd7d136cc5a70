//! Values: what a booted ramdisk is told to do, and what it answers.

use serde::{Deserialize, Serialize};

use crate::{
    erase::{ErasePolicy, ReadBack, RefusedMethod, Verified},
    hardware::{Disk, HardwareReport},
    root_device::RootDeviceHints,
    secret::Secret,
};

/// One step. Steps of one ramdisk run strictly one after the other; each can be repeated without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Look at the hardware again.
    Inventory,
    /// Write a whole-disk image onto the root disk and read it back.
    WriteImage {
        /// Which one.
        image: ImageRef,
        /// Which disk is the root disk.
        #[serde(default, skip_serializing_if = "RootDeviceHints::is_empty")]
        root_device: RootDeviceHints,
    },
    /// Write a configuration drive (ISO 9660 or vfat, label `config-2`) into a small partition at the disk's end.
    WriteConfigDrive {
        /// The file system's bytes, decompressed, at most [`CONFIG_DRIVE_BYTES_MAX`].
        #[serde(with = "as_bytes")]
        content: Vec<u8>,
    },
    /// Make the firmware boot the disk (an EFI boot entry; nothing to do for BIOS).
    InstallBootEntry,
    /// Remove partition tables, file system and RAID signatures at both ends of every disk.
    EraseMetadata(EraseOrder),
    /// Overwrite or discard every byte of every disk, and read samples back.
    EraseDisks(EraseOrder),
    /// Flush every cache to disk.
    Sync,
    /// Flush, then switch the power off.
    PowerOff,
    /// Let go of the server: end the session for good, and wait for an address on whatever network comes next, where the
    /// server's tenant may log in.
    HandOver {
        /// Hash of the tenant's password, as crypt(3) writes it.
        password_hash: Secret,
    },
}

impl Step {
    /// Writes this image to the disk that the rule finds.
    pub fn write_image(image: ImageRef) -> Self {
        Step::WriteImage { image, root_device: RootDeviceHints::default() }
    }
}

/// Largest configuration drive: Nova's own limit is 64 MiB.
pub const CONFIG_DRIVE_BYTES_MAX: usize = 64 << 20;

/// An image as the image service names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// The image service's id.
    pub id: String,
    /// Format of the file.
    pub format: ImageFormat,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// SHA-512 of the file as the image service stores it, lower-case hex.
    pub sha512: String,
}

/// Format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// The bytes of a disk.
    Raw,
    /// QEMU copy-on-write, version 2 or 3.
    Qcow2,
}

/// What a finished step says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "output")]
pub enum StepOutput {
    /// Nothing more than that it is done.
    Done,
    /// The hardware.
    Inventory {
        /// What was found.
        hardware: Box<HardwareReport>,
    },
    /// An image was written and its read-back agreed.
    ImageWritten {
        /// The disk it was written to, such as `/dev/vda`.
        disk: String,
        /// Bytes that were written: the extents that are not zero.
        written_bytes: u64,
        /// Size of the disk image in bytes.
        virtual_bytes: u64,
    },
    /// Disks were erased and read back, or it is said why not.
    Erased {
        /// What was done to each disk that was seen.
        disks: Vec<ErasedDisk>,
    },
    /// The ramdisk has let go: it is its tenant's from now on, and has no session any more.
    HandedOver,
}

/// Which disks an erase is about. It erases every disk that it sees, whether it is expected or not, but for those left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseOrder {
    /// Disks that must be there: they are waited for. None at all: whoever asks compares with nothing, so a disk that is not
    /// erased, and a server without disks, fail the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Disk>,
    /// Disks that are left as they are by somebody's word. Each can be told from every other ([`Disk::has_identity`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Disk>,
    /// How thorough it must be; an erase of metadata alone follows none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: ErasePolicy,
    /// How much is read back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_back: ReadBack,
    /// An erase of metadata: a drive with a command of its own that erases every byte within moments (NVMe format) does that instead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quick: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What an erase of every byte reads back at least; of a smaller disk, all of it.
pub const VERIFIED_BYTES_MIN: u64 = 128 << 20;
/// [`ErasedDisk::method`] of a disk that was left as it is, as the order said.
pub const METHOD_LEFT_OUT: &str = "left_out";

/// Longest [`ErasedDisk::statement`], and longest receipt for one.
pub const STATEMENT_BYTES_MAX: usize = 64 << 10;

/// What was done to one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedDisk {
    /// Device node.
    pub name: String,
    /// How: [`EraseMethod::as_str`](crate::erase::EraseMethod::as_str) or [`METHOD_LEFT_OUT`]; of older ramdisks `zeroes` and
    /// `write_zeroes`, which do not tell whether the disk or the kernel wrote them.
    pub method: String,
    /// Bytes covered.
    pub erased_bytes: u64,
    /// Bytes read back and found empty.
    pub verified_bytes: u64,
    /// Which disk it is; none: a ramdisk or an agent that is too old to say.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// Why it is not erased, for a person; empty: it is, or was left out.
    #[serde(default)]
    pub failure: String,
    /// When its turn came, in milliseconds after the step began.
    #[serde(default)]
    pub began_after_ms: u64,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
    /// The policy that it was erased by; none: not every byte was to be erased, or the ramdisk is too old to say.
    #[serde(default)]
    pub policy: Option<ErasePolicy>,
    /// Methods that came first and did not do it, in their order.
    #[serde(default)]
    pub refused: Vec<RefusedMethod>,
    /// How much was read back.
    #[serde(default)]
    pub verified: Verified,
    /// What was found when it was read back, where that is not just zeroes, for a person.
    #[serde(default)]
    pub found: String,
    /// What of the drive the erase could not reach or had to uncover first (HPA, DCO), for a person.
    #[serde(default)]
    pub hidden: Vec<String>,
    /// What the agent signed of it, a JWS of at most [`STATEMENT_BYTES_MAX`] bytes; empty: nothing. No ramdisk writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub statement: String,
}

/// How far a long step has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepProgress {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes to do.
    pub total_bytes: u64,
}

/// Bytes in JSON as base64 would need a codec in the ramdisk; it is carried as hexadecimal text instead.
mod as_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::hex;

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text).ok_or_else(|| D::Error::custom("bytes must be pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_drive_survives_json() {
        let step = Step::WriteConfigDrive { content: vec![0, 1, 0x7f, 0xff] };
        let text = serde_json::to_string(&step).unwrap();
        assert!(text.contains("00017fff"), "{text}");
        assert_eq!(serde_json::from_str::<Step>(&text).unwrap(), step);
    }

    #[test]
    fn what_an_older_program_says_of_an_erase_is_read_and_names_no_disk() {
        let step: Step = serde_json::from_str(r#"{"step":"erase_disks"}"#).unwrap();
        assert_eq!(step, Step::EraseDisks(EraseOrder::default()));
        assert_eq!(serde_json::to_string(&step).unwrap(), r#"{"step":"erase_disks"}"#);
        let old = r#"{"name":"/dev/vda","method":"write_zeroes","erased_bytes":7,"verified_bytes":7}"#;
        let erased: ErasedDisk = serde_json::from_str(old).unwrap();
        assert_eq!((erased.disk, erased.failure.as_str()), (None, ""));
    }
}
