//! The ladder: which ways there are, and when one has worked.

use protocol::quirk::SaidQuirk;
use serde_json::{Value, json};

use super::*;
use crate::bmc::quirks::Maker;

const PXE: Wanted = Wanted { device: BootDevice::Pxe, persistence: Persistence::Once, mode: BootMode::Uefi };
const DISK: Wanted =
    Wanted { device: BootDevice::Disk, persistence: Persistence::Persistent, mode: BootMode::Uefi };

fn shown(system: Value, settings: Option<Value>) -> Shown {
    shown_by(system, settings, &[])
}

fn shown_by(system: Value, settings: Option<Value>, said: &[SaidQuirk]) -> Shown {
    let read = |value| serde_json::from_value::<ComputerSystem>(value).unwrap();
    let quirks = Deviations::of(&Maker::default(), said);
    Shown::of(&read(system), settings.map(read).as_ref(), &quirks)
}

fn boot(boot: Value) -> BootOverride {
    serde_json::from_value(boot).unwrap()
}

#[test]
fn the_ladder_begins_with_what_the_service_shows() {
    let check = |shown: &Shown, wanted: Wanted, expected: &[&str]| {
        let ways: Vec<_> = ladder(shown, wanted, None).iter().map(ToString::to_string).collect();
        assert_eq!(ways, expected, "{shown:?}");
    };
    let usual = json!({"BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "UEFI"});
    let plain = shown(json!({"Boot": usual}), None);
    check(&plain, PXE, &["at the system with the mode", "at the system without the mode"]);
    check(
        &plain,
        DISK,
        &[
            "at the system with the mode",
            "at the system without the mode",
            "at the system with the mode, for the next start only",
            "at the system without the mode, for the next start only",
            "at the system as the firmware's own order",
        ],
    );
    let no_mode = shown(json!({"Boot": {"BootSourceOverrideTarget": "None"}}), None);
    check(&no_mode, PXE, &["at the system without the mode", "at the system with the mode"]);
    let mut once_only = usual.clone();
    once_only["BootSourceOverrideEnabled@Redfish.AllowableValues"] = json!(["Once", "Disabled"]);
    check(
        &shown(json!({"Boot": once_only}), None),
        DISK,
        &[
            "at the system with the mode, for the next start only",
            "at the system without the mode, for the next start only",
            "at the system as the firmware's own order",
        ],
    );
    let settings = json!({"SettingsObject": {"@odata.id": "/redfish/v1/Systems/1/SD"}});
    let with_settings = json!({"Boot": usual, "@Redfish.Settings": settings});
    check(
        &shown(with_settings.clone(), Some(json!({"Boot": usual}))),
        PXE,
        &[
            "at its settings object with the mode",
            "at its settings object without the mode",
            "at the system with the mode",
            "at the system without the mode",
        ],
    );
    // A settings object of BIOS attributes, or one that cannot be read.
    for object in [Some(json!({"Attributes": {}})), None] {
        let ways = ladder(&shown(with_settings.clone(), object), PXE, None);
        assert_eq!(ways.first().map(|way| way.place), Some(Place::System));
        assert_eq!(ways.last().map(|way| way.place), Some(Place::Settings));
    }
}

#[test]
fn what_is_known_of_a_bmc_is_tried_first() {
    let system = json!({
        "Boot": {"BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "UEFI"},
        "@Redfish.Settings": {"SettingsObject": {"@odata.id": "/redfish/v1/Systems/1/SD"}},
    });
    let check = |quirk: Quirk, wanted: Wanted, expected: &str| {
        let shown = shown_by(system.clone(), None, &[SaidQuirk::Has(quirk)]);
        let first = ladder(&shown, wanted, None)[0].to_string();
        assert_eq!(first, expected, "{quirk}");
    };
    check(Quirk::OldTls, DISK, "at the system with the mode");
    check(Quirk::BootAtSettings, PXE, "at its settings object with the mode");
    check(Quirk::BootModeNotSent, PXE, "at the system without the mode");
    check(Quirk::BootSetOnceOnly, DISK, "at the system with the mode, for the next start only");
    check(Quirk::BootSetOnceOnly, PXE, "at the system with the mode");
    check(Quirk::DiskBootLeftAlone, DISK, "at the system as the firmware's own order");
    check(Quirk::DiskBootLeftAlone, PXE, "at the system with the mode");
}

#[test]
fn what_has_worked_is_tried_first_and_once() {
    let plain = shown(json!({"Boot": {"BootSourceOverrideMode": "UEFI"}}), None);
    for way in ladder(&plain, DISK, None) {
        let again = ladder(&plain, DISK, Some(way));
        assert_eq!(again.first(), Some(&way));
        assert_eq!(again.len(), ladder(&plain, DISK, None).len());
    }
}

#[test]
fn what_is_read_back_is_what_was_wanted_or_a_mismatch() {
    let check = |target: &str, enabled: &str, mode: Option<&str>, [pxe, disk, nothing]: [bool; 3]| {
        let mut body = json!({"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled});
        if let Some(mode) = mode {
            body["BootSourceOverrideMode"] = json!(mode);
        }
        let way = |says| Way { place: Place::System, says, lasts: Lasts::AsWanted };
        let shown = boot(body);
        assert_eq!(is_set(&shown, PXE, way(Says::All)), pxe, "pxe: {shown:?}");
        assert_eq!(is_set(&shown, DISK, way(Says::WithoutMode)), disk, "disk: {shown:?}");
        assert_eq!(is_set(&shown, DISK, way(Says::Nothing)), nothing, "own order: {shown:?}");
    };
    check("Pxe", "Once", Some("UEFI"), [true, false, false]);
    check("PXE", "once", None, [true, false, false]);
    check("Pxe", "Continuous", Some("UEFI"), [true, false, false]);
    check("Pxe", "Once", Some("Legacy"), [false, false, false]);
    check("Pxe", "Disabled", Some("UEFI"), [false, false, true]);
    check("None", "Once", Some("UEFI"), [false, false, true]);
    check("Hdd", "Once", Some("UEFI"), [false, true, false]);
    check("Hdd", "Continuous", Some("UEFI"), [false, true, false]);
    check("Hdd", "Continuous", Some("Legacy"), [false, false, false]);
    check("Usb", "Once", Some("UEFI"), [false, false, false]);
    let way = Way { place: Place::System, says: Says::WithoutMode, lasts: Lasts::AsWanted };
    assert!(!is_set(&BootOverride::default(), PXE, way), "what is not shown is not proved");
}

#[test]
fn every_form_of_an_etag_is_tried_once() {
    let check = |header: Option<&str>, body: Option<&str>, expected: &[Option<&str>]| {
        let forms = etags(header, body);
        assert_eq!(forms.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{header:?} {body:?}");
    };
    check(None, None, &[None, Some("*")]);
    check(Some("\"1\""), None, &[Some("\"1\""), Some("*"), None]);
    check(Some("W/\"1\""), None, &[Some("W/\"1\""), Some("\"1\""), Some("*"), None]);
    check(None, Some("W/\"2\""), &[Some("W/\"2\""), Some("\"2\""), Some("*"), None]);
    check(Some("W/\"1\""), Some("\"2\""), &[Some("W/\"1\""), Some("\"2\""), Some("\"1\""), Some("*"), None]);
}

#[test]
fn a_service_that_cannot_do_it_says_so_itself() {
    let check = |body: Value, expected: &str| assert_eq!(not_offered(&boot(body), PXE), expected);
    check(json!({}), "");
    check(json!({"BootSourceOverrideTarget@Redfish.AllowableValues": "None,Pxe"}), "");
    check(
        json!({"BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Hdd"]}),
        "; it offers no target Pxe, only None, Hdd",
    );
}
