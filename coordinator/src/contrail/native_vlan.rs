//! Edges: a VLAN id of its own for each network whose frames are untagged on switch ports.
//!
//! The two isolated networks have theirs in the configuration. A tenant's network gets one of the site's range when it is first asked
//! for, written as a note on the network itself: so it outlives us, goes with the network, and is seen by whoever looks. A note is
//! first a wish; it holds when every network was read after it was written and none has the same. Of two coordinators that wish
//! for one id at the same time at least one sees the other's wish, and gives way.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use tracing::info;
use uuid::Uuid;

use super::{
    Contrail,
    fabric::INTERFACE,
    networks::NETWORK,
    object::{InterfaceProperties, KeyValues, Ref},
    vlans::{self, InUse, Note},
};
use crate::port::FabricError;

/// Key of our note on a network.
const NOTE: &str = "bms-manager.native-vlan";
/// Wishes of one network that others may have been faster with.
const WISHES_MAX: usize = 8;
/// Interfaces that are asked for by their uuids in one call: its URL has some kilobytes.
const ASKED_AT_ONCE: usize = 100;

const GROUP: &str = "virtual-port-group";
const INTERFACE_FIELDS: &str =
    "virtual_network_refs,virtual_machine_interface_bindings,virtual_machine_interface_properties";
const USERS_FIELDS: &str = "virtual_machine_interface_back_refs,instance_ip_back_refs";

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Network {
    pub(super) uuid: Uuid,
    pub(super) fq_name: Vec<String>,
    annotations: Option<KeyValues>,
}

impl Network {
    pub(super) fn note(&self) -> Option<Note> {
        self.annotations.as_ref()?.get(NOTE).and_then(Note::parse)
    }
}

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    virtual_machine_interface_refs: Vec<Ref>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    #[serde(default)]
    virtual_network_refs: Vec<Ref>,
    virtual_machine_interface_bindings: Option<KeyValues>,
    virtual_machine_interface_properties: Option<InterfaceProperties>,
}

impl Interface {
    fn in_use(&self) -> Option<InUse> {
        let properties = self.virtual_machine_interface_properties.as_ref();
        let tag = properties.and_then(|it| it.sub_interface_vlan_tag).filter(|tag| *tag != 0);
        let bindings = self.virtual_machine_interface_bindings.as_ref();
        let native = bindings.and_then(|map| map.get("tor_port_vlan_id")?.parse().ok());
        Some(InUse { network: self.virtual_network_refs.first()?.uuid, vlan: tag.or(native)? })
    }
}

#[derive(Debug, Deserialize)]
struct Users {
    #[serde(default)]
    virtual_machine_interface_back_refs: Vec<Ref>,
    #[serde(default)]
    instance_ip_back_refs: Vec<Ref>,
}

impl Contrail {
    /// The VLAN id that untagged frames of the network of this name have, on every switch port: the same whenever it is
    /// asked for, and no other network's.
    pub async fn native_vlan(&self, network: &[String]) -> Result<u16, FabricError> {
        if let Some(role) = self.config.role_of(network) {
            return Ok(self.config.native_vlans.of(role));
        }
        let found = self.network_of(network).await?;
        if let Some(Note::Given(vlan)) = found.note() {
            return Ok(vlan);
        }
        let _one_at_a_time = self.choosing_vlans.lock().await;
        let found = self.network_of(network).await?; // somebody may have been before us
        match found.note() {
            Some(Note::Given(vlan)) => Ok(vlan),
            Some(Note::Asked(_)) | None => self.give_vlan(network, found).await,
        }
    }

    pub(super) async fn network_of(&self, name: &[String]) -> Result<Network, FabricError> {
        let missing = || FabricError::NotFound { what: "network", name: name.join(":") };
        let id = self.vnc.id_of(NETWORK, name).await?.ok_or_else(missing)?;
        self.vnc.get(NETWORK, id, "annotations").await?.ok_or_else(missing)
    }

