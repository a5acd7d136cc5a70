//! Values: what a virtual Redfish BMC has beside its system: parts, sensors, logs, users, firmware, settings, virtual media. A tree of
//! documents by their paths, as it is before anybody has written to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::redfish_manner::Manner;

/// Documents by their paths.
pub(super) type Tree = BTreeMap<String, Value>;

pub(super) const SYSTEM: &str = "/redfish/v1/Systems/1";
pub(super) const CHASSIS: &str = "/redfish/v1/Chassis/1";
pub(super) const MANAGER: &str = "/redfish/v1/Managers/1";
pub(super) const ACCOUNTS: &str = "/redfish/v1/AccountService/Accounts";
pub(super) const UPDATE: &str = "/redfish/v1/UpdateService";
pub(super) const LOG: &str = "/redfish/v1/Systems/1/LogServices/SEL";
pub(super) const BIOS: &str = "/redfish/v1/Systems/1/Bios";
pub(super) const BIOS_SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";
pub(super) const SECURE_BOOT: &str = "/redfish/v1/Systems/1/SecureBoot";
pub(super) const MEDIA: &str = "/redfish/v1/Managers/1/VirtualMedia";
pub(super) const CERTIFICATE: &str = "/redfish/v1/Managers/1/NetworkProtocol/HTTPS/Certificates/1";
/// Where the stream of events is.
pub(super) const STREAM: &str = "/redfish/v1/EventService/SSE";
const SERVICES: [&str; 4] = ["AccountService", "UpdateService", "CertificateService", "EventService"];
/// Places for users, where they have places.
const PLACES: usize = 6;

fn link(path: impl Into<String>) -> Value {
    json!({ "@odata.id": path.into() })
}

/// What the service root has besides.
pub(super) fn of_root(manners: &[Manner]) -> Value {
    let mut root: Value =
        SERVICES.iter().map(|name| ((*name).to_owned(), link(format!("/redfish/v1/{name}")))).collect();
    let says = [Manner::ShowsMembersWhole, Manner::ShowsMembersInPart, Manner::RefusesMembersWhole];
    if says.iter().any(|manner| manners.contains(manner)) {
        root["ProtocolFeaturesSupported"] =
            json!({ "ExpandQuery": { "NoLinks": true, "Levels": true, "MaxLevels": 1 } });
    }
    root
}

/// All of it.
pub(super) fn build(manners: &[Manner]) -> Tree {
    let mut tree = Tree::new();
    parts(&mut tree);
    network(&mut tree);
    chassis(&mut tree, manners);
    settings(&mut tree, manners);
    log(&mut tree);
    accounts(&mut tree, manners.contains(&Manner::PlacesForUsers));
    firmware(&mut tree, manners);
    media(&mut tree, manners);
    manager(&mut tree);
    tree
}

/// Puts a document there, with what each has.
pub(super) fn put(tree: &mut Tree, path: &str, kind: &str, mut document: Value) {
    let id = path.rsplit('/').next().unwrap_or_default();
    document["@odata.id"] = json!(path);
    document["@odata.type"] = json!(kind);
    for (name, value) in [("Id", id), ("Name", id)] {
        if document.get(name).is_none() {
            document[name] = json!(value);
        }
    }
    tree.insert(path.to_owned(), document);
}

/// Puts a collection there, of what lies below it.
pub(super) fn collect(tree: &mut Tree, path: &str, kind: &str) {
    let below = format!("{path}/");
    let members: Vec<Value> = tree
        .keys()
        .filter(|key| key.strip_prefix(&below).is_some_and(|name| !name.contains('/')))
        .map(|key| link(key.as_str()))
        .collect();
    let name = format!("{kind} Collection");
    let document = json!({
        "@odata.id": path,
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "Name": name,
        "Members@odata.count": members.len(),
        "Members": members,
    });
    tree.insert(path.to_owned(), document);
}

/// The same for entries of a log, which are there whole.
pub(super) fn collect_entries(tree: &mut Tree, path: &str) {
    collect(tree, path, "LogEntry");
    let paths = tree[path]["Members"].as_array().cloned().unwrap_or_default();
    let whole = paths.iter().filter_map(|link| tree.get(link["@odata.id"].as_str()?));
    let whole: Vec<Value> = whole.cloned().collect();
    if let Some(collection) = tree.get_mut(path) {
        collection["Members"] = json!(whole);
    }
}

