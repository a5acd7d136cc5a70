//! Decisions: which Redfish resource a request's path names. Everything else is "not found".

use protocol::id::ServerId;
use uuid::Uuid;

use super::bmc::MediaOwner;

/// One resource of the tree that we serve. Every server has a system, a manager and a chassis of its own, all three
/// under the server's id, so that its user can see them and nobody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `/redfish`: which versions there are.
    Versions,
    /// `/redfish/v1/`.
    Root,
    /// The session service.
    SessionService,
    /// Its sessions.
    Sessions,
    /// One session, by its public id (never by its token).
    Session(String),
    /// All systems that the user may see: one.
    Systems,
    /// A server.
    System(ServerId),
    /// Its processors.
    Processors(ServerId),
    /// All its processors as one.
    Processor(ServerId),
    /// Its memory.
    MemoryCollection(ServerId),
    /// All its memory as one.
    Memory(ServerId),
    /// Its Ethernet interfaces.
    EthernetInterfaces(ServerId),
    /// One of them, by its place in the inventory.
    EthernetInterface(ServerId, usize),
    /// Its storage subsystems.
    StorageCollection(ServerId),
    /// The one that has all its disks.
    Storage(ServerId),
    /// The disks in its chassis.
    Drives(ServerId),
    /// One of them, by its place in the hardware report.
    Drive(ServerId, usize),
    /// The settings of its firmware.
    Bios(ServerId),
    /// The same as they will be after the next start.
    BiosSettings(ServerId),
    /// Secure Boot.
    SecureBoot(ServerId),
    /// The action that changes the power.
    Reset(ServerId),
    /// An action on what the BMC has.
    Action(ServerId, Action),
    /// All managers that the user may see: one.
    Managers,
    /// The manager of a server.
    Manager(ServerId),
    /// The drives of virtual media.
    VirtualMedia(ServerId, MediaOwner),
    /// One of them, by its name.
    Medium(ServerId, MediaOwner, String),
    /// The service that lists firmware and updates it.
    UpdateService,
    /// Its action.
    SimpleUpdate,
    /// The service that has the tasks.
    TaskService,
    /// The tasks of the user's server.
    Tasks,
    /// One of them.
    Task(Uuid),
    /// Its monitor.
    TaskMonitor(Uuid),
    /// Its list: the firmware of the user's server.
    FirmwareInventory,
    /// One piece of firmware, by its name.
    FirmwareItem(String),
    /// All chassis that the user may see: one.
    ChassisCollection,
    /// The chassis of a server.
    Chassis(ServerId),
    /// Its temperatures and fans.
    Thermal(ServerId),
    /// Its power draw, voltages and power supplies.
    Power(ServerId),
    /// What can be set of it.
    Controls(ServerId),
    /// The limit of its power draw.
    PowerLimit(ServerId),
    /// Its sensors.
    Sensors(ServerId),
    /// One of them, by its name.
    Sensor(ServerId, String),
}

/// An action on what the BMC has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `Bios.ResetBios`.
    ResetBios,
    /// `SecureBoot.ResetKeys`.
    ResetKeys,
    /// `VirtualMedia.InsertMedia`, of the drive with this name in the path.
    InsertMedia(String),
    /// `VirtualMedia.EjectMedia`, of the drive with this name in the path.
    EjectMedia(String),
}

