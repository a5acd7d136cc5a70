//! Values: what a server's real BMC says, as Redfish resources of ours. What it did not say is left out, and nothing is asked for it.

use protocol::{
    bmc_facts::{BmcFacts, FirmwareItem, MediaSlot},
    id::ServerId,
    redfish::read::bios::Settings,
};
use serde_json::{Value, json};

use super::{
    orders::{APPLY_TIME, NMI},
    resource::{collection, link, manager_path, system_path},
    update,
};

/// Path of the service that lists firmware.
pub const UPDATE_SERVICE: &str = "/redfish/v1/UpdateService";
/// Path of its list.
pub const FIRMWARE_INVENTORY: &str = "/redfish/v1/UpdateService/FirmwareInventory";
/// The values of `SecureBootMode` (DSP8010 `SecureBoot`); a BMC's own word is none of them.
const SECURE_BOOT_MODES: [&str; 4] = ["SetupMode", "UserMode", "AuditMode", "DeployedMode"];
/// The values of `MediaTypes` (DSP8010 `VirtualMedia`).
const MEDIA_TYPES: [&str; 4] = ["CD", "Floppy", "USBStick", "DVD"];

/// Adds to a system what its BMC says of it.
pub fn add_to_system(system: &mut Value, id: ServerId, facts: &BmcFacts) {
    let path = system_path(id);
    let said = &facts.system;
    if !said.bios_version.is_empty() {
        system["BiosVersion"] = said.bios_version.as_str().into();
    }
    if said.can_nmi
        && let Some(types) =
            system["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"].as_array_mut()
    {
        types.push(NMI.into());
    }
    if let Some(light) = said.light {
        system["LocationIndicatorActive"] = light.into();
        system["IndicatorLED"] = if light { "Lit" } else { "Off" }.into();
    }
    if has_bios(facts) {
        system["Bios"] = link(&format!("{path}/Bios"));
    }
    if facts.secure_boot.is_known() {
        system["SecureBoot"] = link(&format!("{path}/SecureBoot"));
    }
    if !facts.media.is_empty() {
        system["VirtualMedia"] = link(&format!("{path}/VirtualMedia"));
    }
}

/// Whether its firmware shows settings.
pub fn has_bios(facts: &BmcFacts) -> bool {
    !facts.bios.attributes.is_empty()
}

/// The settings of a server's firmware; none: its BMC shows none.
pub fn bios(id: ServerId, facts: &BmcFacts) -> Option<Value> {
    let path = format!("{}/Bios", system_path(id));
    has_bios(facts).then(|| {
        json!({
            "@odata.type": "#Bios.v1_2_0.Bios",
            "@odata.id": path,
            "Id": "Bios",
            "Name": "Settings of the firmware",
            "Attributes": facts.bios.attributes,
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": link(&format!("{path}/Settings")),
                "SupportedApplyTimes": [APPLY_TIME],
            },
            "Actions": {"#Bios.ResetBios": {"target": format!("{path}/Actions/Bios.ResetBios")}},
        })
    })
}

/// The same as they will be after the next start.
pub fn bios_settings(id: ServerId, facts: &BmcFacts) -> Option<Value> {
    let mut attributes: Settings = facts.bios.attributes.clone();
    attributes.extend(facts.bios.pending.clone());
    has_bios(facts).then(|| {
        json!({
            "@odata.type": "#Bios.v1_2_0.Bios",
            "@odata.id": format!("{}/Bios/Settings", system_path(id)),
            "Id": "Settings",
            "Name": "Settings of the firmware after the next start",
            "Attributes": attributes,
        })
    })
}

/// Secure Boot; none: the BMC shows none.
pub fn secure_boot(id: ServerId, facts: &BmcFacts) -> Option<Value> {
    let (said, path) = (&facts.secure_boot, format!("{}/SecureBoot", system_path(id)));
    let mut shown = json!({
        "@odata.type": "#SecureBoot.v1_1_0.SecureBoot",
        "@odata.id": path,
        "Id": "SecureBoot",
        "Name": "Secure Boot",
        // Which ways to reset them a BMC has, it says when it is told one.
        "Actions": {"#SecureBoot.ResetKeys": {"target": format!("{path}/Actions/SecureBoot.ResetKeys")}},
    });
    if let Some(is_enabled) = said.is_enabled {
        shown["SecureBootEnable"] = is_enabled.into();
    }
    if let Some(was_enabled) = said.was_enabled {
        shown["SecureBootCurrentBoot"] = if was_enabled { "Enabled" } else { "Disabled" }.into();
    }
    if SECURE_BOOT_MODES.contains(&said.mode.as_str()) {
        shown["SecureBootMode"] = said.mode.as_str().into();
    }
    said.is_known().then_some(shown)
}

/// Whose drives of virtual media are listed; they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaOwner {
    /// The system.
    System,
    /// The manager, as in older services.
    Manager,
}

/// Path of the drives of virtual media.
pub fn media_path(id: ServerId, owner: MediaOwner) -> String {
    let owner = match owner {
        MediaOwner::System => system_path(id),
        MediaOwner::Manager => manager_path(id),
    };
    format!("{owner}/VirtualMedia")
}

