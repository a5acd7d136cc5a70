//! Edges: every enrolled server as a `node` with `port` children in the VNC API, as Contrail's own server discovery makes
//! them, so that its tools show our servers. Without the password, which that API gives to every reader.
//!
//! One pass reads all nodes and ports and changes what is not as it should be: made anew under uuids that we derive,
//! brought up to date, deleted when the server is forgotten. What somebody else made under the same name is taken over,
//! and left behind when its server goes. Nothing waits for this: a failure is a reason on its server, and is tried again.

mod keeper;

use std::collections::{BTreeMap, BTreeSet};

pub use keeper::run;

use protocol::id::ServerId;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;
use uuid::Uuid;

use super::{
    Contrail, describe,
    object::{KeyValues, Ref, RefChange},
    site::{GLOBAL_SYSTEM_CONFIG, contrail_name},
    vnc::Created,
};
use domain::records::Server;
use domain::rim::FabricError;

/// How a reason of ours on a server begins.
pub const REASON: &str = "not registered in Contrail: ";

const NODE: &str = "node";
const PORT: &str = "port";
const NODE_FIELDS: &str = "display_name,node_type,hostname,mac_address,bms_info,annotations";
const PORT_FIELDS: &str = "display_name,bms_port_info,annotations";
/// Our note on every object: whose it is.
const NOTE_SERVER: &str = "bms-manager.server";
/// Our note on an object that was there before: it is not ours to delete.
const NOTE_FOUND: &str = "bms-manager.found";

/// An object as read.
#[derive(Clone, Debug)]
struct Found {
    id: Uuid,
    parent: Option<Uuid>,
    name: Vec<String>,
    notes: KeyValues,
    object: Value,
}

impl Found {
    fn read(object: Value) -> Option<Self> {
        let uuid = |name: &str| object[name].as_str().and_then(|text| Uuid::parse_str(text).ok());
        let notes = serde_json::from_value(object["annotations"].clone()).unwrap_or_default();
        let name = serde_json::from_value(object["fq_name"].clone()).ok()?;
        Some(Self { id: uuid("uuid")?, parent: uuid("parent_uuid"), name, notes, object })
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.last().is_some_and(|last| last == name)
    }

    /// Whether it was there before us.
    fn was_found(&self) -> bool {
        self.notes.get(NOTE_FOUND).is_some()
    }

    /// Whose it is by our note.
    fn server(&self) -> Option<ServerId> {
        self.notes.get(NOTE_SERVER).and_then(|text| text.parse().ok())
    }
}

/// What refers to a port.
#[derive(Debug, Deserialize)]
struct Linked {
    #[serde(default)]
    physical_interface_back_refs: Vec<Ref>,
}

/// What a pass left undone, by server.
pub type Failures = BTreeMap<ServerId, String>;

impl Contrail {
    /// Makes nodes and ports what they should be for exactly these servers. An error is one of the API as a whole; what one
    /// server's objects met is among the failures.
    pub async fn register(&self, servers: &[Server]) -> Result<Failures, FabricError> {
        let (mut nodes, mut ports) = self.read_both().await?;
        let mut failures = Failures::new();
        let names: BTreeMap<_, _> = servers.iter().map(|server| (server.id, node_name(server))).collect();
        let mut anew = false;
        for node in &nodes {
            // A name cannot be changed: under another one it is made anew.
            if let Some(server) = node.server().filter(|server| names.get(server) != Some(&node.name)) {
                keep(server, self.let_go(node, &ports).await, &mut failures)?;
                anew = true;
            }
        }
        // What keeps the old object there would be in the way of the new one, and is the reason to be told.
        let stuck: BTreeSet<_> = failures.keys().copied().collect();
        if anew {
            (nodes, ports) = self.read_both().await?;
        }
        for server in servers.iter().filter(|server| !stuck.contains(&server.id)) {
            keep(server.id, self.register_one(server, &nodes, &ports).await, &mut failures)?;
        }
        Ok(failures)
    }

    async fn read_both(&self) -> Result<(Vec<Found>, Vec<Found>), FabricError> {
        Ok((self.read_all(NODE, NODE_FIELDS).await?, self.read_all(PORT, PORT_FIELDS).await?))
    }

    async fn read_all(&self, kind: &str, fields: &str) -> Result<Vec<Found>, FabricError> {
        let rows: Vec<Value> = self.vnc.list(kind, &[("fields", fields.to_owned())]).await?;
        Ok(rows.into_iter().filter_map(Found::read).collect())
    }

    async fn register_one(
        &self,
        server: &Server,
        nodes: &[Found],
        ports: &[Found],
    ) -> Result<(), FabricError> {
        let name = node_name(server);
        let found = nodes.iter().find(|node| node.name == name);
        let wanted = describe::node(server);
        let node =
            self.ensure(server, (NODE, "global-system-config", server.id.0), name, found, wanted).await?;
        let children: Vec<_> = ports.iter().filter(|port| port.parent == Some(node)).collect();
        let mut kept = BTreeSet::new();
        for port in &server.ports {
            let wanted = describe::port(server, port);
            let found = matching(server, &children, &contrail_name(&port.name), &wanted);
            kept.extend(found.map(|found| found.id));
            let mut name = node_name(server);
            name.push(contrail_name(&port.name));
            let id = Uuid::new_v5(&server.id.0, format!("port/{}", port.name).as_bytes());
            self.ensure(server, (PORT, NODE, id), name, found, wanted).await?;
        }
        let is_over = |child: &&&Found| child.server() == Some(server.id) && !kept.contains(&child.id);
        for child in children.iter().filter(is_over) {
            self.let_go_one(PORT, child).await?;
        }
        Ok(())
    }