fn well() -> Value {
    json!({ "State": "Enabled", "Health": "OK" })
}

fn parts(tree: &mut Tree) {
    let at = |name: &str| format!("{SYSTEM}/{name}");
    put(
        tree,
        &at("Processors/CPU1"),
        "#Processor.v1_11_0.Processor",
        json!({
            "Socket": "CPU 1", "ProcessorType": "CPU", "Manufacturer": "BMS lab", "Model": "Virtual Processor 3", "TotalCores": 32,
            "TotalThreads": 64, "MaxSpeedMHz": 3600, "Status": well(),
        }),
    );
    put(
        tree,
        &at("Processors/CPU2"),
        "#Processor.v1_11_0.Processor",
        json!({ "Socket": "CPU 2", "Status": { "State": "Absent" } }),
    );
    put(
        tree,
        &at("Memory/DIMM1"),
        "#Memory.v1_11_0.Memory",
        json!({
            "DeviceLocator": "DIMM A1", "MemoryDeviceType": "DDR5", "CapacityMiB": 32768, "OperatingSpeedMhz": 4800,
            "PartNumber": "P-32G", "SerialNumber": "4711", "Status": well(),
        }),
    );
    let drive = at("Storage/1/Drives/0");
    put(
        tree,
        &drive,
        "#Drive.v1_12_0.Drive",
        json!({
            "Name": "Disk 0", "Manufacturer": "BMS lab", "Model": "NVMe 1", "SerialNumber": "D0001", "CapacityBytes": 960_197_124_096_u64,
            "MediaType": "SSD", "Protocol": "NVMe", "Revision": "1.0", "FailurePredicted": false,
            "PredictedMediaLifeLeftPercent": 98.0, "Status": well(),
        }),
    );
    put(
        tree,
        &at("Storage/1/Volumes/1"),
        "#Volume.v1_6_0.Volume",
        json!({
            "Name": "System", "RAIDType": "RAID1", "CapacityBytes": 960_197_124_096_u64, "Status": { "Health": "Warning" },
        }),
    );
    put(
        tree,
        &at("Storage/1"),
        "#Storage.v1_10_0.Storage",
        json!({
            "Name": "Controller 1", "Drives": [link(drive)], "Volumes": link(at("Storage/1/Volumes")),
            "StorageControllers": [{ "@odata.id": format!("{}#/StorageControllers/0", at("Storage/1")), "MemberId": "0", "Model": "SAS 9500", "FirmwareVersion": "24.1" }], "Status": well(),
        }),
    );
    for (folder, kind) in [
        ("Processors", "Processor"),
        ("Memory", "Memory"),
        ("Storage/1/Volumes", "Volume"),
        ("Storage", "Storage"),
    ] {
        collect(tree, &at(folder), kind);
    }
    put(
        tree,
        &at("BootOptions/1"),
        "#BootOption.v1_0_4.BootOption",
        json!({
            "BootOptionReference": "Boot0001", "DisplayName": "Disk", "BootOptionEnabled": true,
        }),
    );
    put(
        tree,
        &at("BootOptions/2"),
        "#BootOption.v1_0_4.BootOption",
        json!({
            "BootOptionReference": "Boot0002", "DisplayName": "Network", "BootOptionEnabled": true,
        }),
    );
    collect(tree, &at("BootOptions"), "BootOption");
}

fn network(tree: &mut Tree) {
    let adapter = format!("{CHASSIS}/NetworkAdapters/1");
    put(
        tree,
        &format!("{adapter}/Ports/1"),
        "#Port.v1_9_0.Port",
        json!({
            "PortId": "1", "CurrentSpeedGbps": 25, "LinkStatus": "LinkUp", "Status": well(),
            "Ethernet": {
                "AssociatedMACAddresses": ["52:54:00:aa:00:01"],
                // Its port id is "Ethernet1/7", octet by octet.
                "LLDPReceive": {
                    "ChassisId": "02:00:00:00:00:01", "ChassisIdSubtype": "MacAddr", "PortId": "45:74:68:65:72:6E:65:74:31:2F:37",
                    "PortIdSubtype": "IfName", "SystemName": "leaf-1", "ManagementVlanId": 4095,
                },
            },
        }),
    );
    put(
        tree,
        &adapter,
        "#NetworkAdapter.v1_9_0.NetworkAdapter",
        json!({ "Model": "NIC 25G", "Ports": link(format!("{adapter}/Ports")) }),
    );
    collect(tree, &format!("{adapter}/Ports"), "Port");
    collect(tree, &format!("{CHASSIS}/NetworkAdapters"), "NetworkAdapter");
}

