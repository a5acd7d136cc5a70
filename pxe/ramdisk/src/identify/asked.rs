//! Values: what a disk has said of itself, and how it goes with what the kernel knows.

use protocol::hardware::{self, DiskHealth, DiskMark};

/// A disk's answers; whatever it did not answer is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Firmware revision.
    pub firmware: String,
    /// World-wide name as the kernel writes it: `naa.`, `eui.` and digits.
    pub wwn: String,
    /// Whether it turns.
    pub rotational: Option<bool>,
    /// Whether it expects to fail.
    pub health: DiskHealth,
    /// How much of its life is used, in percent.
    pub used_percent: Option<u8>,
    /// Whether it gives nothing without a password.
    pub locked: bool,
    /// What bears on its use, each for a person; a reason begins with the mark that it is for.
    pub says: Vec<String>,
}

impl Asked {
    /// It expects to fail, for these reasons; with none it is well.
    pub fn set_health(&mut self, reasons: &[&str]) {
        self.health = if reasons.is_empty() { DiskHealth::Good } else { DiskHealth::Failing };
        if !reasons.is_empty() {
            self.says.push(format!("failing: {}", reasons.join(", ")));
        }
    }

    /// Adds it to what the kernel knows. Names of the kernel's stay, for disks are told from each other by them; but a model that it cut off
    /// is completed.
    pub fn add_to(&self, mut disk: hardware::Disk) -> hardware::Disk {
        let fill = |text: &mut String, said: &String| {
            if text.is_empty() {
                text.clone_from(said);
            }
        };
        if self.model.starts_with(&disk.model) {
            disk.model.clone_from(&self.model);
        }
        fill(&mut disk.serial, &self.serial);
        fill(&mut disk.wwn, &self.wwn);
        disk.firmware.clone_from(&self.firmware);
        disk.rotational = self.rotational.unwrap_or(disk.rotational);
        (disk.health, disk.used_percent) = (self.health, self.used_percent);
        disk.says.clone_from(&self.says);
        let failing = self.health == DiskHealth::Failing;
        let marks = [(self.locked, DiskMark::Locked), (failing, DiskMark::Failing)];
        disk.marks.extend(marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark));
        disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_names_stay_and_its_gaps_are_filled() {
        let kernel = |model: &str, serial: &str| hardware::Disk {
            model: model.into(),
            serial: serial.into(),
            rotational: true,
            ..hardware::Disk::default()
        };
        let said = Asked {
            model: "SAMSUNG MZ7LH960HAJR".into(),
            serial: "S1".into(),
            firmware: "F1".into(),
            rotational: Some(false),
            locked: true,
            health: DiskHealth::Failing,
            ..Asked::default()
        };
        let check = |kernel: hardware::Disk, model: &str, serial: &str| {
            let disk = said.add_to(kernel);
            assert_eq!((disk.model.as_str(), disk.serial.as_str()), (model, serial));
            assert_eq!((disk.firmware.as_str(), disk.rotational), ("F1", false));
            assert_eq!(disk.marks, [DiskMark::Locked, DiskMark::Failing]);
        };
        check(kernel("SAMSUNG MZ7LH960", "K1"), "SAMSUNG MZ7LH960HAJR", "K1");
        check(kernel("", ""), "SAMSUNG MZ7LH960HAJR", "S1");
        check(kernel("PERC H755", "K1"), "PERC H755", "K1");
    }

    #[test]
    fn what_is_not_answered_changes_nothing() {
        let kernel = hardware::Disk { model: "m".into(), rotational: true, ..hardware::Disk::default() };
        assert_eq!(Asked::default().add_to(kernel.clone()), kernel);
    }
}
