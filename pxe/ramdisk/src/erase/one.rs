//! Edges: removing what a tenant left on one disk, by the methods of the plan until one has done it and it was seen to be done.

use std::fs::{self, File, OpenOptions};

use protocol::{
    erase::{EraseMethod, ErasePolicy, ReadBack, Verified},
    step::ErasedDisk,
};

use super::{
    Depth,
    drive::{self, Drive, Kernel, interface},
    labels,
    meter::Meter,
    plain,
    plan::{Plan, Refused, Stand, is_plain},
    read_back::{self, After, Before, Seen},
};
use crate::{
    disk::{Disk, DiskError, OpenDisk, SECTOR},
    system::read_line,
};

/// How a disk is to be erased.
#[derive(Clone, Debug)]
pub struct Wish {
    /// How much of it.
    pub depth: Depth,
    /// How thoroughly.
    pub policy: ErasePolicy,
    /// How much is read back.
    pub read_back: ReadBack,
    /// Disks of the same drive that must stay.
    pub beside: Vec<String>,
}

/// Bytes to do on a disk, for the figure that is told.
pub fn total(disk: &Disk, wish: &Wish) -> u64 {
    match wish.depth {
        Depth::Metadata | Depth::Quick => {
            2 * labels::ranges(disk.size_bytes, &disk.partitions())
                .iter()
                .map(|(_, length)| length)
                .sum::<u64>()
        }
        Depth::Whole => disk.size_bytes.saturating_add(read_back::bytes(disk.size_bytes, wish.read_back)),
    }
}

/// Erases it; a failure is part of the answer.
pub fn erase(disk: &Disk, wish: &Wish, meter: &Meter) -> ErasedDisk {
    let mut erased = ErasedDisk {
        name: disk.path(),
        disk: Some(disk.describe()),
        policy: (wish.depth == Depth::Whole).then_some(wish.policy),
        ..ErasedDisk::default()
    };
    if meter.is_stopped() {
        erased.failure = format!("{} before it was begun", meter.aborted());
    } else if !disk.unprotect() {
        erased.failure = "it is read-only: it refuses writes, or is write-protected".to_owned();
    } else if disk.size_bytes == 0 {
        erased.failure =
            "it says that it has no size: it has failed, is locked, or has a format that the kernel does not know".to_owned();
    } else {
        let done = match wish.depth {
            Depth::Metadata => metadata(disk, meter).map_err(|error| error.to_string()),
            Depth::Quick => quick(disk, wish, meter, &mut erased),
            Depth::Whole => whole(disk, wish, meter, &mut erased),
        };
        match done {
            Ok(Done { method, bytes, seen }) => {
                erased.method = method.as_str().to_owned();
                erased.erased_bytes = bytes;
                (erased.verified_bytes, erased.verified, erased.found) =
                    (seen.bytes, seen.verified, seen.found);
            }
            Err(_) if meter.is_stopped() => erased.failure = meter.aborted(),
            Err(failure) => {
                // What keeps everybody out keeps an erase out, too: the drive's own words are the way on.
                let locked = erased.disk.as_ref().and_then(|disk| disk.locked());
                erased.failure = locked
                    .map_or(failure.clone(), |why| format!("it is locked, {why}; what was tried: {failure}"));
            }
        }
    }
    erased
}

/// What was done to a disk.
struct Done {
    method: EraseMethod,
    bytes: u64,
    seen: Seen,
}

/// Zeroes the places where labels stand on the disk and on each of its partitions, and reads them back.
fn metadata(disk: &Disk, meter: &Meter) -> Result<Done, DiskError> {
    let open = disk.open()?;
    let bytes = clear_labels(&open, &disk.partitions(), meter)?;
    let seen = Seen { bytes, verified: Verified::All, found: String::new() };
    Ok(Done { method: EraseMethod::Metadata, bytes, seen })
}

/// The same on an open disk; how many bytes it were.
pub fn clear_labels(open: &OpenDisk, partitions: &[(u64, u64)], meter: &Meter) -> Result<u64, DiskError> {
    let ranges = labels::ranges(open.size_bytes(), partitions);
    for (start, length) in &ranges {
        open.zero(*start, *length, &mut |bytes| meter.add(bytes))?;
    }
    open.settle()?;
    for (start, length) in &ranges {
        open.expect_zero(*start, *length)?;
        meter.add(*length);
    }
    open.reread_partitions();
    Ok(ranges.iter().map(|(_, length)| length).sum())
}

