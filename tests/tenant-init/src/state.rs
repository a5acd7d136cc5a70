//! Edges: what this system keeps on its disk: how often it was booted, and a secret.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    thread,
    time::{Duration, Instant},
};

use ramdisk::disk;

/// Name of the partition that the image reserves for this.
const PARTITION: &str = "bms-state";
const SECTOR: u64 = 512;
const MAGIC: &[u8; 8] = b"BMSBOOTS";
/// The secret begins here in the partition, and again here on the disk, far behind the image.
const SECRET_IN_PARTITION: u64 = 64 << 10;
const SECRET_ON_DISK: u64 = 128 << 20;
const SECRET_SECTORS: u64 = 128;
/// Every sector of the secret begins with this; the tests look for it from outside.
const SECRET: &[u8] = b"THE TENANT'S SECRET: nobody else may ever read this sector. ";

/// How long a disk may take to appear behind its controller, and how often is looked for it.
const DISK_WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits for our partition: a disk appears some time after its driver was loaded.
pub fn wait_for_disk() {
    let began = Instant::now();
    while find().is_none() && began.elapsed() < DISK_WAIT_MAX {
        thread::sleep(LOOK_EVERY);
    }
}

/// Counts this boot, writes the secret, and flushes both; returns the count, 1 at the first boot.
pub fn record_boot() -> Result<u64, String> {
    let partition = find().ok_or_else(|| format!("no partition is named {PARTITION}"))?;
    let record = || -> io::Result<u64> {
        let device = OpenOptions::new().read(true).write(true).open(format!("/dev/{partition}"))?;
        let mut sector = [0; SECTOR as usize];
        device.read_exact_at(&mut sector, 0)?;
        let before = u64::from_le_bytes(sector[8..16].try_into().map_err(io::Error::other)?);
        let count = if &sector[..8] == MAGIC { before + 1 } else { 1 };
        sector[..8].copy_from_slice(MAGIC);
        sector[8..16].copy_from_slice(&count.to_le_bytes());
        device.write_all_at(&sector, 0)?;
        write_secret(&device, SECRET_IN_PARTITION)?;
        device.sync_all()?;
        Ok(count)
    };
    let count = record().map_err(|error| format!("/dev/{partition}: {error}"))?;
    for disk in disk::all().iter().filter(|disk| partition.starts_with(&disk.name)) {
        if disk.size_bytes >= SECRET_ON_DISK * 2 {
            let written = OpenOptions::new().write(true).open(disk.path()).and_then(|device| {
                write_secret(&device, SECRET_ON_DISK)?;
                device.sync_all()
            });
            written.map_err(|error| format!("{}: {error}", disk.path()))?;
        }
    }
    Ok(count)
}

fn write_secret(device: &fs::File, at: u64) -> io::Result<()> {
    let mut sector = SECRET.repeat(SECTOR as usize / SECRET.len() + 1);
    sector.truncate(SECTOR as usize);
    for number in 0..SECRET_SECTORS {
        device.write_all_at(&sector, at + number * SECTOR)?;
    }
    Ok(())
}

/// The kernel's name of our partition.
fn find() -> Option<String> {
    let entries = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let named = |entry: &fs::DirEntry| {
        let facts = fs::read_to_string(entry.path().join("uevent")).unwrap_or_default();
        facts.lines().any(|line| line.strip_prefix("PARTNAME=") == Some(PARTITION))
    };
    entries.filter(named).find_map(|entry| entry.file_name().into_string().ok())
}
