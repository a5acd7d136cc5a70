//! Values: the Redfish resources that we serve, as JSON, made from facts that are at hand.
//!
//! Only what Ironic reads is here (see `docs/architecture.md`); a property that we do not know is left out rather than
//! guessed.

use domain::rim::FacadeServer;
use protocol::{bmc_facts::BmcFacts, hardware::HardwareReport, id::ServerId, power::PowerReading};
use serde_json::{Value, json};

use super::{
    bmc::UPDATE_SERVICE,
    boot::{BootOverride, mode_word},
    query::LEVELS_MAX,
    update::TASK_SERVICE,
};

/// The values of `ResetType` that we carry out.
pub const RESET_TYPES: [&str; 6] =
    ["On", "ForceOn", "ForceOff", "GracefulShutdown", "ForceRestart", "GracefulRestart"];

/// `/redfish`.
pub fn versions() -> Value {
    json!({"v1": "/redfish/v1/"})
}

/// `/redfish/v1/`.
pub fn root() -> Value {
    json!({
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "@odata.id": "/redfish/v1/",
        "Id": "RootService",
        "Name": "BMS Manager",
        "RedfishVersion": "1.15.0",
        "ProtocolFeaturesSupported": {
            "ExpandQuery": {
                "ExpandAll": true,
                "NoLinks": true,
                "Links": true,
                "Levels": true,
                "MaxLevels": LEVELS_MAX,
            },
            "OnlyMemberQuery": true,
            "SelectQuery": true,
            "FilterQuery": false,
            "ExcerptQuery": false,
        },
        "Systems": link("/redfish/v1/Systems"),
        "Managers": link("/redfish/v1/Managers"),
        "Chassis": link("/redfish/v1/Chassis"),
        "SessionService": link("/redfish/v1/SessionService"),
        "UpdateService": link(UPDATE_SERVICE),
        "Tasks": link(TASK_SERVICE),
        "Links": {"Sessions": link("/redfish/v1/SessionService/Sessions")},
    })
}

/// The session service.
pub fn session_service(timeout_seconds: u64) -> Value {
    json!({
        "@odata.type": "#SessionService.v1_1_8.SessionService",
        "@odata.id": "/redfish/v1/SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": true,
        "SessionTimeout": timeout_seconds,
        "Sessions": link("/redfish/v1/SessionService/Sessions"),
    })
}

/// One session.
pub fn session(id: &str, user: &str) -> Value {
    json!({
        "@odata.type": "#Session.v1_6_0.Session",
        "@odata.id": session_path(id),
        "Id": id,
        "Name": "User Session",
        "UserName": user,
    })
}

/// Path of a session.
pub fn session_path(id: &str) -> String {
    format!("/redfish/v1/SessionService/Sessions/{id}")
}

/// A collection of resources.
pub fn collection(kind: &str, path: &str, members: &[String]) -> Value {
    let links: Vec<Value> = members.iter().map(|member| link(member)).collect();
    json!({
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "@odata.id": path,
        "Name": format!("{kind} Collection"),
        "Members@odata.count": links.len(),
        "Members": links,
    })
}

/// Path of a system.
pub fn system_path(id: ServerId) -> String {
    format!("/redfish/v1/Systems/{id}")
}

/// Path of a server's manager.
pub fn manager_path(id: ServerId) -> String {
    format!("/redfish/v1/Managers/{id}")
}

/// Path of a server's chassis.
pub fn chassis_path(id: ServerId) -> String {
    format!("/redfish/v1/Chassis/{id}")
}

