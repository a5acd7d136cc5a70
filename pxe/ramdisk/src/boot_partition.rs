//! Decisions: the partition that UEFI firmware starts a disk from, and how a boot entry names it (UEFI specification 2.10, sections
//! 5.2, 5.3 and 10.3.5.1).

use crate::disk::gpt::Partition;

/// A boot record's signature of the disk, its entries of 16 bytes, and in one of them: kind, first sector, number of sectors.
const MBR_SIGNATURE: usize = 440;
const MBR_ENTRIES: std::ops::Range<usize> = 446..510;
const KIND: usize = 4;
const FIRST: usize = 8;
const SECTORS: usize = 12;
/// An EFI system partition of a boot record, and what stands in a boot record before a GPT.
const EFI_SYSTEM: u8 = 0xef;
const PROTECTIVE: u8 = 0xee;

/// Where firmware finds its loader, in the words of a boot entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootPartition {
    /// Its number, from 1.
    pub number: u32,
    /// First sector.
    pub first: u64,
    /// How many there are.
    pub sectors: u64,
    /// Of the partition (GPT), or of the disk in the first four bytes (boot record).
    pub signature: [u8; 16],
    /// Kind of table and kind of signature.
    pub kinds: [u8; 2],
}

impl BootPartition {
    /// That of a GPT.
    pub fn of_gpt(Partition { number, first, last, guid }: Partition) -> Self {
        let sectors = last.saturating_sub(first).saturating_add(1);
        Self { number, first, sectors, signature: guid, kinds: [2, 2] }
    }

    /// That of a boot record, which is a disk's beginning.
    pub fn of_boot_record(head: &[u8]) -> Option<Self> {
        let entries = head.get(MBR_ENTRIES)?.as_chunks::<16>().0;
        if head.get(510..512) != Some(&[0x55, 0xaa]) || entries.iter().any(|entry| entry[KIND] == PROTECTIVE)
        {
            return None;
        }
        let (entry, number) = entries.iter().zip(1..).find(|(entry, _)| entry[KIND] == EFI_SYSTEM)?;
        let word =
            |at: usize| entry[at..].first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
        let mut signature = [0; 16];
        signature[..4].copy_from_slice(&head[MBR_SIGNATURE..MBR_SIGNATURE + 4]);
        Some(Self { number, first: word(FIRST), sectors: word(SECTORS), signature, kinds: [1, 1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_record_has_one_too() {
        let mut head = vec![0; 4096];
        let mut check = |at: usize, bytes: &[u8], expected: Option<u32>| {
            head[at..at + bytes.len()].copy_from_slice(bytes);
            let found = BootPartition::of_boot_record(&head);
            assert_eq!(found.map(|found| found.number), expected, "{at}: {bytes:?}");
            found
        };
        check(510, &[0x55, 0xaa], None);
        check(440, &[1, 2, 3, 4], None);
        check(446 + KIND, &[0x83], None);
        check(462 + KIND, &[0xef], Some(2));
        check(462 + FIRST, &2048u32.to_le_bytes(), Some(2));
        let found = check(462 + SECTORS, &4096u32.to_le_bytes(), Some(2)).unwrap();
        let signature = [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let expected = BootPartition { number: 2, first: 2048, sectors: 4096, signature, kinds: [1, 1] };
        assert_eq!(found, expected);
        // What stands before a GPT speaks of no partition of its own.
        check(446 + KIND, &[0xee], None);
        assert_eq!(BootPartition::of_boot_record(&[0; 100]), None);
    }

    #[test]
    fn a_gpts_partition_is_named_by_its_own_signature() {
        let found = BootPartition::of_gpt(Partition { number: 2, first: 2048, last: 4095, guid: [9; 16] });
        let expected =
            BootPartition { number: 2, first: 2048, sectors: 2048, signature: [9; 16], kinds: [2, 2] };
        assert_eq!(found, expected);
    }
}
