//! Edges: the resources as they are shown.

use std::time::Duration;

use protocol::{
    bmc_facts::{BmcFacts, FactsPart},
    bmc_order::BmcOrder,
    id::ServerId,
    power::PowerReading,
};
use tracing::debug;

use super::{
    Principal, RedfishFacade, answer::Failed, bmc, controls, lock, path::Resource, resource, sensors,
    session::SESSION_IDLE_MAX, storage, update,
};

/// What is about to change is read anew for whoever asks; it is shown as it was told last when that takes longer.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(20);

impl RedfishFacade {
    /// One resource; what stands in it was told before, but for what is about to change.
    pub(super) async fn get(
        &self,
        resource: &Resource,
        principal: &Principal,
    ) -> Result<serde_json::Value, Failed> {
        let server = &principal.server;
        let id = server.id;
        Ok(match resource {
            Resource::Versions => resource::versions(),
            Resource::Root => resource::root(),
            Resource::SessionService => resource::session_service(SESSION_IDLE_MAX.as_secs()),
            Resource::Sessions => {
                let ids = lock(&self.sessions).ids(id);
                let paths: Vec<String> = ids.iter().map(|session| resource::session_path(session)).collect();
                resource::collection("Session", "/redfish/v1/SessionService/Sessions", &paths)
            }
            Resource::Session(session) if lock(&self.sessions).ids(id).contains(session) => {
                resource::session(session, &principal.user)
            }
            Resource::Session(_)
            | Resource::Reset(_)
            | Resource::Action(..)
            | Resource::SimpleUpdate
            | Resource::TaskMonitor(_) => {
                return Err(Failed::not_found());
            }
            Resource::TaskService => update::task_service(),
            Resource::Tasks => update::tasks(&self.hardware.firmware_updates(id).await),
            Resource::Task(task) => update::task(&self.update_of(id, *task).await?),
            Resource::Systems => {
                resource::collection("ComputerSystem", "/redfish/v1/Systems", &[resource::system_path(id)])
            }
            Resource::System(_) => {
                if let Some(PowerReading::Unreachable { reason }) = &server.power {
                    // A reading that is neither On nor Off has no word in Redfish. An error brings the reason to
                    // Ironic's last_error; one of the 5xx would make sushy repeat the GET ten times first.
                    return Err(Failed::unreachable(&server.name, reason));
                }
                let boot = lock(&self.overrides).get(&id).copied().unwrap_or_default();
                let mut system = resource::system(server, boot);
                bmc::add_to_system(&mut system, id, &self.hardware.facts(id).await);
                system
            }
            Resource::Processors(_) => {
                let path = format!("{}/Processors", resource::system_path(id));
                resource::collection("Processor", &path, &[format!("{path}/CPU")])
            }
            Resource::Processor(_) => resource::processor(server),
            Resource::MemoryCollection(_) => {
                let path = resource::memory_path(id);
                let known = resource::memory(server).map(|_| format!("{path}/RAM"));
                resource::collection("Memory", &path, known.as_slice())
            }
            Resource::Memory(_) => resource::memory(server).ok_or_else(Failed::not_found)?,
            Resource::EthernetInterfaces(_) => {
                let path = format!("{}/EthernetInterfaces", resource::system_path(id));
                let paths: Vec<String> =
                    (0..server.macs.len()).map(|index| resource::interface_path(id, index)).collect();
                resource::collection("EthernetInterface", &path, &paths)
            }
            Resource::EthernetInterface(_, index) => {
                resource::ethernet_interface(server, *index).ok_or_else(Failed::not_found)?
            }
            Resource::StorageCollection(_) => {
                let path = format!("{}/Storage", resource::system_path(id));
                let known = storage::storage(server).map(|_| storage::storage_path(id));
                resource::collection("Storage", &path, known.as_slice())
            }
            Resource::Storage(_) => storage::storage(server).ok_or_else(Failed::not_found)?,
            Resource::Drives(_) => {
                resource::collection("Drive", &storage::drives_path(id), &storage::drive_paths(server))
            }
            Resource::Drive(_, index) => storage::drive(server, *index).ok_or_else(Failed::not_found)?,
            Resource::Managers => {
                resource::collection("Manager", "/redfish/v1/Managers", &[resource::manager_path(id)])
            }
            Resource::Manager(_) => resource::manager(server, &self.hardware.facts(id).await),
            Resource::Bios(_) => {
                bmc::bios(id, &self.facts_now(id, FactsPart::Bios).await).ok_or_else(Failed::not_found)?
            }
            Resource::BiosSettings(_) => {
                let facts = self.facts_now(id, FactsPart::Bios).await;
                bmc::bios_settings(id, &facts).ok_or_else(Failed::not_found)?
            }
            Resource::SecureBoot(_) => {
                let facts = self.facts_now(id, FactsPart::SecureBoot).await;
                bmc::secure_boot(id, &facts).ok_or_else(Failed::not_found)?
            }
            Resource::VirtualMedia(_, owner) => bmc::media(id, *owner, &self.hardware.facts(id).await),
            Resource::Medium(_, owner, name) => {
                let facts = self.hardware.facts(id).await;
                bmc::medium(id, *owner, name, &facts).ok_or_else(Failed::not_found)?
            }
            Resource::UpdateService => bmc::update_service(),
            Resource::FirmwareInventory => bmc::firmware(&self.hardware.facts(id).await),
            Resource::FirmwareItem(name) => {
                bmc::firmware_item(name, &self.hardware.facts(id).await).ok_or_else(Failed::not_found)?
            }
            Resource::ChassisCollection => {
                resource::collection("Chassis", "/redfish/v1/Chassis", &[resource::chassis_path(id)])
            }
            Resource::Chassis(_) => {
                let mut chassis = resource::chassis(server);
                sensors::add_to_chassis(&mut chassis, id, &self.hardware.sensors(id).await);
                controls::add_to_chassis(&mut chassis, id, &self.hardware.facts(id).await);
                chassis
            }
            Resource::Controls(_) => controls::controls(id, &self.hardware.facts(id).await),
            Resource::PowerLimit(_) => {
                let draw_w = self.hardware.sensors(id).await.draw_w;
                controls::limit(id, &self.hardware.facts(id).await, draw_w).ok_or_else(Failed::not_found)?
            }
            Resource::Thermal(_) => {
                sensors::thermal(id, &self.hardware.sensors(id).await).ok_or_else(Failed::not_found)?
            }
            Resource::Power(_) => {
                let of = self.hardware.sensors(id).await;
                let mut power = sensors::power(id, &of).ok_or_else(Failed::not_found)?;
                controls::add_to_power(&mut power, &self.hardware.facts(id).await);
                power
            }
            Resource::Sensors(_) => sensors::sensors(id, &self.hardware.sensors(id).await),
            Resource::Sensor(_, name) => {
                let of = self.hardware.sensors(id).await;
                sensors::sensor(id, name, &of).ok_or_else(Failed::not_found)?
            }
        })
    }

    /// What the BMC says, read anew where it waits for a start that may have been meanwhile: whoever has changed a setting and restarted
    /// the server asks whether it holds.
    async fn facts_now(&self, id: ServerId, part: FactsPart) -> BmcFacts {
        let facts = self.hardware.facts(id).await;
        if !facts.waits(part) {
            return facts;
        }
        let looked = self.hardware.order(id, BmcOrder::Look { part });
        match tokio::time::timeout(LOOK_WAIT_MAX, looked).await {
            Ok(Ok(())) => self.hardware.facts(id).await,
            Ok(Err(reason)) => {
                debug!(server = %id, part = part.name(), %reason, "what is about to change was not read anew");
                facts
            }
            Err(_) => {
                debug!(server = %id, part = part.name(), "what is about to change is not read anew in time");
                facts
            }
        }
    }
}