/// A server as a system. `PowerState` is left out while nothing has been heard of the server.
pub fn system(server: &FacadeServer, boot: BootOverride) -> Value {
    let path = system_path(server.id);
    let mut system = json!({
        "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
        "@odata.id": path,
        "Id": server.id.to_string(),
        "UUID": server.id.to_string(),
        "Name": server.name,
        "SystemType": "Physical",
        "Status": {"State": "Enabled", "Health": "OK"},
        "Boot": {
            "BootSourceOverrideTarget": boot.target.as_str(),
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd"],
            "BootSourceOverrideEnabled": boot.enabled.as_str(),
            "BootSourceOverrideMode": mode_word(server.boot_mode),
        },
        "Processors": link(&format!("{path}/Processors")),
        "Memory": link(&format!("{path}/Memory")),
        "EthernetInterfaces": link(&format!("{path}/EthernetInterfaces")),
        "Storage": link(&format!("{path}/Storage")),
        "Links": {
            "Chassis": [link(&chassis_path(server.id))],
            "ManagedBy": [link(&manager_path(server.id))],
        },
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": format!("{path}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": RESET_TYPES,
            },
        },
    });
    if let Some(state) = server.power.as_ref().and_then(power_word) {
        system["PowerState"] = state.into();
    }
    if let Some(hardware) = &server.hardware {
        add_hardware(&mut system, hardware);
    }
    system
}

/// Redfish's word for a reading; none for a BMC that does not answer, because that is neither.
pub fn power_word(reading: &PowerReading) -> Option<&'static str> {
    match reading {
        PowerReading::On => Some("On"),
        PowerReading::Off => Some("Off"),
        PowerReading::Unreachable { .. } => None,
    }
}

fn add_hardware(system: &mut Value, hardware: &HardwareReport) {
    let identity = &hardware.system;
    for (key, text) in [
        ("Manufacturer", &identity.manufacturer),
        ("Model", &identity.product),
        ("SerialNumber", &identity.serial),
    ] {
        if !text.is_empty() {
            system[key] = text.as_str().into();
        }
    }
    system["MemorySummary"] = json!({"TotalSystemMemoryGiB": hardware.memory_mib as f64 / 1024.0});
    let mut summary = json!({"Count": 1, "LogicalProcessorCount": hardware.cpu.count});
    if !hardware.cpu.model.is_empty() {
        summary["Model"] = hardware.cpu.model.as_str().into();
    }
    system["ProcessorSummary"] = summary;
}

/// All processors of a server as one: the ramdisk counts logical processors, not sockets.
pub fn processor(server: &FacadeServer) -> Value {
    let cpu = server.hardware.as_ref().map(|hardware| hardware.cpu.clone()).unwrap_or_default();
    let (architecture, instructions) = match cpu.architecture.as_str() {
        "aarch64" => ("ARM", "ARM-A64"),
        _ => ("x86", "x86-64"),
    };
    let mut processor = json!({
        "@odata.type": "#Processor.v1_18_0.Processor",
        "@odata.id": format!("{}/Processors/CPU", system_path(server.id)),
        "Id": "CPU",
        "Name": "Processors",
        "ProcessorType": "CPU",
        "ProcessorArchitecture": architecture,
        "InstructionSet": instructions,
        "Status": {"State": "Enabled", "Health": "OK"},
    });
    if !cpu.model.is_empty() {
        processor["Model"] = cpu.model.into();
    }
    if cpu.count > 0 {
        processor["TotalThreads"] = cpu.count.into();
    }
    processor
}

/// Path of a server's memory.
pub fn memory_path(id: ServerId) -> String {
    format!("{}/Memory", system_path(id))
}

/// All memory of a server as one: the ramdisk sees how much there is, not the modules. None: no inspection has seen it.
pub fn memory(server: &FacadeServer) -> Option<Value> {
    let mib = server.hardware.as_ref().map(|hardware| hardware.memory_mib).filter(|mib| *mib > 0)?;
    Some(json!({
        "@odata.type": "#Memory.v1_17_0.Memory",
        "@odata.id": format!("{}/RAM", memory_path(server.id)),
        "Id": "RAM",
        "Name": "Memory",
        "MemoryType": "DRAM",
        "CapacityMiB": mib,
        "Status": {"State": "Enabled", "Health": "OK"},
    }))
}

/// Path of an Ethernet interface.
pub fn interface_path(id: ServerId, index: usize) -> String {
    format!("{}/EthernetInterfaces/NIC{index}", system_path(id))
}

