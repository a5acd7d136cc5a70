//! Decisions: whether an image can start on the servers that a flavor takes. Asked before anything is made for a server,
//! so that the answer comes at once and not after a deployment.

use protocol::boot::BootMode;

use crate::rim::{Flavor, Image};

/// Refuses, with the reason, an image that some of the flavor's servers cannot start: which of them it would be is not
/// known before. `modes` are those of the flavor's servers, one for each.
pub fn refuse_unfit(image: &Image, flavor: &Flavor, modes: &[BootMode]) -> Result<(), String> {
    let name = image.name.as_deref().unwrap_or(&image.id);
    if image.min_disk > flavor.disk {
        return Err(format!(
            "image {name} needs a disk of {} GB, but flavor {} has {} GB; choose a larger flavor",
            image.min_disk, flavor.name, flavor.disk
        ));
    }
    let Some(wanted) = image.boot_mode() else { return Ok(()) };
    let unfit = modes.iter().filter(|mode| **mode != wanted).count();
    if unfit == 0 {
        return Ok(());
    }
    let (wanted, other) = match wanted {
        BootMode::Bios => ("BIOS", "UEFI"),
        BootMode::Uefi => ("UEFI", "BIOS"),
    };
    let servers = if unfit == modes.len() {
        "the servers".to_owned()
    } else {
        format!("{unfit} of {} servers", modes.len())
    };
    Err(format!(
        "image {name} boots only with {wanted}, but {servers} of flavor {} boot with {other}; choose an image for {other}, \
         or a flavor whose servers boot with {wanted}",
        flavor.name
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_that_cannot_start_is_refused_with_the_reason() {
        use BootMode::{Bios, Uefi};
        let check = |firmware: Option<&str>, min_disk: u64, modes: &[BootMode], expected: Option<&str>| {
            let image: Image = serde_json::from_value(json!({
                "id": "i1", "name": "demo", "status": "active", "min_disk": min_disk, "hw_firmware_type": firmware,
            }))
            .unwrap();
            let flavor: Flavor =
                serde_json::from_value(json!({"id": "f", "name": "metal", "vcpus": 1, "ram": 1, "disk": 4}))
                    .unwrap();
            match (refuse_unfit(&image, &flavor, modes), expected) {
                (Ok(()), None) => {}
                (Err(why), Some(words)) => assert!(why.contains(words), "{why}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(None, 4, &[Bios, Uefi], None);
        check(None, 5, &[], Some("needs a disk of 5 GB, but flavor metal has 4 GB"));
        check(Some("uefi"), 1, &[Uefi, Uefi], None);
        check(Some("uefi"), 1, &[], None);
        check(
            Some("uefi"),
            1,
            &[Bios, Bios],
            Some("boots only with UEFI, but the servers of flavor metal boot with BIOS"),
        );
        check(Some("bios"), 1, &[Bios, Uefi], Some("1 of 2 servers of flavor metal boot with UEFI"));
    }
}