/// Whether there are `Sensors` and subsystems.
fn is_newer(manners: &[Manner]) -> bool {
    manners.contains(&Manner::NewerSensors) || manners.contains(&Manner::PowerByControl)
}

fn chassis(tree: &mut Tree, manners: &[Manner]) {
    let at = |name: &str| format!("{CHASSIS}/{name}");
    if is_newer(manners) {
        newer_sensors(tree);
        if manners.contains(&Manner::PowerByControl) {
            control(tree);
        }
        return;
    }
    put(
        tree,
        &at("Thermal"),
        "#Thermal.v1_6_0.Thermal",
        json!({
            "Temperatures": [
                { "@odata.id": format!("{}#/Temperatures/0", at("Thermal")), "MemberId": "0", "Name": "CPU1 Temp", "ReadingCelsius": 47, "UpperThresholdNonCritical": 90, "UpperThresholdCritical": 95, "Status": well() },
                { "@odata.id": format!("{}#/Temperatures/1", at("Thermal")), "MemberId": "1", "Name": "Inlet Temp", "ReadingCelsius": 43, "UpperThresholdNonCritical": 42, "UpperThresholdCritical": 47 },
                { "@odata.id": format!("{}#/Temperatures/2", at("Thermal")), "MemberId": "2", "Name": "CPU2 Temp", "Status": { "State": "Absent" } },
            ],
            "Fans": [{ "@odata.id": format!("{}#/Fans/0", at("Thermal")), "MemberId": "0", "Name": "FAN1", "Reading": 5400, "ReadingUnits": "RPM", "LowerThresholdCritical": 600, "Status": well() }],
        }),
    );
    put(
        tree,
        &at("Power"),
        "#Power.v1_6_0.Power",
        json!({
            "PowerControl": [{ "@odata.id": format!("{}#/PowerControl/0", at("Power")), "MemberId": "0", "Name": "System Power Control", "PowerConsumedWatts": 212, "PowerCapacityWatts": 800, "PowerLimit": { "LimitInWatts": null } }],
            "Voltages": [{ "@odata.id": format!("{}#/Voltages/0", at("Power")), "MemberId": "0", "Name": "P12V", "ReadingVolts": 12.06, "Status": well() }],
            "PowerSupplies": [{ "@odata.id": format!("{}#/PowerSupplies/0", at("Power")), "MemberId": "0", "Name": "PSU2", "LastPowerOutputWatts": 0, "Status": { "State": "UnavailableOffline", "Health": "Critical" } }],
        }),
    );
}

fn newer_sensors(tree: &mut Tree) {
    let at = |name: &str| format!("{CHASSIS}/{name}");
    put(
        tree,
        &at("Sensors/cpu1"),
        "#Sensor.v1_7_0.Sensor",
        json!({
            "Name": "CPU1 Temp", "Reading": 47.0, "ReadingUnits": "Cel", "Status": well(),
            "Thresholds": { "UpperCaution": { "Reading": 90 }, "UpperCritical": { "Reading": 95 } },
        }),
    );
    put(
        tree,
        &at("Sensors/inlet"),
        "#Sensor.v1_7_0.Sensor",
        json!({
            "Name": "Inlet Temp", "Reading": 43.0, "ReadingUnits": "Cel", "Thresholds": { "UpperCaution": { "Reading": 42 }, "UpperCritical": { "Reading": 47 } },
        }),
    );
    collect(tree, &at("Sensors"), "Sensor");
    put(
        tree,
        &at("ThermalSubsystem/Fans/1"),
        "#Fan.v1_5_0.Fan",
        json!({ "Name": "FAN1", "SpeedPercent": { "Reading": 40, "SpeedRPM": 5400 }, "Status": well() }),
    );
    collect(tree, &at("ThermalSubsystem/Fans"), "Fan");
    put(
        tree,
        &at("ThermalSubsystem"),
        "#ThermalSubsystem.v1_3_0.ThermalSubsystem",
        json!({ "Fans": link(at("ThermalSubsystem/Fans")) }),
    );
    put(
        tree,
        &at("PowerSubsystem/PowerSupplies/2"),
        "#PowerSupply.v1_5_0.PowerSupply",
        json!({
            "Name": "PSU2", "Status": { "State": "UnavailableOffline", "Health": "Critical" }, "Metrics": link(at("PowerSubsystem/PowerSupplies/2/Metrics")),
        }),
    );
    put(
        tree,
        &at("PowerSubsystem/PowerSupplies/2/Metrics"),
        "#PowerSupplyMetrics.v1_1_0.PowerSupplyMetrics",
        json!({ "OutputPowerWatts": { "Reading": 0 } }),
    );
    collect(tree, &at("PowerSubsystem/PowerSupplies"), "PowerSupply");
    put(
        tree,
        &at("PowerSubsystem"),
        "#PowerSubsystem.v1_1_0.PowerSubsystem",
        json!({ "PowerSupplies": link(at("PowerSubsystem/PowerSupplies")) }),
    );
    put(
        tree,
        &at("EnvironmentMetrics"),
        "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
        json!({
            "PowerWatts": { "Reading": 212 }, "PowerLimitWatts": { "ControlMode": "Disabled", "AllowableMin": 100, "AllowableMax": 800 },
        }),
    );
}

