//! Decisions: whether an image can start on the servers that a flavor takes. Asked before anything is made for a server,
//! so that the answer comes at once and not after a deployment.

use protocol::boot::BootMode;

use crate::rim::{Flavor, Image};

/// What decides whether a server can start an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How its firmware boots.
    pub boot_mode: BootMode,
    /// Bytes of its root disk's sectors, as partition tables count them; none: not known.
    pub sector_bytes: Option<u32>,
}

/// Refuses, with the reason, an image that some of the flavor's servers cannot start: which of them it would be is not
/// known before. `machines` are the flavor's servers.
pub fn refuse_unfit(image: &Image, flavor: &Flavor, machines: &[Machine]) -> Result<(), String> {
    let name = image.name.as_deref().unwrap_or(&image.id);
    if image.min_disk > flavor.disk {
        return Err(format!(
            "image {name} needs a disk of {} GB, but flavor {} has {} GB; choose a larger flavor",
            image.min_disk, flavor.name, flavor.disk
        ));
    }
    refuse_firmware(image, flavor, machines)?;
    refuse_sectors(image, flavor, machines)
}

fn refuse_firmware(image: &Image, flavor: &Flavor, machines: &[Machine]) -> Result<(), String> {
    let Some(wanted) = image.boot_mode() else { return Ok(()) };
    let Some(servers) = some(machines, |machine| machine.boot_mode != wanted) else { return Ok(()) };
    let (name, flavor) = (image.name.as_deref().unwrap_or(&image.id), &flavor.name);
    let (wanted, other) = match wanted {
        BootMode::Bios => ("BIOS", "UEFI"),
        BootMode::Uefi => ("UEFI", "BIOS"),
    };
    Err(format!(
        "image {name} boots only with {wanted}, but {servers} of flavor {flavor} boot with {other}; choose an image for {other}, \
         or a flavor whose servers boot with {wanted}"
    ))
}

fn refuse_sectors(image: &Image, flavor: &Flavor, machines: &[Machine]) -> Result<(), String> {
    let Some(wanted) = image.sector_bytes() else { return Ok(()) };
    let is_unfit = |machine: &Machine| machine.sector_bytes.is_some_and(|has| has != wanted);
    let Some(servers) = some(machines, is_unfit) else { return Ok(()) };
    let (name, flavor) = (image.name.as_deref().unwrap_or(&image.id), &flavor.name);
    Err(format!(
        "image {name} was made for disks with sectors of {wanted} bytes, but the root disks of {servers} of flavor {flavor} have \
         others; choose an image for them, or a flavor whose servers have disks with sectors of {wanted} bytes"
    ))
}

/// How many of the servers it concerns, in words; none: no server.
fn some(machines: &[Machine], concerns: impl Fn(&Machine) -> bool) -> Option<String> {
    match machines.iter().filter(|machine| concerns(machine)).count() {
        0 => None,
        all if all == machines.len() => Some("the servers".to_owned()),
        few => Some(format!("{few} of {} servers", machines.len())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(given: &serde_json::Value, machines: &[Machine]) -> Option<String> {
        let mut image = json!({ "id": "i1", "name": "demo", "status": "active" });
        for (name, value) in given.as_object().into_iter().flatten() {
            image[name] = value.clone();
        }
        let image: Image = serde_json::from_value(image).unwrap();
        let flavor: Flavor =
            serde_json::from_value(json!({"id": "f", "name": "metal", "vcpus": 1, "ram": 1, "disk": 4}))
                .unwrap();
        refuse_unfit(&image, &flavor, machines).err()
    }

    #[track_caller]
    fn check(given: serde_json::Value, machines: &[Machine], expected: Option<&str>) {
        let found = refused(&given, machines);
        assert_eq!(found.is_some(), expected.is_some(), "{given}: {found:?}");
        assert!(
            found.unwrap_or_default().contains(expected.unwrap_or_default()),
            "{given}: not {expected:?}"
        );
    }

    #[test]
    fn an_image_that_cannot_start_is_refused_with_the_reason() {
        let bios = Machine { boot_mode: BootMode::Bios, sector_bytes: None };
        let uefi = Machine { boot_mode: BootMode::Uefi, sector_bytes: None };
        check(json!({ "min_disk": 4 }), &[bios, uefi], None);
        check(json!({ "min_disk": 5 }), &[], Some("needs a disk of 5 GB, but flavor metal has 4 GB"));
        let firmware = |mode: &str| json!({ "hw_firmware_type": mode });
        check(firmware("uefi"), &[uefi, uefi], None);
        check(firmware("uefi"), &[], None);
        let all = "boots only with UEFI, but the servers of flavor metal boot with BIOS";
        check(firmware("uefi"), &[bios, bios], Some(all));
        check(firmware("bios"), &[bios, uefi], Some("1 of 2 servers of flavor metal boot with UEFI"));
    }

    #[test]
    fn an_image_for_other_sectors_is_refused_before_anything_is_made() {
        let with = |sector_bytes| Machine { boot_mode: BootMode::Uefi, sector_bytes };
        let (small, large, unknown) = (with(Some(512)), with(Some(4096)), with(None));
        let made_for = |bytes: &str| json!({ "bms_sector_bytes": bytes });
        check(made_for("512"), &[small, unknown], None);
        check(made_for("4096"), &[large], None);
        check(made_for("512"), &[], None);
        check(json!({}), &[small, large], None);
        check(made_for("many"), &[large], None);
        let one = "made for disks with sectors of 512 bytes, but the root disks of 1 of 2 servers of flavor metal have others";
        check(made_for("512"), &[small, large], Some(one));
        check(made_for("4096"), &[small, small], Some("root disks of the servers of flavor metal"));
    }
}