/// The drives of virtual media.
pub fn media(id: ServerId, owner: MediaOwner, facts: &BmcFacts) -> Value {
    let path = media_path(id, owner);
    let members: Vec<_> = media_names(facts).iter().map(|name| format!("{path}/{name}")).collect();
    collection("VirtualMedia", &path, &members)
}

fn media_names(facts: &BmcFacts) -> Vec<String> {
    names(facts.media.iter().map(|slot| slot.id.as_str()))
}

/// A drive of virtual media, by its name in the path.
pub fn slot<'a>(name: &str, facts: &'a BmcFacts) -> Option<&'a MediaSlot> {
    let at = media_names(facts).iter().position(|known| known == name)?;
    facts.media.get(at)
}

/// One of them, by its name in the path.
pub fn medium(id: ServerId, owner: MediaOwner, name: &str, facts: &BmcFacts) -> Option<Value> {
    let MediaSlot { id: own_name, kinds, image, is_inserted } = slot(name, facts)?;
    let path = format!("{}/{name}", media_path(id, owner));
    let kinds: Vec<_> = kinds.iter().filter(|kind| MEDIA_TYPES.contains(&kind.as_str())).collect();
    Some(json!({
        "@odata.type": "#VirtualMedia.v1_6_0.VirtualMedia",
        "@odata.id": path,
        "Id": name,
        "Name": own_name,
        "MediaTypes": kinds,
        "Image": (!image.is_empty()).then_some(image),
        "Inserted": is_inserted,
        "ConnectedVia": if *is_inserted { "URI" } else { "NotConnected" },
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
            "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
        },
    }))
}

/// The service that lists firmware and updates it.
pub fn update_service() -> Value {
    let mut service = json!({
        "@odata.type": "#UpdateService.v1_11_0.UpdateService",
        "@odata.id": UPDATE_SERVICE,
        "Id": "UpdateService",
        "Name": "Update Service",
        "FirmwareInventory": link(FIRMWARE_INVENTORY),
    });
    update::add_to_service(&mut service);
    service
}

/// The list of a server's firmware.
pub fn firmware(facts: &BmcFacts) -> Value {
    let members: Vec<_> =
        firmware_names(facts).iter().map(|name| format!("{FIRMWARE_INVENTORY}/{name}")).collect();
    collection("SoftwareInventory", FIRMWARE_INVENTORY, &members)
}

/// Their names in the path, in their order.
pub fn firmware_names(facts: &BmcFacts) -> Vec<String> {
    names(facts.firmware.iter().map(|item| item.id.as_str()))
}

/// One piece of firmware, by its name in the path.
pub fn firmware_item(name: &str, facts: &BmcFacts) -> Option<Value> {
    let at = firmware_names(facts).iter().position(|known| known == name)?;
    let FirmwareItem { id: own_id, name: own_name, version, is_updateable } = facts.firmware.get(at)?;
    Some(json!({
        "@odata.type": "#SoftwareInventory.v1_10_0.SoftwareInventory",
        "@odata.id": format!("{FIRMWARE_INVENTORY}/{name}"),
        "Id": name,
        "Name": own_name,
        "SoftwareId": own_id,
        "Version": version,
        "Updateable": is_updateable,
        "Status": {"State": "Enabled"},
    }))
}

/// Names for a path: a BMC's own id where it can stand there and nobody else has it, its place otherwise.
pub(super) fn names<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (place, id) in ids.enumerate() {
        let is_plain =
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        // Neither "." nor "..", which mean something else in a path, nor what may be somebody's place.
        let is_named = is_plain && id.starts_with(|first: char| first.is_ascii_alphabetic());
        let name = if is_named && !names.iter().any(|known| known == id) {
            id.to_owned()
        } else {
            place.to_string()
        };
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bmc_calls_its_parts_becomes_a_path_of_ours() {
        let check = |ids: &[&str], expected: &[&str]| assert_eq!(names(ids.iter().copied()), expected);
        check(&["Cd", "USB1"], &["Cd", "USB1"]);
        check(&["Cd", "Cd", "Cd"], &["Cd", "1", "2"]);
        check(&["..", "a/b", "", "NIC Slot 1", "2"], &["0", "1", "2", "3", "4"]);
        check(&["Installed-0-18.0", "ß"], &["Installed-0-18.0", "1"]);
    }

    #[test]
    fn what_a_bmc_did_not_say_is_not_shown() {
        let id = ServerId::random();
        let facts = BmcFacts::default();
        let mut system = json!({});
        add_to_system(&mut system, id, &facts);
        assert_eq!(system, json!({}));
        assert_eq!(
            (bios(id, &facts), bios_settings(id, &facts), secure_boot(id, &facts)),
            (None, None, None)
        );
        assert_eq!(media(id, MediaOwner::System, &facts)["Members"], json!([]));
        assert_eq!(firmware(&facts)["Members"], json!([]));
    }
}
