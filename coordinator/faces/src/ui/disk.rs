//! Values: the disks of a server, as its page shows them.

use api_types::{DiskStanding, NodeDisk};
use jiff::Timestamp;

use super::view::{self, Tone, When};

/// One of them.
pub struct DiskRow {
    /// Its number.
    pub number: u32,
    /// Its size.
    pub size: String,
    /// What is printed on it.
    pub identity: String,
    /// Device node and place when it was seen last.
    pub name: String,
    /// What else is to be known of it.
    pub remarks: String,
    /// How it stands.
    pub standing: String,
    /// How good that is.
    pub tone: Tone,
    /// By whose word it is left out, and why.
    pub word: String,
    /// When it was erased last.
    pub erased: Option<When>,
    /// How.
    pub how: String,
}

/// Rows of disks, by number.
pub fn rows(disks: Vec<NodeDisk>, now: Timestamp) -> Vec<DiskRow> {
    disks.into_iter().map(|disk| row(disk, now)).collect()
}

fn row(disk: NodeDisk, now: Timestamp) -> DiskRow {
    let names =
        [("", &disk.model), ("serial ", &disk.serial), ("WWN ", &disk.wwn), ("firmware ", &disk.firmware)];
    let names = names.into_iter().filter(|(_, name)| !name.is_empty());
    let names: Vec<_> = names.map(|(what, name)| format!("{what}{name}")).collect();
    let is_failing = disk.health == "failing";
    let tone = match disk.standing {
        DiskStanding::Missing => Tone::Bad,
        DiskStanding::ToBeErased | DiskStanding::Erased | DiskStanding::Unknown if is_failing => Tone::Bad,
        DiskStanding::ToBeErased | DiskStanding::Erased | DiskStanding::Unknown if disk.read_only => {
            Tone::Bad
        }
        DiskStanding::ToBeErased | DiskStanding::Erased | DiskStanding::LeftOut | DiskStanding::Unknown => {
            Tone::Good
        }
    };
    let read_only = if disk.read_only { ", read-only" } else { "" };
    let failing = if is_failing { ", failing" } else { "" };
    let at = if disk.place.is_empty() { "" } else { " at " };
    DiskRow {
        number: disk.number,
        size: view::bytes(&disk.size_bytes),
        identity: if names.is_empty() { "has no name of its own".to_owned() } else { names.join(", ") },
        name: format!("{}{at}{}", disk.name, disk.place),
        remarks: disk.remarks.join(", "),
        standing: format!("{}{read_only}{failing}", disk.standing),
        tone,
        word: disk.exception.map(|word| format!("by {}: {}", word.by, word.reason)).unwrap_or_default(),
        erased: disk.erased.as_ref().and_then(|erased| When::read(&erased.at, now)),
        how: disk.erased.map(|erased| erased.method).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::DiskException;

    #[test]
    fn a_disk_that_no_clean_can_account_for_stands_out() {
        let disk = |standing: DiskStanding, read_only: bool, reason: Option<&str>| NodeDisk {
            number: 2,
            name: "/dev/sdb".into(),
            size_bytes: 4 << 30,
            model: String::new(),
            serial: "B2".into(),
            wwn: String::new(),
            removable: false,
            read_only,
            transport: "sata".into(),
            sector_bytes: 4096,
            firmware: "F1".into(),
            health: "good".into(),
            place: "2:0:0:0".into(),
            remarks: vec!["root disk".into(), "4096-byte sectors".into()],
            standing,
            first_seen: String::new(),
            last_seen: String::new(),
            erased: None,
            exception: reason.map(|reason| DiskException {
                at: String::new(),
                by: "alice".into(),
                reason: reason.into(),
            }),
        };
        let check = |disk: NodeDisk, bad: bool, standing: &str, word: &str| {
            let row = row(disk, Timestamp::UNIX_EPOCH);
            assert_eq!(
                (row.tone.class() == "bad", row.standing.as_str(), row.word.as_str()),
                (bad, standing, word)
            );
            assert_eq!(row.identity, "serial B2, firmware F1");
            let (name, remarks) = (row.name.as_str(), row.remarks.as_str());
            assert_eq!((name, remarks), ("/dev/sdb at 2:0:0:0", "root disk, 4096-byte sectors"));
        };
        check(disk(DiskStanding::Missing, false, None), true, "missing", "");
        check(disk(DiskStanding::ToBeErased, true, None), true, "to be erased, read-only", "");
        check(
            disk(DiskStanding::LeftOut, true, Some("pulled")),
            false,
            "left out, read-only",
            "by alice: pulled",
        );
        check(disk(DiskStanding::Erased, false, None), false, "erased", "");
        let failing = NodeDisk { health: "failing".into(), ..disk(DiskStanding::Erased, false, None) };
        check(failing, true, "erased, failing", "");
    }
}
