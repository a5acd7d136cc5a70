//! Decisions: a disk that is compressed as a whole, by the first bytes inside. The rack's agent unpacks all of it, and looks
//! again.

use protocol::{
    unpack::{self, Packing},
    whole_disk,
};

use super::head::{Fault, Kind};

const SECTOR_BYTES: u64 = 512;
/// UEFI specification, section 5.3.2: the place of a GPT's copy, which is the disk's last sector.
const GPT_COPY: usize = 32;

/// A compressed disk.
#[derive(Debug)]
pub(super) struct Packed {
    virtual_bytes: u64,
    sector_bytes: Option<u32>,
}

impl Packed {
    /// Looks inside a file, of whose beginning `head` is [`super::HEAD_BYTES`] or all.
    pub fn read(packing: Packing, head: &[u8]) -> Result<Self, Fault> {
        let inside = unpack::beginning(packing, head, whole_disk::HEAD_BYTES);
        let found = if inside.is_empty() {
            Err(Fault::Damaged { why: "nothing can be unpacked".to_owned() })
        } else if let Some(again) = Packing::of(&inside) {
            Err(Fault::Unknown { hint: format!("it is compressed once more, by {}", again.as_str()) })
        } else {
            // How long it is, is known when all of it was unpacked: until then it may be as long as it says.
            Kind::read(&inside, u64::MAX)
        };
        match found {
            // What the disk in it begins with, the agent sees alone.
            Ok(Kind::Qcow2(tables)) => Ok(Self { virtual_bytes: tables.virtual_bytes(), sector_bytes: None }),
            Ok(Kind::Raw(sector_bytes)) => Ok(Self { virtual_bytes: described_bytes(&inside), sector_bytes }),
            Ok(Kind::Packed(packed)) => Ok(packed),
            Err(fault) => Err(Fault::Inside { packing: packing.as_str(), fault: Box::new(fault) }),
        }
    }

    /// Size of the disk inside, by its partition table or its header.
    pub fn virtual_bytes(&self) -> u64 {
        self.virtual_bytes
    }

    /// For which sectors it was made; none: not known.
    pub fn sector_bytes(&self) -> Option<u32> {
        self.sector_bytes
    }
}

/// Size of a disk by its partition table: where its copy is, or where the last partition of a boot record ends.
fn described_bytes(disk: &[u8]) -> u64 {
    let gpt = [512, 4096].into_iter().find_map(|sector: usize| {
        let header = disk.get(sector..).filter(|header| header.starts_with(b"EFI PART"))?;
        let last = u64::from_le_bytes(*header.get(GPT_COPY..)?.first_chunk()?);
        Some(last.saturating_add(1).saturating_mul(sector as u64))
    });
    let entries = disk.get(446..510).map(|bytes| bytes.as_chunks::<16>().0).unwrap_or_default();
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    let ends = entries.iter().map(|entry| (number(&entry[8..]) + number(&entry[12..])) * SECTOR_BYTES);
    gpt.unwrap_or_else(|| ends.max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    }

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 8192];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk[450] = 0x83;
        disk[454..458].copy_from_slice(&2048u32.to_le_bytes());
        disk[458..462].copy_from_slice(&4096u32.to_le_bytes());
        disk
    }

    #[test]
    fn what_is_inside_decides() {
        let check = |inside: &[u8], expected: Result<u64, &str>| {
            let file = gzip(inside);
            match (Kind::read(&file, file.len() as u64), expected) {
                (Ok(Kind::Packed(found)), Ok(expected)) => assert_eq!(found.virtual_bytes(), expected),
                (Err(fault), Err(words)) => assert!(fault.to_string().contains(words), "{fault}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(&disk(), Ok((2048 + 4096) * 512));
        let mut gpt = disk();
        gpt[512..520].copy_from_slice(b"EFI PART");
        gpt[544..552].copy_from_slice(&99_999u64.to_le_bytes());
        check(&gpt, Ok(100_000 * 512));
        check(&super::super::qcow2::tests::file(5 << 30, 4), Ok(5 << 30));
        check(&gzip(&disk()), Err("inside the file, which is compressed by gzip: the file is neither"));
        check(&gzip(&disk()), Err("compressed once more, by gzip"));
        check(&[0; 8192], Err("use an image of a whole disk"));
        check(b"KDMV", Err("VMDK"));
        check(b"", Err("nothing can be unpacked"));
        let mut medium = disk();
        medium.resize(0x8001, 0);
        medium.extend(b"CD001");
        check(&medium, Err("ISO"));
        let noise = b"\x1f\x8b\x08 and so on";
        assert!(Kind::read(noise, 100).unwrap_err().to_string().contains("damaged or cut off"));
    }
}
