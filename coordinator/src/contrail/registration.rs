//! Edges: every enrolled server as a `node` with `port` children in the VNC API, as Contrail's own server discovery makes
//! them, so that its tools show our servers. Without the password, which that API gives to every reader.
//!
//! One pass reads all nodes and ports and changes what is not as it should be: made anew under uuids that we derive,
//! brought up to date, deleted when the server is forgotten. What somebody else made under the same name is taken over,
//! and left behind when its server goes. Nothing waits for this: a failure is a reason on its server, and is tried again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use protocol::id::ServerId;
use serde_json::{Value, json};
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Contrail, describe, object::KeyValues, site::GLOBAL_SYSTEM_CONFIG, vnc::Created};
use crate::{
    events::{Event, EventKind},
    inventory::{Inventory, InventoryError, Server},
    metrics,
    port::FabricError,
};

/// Changed servers are looked for this often; events shorten the wait.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Events that come together are answered together.
const GATHER: Duration = Duration::from_millis(300);
/// Objects that should be right are read back this often: others write there too.
const VERIFY_EVERY: Duration = Duration::from_secs(300);
/// Pause after a pass that was not all good; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause.
const RETRY_MAX: Duration = Duration::from_secs(60);
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

    /// Whose it is by our note.
    fn server(&self) -> Option<ServerId> {
        self.notes.get(NOTE_SERVER).and_then(|text| text.parse().ok())
    }
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
        if anew {
            (nodes, ports) = self.read_both().await?;
        }
        for server in servers {
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
            let address = &wanted["bms_port_info"]["address"];
            // By name, then by MAC, as Contrail's importer matches them.
            let found = children.iter().find(|child| child.is_named(&port.name)).or_else(|| {
                children.iter().find(|child| child.object["bms_port_info"]["address"] == *address)
            });
            kept.extend(found.map(|found| found.id));
            let name = vec![GLOBAL_SYSTEM_CONFIG.to_owned(), server.name.clone(), port.name.clone()];
            let id = Uuid::new_v5(&server.id.0, format!("port/{}", port.name).as_bytes());
            self.ensure(server, (PORT, NODE, id), name, found.copied(), wanted).await?;
        }
        let is_over = |child: &&&Found| child.server() == Some(server.id) && !kept.contains(&child.id);
        for child in children.iter().filter(is_over) {
            self.vnc.delete(PORT, child.id).await?;
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

    /// Deletes a node of ours with its ports; one that was found stays, without our notes.
    async fn let_go(&self, node: &Found, ports: &[Found]) -> Result<(), FabricError> {
        let children = ports.iter().filter(|port| port.parent == Some(node.id));
        for child in children.filter(|child| child.server().is_some() && child.server() == node.server()) {
            self.let_go_one(PORT, child).await?;
        }
        self.let_go_one(NODE, node).await
    }

    async fn let_go_one(&self, kind: &'static str, found: &Found) -> Result<(), FabricError> {
        if found.notes.get(NOTE_FOUND).is_some() {
            let mut notes = found.notes.clone();
            notes.set(NOTE_SERVER, None);
            notes.set(NOTE_FOUND, None);
            return self.vnc.update(kind, found.id, json!({ "annotations": notes })).await;
        }
        self.vnc.delete(kind, found.id).await?;
        info!(kind, name = found.name.join(":"), "object in contrail deleted");
        Ok(())
    }
}

/// Fully qualified name of a server's node.
fn node_name(server: &Server) -> Vec<String> {
    vec![GLOBAL_SYSTEM_CONFIG.to_owned(), server.name.clone()]
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

/// Keeps Contrail's nodes and ports as the inventory has them, until told to stop.
pub async fn run(contrail: Arc<Contrail>, inventory: Inventory, stop: CancellationToken) {
    let mut listener = inventory.broadcast().listen();
    let mut keeper = Keeper { contrail, inventory, done: None, pause: RETRY_FIRST, outage: None };
    loop {
        let until = keeper.look().await;
        let wait = async {
            loop {
                match listener.recv().await {
                    Ok(event) if concerns(&event) => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(until) => {}
            () = wait => tokio::time::sleep(GATHER).await,
        }
    }
}

/// Whether an event may change what is registered.
fn concerns(event: &Event) -> bool {
    matches!(event.kind, EventKind::Enrolled | EventKind::Forgotten | EventKind::RamdiskReady)
}

struct Keeper {
    contrail: Arc<Contrail>,
    inventory: Inventory,
    /// What Contrail was brought to, and when; none: not, or not wholly.
    done: Option<(Vec<Value>, Instant)>,
    pause: Duration,
    /// Why the API as a whole does not answer.
    outage: Option<String>,
}

impl Keeper {
    /// Looks once; says when to look again.
    async fn look(&mut self) -> Instant {
        let again = match self.step().await {
            Ok(true) => {
                self.pause = RETRY_FIRST;
                return Instant::now() + LOOK_EVERY;
            }
            Ok(false) => self.pause,
            Err(error) => {
                warn!(error = %error, "inventory not read for contrail's nodes and ports");
                self.pause
            }
        };
        self.pause = (self.pause * 2).min(RETRY_MAX);
        Instant::now() + again
    }

    /// Whether all is as it should be.
    async fn step(&mut self) -> Result<bool, InventoryError> {
        let servers = self.inventory.servers(None).await?;
        let wanted: Vec<_> = servers
            .iter()
            .map(|server| {
                let ports: Vec<_> = server.ports.iter().map(|port| describe::port(server, port)).collect();
                json!([server.id, describe::node(server), ports])
            })
            .collect();
        let is_done = |(done, at): &(Vec<Value>, Instant)| *done == wanted && at.elapsed() < VERIFY_EVERY;
        if self.done.as_ref().is_some_and(is_done) {
            return Ok(true);
        }
        self.done = None;
        match self.contrail.register(&servers).await {
            Ok(failures) => {
                if self.outage.take().is_some() {
                    info!("nodes and ports in contrail are kept again");
                }
                metrics::unregistered(failures.len());
                self.show(&servers, &failures).await?;
                let good = failures.is_empty();
                self.done = good.then(|| (wanted, Instant::now()));
                Ok(good)
            }
            Err(error) => {
                metrics::unregistered(servers.len());
                self.note_outage(error.to_string()).await;
                Ok(false)
            }
        }
    }

    /// Failures are shown where nothing more important is, and taken back when they are over.
    async fn show(&self, servers: &[Server], failures: &Failures) -> Result<(), InventoryError> {
        for server in servers {
            let shown = server.reason.as_deref();
            let is_ours = shown.is_some_and(|reason| reason.starts_with(REASON));
            match failures.get(&server.id).map(|failure| format!("{REASON}{failure}")) {
                Some(reason) if shown == Some(&reason) => {}
                Some(reason) if is_ours || shown.is_none() => {
                    self.inventory.set_reason(server.id, Some(&reason)).await?;
                    warn!(server = %server.id, reason, "server not registered in contrail");
                    self.inventory.record(server.id, EventKind::Alarm, reason).await;
                }
                None if is_ours => self.inventory.set_reason(server.id, None).await?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Told once, however long it lasts.
    async fn note_outage(&mut self, error: String) {
        if self.outage.is_none() {
            warn!(error, "nodes and ports in contrail not kept, tried again");
            let text = format!("servers are {REASON}{error}; it is tried again");
            self.inventory.record_event(None, None, None, EventKind::Alarm, text).await;
        }
        self.outage = Some(error);
    }
}
