//! Edges: what a server is made of.

use protocol::redfish::{
    node::{Node, Resource},
    read::{
        hardware::{Drive, MemoryModule, Processor, Storage, Volume},
        network::{Interface, Port},
    },
};
use serde::Serialize;

use super::super::{
    RedfishBmc,
    call::{Call, Listed},
};
use crate::bmc::BmcError;

/// Chassis of one system that are looked at.
const CHASSIS_MAX: usize = 8;

/// What a server is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inventory {
    /// Processors.
    pub processors: Vec<Processor>,
    /// Memory modules; empty slots are left out.
    pub memory: Vec<MemoryModule>,
    /// Storage.
    pub storage: Vec<Storage>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Ports of network adapters.
    pub ports: Vec<Port>,
    /// What is there and could not be read, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl RedfishBmc {
    /// All that the server is made of.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, or belongs to another machine. What it refuses by itself is in [`Inventory::missing`].
    pub async fn inventory(&self) -> Result<Inventory, BmcError> {
        let mut call = self.call().await?;
        let mut found = Inventory {
            processors: call.processors().await?,
            memory: call.memory().await?,
            storage: call.storage().await?,
            interfaces: call.interfaces().await?,
            ports: call.ports().await?,
            missing: Vec::new(),
        };
        found.missing = call.listed(Vec::<()>::new()).missing;
        Ok(found)
    }

    /// Its processors.
    pub async fn processors(&self) -> Result<Listed<Processor>, BmcError> {
        let mut call = self.call().await?;
        let items = call.processors().await?;
        Ok(call.listed(items))
    }

    /// Its memory modules.
    pub async fn memory(&self) -> Result<Listed<MemoryModule>, BmcError> {
        let mut call = self.call().await?;
        let items = call.memory().await?;
        Ok(call.listed(items))
    }

    /// Its storage with disks and volumes.
    pub async fn storage(&self) -> Result<Listed<Storage>, BmcError> {
        let mut call = self.call().await?;
        let items = call.storage().await?;
        Ok(call.listed(items))
    }

    /// Its network interfaces, with their MAC addresses.
    pub async fn interfaces(&self) -> Result<Listed<Interface>, BmcError> {
        let mut call = self.call().await?;
        let items = call.interfaces().await?;
        Ok(call.listed(items))
    }

    /// The ports of its network adapters, with what their neighbours say of themselves.
    pub async fn ports(&self) -> Result<Listed<Port>, BmcError> {
        let mut call = self.call().await?;
        let items = call.ports().await?;
        Ok(call.listed(items))
    }
}

impl Call<'_> {
    async fn parts<T: for<'b> From<Node<'b>>>(&mut self, property: &str) -> Result<Vec<T>, BmcError> {
        let system = self.system.body.clone();
        let members = self.members(system.node(), property).await?;
        let there = members.iter().filter(|(_, part)| !part.node().status().is_absent());
        Ok(there.map(|(_, part)| T::from(part.node())).collect())
    }

    async fn processors(&mut self) -> Result<Vec<Processor>, BmcError> {
        self.parts("Processors").await
    }

    async fn memory(&mut self) -> Result<Vec<MemoryModule>, BmcError> {
        self.parts("Memory").await
    }

    async fn interfaces(&mut self) -> Result<Vec<Interface>, BmcError> {
        self.parts("EthernetInterfaces").await
    }

    /// `Storage`, or the older `SimpleStorage` where there is no other.
    async fn storage(&mut self) -> Result<Vec<Storage>, BmcError> {
        let system = self.system.body.clone();
        let newer = self.members(system.node(), "Storage").await?;
        if newer.is_empty() {
            let older = self.members(system.node(), "SimpleStorage").await?;
            return Ok(older.iter().map(|(_, part)| Storage::of(part.node())).collect());
        }
        let mut all = Vec::new();
        for (_, part) in newer {
            let node = part.node();
            let mut storage = Storage::of(node);
            if storage.model.is_none() {
                let controllers = self.members(node, "Controllers").await?;
                if let Some((_, controller)) = controllers.first() {
                    storage.model = controller.node().text("Model");
                    storage.firmware = controller.node().text("FirmwareVersion");
                }
            }
            let links: Vec<String> = node.links("Drives").into_iter().map(str::to_owned).collect();
            let drives = self.linked(&links, "a drive").await?;
            storage.drives.extend(drives.iter().map(|(_, drive)| Drive::from(drive.node())));
            let volumes = self.members(node, "Volumes").await?;
            storage.volumes = volumes.iter().map(|(_, volume)| Volume::from(volume.node())).collect();
            all.push(storage);
        }
        Ok(all)
    }

    async fn ports(&mut self) -> Result<Vec<Port>, BmcError> {
        let mut ports = Vec::new();
        for (_, chassis) in self.chassis().await? {
            for (_, adapter) in self.members(chassis.node(), "NetworkAdapters").await? {
                let node = adapter.node();
                let name =
                    ["Model", "Name", "Id"].into_iter().find_map(|name| node.text(name)).unwrap_or_default();
                // The newer ones first; a few services show both.
                for property in ["Ports", "NetworkPorts"] {
                    let members = self.members(node, property).await?;
                    ports.extend(members.iter().map(|(_, port)| Port::of(&name, port.node())));
                    if !members.is_empty() {
                        break;
                    }
                }
            }
        }
        Ok(ports)
    }

    /// The chassis that the system is in, with their paths.
    pub(super) async fn chassis(&mut self) -> Result<Vec<(String, Resource)>, BmcError> {
        let links =
            self.system().at("Links").links("Chassis").into_iter().map(str::to_owned).collect::<Vec<_>>();
        if !links.is_empty() {
            return self.linked(links.get(..CHASSIS_MAX).unwrap_or(&links), "the chassis").await;
        }
        let Some(root) = self.root().await? else { return Ok(Vec::new()) };
        let mut all = self.members(root.node(), "Chassis").await?;
        all.truncate(CHASSIS_MAX);
        Ok(all)
    }

    /// The service root.
    pub(in super::super) async fn root(&mut self) -> Result<Option<Resource>, BmcError> {
        self.look(protocol::redfish::ROOT, "the service root").await
    }
}