/// The limit of power by itself.
fn control(tree: &mut Tree) {
    let path = format!("{CHASSIS}/Controls/PowerLimit");
    if let Some(Value::Object(metrics)) = tree.get_mut(&format!("{CHASSIS}/EnvironmentMetrics")) {
        metrics.remove("PowerLimitWatts");
    }
    put(
        tree,
        &path,
        "#Control.v1_3_0.Control",
        json!({
            "Name": "Limit of power", "ControlType": "Power", "SetPoint": 0, "SetPointUnits": "W", "ControlMode": "Disabled", "AllowableMin": 100,
            "AllowableMax": 800, "Sensor": { "Reading": 212 }, "Status": well(),
        }),
    );
    collect(tree, &format!("{CHASSIS}/Controls"), "Control");
}

fn settings(tree: &mut Tree, manners: &[Manner]) {
    let attributes = json!({ "BootMode": "Uefi", "LogicalCores": 32, "Turbo": true, "AdminPassword": null });
    let mut bios = json!({
        "Attributes": attributes,
        "Actions": { "#Bios.ResetBios": { "target": format!("{BIOS}/Actions/Bios.ResetBios") } },
    });
    if !manners.contains(&Manner::SettingsAtOnce) {
        bios["@Redfish.Settings"] = json!({ "@odata.type": "#Settings.v1_3_4.Settings", "SettingsObject": link(BIOS_SETTINGS), "SupportedApplyTimes": ["OnReset"] });
        put(tree, BIOS_SETTINGS, "#Bios.v1_2_0.Bios", json!({ "Attributes": attributes }));
    }
    put(tree, BIOS, "#Bios.v1_2_0.Bios", bios);
    let reset = |path: &str, kind: &str| {
        json!({ format!("#{kind}.ResetKeys"): {
            "target": format!("{path}/Actions/{kind}.ResetKeys"),
            "ResetKeysType@Redfish.AllowableValues": ["ResetAllKeysToDefault", "DeleteAllKeys"],
        }})
    };
    let database = format!("{SECURE_BOOT}/SecureBootDatabases/db");
    put(
        tree,
        &database,
        "#SecureBootDatabase.v1_0_1.SecureBootDatabase",
        json!({ "DatabaseId": "db", "Actions": reset(&database, "SecureBootDatabase") }),
    );
    collect(tree, &format!("{SECURE_BOOT}/SecureBootDatabases"), "SecureBootDatabase");
    put(
        tree,
        SECURE_BOOT,
        "#SecureBoot.v1_1_0.SecureBoot",
        json!({
            "SecureBootEnable": false, "SecureBootCurrentBoot": "Disabled", "SecureBootMode": "UserMode",
            "SecureBootDatabases": link(format!("{SECURE_BOOT}/SecureBootDatabases")), "Actions": reset(SECURE_BOOT, "SecureBoot"),
        }),
    );
}