/// What a drive erases whole within moments is erased so; of any other disk, the labels.
fn quick(disk: &Disk, wish: &Wish, meter: &Meter, erased: &mut ErasedDisk) -> Result<Done, String> {
    let looked = Looked::at(disk, meter)?;
    let mut plan = Plan::quick();
    while let Some(method) = plan.next(&|method| looked.stand(method, wish)) {
        match looked.carry_out(method, wish, meter) {
            Ok(done) => {
                erased.refused = plan.refused();
                return Ok(done);
            }
            Err(refused) => plan.handle_refused(method, refused),
        }
        if meter.is_stopped() {
            return Err(meter.aborted());
        }
    }
    erased.refused = plan.refused();
    drop(looked);
    meter.set(0);
    metadata(disk, meter).map_err(|error| error.to_string())
}

/// Erases every byte by the first method of the policy that does it.
fn whole(disk: &Disk, wish: &Wish, meter: &Meter, erased: &mut ErasedDisk) -> Result<Done, String> {
    let mut looked = Looked::at(disk, meter)?;
    if let Some(larger) = looked.uncover(&mut erased.hidden) {
        looked = Looked::at(&larger, meter)?;
        erased.disk = Some(larger.describe());
    }
    let mut plan = Plan::of(wish.policy);
    while let Some(method) = plan.next(&|method| looked.stand(method, wish)) {
        if meter.is_stopped() {
            break;
        }
        meter.set(0);
        match looked.carry_out(method, wish, meter) {
            Ok(done) => {
                looked.open.reread_partitions();
                erased.refused = plan.refused();
                return Ok(done);
            }
            Err(refused) => plan.handle_refused(method, refused),
        }
    }
    let failure = plan.failure(wish.policy, &looked.offered(wish));
    erased.refused = plan.refused();
    Err(failure)
}

/// A disk that was opened, and what it says of itself.
struct Looked {
    disk: Disk,
    open: OpenDisk,
    file: File,
    pass: Kernel,
    drive: Drive,
}

impl Looked {
    fn at(disk: &Disk, meter: &Meter) -> Result<Self, String> {
        let open = disk.open().map_err(|error| error.to_string())?;
        let raw = || OpenOptions::new().read(true).write(true).open(disk.path());
        let (file, pass) =
            (raw().map_err(|error| error.to_string())?, raw().map_err(|error| error.to_string())?);
        let pass = Kernel(pass);
        let drive = Drive::look(&pass, interface(disk), meter);
        Ok(Self { disk: disk.clone(), open, file, pass, drive })
    }

    fn stand(&self, method: EraseMethod, wish: &Wish) -> Stand {
        let limit = |name: &str| self.disk.queue_limit(name) > 0;
        let refused = |why: &str| Stand::Refused(why.to_owned());
        match method {
            EraseMethod::Metadata => Stand::Foreign,
            EraseMethod::SecureDiscard if !self.disk.name.starts_with("mmcblk") => Stand::Foreign,
            EraseMethod::SecureDiscard | EraseMethod::Overwrite => Stand::Offered,
            EraseMethod::DeviceZeroes if !limit("write_zeroes_max_bytes") => {
                refused("the disk has no such command")
            }
            EraseMethod::Discard if !limit("discard_max_bytes") => refused("the disk has no such command"),
            EraseMethod::DeviceZeroes | EraseMethod::Discard => Stand::Offered,
            _ => self.drive.stand(method, &wish.beside),
        }
    }

    /// All that it can do, for the sentence that says that nothing worked.
    fn offered(&self, wish: &Wish) -> Vec<EraseMethod> {
        let is_offered = |method: &EraseMethod| self.stand(*method, wish) == Stand::Offered;
        EraseMethod::ALL.into_iter().filter(is_offered).collect()
    }