impl Resource {
    /// Reads a path; a slash at its end makes no difference (DSP0266 section 6.2).
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/redfish")?;
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        let server = |text: &str| text.parse::<ServerId>().ok();
        Some(match parts.as_slice() {
            [] if rest.is_empty() || rest.starts_with('/') => Resource::Versions,
            ["v1"] => Resource::Root,
            ["v1", "SessionService"] => Resource::SessionService,
            ["v1", "SessionService", "Sessions"] => Resource::Sessions,
            ["v1", "SessionService", "Sessions", id] => Resource::Session((*id).to_owned()),
            ["v1", "Systems"] => Resource::Systems,
            ["v1", "Systems", id] => Resource::System(server(id)?),
            ["v1", "Systems", id, "Processors"] => Resource::Processors(server(id)?),
            ["v1", "Systems", id, "Processors", "CPU"] => Resource::Processor(server(id)?),
            ["v1", "Systems", id, "Memory"] => Resource::MemoryCollection(server(id)?),
            ["v1", "Systems", id, "Memory", "RAM"] => Resource::Memory(server(id)?),
            ["v1", "Systems", id, "EthernetInterfaces"] => Resource::EthernetInterfaces(server(id)?),
            ["v1", "Systems", id, "EthernetInterfaces", nic] => {
                Resource::EthernetInterface(server(id)?, nic.strip_prefix("NIC")?.parse().ok()?)
            }
            ["v1", "Systems", id, "Storage"] => Resource::StorageCollection(server(id)?),
            ["v1", "Systems", id, "Storage", "Disks"] => Resource::Storage(server(id)?),
            ["v1", "Systems", id, "Bios"] => Resource::Bios(server(id)?),
            ["v1", "Systems", id, "Bios", "Settings"] => Resource::BiosSettings(server(id)?),
            ["v1", "Systems", id, "SecureBoot"] => Resource::SecureBoot(server(id)?),
            ["v1", "Systems", id, "VirtualMedia"] => Resource::VirtualMedia(server(id)?, MediaOwner::System),
            ["v1", "Systems", id, "VirtualMedia", name] => {
                Resource::Medium(server(id)?, MediaOwner::System, (*name).to_owned())
            }
            ["v1", "Systems", id, "Actions", "ComputerSystem.Reset"] => Resource::Reset(server(id)?),
            ["v1", "Systems", id, "Bios", "Actions", "Bios.ResetBios"] => {
                Resource::Action(server(id)?, Action::ResetBios)
            }
            ["v1", "Systems", id, "SecureBoot", "Actions", "SecureBoot.ResetKeys"] => {
                Resource::Action(server(id)?, Action::ResetKeys)
            }
            // The drives of the system and of its manager are the same ones.
            ["v1", "Systems" | "Managers", id, "VirtualMedia", name, "Actions", action] => {
                let name = (*name).to_owned();
                let action = match *action {
                    "VirtualMedia.InsertMedia" => Action::InsertMedia(name),
                    "VirtualMedia.EjectMedia" => Action::EjectMedia(name),
                    _ => return None,
                };
                Resource::Action(server(id)?, action)
            }
            ["v1", "Managers"] => Resource::Managers,
            ["v1", "Managers", id] => Resource::Manager(server(id)?),
            ["v1", "Managers", id, "VirtualMedia"] => {
                Resource::VirtualMedia(server(id)?, MediaOwner::Manager)
            }
            ["v1", "Managers", id, "VirtualMedia", name] => {
                Resource::Medium(server(id)?, MediaOwner::Manager, (*name).to_owned())
            }
            ["v1", "UpdateService"] => Resource::UpdateService,
            ["v1", "UpdateService", "Actions", "UpdateService.SimpleUpdate"] => Resource::SimpleUpdate,
            ["v1", "TaskService"] => Resource::TaskService,
            ["v1", "TaskService", "Tasks"] => Resource::Tasks,
            ["v1", "TaskService", "Tasks", id] => Resource::Task(id.parse().ok()?),
            ["v1", "TaskService", "TaskMonitors", id] => Resource::TaskMonitor(id.parse().ok()?),
            ["v1", "UpdateService", "FirmwareInventory"] => Resource::FirmwareInventory,
            ["v1", "UpdateService", "FirmwareInventory", name] => Resource::FirmwareItem((*name).to_owned()),
            ["v1", "Chassis"] => Resource::ChassisCollection,
            ["v1", "Chassis", id] => Resource::Chassis(server(id)?),
            ["v1", "Chassis", id, "Thermal"] => Resource::Thermal(server(id)?),
            ["v1", "Chassis", id, "Power"] => Resource::Power(server(id)?),
            ["v1", "Chassis", id, "Controls"] => Resource::Controls(server(id)?),
            ["v1", "Chassis", id, "Controls", "PowerLimit"] => Resource::PowerLimit(server(id)?),
            ["v1", "Chassis", id, "Sensors"] => Resource::Sensors(server(id)?),
            ["v1", "Chassis", id, "Sensors", name] => Resource::Sensor(server(id)?, (*name).to_owned()),
            ["v1", "Chassis", id, "Drives"] => Resource::Drives(server(id)?),
            ["v1", "Chassis", id, "Drives", drive] => Resource::Drive(server(id)?, drive.parse().ok()?),
            _ => return None,
        })
    }

    /// The server that the resource belongs to, if it belongs to one.
    pub fn server(&self) -> Option<ServerId> {
        match self {
            Resource::Versions
            | Resource::Root
            | Resource::SessionService
            | Resource::Sessions
            | Resource::Session(_)
            | Resource::Systems
            | Resource::Managers
            | Resource::ChassisCollection
            | Resource::UpdateService
            | Resource::SimpleUpdate
            | Resource::TaskService
            | Resource::Tasks
            | Resource::Task(_)
            | Resource::TaskMonitor(_)
            | Resource::FirmwareInventory
            | Resource::FirmwareItem(_) => None,
            Resource::System(id)
            | Resource::Processors(id)
            | Resource::Processor(id)
            | Resource::MemoryCollection(id)
            | Resource::Memory(id)
            | Resource::EthernetInterfaces(id)
            | Resource::EthernetInterface(id, _)
            | Resource::StorageCollection(id)
            | Resource::Storage(id)
            | Resource::Drives(id)
            | Resource::Drive(id, _)
            | Resource::Reset(id)
            | Resource::Action(id, _)
            | Resource::Manager(id)
            | Resource::Bios(id)
            | Resource::BiosSettings(id)
            | Resource::SecureBoot(id)
            | Resource::VirtualMedia(id, _)
            | Resource::Medium(id, _, _)
            | Resource::Chassis(id)
            | Resource::Thermal(id)
            | Resource::Power(id)
            | Resource::Controls(id)
            | Resource::PowerLimit(id)
            | Resource::Sensors(id)
            | Resource::Sensor(id, _) => Some(*id),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "6ae0d8a4-6b2f-4a53-9c37-2f6a5c1d0e11";

    #[test]
    fn names_what_sushy_asks_for() {
        let id: ServerId = ID.parse().unwrap();
        let check =
            |path: &str, expected: Option<Resource>| assert_eq!(Resource::parse(path), expected, "{path}");
        check("/redfish", Some(Resource::Versions));
        check("/redfish/v1/", Some(Resource::Root));
        check("/redfish/v1/SessionService/Sessions", Some(Resource::Sessions));
        check(&format!("/redfish/v1/Systems/{ID}"), Some(Resource::System(id)));
        check(&format!("/redfish/v1/Systems/{ID}/"), Some(Resource::System(id)));
        check(
            &format!("/redfish/v1/Systems/{ID}/EthernetInterfaces/NIC1"),
            Some(Resource::EthernetInterface(id, 1)),
        );
        check(&format!("/redfish/v1/Systems/{ID}/Actions/ComputerSystem.Reset"), Some(Resource::Reset(id)));
        check(&format!("/redfish/v1/Systems/{ID}/Bios/Settings"), Some(Resource::BiosSettings(id)));
        check(
            &format!("/redfish/v1/Managers/{ID}/VirtualMedia/Cd"),
            Some(Resource::Medium(id, MediaOwner::Manager, "Cd".to_owned())),
        );
        check(
            &format!("/redfish/v1/Managers/{ID}/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia"),
            Some(Resource::Action(id, Action::EjectMedia("Cd".to_owned()))),
        );
        check(&format!("/redfish/v1/Systems/{ID}/VirtualMedia/Cd/Actions/VirtualMedia.Format"), None);
        check("/redfish/v1/Systems/1", None);
        check("/redfish/v2", None);
        check("/", None);
        check("/redfishes", None);
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "\\PC{0,120}") {
            let _ = Resource::parse(&path);
            let _ = Resource::parse(&format!("/redfish/v1/Systems/{ID}/EthernetInterfaces/NIC{path}"));
        }
    }
}