/// One Ethernet interface; none when the server has fewer.
pub fn ethernet_interface(server: &FacadeServer, index: usize) -> Option<Value> {
    let mac = server.macs.get(index)?;
    let mut interface = json!({
        "@odata.type": "#EthernetInterface.v1_11_0.EthernetInterface",
        "@odata.id": interface_path(server.id, index),
        "Id": format!("NIC{index}"),
        "Name": format!("Ethernet interface {index}"),
        "MACAddress": mac.to_string(),
        "PermanentMACAddress": mac.to_string(),
        "Status": {"State": "Enabled", "Health": "OK"},
    });
    let nics = server.hardware.iter().flat_map(|hardware| &hardware.nics);
    if let Some(seen) = nics.into_iter().find(|nic| nic.mac == *mac) {
        interface["LinkStatus"] = if seen.carrier { "LinkUp" } else { "LinkDown" }.into();
        if seen.speed_mbps > 0 {
            interface["SpeedMbps"] = seen.speed_mbps.into();
        }
    }
    Some(interface)
}

/// The manager of a server: ourselves, with the BMC behind us, whose version it is, once that is known.
pub fn manager(server: &FacadeServer, facts: &BmcFacts) -> Value {
    let path = manager_path(server.id);
    let said = facts.system.manager_version.as_str();
    json!({
        "@odata.type": "#Manager.v1_18_0.Manager",
        "@odata.id": path,
        "Id": server.id.to_string(),
        "Name": "BMS Manager",
        "ManagerType": "BMC",
        "PowerState": "On",
        "FirmwareVersion": if said.is_empty() { env!("CARGO_PKG_VERSION") } else { said },
        "Status": {"State": "Enabled", "Health": "OK"},
        "VirtualMedia": link(&format!("{path}/VirtualMedia")),
        "Links": {
            "ManagerForServers": [link(&system_path(server.id))],
            "ManagerForChassis": [link(&chassis_path(server.id))],
        },
    })
}

/// The chassis of a server.
pub fn chassis(server: &FacadeServer) -> Value {
    json!({
        "@odata.type": "#Chassis.v1_24_0.Chassis",
        "@odata.id": chassis_path(server.id),
        "Id": server.id.to_string(),
        "Name": server.name,
        "ChassisType": "RackMount",
        "Drives": link(&format!("{}/Drives", chassis_path(server.id))),
        "Status": {"State": "Enabled", "Health": "OK"},
        "Links": {
            "ComputerSystems": [link(&system_path(server.id))],
            "ManagedBy": [link(&manager_path(server.id))],
        },
    })
}

/// An error (DSP0266 section 9.8). The text stands in `message` only: sushy prints the message and then the whole extended
/// information, and a person should not have to read everything twice in Ironic's `last_error`.
pub fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "@Message.ExtendedInfo": [{"MessageId": code}]}})
}

/// A link to a resource.
pub fn link(path: &str) -> Value {
    json!({"@odata.id": path})
}

#[cfg(test)]
mod tests {
    use protocol::boot::BootMode;

    use super::*;

    #[test]
    fn an_unknown_power_state_is_left_out() {
        let check = |power: Option<PowerReading>, expected: Option<&str>| {
            let server = FacadeServer {
                id: ServerId::random(),
                name: "rack1-7".into(),
                power,
                boot_mode: BootMode::Bios,
                macs: vec!["52:54:00:00:00:01".parse().unwrap()],
                hardware: Some(HardwareReport::default()),
                ramdisk: None,
                root_device: Default::default(),
            };
            let system = system(&server, BootOverride::default());
            assert_eq!(system.get("PowerState").and_then(Value::as_str), expected);
        };
        check(Some(PowerReading::On), Some("On"));
        check(Some(PowerReading::Off), Some("Off"));
        check(Some(PowerReading::Unreachable { reason: "no answer".into() }), None);
        check(None, None);
    }
}