fn log(tree: &mut Tree) {
    let entries = [
        (3, "2026-01-01T00:00:30Z", "Critical", "PSU2: input lost"),
        (1, "2026-01-01T00:00:10Z", "OK", "log cleared"),
        (2, "2026-01-01T00:00:20Z", "Warning", "Inlet Temp: upper non-critical going high"),
    ];
    for (id, time, severity, message) in entries {
        put(
            tree,
            &format!("{LOG}/Entries/{id}"),
            "#LogEntry.v1_8_0.LogEntry",
            json!({
                "EntryType": "SEL", "Created": time, "Severity": severity, "Message": message, "MessageId": "Lab.1.0.Happened",
            }),
        );
    }
    collect_entries(tree, &format!("{LOG}/Entries"));
    put(
        tree,
        LOG,
        "#LogService.v1_2_0.LogService",
        json!({
            "Name": "System Event Log", "LogEntryType": "SEL", "OverWritePolicy": "WrapsWhenFull", "MaxNumberOfRecords": 512, "Entries": link(format!("{LOG}/Entries")),
            "Actions": { "#LogService.ClearLog": { "target": format!("{LOG}/Actions/LogService.ClearLog") } },
        }),
    );
    collect(tree, &format!("{SYSTEM}/LogServices"), "LogService");
    let own = format!("{MANAGER}/LogServices/Audit");
    put(tree, &own, "#LogService.v1_2_0.LogService", json!({ "Entries": link(format!("{own}/Entries")) }));
    collect_entries(tree, &format!("{own}/Entries"));
    collect(tree, &format!("{MANAGER}/LogServices"), "LogService");
}

fn accounts(tree: &mut Tree, has_places: bool) {
    let account = |name: &str, role: &str| json!({ "UserName": name, "RoleId": role, "Enabled": !name.is_empty(), "Locked": false, "Password": null, "AccountTypes": ["Redfish"] });
    let kind = "#ManagerAccount.v1_8_0.ManagerAccount";
    // The first place is the maker's, as one maker has it.
    if has_places {
        put(tree, &format!("{ACCOUNTS}/1"), kind, account("", "None"));
    }
    put(tree, &format!("{ACCOUNTS}/2"), kind, account("admin", "Administrator"));
    put(tree, &format!("{ACCOUNTS}/3"), kind, account("monitor", "ReadOnly"));
    for place in 4..=PLACES {
        if has_places {
            put(tree, &format!("{ACCOUNTS}/{place}"), kind, account("", "None"));
        }
    }
    collect(tree, ACCOUNTS, "ManagerAccount");
    put(
        tree,
        "/redfish/v1/AccountService",
        "#AccountService.v1_9_0.AccountService",
        json!({ "Accounts": link(ACCOUNTS) }),
    );
}

fn firmware(tree: &mut Tree, manners: &[Manner]) {
    let item = |name: &str, version: &str, updateable: bool| json!({ "Name": name, "Version": version, "Updateable": updateable, "Status": well() });
    put(
        tree,
        &format!("{UPDATE}/FirmwareInventory/BMC"),
        "#SoftwareInventory.v1_4_0.SoftwareInventory",
        item("BMC", "1.2.3", true),
    );
    put(
        tree,
        &format!("{UPDATE}/FirmwareInventory/BIOS"),
        "#SoftwareInventory.v1_4_0.SoftwareInventory",
        item("System firmware", "4.5", true),
    );
    collect(tree, &format!("{UPDATE}/FirmwareInventory"), "SoftwareInventory");
    let mut service =
        json!({ "ServiceEnabled": true, "FirmwareInventory": link(format!("{UPDATE}/FirmwareInventory")) });
    if manners.contains(&Manner::PushesBare) {
        service["HttpPushUri"] = json!(format!("{UPDATE}/push"));
    } else {
        if !manners.contains(&Manner::FetchesOnly) {
            service["MultipartHttpPushUri"] = json!(format!("{UPDATE}/upload"));
        }
        service["Actions"] = json!({ "#UpdateService.SimpleUpdate": {
            "target": format!("{UPDATE}/Actions/UpdateService.SimpleUpdate"), "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
        }});
    }
    put(tree, UPDATE, "#UpdateService.v1_10_0.UpdateService", service);
}

