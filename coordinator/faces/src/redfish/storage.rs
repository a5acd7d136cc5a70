//! Values: a server's disks as the last inspection saw them, as one Redfish storage subsystem.
//!
//! The ramdisk sees disks and not the controllers before them, so there is one subsystem that has them all.

use domain::rim::FacadeServer;
use protocol::{
    hardware::{Disk, DiskHealth},
    id::ServerId,
};
use serde_json::{Value, json};

use super::resource::{chassis_path, link, system_path};

/// Path of the subsystem.
pub fn storage_path(id: ServerId) -> String {
    format!("{}/Storage/Disks", system_path(id))
}

/// Path of the disks in its chassis.
pub fn drives_path(id: ServerId) -> String {
    format!("{}/Drives", chassis_path(id))
}

/// Path of a disk, by its place in the report.
pub fn drive_path(id: ServerId, index: usize) -> String {
    format!("{}/{index}", drives_path(id))
}

/// Paths of all of them.
pub fn drive_paths(server: &FacadeServer) -> Vec<String> {
    (0..disks(server).len()).map(|index| drive_path(server.id, index)).collect()
}

fn disks(server: &FacadeServer) -> &[Disk] {
    server.hardware.as_ref().map_or(&[], |hardware| &hardware.disks)
}

/// The subsystem; none: no inspection has said which disks there are.
pub fn storage(server: &FacadeServer) -> Option<Value> {
    server.hardware.as_ref()?;
    let drives: Vec<_> = drive_paths(server).iter().map(|path| link(path)).collect();
    Some(json!({
        "@odata.type": "#Storage.v1_17_0.Storage",
        "@odata.id": storage_path(server.id),
        "Id": "Disks",
        "Name": "Disks",
        "Drives@odata.count": drives.len(),
        "Drives": drives,
    }))
}

/// A disk; none when the server has fewer.
pub fn drive(server: &FacadeServer, index: usize) -> Option<Value> {
    let disk = disks(server).get(index)?;
    let mut drive = json!({
        "@odata.type": "#Drive.v1_20_0.Drive",
        "@odata.id": drive_path(server.id, index),
        "Id": index.to_string(),
        "Name": disk.name,
        "MediaType": if disk.rotational { "HDD" } else { "SSD" },
        "Status": {"State": "Enabled"},
    });
    if disk.size_bytes > 0 {
        drive["CapacityBytes"] = disk.size_bytes.into();
    }
    if let Some(health) = redfish_health(disk.health) {
        drive["Status"]["Health"] = health.into();
        drive["FailurePredicted"] = (disk.health == DiskHealth::Failing).into();
    }
    if let Some(used) = disk.used_percent {
        drive["PredictedMediaLifeLeftPercent"] = 100u8.saturating_sub(used).into();
    }
    for (key, text) in [("Model", &disk.model), ("SerialNumber", &disk.serial), ("Revision", &disk.firmware)]
    {
        if !text.is_empty() {
            drive[key] = text.as_str().into();
        }
    }
    if let Some(name) = naa(&disk.wwn) {
        drive["Identifiers"] = json!([{"DurableName": name, "DurableNameFormat": "NAA"}]);
    }
    Some(drive)
}

fn redfish_health(health: DiskHealth) -> Option<&'static str> {
    match health {
        DiskHealth::Unsaid => None,
        DiskHealth::Good => Some("OK"),
        DiskHealth::Failing => Some("Critical"),
    }
}

/// A world-wide name as Redfish writes one of IEEE's: 8 or 16 bytes in hexadecimal (DSP8010 `Resource.Identifier`); none: it is of
/// another kind.
fn naa(wwn: &str) -> Option<String> {
    let digits = wwn.trim_start_matches("0x").trim_start_matches("naa.");
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_hex && matches!(digits.len(), 16 | 32)).then(|| digits.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_its_kind_is_one() {
        let check = |wwn: &str, expected: Option<&str>| assert_eq!(naa(wwn).as_deref(), expected, "{wwn}");
        check("0x5002538e00000001", Some("5002538E00000001"));
        check("naa.5002538e00000001", Some("5002538E00000001"));
        check("eui.0025385971b0b4d1", None);
        check("", None);
        check("0x50", None);
    }
}
