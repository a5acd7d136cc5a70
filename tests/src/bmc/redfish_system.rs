//! Edges: the resources of the virtual Redfish BMC, and what its system does when it is written to.

use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    mac::MacAddr,
    redfish::BootOverride,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::chassis::{BootSetting, Chassis};

pub(super) const SYSTEM: &str = "/redfish/v1/Systems/1";
pub(super) const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const RESET_TYPES: [&str; 7] =
    ["On", "ForceOn", "ForceOff", "GracefulShutdown", "ForceRestart", "GracefulRestart", "PowerCycle"];

/// Why a write is refused.
pub(super) enum Refusal {
    BadRequest(String),
    Conflict(String),
    Machine(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Refusal::Machine(error)
    }
}

pub(super) fn root(sessions: bool) -> Value {
    let mut root = json!({
        "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
        "@odata.id": "/redfish/v1/",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.6.0",
        "Systems": { "@odata.id": "/redfish/v1/Systems" },
        "Chassis": { "@odata.id": "/redfish/v1/Chassis" },
        "Managers": { "@odata.id": "/redfish/v1/Managers" },
        "Links": {},
    });
    if sessions {
        root["SessionService"] = json!({ "@odata.id": "/redfish/v1/SessionService" });
        root["Links"] = json!({ "Sessions": { "@odata.id": "/redfish/v1/SessionService/Sessions" } });
    }
    root
}

pub(super) fn session(path: &str, id: &str, username: &str) -> Value {
    json!({
        "@odata.type": "#Session.v1_0_0.Session",
        "@odata.id": path,
        "Id": id,
        "Name": "User Session",
        "UserName": username,
    })
}

fn collection(kind: &str, path: &str, members: &[String]) -> Value {
    let links: Vec<Value> = members.iter().map(|member| json!({ "@odata.id": member })).collect();
    json!({
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "@odata.id": path,
        "Name": format!("{kind} Collection"),
        "Members@odata.count": links.len(),
        "Members": links,
    })
}

/// Resources that do not change.
pub(super) fn still(path: &str, sessions: bool, macs: &[MacAddr]) -> Option<Value> {
    const NICS: &str = "/redfish/v1/Systems/1/EthernetInterfaces";
    let one = |text: &str| [text.to_owned()];
    Some(match path {
        "/redfish/v1/Systems" => collection("ComputerSystem", path, &one(SYSTEM)),
        "/redfish/v1/Chassis" => collection("Chassis", path, &one("/redfish/v1/Chassis/1")),
        "/redfish/v1/Managers" => collection("Manager", path, &one("/redfish/v1/Managers/1")),
        "/redfish/v1/SessionService/Sessions" if sessions => collection("Session", path, &[]),
        "/redfish/v1/SessionService" if sessions => json!({
            "@odata.type": "#SessionService.v1_0_2.SessionService",
            "@odata.id": path,
            "Id": "SessionService",
            "Name": "Session Service",
            "ServiceEnabled": true,
            "SessionTimeout": 300,
            "Sessions": { "@odata.id": "/redfish/v1/SessionService/Sessions" },
        }),
        "/redfish/v1/Chassis/1" => json!({
            "@odata.type": "#Chassis.v1_15_0.Chassis",
            "@odata.id": path,
            "Id": "1",
            "Name": "Virtual chassis",
            "ChassisType": "RackMount",
            "Links": { "ComputerSystems": [{ "@odata.id": SYSTEM }] },
        }),
        "/redfish/v1/Managers/1" => json!({
            "@odata.type": "#Manager.v1_5_0.Manager",
            "@odata.id": path,
            "Id": "1",
            "Name": "Virtual BMC",
            "ManagerType": "BMC",
            "Model": "BMS lab",
            "FirmwareVersion": "1.2.3",
            "Links": { "ManagerForServers": [{ "@odata.id": SYSTEM }] },
        }),
        NICS => {
            let members: Vec<String> = (1..=macs.len()).map(|number| format!("{NICS}/{number}")).collect();
            collection("EthernetInterface", path, &members)
        }
        _ => {
            let number: usize = path.strip_prefix(NICS)?.strip_prefix('/')?.parse().ok()?;
            let mac = macs.get(number.checked_sub(1)?)?;
            json!({
                "@odata.type": "#EthernetInterface.v1_4_0.EthernetInterface",
                "@odata.id": path,
                "Id": number.to_string(),
                "Name": format!("NIC {number}"),
                "MACAddress": mac.to_string(),
                "PermanentMACAddress": mac.to_string(),
                "InterfaceEnabled": true,
                // Without a health, Ironic's library leaves the interface out.
                "Status": { "State": "Enabled", "Health": "OK" },
            })
        }
    })
}