fn media(tree: &mut Tree, manners: &[Manner]) {
    for (id, kinds) in [("Cd", json!(["CD", "DVD"])), ("Usb", json!(["USBStick"]))] {
        let path = format!("{MEDIA}/{id}");
        let mut drive = json!({ "MediaTypes": kinds, "Image": null, "Inserted": false, "WriteProtected": true, "ConnectedVia": "NotConnected" });
        if !manners.contains(&Manner::MediaByPatch) {
            drive["Actions"] = json!({
                "#VirtualMedia.InsertMedia": { "target": format!("{path}/Actions/VirtualMedia.InsertMedia") },
                "#VirtualMedia.EjectMedia": { "target": format!("{path}/Actions/VirtualMedia.EjectMedia") },
            });
        }
        put(tree, &path, "#VirtualMedia.v1_4_0.VirtualMedia", drive);
    }
    collect(tree, MEDIA, "VirtualMedia");
}

fn manager(tree: &mut Tree) {
    put(
        tree,
        CERTIFICATE,
        "#Certificate.v1_5_0.Certificate",
        json!({
            "Subject": { "CommonName": "bmc.invalid" }, "Issuer": { "CommonName": "bmc.invalid" }, "ValidNotAfter": "2036-01-01T00:00:00Z", "CertificateType": "PEM",
        }),
    );
    collect(tree, CERTIFICATE.trim_end_matches("/1"), "Certificate");
    put(
        tree,
        &format!("{MANAGER}/NetworkProtocol"),
        "#ManagerNetworkProtocol.v1_8_0.ManagerNetworkProtocol",
        json!({
            "HTTPS": { "ProtocolEnabled": true, "Certificates": link(CERTIFICATE.trim_end_matches("/1")) },
        }),
    );
    let service = "/redfish/v1/CertificateService";
    put(
        tree,
        &format!("{service}/CertificateLocations"),
        "#CertificateLocations.v1_0_2.CertificateLocations",
        json!({ "Links": { "Certificates": [link(CERTIFICATE)] } }),
    );
    put(
        tree,
        service,
        "#CertificateService.v1_0_3.CertificateService",
        json!({
            "CertificateLocations": link(format!("{service}/CertificateLocations")),
            "Actions": {
                "#CertificateService.GenerateCSR": { "target": format!("{service}/Actions/CertificateService.GenerateCSR") },
                "#CertificateService.ReplaceCertificate": { "target": format!("{service}/Actions/CertificateService.ReplaceCertificate") },
            },
        }),
    );
    put(
        tree,
        "/redfish/v1/EventService",
        "#EventService.v1_7_0.EventService",
        json!({ "ServiceEnabled": true, "ServerSentEventUri": STREAM }),
    );
}

/// What the system shows besides, and what can be written of it.
pub(super) fn of_system(manners: &[Manner]) -> Value {
    let mut shown = json!({
        "Processors": link(format!("{SYSTEM}/Processors")),
        "Memory": link(format!("{SYSTEM}/Memory")),
        "Storage": link(format!("{SYSTEM}/Storage")),
        "Bios": link(BIOS),
        "SecureBoot": link(SECURE_BOOT),
        "LogServices": link(format!("{SYSTEM}/LogServices")),
        "PowerRestorePolicy": "LastState",
    });
    if !manners.contains(&Manner::OlderLight) {
        shown["LocationIndicatorActive"] = json!(false);
    }
    shown
}

/// What the chassis shows besides.
pub(super) fn of_chassis(manners: &[Manner]) -> Value {
    let at = |name: &str| link(format!("{CHASSIS}/{name}"));
    let mut shown = json!({ "NetworkAdapters": at("NetworkAdapters") });
    let names: &[&str] = if manners.contains(&Manner::PowerByControl) {
        &["Sensors", "ThermalSubsystem", "PowerSubsystem", "EnvironmentMetrics", "Controls"]
    } else if is_newer(manners) {
        &["Sensors", "ThermalSubsystem", "PowerSubsystem", "EnvironmentMetrics"]
    } else {
        &["Thermal", "Power"]
    };
    for name in names {
        shown[*name] = at(name);
    }
    if manners.contains(&Manner::OlderLight) {
        shown["IndicatorLED"] = json!("Off");
    }
    shown
}

/// What the manager shows besides.
pub(super) fn of_manager() -> Value {
    json!({
        "DateTime": "2026-01-01T00:00:00Z",
        "VirtualMedia": link(MEDIA),
        "LogServices": link(format!("{MANAGER}/LogServices")),
        "NetworkProtocol": link(format!("{MANAGER}/NetworkProtocol")),
        "Actions": { "#Manager.Reset": {
            "target": format!("{MANAGER}/Actions/Manager.Reset"), "ResetType@Redfish.AllowableValues": ["ForceRestart"],
        }},
    })
}
