//! Decisions: how long disks are waited for: the kernel finds them in its own time, SAS and NVMe disks seconds after the rest.

use std::time::Duration;

use protocol::hardware::Disk;

/// Nothing has changed for so long: there will be no more disks. Where there is a SCSI controller (SAS, SATA, USB), its disks are
/// found one after the other.
const QUIET: Duration = Duration::from_millis(300);
const QUIET_SCSI: Duration = Duration::from_secs(2);
/// After this time it goes on with what is there.
pub const SETTLE_MAX: Duration = Duration::from_secs(30);
/// The same while a driver is still starting: a controller with a shelf of disks takes a minute.
pub const DRIVER_MAX: Duration = Duration::from_secs(120);
/// Longest time for which disks that must be there are waited for: enough for a shelf of disks to spin up.
pub const EXPECTED_MAX: Duration = Duration::from_secs(60);

/// What the kernel shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The disks' names.
    pub names: Vec<String>,
    /// Drivers are being loaded.
    pub drivers_starting: bool,
    /// NVMe controllers that are not ready yet.
    pub nvme_starting: bool,
    /// Whether there is a SCSI controller.
    pub scsi: bool,
}

/// Waits for the end of the kernel's search.
#[derive(Debug, Default)]
pub struct Settling {
    last: Look,
    changed: Duration,
}

impl Settling {
    /// Takes one look, at so long after the first one; whether it may go on.
    pub fn is_over(&mut self, at: Duration, look: Look) -> bool {
        if look != self.last {
            self.last = look;
            self.changed = at;
        }
        let quiet = if self.last.scsi { QUIET_SCSI } else { QUIET };
        if self.last.drivers_starting {
            return at >= DRIVER_MAX;
        }
        at >= SETTLE_MAX || (!self.last.nvme_starting && at.saturating_sub(self.changed) >= quiet)
    }
}

/// Those of the expected disks that are not there. Each disk that is there stands for one.
pub fn missing(expected: &[Disk], there: &[Disk]) -> Vec<Disk> {
    let mut left: Vec<_> = there.iter().collect();
    let mut missing = Vec::new();
    for disk in expected {
        match left.iter().position(|other| other.is_like(disk)) {
            Some(index) => drop(left.swap_remove(index)),
            None => missing.push(disk.clone()),
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(names: &[&str]) -> Look {
        Look { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Look::default() }
    }

    #[test]
    fn it_goes_on_when_nothing_has_changed_for_a_while() {
        let check = |looks: &[(u64, Look)], expected: Option<u64>| {
            let mut settling = Settling::default();
            let over =
                looks.iter().find(|(ms, look)| settling.is_over(Duration::from_millis(*ms), look.clone()));
            assert_eq!(over.map(|(ms, _)| *ms), expected, "{looks:?}");
        };
        let scsi = |names: &[&str]| Look { scsi: true, ..look(names) };
        let starting = Look { nvme_starting: true, ..look(&[]) };
        check(&[(0, look(&["vda"])), (100, look(&["vda"])), (300, look(&["vda"]))], Some(300));
        check(&[(0, look(&["vda"])), (200, look(&["vda", "vdb"])), (400, look(&["vda", "vdb"]))], None);
        check(&[(0, scsi(&["sda"])), (1900, scsi(&["sda"])), (2000, scsi(&["sda"]))], Some(2000));
        check(&[(0, starting.clone()), (9000, starting.clone()), (30_000, starting)], Some(30_000));
        let loading = Look { drivers_starting: true, ..look(&[]) };
        check(&[(0, loading.clone()), (30_000, loading.clone()), (120_000, loading.clone())], Some(120_000));
        check(&[(0, loading), (9000, look(&[])), (9100, look(&[])), (9300, look(&[]))], Some(9300));
        check(&[(0, look(&[])), (300, look(&[]))], Some(300));
    }

    #[test]
    fn each_expected_disk_needs_one_of_its_own() {
        let disk = |serial: &str| Disk { serial: serial.into(), size_bytes: 8, ..Disk::default() };
        let check = |expected: &[&str], there: &[&str], left: &[&str]| {
            let disks = |serials: &[&str]| serials.iter().map(|serial| disk(serial)).collect::<Vec<_>>();
            assert_eq!(missing(&disks(expected), &disks(there)), disks(left));
        };
        check(&["a", "b"], &["b", "c", "a"], &[]);
        check(&["a", "b"], &["b"], &["a"]);
        check(&["", ""], &[""], &[""]);
        check(&[], &["a"], &[]);
    }
}