    /// Shows what an ATA drive hides, and says so; the disk as it is then, if that changed it.
    fn uncover(&self, hidden: &mut Vec<String>) -> Option<Disk> {
        let Drive::Ata(facts) = &self.drive else { return None };
        let (told, changed) = drive::uncover(&self.pass, facts);
        hidden.extend(told);
        if !changed {
            return None;
        }
        // Without this the kernel goes on with the size that it has read at the start.
        let _ = fs::write(self.disk.sysfs().join("device/rescan"), "1");
        let sectors: u64 = read_line(self.disk.sysfs().join("size")).parse().unwrap_or(0);
        let larger = Disk { size_bytes: sectors.saturating_mul(SECTOR), ..self.disk.clone() };
        if larger.size_bytes <= self.disk.size_bytes {
            hidden.push("the kernel does not see what was uncovered".to_owned());
            return None;
        }
        Some(larger)
    }

    /// Erases by one method and looks whether it did.
    fn carry_out(&self, method: EraseMethod, wish: &Wish, meter: &Meter) -> Result<Done, Refused> {
        let bytes = self.disk.size_bytes;
        let seen = if is_plain(method) {
            self.zero(method, meter)?;
            self.expect_zeroes(
                if method == EraseMethod::Discard { ReadBack::Full } else { wish.read_back },
                meter,
            )?
        } else {
            let before = Before::read(&self.open, meter);
            if meter.is_stopped() {
                return Err(Refused::Broken(meter.aborted()));
            }
            meter.leave_to_drive(method.sentence());
            let erased = self.drive.erase(&self.pass, method, meter, bytes);
            // A drive that was not waited for is still at it.
            if erased.is_ok() || !meter.is_stopped() {
                meter.leave_to_drive("");
            }
            erased.map_err(Refused::NotDone)?;
            meter.set(bytes);
            self.after_command(&before, wish, meter)?
        };
        Ok(Done { method, bytes, seen })
    }

    fn zero(&self, method: EraseMethod, meter: &Meter) -> Result<(), Refused> {
        let (path, bytes) = (self.disk.path(), self.disk.size_bytes);
        match method {
            EraseMethod::DeviceZeroes => plain::device_zeroes(&self.file, &path, bytes, meter),
            EraseMethod::Discard => plain::discard(&self.file, bytes, false, meter),
            EraseMethod::SecureDiscard => plain::discard(&self.file, bytes, true, meter),
            _ => plain::overwrite(&path, bytes, meter),
        }?;
        self.open.settle().map_err(|error| Refused::Broken(error.to_string()))
    }

    fn expect_zeroes(&self, extent: ReadBack, meter: &Meter) -> Result<Seen, Refused> {
        read_back::zeroes(&self.open, extent, meter).map_err(refused)
    }

    /// A drive says that it is done: is it? Where that cannot be seen, zeroes are written and read back. No label is left in what a drive
    /// leaves behind.
    fn after_command(&self, before: &Before, wish: &Wish, meter: &Meter) -> Result<Seen, Refused> {
        self.open.settle().map_err(refused)?;
        match before.compare(&self.open, meter).map_err(refused)? {
            After::Same(at) => {
                return Err(Refused::NotDone(format!(
                    "the drive says that it was done, but byte {at} and what follows read as before"
                )));
            }
            After::Zeroes => match self.expect_zeroes(wish.read_back, meter) {
                Ok(seen) => return Ok(seen),
                Err(Refused::Broken(why)) => return Err(Refused::Broken(why)),
                // Between the samples it is something else.
                Err(Refused::NotDone(_)) => {}
            },
            After::Changed(seen) if wish.read_back == ReadBack::Sampled => {
                clear_labels(&self.open, &self.disk.partitions(), meter).map_err(refused)?;
                return Ok(seen);
            }
            After::Changed(_) | After::Unknown => {}
        }
        meter.set(0);
        self.zero(EraseMethod::Overwrite, meter)?;
        let seen = self.expect_zeroes(wish.read_back, meter)?;
        Ok(Seen {
            found: "overwritten with zeroes after the drive's own erase, to be read back".into(),
            ..seen
        })
    }
}

fn refused(error: DiskError) -> Refused {
    match &error {
        DiskError::ReadBack { .. } => Refused::NotDone(error.to_string()),
        DiskError::Io { .. } | DiskError::Unfit(_) => Refused::Broken(error.to_string()),
    }
}