    async fn give_vlan(&self, name: &[String], mut network: Network) -> Result<u16, FabricError> {
        let in_use = self.vlans_in_use().await?;
        if let Some(vlan) = vlans::theirs(network.uuid, &in_use) {
            self.check_theirs(&network, vlan, &in_use).await?;
            self.note_vlan(&mut network, Some(Note::Given(vlan))).await?;
            return Ok(vlan);
        }
        let mut taken: BTreeSet<u16> = in_use.iter().map(|one| one.vlan).collect();
        let ours = self.config.native_vlans;
        taken.extend([ours.provisioning, ours.cleaning]);
        let mut others = self.noted_by_others(network.uuid).await?;
        for tries in 0..WISHES_MAX {
            taken.extend(others.iter().filter_map(Network::note).map(Note::vlan));
            let range = self.config.tenant_native_vlans;
            let vlan = match vlans::choose(range, network.uuid, tries, &taken) {
                Some(vlan) => vlan,
                None => self.take_back_vlan(name, &others, &in_use).await?,
            };
            self.note_vlan(&mut network, Some(Note::Asked(vlan))).await?;
            others = self.noted_by_others(network.uuid).await?;
            if others.iter().all(|other| other.note().map(Note::vlan) != Some(vlan)) {
                self.note_vlan(&mut network, Some(Note::Given(vlan))).await?;
                info!(network = name.join(":"), vlan, "network has a native vlan");
                return Ok(vlan);
            }
        }
        // Its last wish must not keep others from that id.
        self.note_vlan(&mut network, None).await?;
        Err(FabricError::Unavailable {
            url: self.vnc.place(),
            reason: format!("others chose each native VLAN that {} wished for", name.join(":")),
        })
    }

    /// Writes our note on a network, or removes it. Other notes there stay.
    async fn note_vlan(&self, network: &mut Network, note: Option<Note>) -> Result<(), FabricError> {
        let mut notes = network.annotations.take().unwrap_or_default();
        notes.set(NOTE, note.map(|note| note.to_string()));
        self.vnc.update(NETWORK, network.uuid, json!({ "annotations": notes })).await?;
        network.annotations = Some(notes);
        Ok(())
    }

    pub(super) async fn noted_by_others(&self, network: Uuid) -> Result<Vec<Network>, FabricError> {
        let all: Vec<Network> = self.vnc.list(NETWORK, &[("fields", "annotations".to_owned())]).await?;
        Ok(all.into_iter().filter(|other| other.uuid != network && other.note().is_some()).collect())
    }

    /// What interfaces on switch ports use, whoever put them there.
    pub(super) async fn vlans_in_use(&self) -> Result<Vec<InUse>, FabricError> {
        let fields = ("fields", "virtual_machine_interface_refs".to_owned());
        let groups: Vec<Group> = self.vnc.list(GROUP, &[fields]).await?;
        let ids: BTreeSet<String> = groups
            .iter()
            .flat_map(|group| &group.virtual_machine_interface_refs)
            .map(|to| to.uuid.to_string())
            .collect();
        let ids: Vec<String> = ids.into_iter().collect();
        let mut in_use = Vec::new();
        for some in ids.chunks(ASKED_AT_ONCE) {
            let query = [("obj_uuids", some.join(",")), ("fields", INTERFACE_FIELDS.to_owned())];
            let interfaces: Vec<Interface> = self.vnc.list(INTERFACE, &query).await?;
            in_use.extend(interfaces.iter().filter_map(Interface::in_use));
        }
        Ok(in_use)
    }

    /// An id of a network that nothing is on any more, taken from it.
    async fn take_back_vlan(
        &self,
        name: &[String],
        noted: &[Network],
        in_use: &[InUse],
    ) -> Result<u16, FabricError> {
        let range = self.config.tenant_native_vlans;
        for network in noted {
            let Some(note) = network.note().filter(|note| range.contains(note.vlan())) else { continue };
            let elsewhere = in_use.iter().any(|one| one.vlan == note.vlan());
            let Some(users) = self.vnc.get::<Users>(NETWORK, network.uuid, USERS_FIELDS).await? else {
                continue;
            };
            let unused = users.virtual_machine_interface_back_refs.is_empty()
                && users.instance_ip_back_refs.is_empty();
            if unused && !elsewhere {
                self.note_vlan(&mut network.clone(), None).await?;
                info!(network = %network.uuid, vlan = note.vlan(), "native vlan of an unused network taken back");
                return Ok(note.vlan());
            }
        }
        Err(FabricError::Refused {
            operation: format!("give network {} a native VLAN", name.join(":")),
            reason: format!(
                "every id of contrail.tenant_native_vlans ({range}) is in use; widen it, or delete networks with untagged servers"
            ),
        })
    }
}
