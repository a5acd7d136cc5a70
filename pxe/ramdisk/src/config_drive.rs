//! Edges: the configuration drive: a small partition at the disk's end that the tenant's system reads at its first boot.

use ring::rand::{SecureRandom, SystemRandom};

use crate::disk::{
    DiskError, OpenDisk,
    table::{self, HEAD_BYTES},
};

/// Name of the partition; the file system in it brings the same label, and that is what tenants look for.
const NAME: &str = "config-2";

/// Adds the partition, writes its content, and reads it back.
pub fn write(disk: &OpenDisk, content: &[u8]) -> Result<(), DiskError> {
    let mut head = vec![0; HEAD_BYTES.min(usize::try_from(disk.size_bytes()).unwrap_or(HEAD_BYTES))];
    disk.read(0, &mut head)?;
    let mut guid = [0; 16];
    let random = SystemRandom::new().fill(&mut guid);
    random.map_err(|_| DiskError::Unfit("the kernel gave no random numbers".into()))?;
    guid[7] = guid[7] & 0x0f | 0x40; // version 4, in the mixed-endian order of a GPT
    guid[8] = guid[8] & 0x3f | 0x80;
    let (size, sector_bytes) = (disk.size_bytes(), disk.sector_bytes());
    let placement = table::add_last(&head, size, sector_bytes, content.len() as u64, NAME, guid)?;
    for (offset, bytes) in &placement.writes {
        disk.write(*offset, bytes)?;
    }
    disk.write(placement.offset, content)?;
    disk.settle()?;
    for (offset, bytes) in
        placement.writes.iter().map(|(at, b)| (*at, &b[..])).chain([(placement.offset, content)])
    {
        disk.read_pieces(offset, bytes.len() as u64, &mut |at, found| {
            let from = (at - offset) as usize;
            if found == &bytes[from..from + found.len()] {
                return Ok(());
            }
            let found = format!("the configuration drive at {at} does not read back as it was written");
            Err(DiskError::ReadBack { disk: disk.name().to_owned(), found })
        })?;
    }
    disk.reread_partitions();
    Ok(())
}