    /// Makes an object, or changes it if it does not say what it should.
    async fn ensure(
        &self,
        server: &Server,
        (kind, parent, id): (&'static str, &str, Uuid),
        name: Vec<String>,
        found: Option<&Found>,
        mut wanted: Value,
    ) -> Result<Uuid, FabricError> {
        let owner = server.id.to_string();
        let mut notes = found.map(|found| found.notes.clone()).unwrap_or_default();
        notes.set(NOTE_SERVER, Some(owner.clone()));
        if let Some(found) = found {
            if describe::says(&found.object, &wanted) && found.notes.get(NOTE_SERVER) == Some(&owner) {
                return Ok(found.id);
            }
            if found.id != id && found.notes.get(NOTE_SERVER).is_none() {
                notes.set(NOTE_FOUND, Some("true".to_owned()));
            }
            wanted["annotations"] = json!(notes);
            self.vnc.update(kind, found.id, wanted).await?;
            info!(server = %server.id, kind, name = name.join(":"), "object in contrail brought up to date");
            return Ok(found.id);
        }
        wanted["annotations"] = json!(notes);
        wanted["uuid"] = json!(id);
        wanted["parent_type"] = json!(parent);
        wanted["fq_name"] = json!(name);
        match self.vnc.create(kind, wanted).await? {
            Created::New(id) => {
                info!(server = %server.id, kind, name = name.join(":"), "object in contrail made");
                Ok(id)
            }
            // Made since we looked; the next pass sees it.
            Created::Conflict(reason) => {
                Err(FabricError::Refused { operation: format!("make {kind} {}", name.join(":")), reason })
            }
        }
    }

    /// Deletes a node of ours with its ports; one that was found stays, without our notes, and so does one that has ports
    /// of others.
    async fn let_go(&self, node: &Found, ports: &[Found]) -> Result<(), FabricError> {
        let mut others = false;
        for child in ports.iter().filter(|port| port.parent == Some(node.id)) {
            let ours = child.server().is_some() && child.server() == node.server();
            others |= !ours || child.was_found();
            if ours {
                self.let_go_one(PORT, child).await?;
            }
        }
        if others { self.leave_to_others(NODE, node).await } else { self.let_go_one(NODE, node).await }
    }

    /// Leaves an object to others: without our notes.
    async fn leave_to_others(&self, kind: &'static str, found: &Found) -> Result<(), FabricError> {
        let mut notes = found.notes.clone();
        notes.set(NOTE_SERVER, None);
        notes.set(NOTE_FOUND, None);
        self.vnc.update(kind, found.id, json!({ "annotations": notes })).await
    }

    /// Takes the reference away that the switch port has to a port: with it the port is not deleted.
    async fn unlink(&self, port: Uuid) -> Result<(), FabricError> {
        let Some(linked) = self.vnc.get::<Linked>(PORT, port, "physical_interface_back_refs").await? else {
            return Ok(());
        };
        for holder in &linked.physical_interface_back_refs {
            let (from, to) = (("physical-interface", holder.uuid), (PORT, port));
            self.vnc.change_ref(RefChange::Delete, from, to).await?;
        }
        Ok(())
    }

    async fn let_go_one(&self, kind: &'static str, found: &Found) -> Result<(), FabricError> {
        if found.was_found() {
            return self.leave_to_others(kind, found).await;
        }
        if kind == PORT {
            self.unlink(found.id).await?;
        }
        self.vnc.delete(kind, found.id).await?;
        info!(kind, name = found.name.join(":"), "object in contrail deleted");
        Ok(())
    }
}

/// Fully qualified name of a server's node.
fn node_name(server: &Server) -> Vec<String> {
    vec![GLOBAL_SYSTEM_CONFIG.to_owned(), contrail_name(&server.name)]
}

/// The object that is this interface's: by name, then by MAC, as Contrail's importer matches them. One that we made has our
/// name for it, so by its MAC only one of somebody else's is found.
fn matching<'a>(server: &Server, children: &[&'a Found], name: &str, wanted: &Value) -> Option<&'a Found> {
    let address = &wanted["bms_port_info"]["address"];
    let is_somebody_elses = |child: &&&Found| {
        let named_by_us = server.ports.iter().any(|port| child.is_named(&contrail_name(&port.name)));
        let ours = child.server() == Some(server.id) && !child.was_found();
        !named_by_us && !ours
    };
    let by_name = children.iter().find(|child| child.is_named(name));
    let mut by_mac = children.iter().filter(is_somebody_elses);
    by_name.or_else(|| by_mac.find(|child| child.object["bms_port_info"]["address"] == *address)).copied()
}

/// A failure of the API as a whole ends the pass; one of an object is kept.
fn keep(server: ServerId, done: Result<(), FabricError>, failures: &mut Failures) -> Result<(), FabricError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) if error.is_worth_repeating() => Err(error),
        Err(error) => {
            failures.insert(server, error.to_string());
            Ok(())
        }
    }
}