/// The system as it is now.
pub(super) async fn show(chassis: &dyn Chassis, uuid: Uuid) -> anyhow::Result<Value> {
    let (on, boot) = (chassis.power().await?, chassis.boot().await?);
    let (enabled, target, mode) = match boot {
        None => ("Disabled", "None", "Legacy"),
        Some(BootSetting { device, persistence, mode }) => (
            match persistence {
                Persistence::Once => "Once",
                Persistence::Persistent => "Continuous",
            },
            match device {
                BootDevice::Pxe => "Pxe",
                BootDevice::Disk => "Hdd",
            },
            match mode {
                BootMode::Bios => "Legacy",
                BootMode::Uefi => "UEFI",
            },
        ),
    };
    Ok(json!({
        "@odata.type": "#ComputerSystem.v1_13_0.ComputerSystem",
        "@odata.id": SYSTEM,
        "Id": "1",
        "Name": "Virtual server",
        "SystemType": "Physical",
        "Manufacturer": "BMS lab",
        "Model": "Virtual server",
        "UUID": uuid,
        "PowerState": if on { "On" } else { "Off" },
        "Boot": {
            "BootSourceOverrideEnabled": enabled,
            "BootSourceOverrideTarget": target,
            "BootSourceOverrideMode": mode,
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd"],
            "BootSourceOverrideMode@Redfish.AllowableValues": ["Legacy", "UEFI"],
        },
        "EthernetInterfaces": { "@odata.id": "/redfish/v1/Systems/1/EthernetInterfaces" },
        "Links": {
            "Chassis": [{ "@odata.id": "/redfish/v1/Chassis/1" }],
            "ManagedBy": [{ "@odata.id": "/redfish/v1/Managers/1" }],
        },
        "Actions": { "#ComputerSystem.Reset": {
            "target": RESET,
            "ResetType@Redfish.AllowableValues": RESET_TYPES,
        }},
    }))
}

/// PATCH of the boot override; what the body leaves out stays as it is.
pub(super) async fn set_boot(chassis: &dyn Chassis, body: &Value) -> Result<(), Refusal> {
    let bad = |what: &str| Refusal::BadRequest(format!("The property {what} has no possible value."));
    let asked: BootOverride = serde_json::from_value(body["Boot"].clone()).map_err(|_| bad("Boot"))?;
    let now = chassis.boot().await?;
    let device = match asked.target.as_deref() {
        Some("Pxe") => Some(BootDevice::Pxe),
        Some("Hdd") => Some(BootDevice::Disk),
        Some("None") => None,
        Some(_) => return Err(bad("BootSourceOverrideTarget")),
        None => now.map(|now| now.device),
    };
    let persistence = match asked.enabled.as_deref() {
        Some("Once") => Some(Persistence::Once),
        Some("Continuous") => Some(Persistence::Persistent),
        Some("Disabled") => None,
        Some(_) => return Err(bad("BootSourceOverrideEnabled")),
        None => now.map(|now| now.persistence),
    };
    let mode = match asked.mode.as_deref() {
        Some("Legacy") => BootMode::Bios,
        Some("UEFI") => BootMode::Uefi,
        Some(_) => return Err(bad("BootSourceOverrideMode")),
        None => now.map_or(BootMode::Bios, |now| now.mode),
    };
    let setting =
        device.zip(persistence).map(|(device, persistence)| BootSetting { device, persistence, mode });
    Ok(chassis.set_boot(setting).await?)
}

/// Whether a reset starts the server.
pub(super) fn is_start(body: &Value) -> bool {
    !matches!(body["ResetType"].as_str(), Some("ForceOff" | "GracefulShutdown") | None)
}

/// The reset action.
pub(super) async fn reset(chassis: &dyn Chassis, body: &Value) -> Result<(), Refusal> {
    let on = chassis.power().await?;
    let kind = body["ResetType"].as_str().unwrap_or("none");
    match kind {
        "On" | "ForceOn" => chassis.power_on().await?,
        "ForceOff" => chassis.power_off().await?,
        "GracefulShutdown" => chassis.soft_off().await?,
        "ForceRestart" | "GracefulRestart" | "PowerCycle" if !on => {
            return Err(Refusal::Conflict("The system is off and cannot be restarted.".to_owned()));
        }
        "ForceRestart" | "GracefulRestart" => chassis.reset().await?,
        "PowerCycle" => {
            chassis.power_off().await?;
            chassis.power_on().await?;
        }
        other => return Err(Refusal::BadRequest(format!("The reset type {other} is not known."))),
    }
    Ok(())
}
