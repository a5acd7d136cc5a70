//! Edges: finding servers that nobody has enrolled, and offering them to an administrator.
//!
//! ```text
//!   administrator --scan, open--> Discovery --Order--> agent
//!   agent --Finding--> intake --> merge: enrolled already? the other half of a pending one? --> inventory
//!   inventory: a BMC that is in the list of factory passwords --claim, its own password, once--> agent --Finding--> intake
//!   administrator or a rule --accept--> accept: a server as an import file describes it, or what is missing --> enroll
//! ```
//!
//! What must stay true: nothing is enrolled that neither a person nor a person's rule accepted; what a machine says of its own switch
//! port is a claim, which a rule takes only for ports that a person has named in it; no server's port is moved, and no server is switched on; an
//! accepted credential is sealed, and the others are forgotten with the scan; without a connected agent nothing is ordered.

mod claim;
mod intake;
mod orders;

use std::{net::Ipv4Addr, sync::Arc};

use domain::{
    discovery::{Entry, entry, rule},
    rim::{AgentError, DiscoveryOrders},
};
use protocol::{
    discovery::{CREDENTIALS_MAX, Order, OrderTask, Scan},
    id::RackId,
};
use store::{Inventory, InventoryError};
use uuid::Uuid;

pub use intake::take_in;
pub use orders::{Orders, SCANS_KEPT, ScanRun, WindowRun};

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The agent is away.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Orders, and what came of them.
pub struct Discovery {
    inventory: Inventory,
    orders: Arc<Orders>,
    agents: Arc<dyn DiscoveryOrders>,
}

impl Discovery {
    /// Orders by way of these agents, and notes what was ordered.
    pub fn new(inventory: Inventory, orders: Arc<Orders>, agents: Arc<dyn DiscoveryOrders>) -> Self {
        Self { inventory, orders, agents }
    }

    /// Orders a scan. BMCs of enrolled servers are looked at, and no log-in is tried there, nor at those that have a factory password of
    /// their own. Rules for all of the scanned
    /// addresses lend their credentials, as far as there is room for more.
    pub async fn scan(&self, rack: &RackId, mut scan: Scan) -> Result<Uuid, DiscoveryError> {
        let servers = self.inventory.servers(None).await?;
        scan.spare =
            servers.iter().filter_map(|server| server.bmc.address.parse::<Ipv4Addr>().ok()).collect();
        for credential in rule::credentials(&self.inventory.discovery_rules().await?, rack, &scan.ranges) {
            if scan.credentials.len() < CREDENTIALS_MAX && !scan.credentials.contains(&credential) {
                scan.credentials.push(credential);
            }
        }
        scan.listed = self.inventory.awaited_bmcs(rack).await?;
        let id = Uuid::new_v4();
        let run = self.agents.run_of(rack)?;
        // Before the order: its findings may come at once.
        self.orders.began(ScanRun {
            id,
            rack: rack.clone(),
            run,
            began_us: self.inventory.clock().now_us(),
            credentials: scan.credentials.clone(),
            done: 0,
            total: scan.ranges.iter().map(|range| range.count()).sum(),
            enrolled: Vec::new(),
            pending: 0,
            ended: None,
        });
        let ordered = self.agents.order(rack, Order { id, task: OrderTask::Scan(scan) }).await;
        if let Err(error) = &ordered {
            self.orders.with_scan(rack, id, |scan| {
                scan.credentials.clear();
                scan.ended = Some(error.to_string());
            });
        }
        Ok(ordered.map(|()| id)?)
    }

    /// Opens the rack's discovery network for a while. No interface of an enrolled server is answered there.
    pub async fn open(&self, rack: &RackId, seconds: u32) -> Result<Uuid, DiscoveryError> {
        let servers = self.inventory.servers(None).await?;
        let never = servers.iter().flat_map(entry::macs_of).collect();
        let id = Uuid::new_v4();
        let run = self.agents.run_of(rack)?;
        let until_us = self.inventory.clock().now_us() + u64::from(seconds) * 1_000_000;
        let window = WindowRun { id, rack: rack.clone(), run, until_us, machines: 0, ended: None };
        self.orders.opened(window);
        let ordered = self.agents.order(rack, Order { id, task: OrderTask::Open { seconds, never } }).await;
        if let Err(error) = &ordered {
            let reason = error.to_string();
            self.orders.with_window(rack, id, |window| window.ended = Some(reason));
        }
        Ok(ordered.map(|()| id)?)
    }

    /// Closes it.
    pub async fn close(&self, rack: &RackId) -> Result<(), DiscoveryError> {
        Ok(self.agents.order(rack, Order { id: Uuid::new_v4(), task: OrderTask::Close }).await?)
    }

    /// The scans; one whose agent was restarted has ended.
    pub fn scans(&self) -> Vec<ScanRun> {
        let mut scans = self.orders.scans();
        for scan in scans.iter_mut().filter(|scan| scan.ended.is_none()) {
            if self.agents.run_of(&scan.rack).is_ok_and(|run| run != scan.run) {
                scan.ended = Some("the agent was restarted; scan again".to_owned());
            }
        }
        scans
    }

    /// The windows; one whose agent was restarted has ended.
    pub fn windows(&self) -> Vec<WindowRun> {
        let now_us = self.inventory.clock().now_us();
        let mut windows = self.orders.windows();
        for window in windows.iter_mut().filter(|window| window.ended.is_none()) {
            if self.agents.run_of(&window.rack).is_ok_and(|run| run != window.run) {
                window.ended = Some("the agent was restarted; open it again".to_owned());
            } else if window.until_us <= now_us {
                window.ended = Some("its time is over".to_owned());
            }
        }
        windows
    }

    /// The pending machines, with the ignored ones. What was enrolled in another way since is not among them.
    pub async fn entries(&self) -> Result<Vec<Entry>, InventoryError> {
        let mut entries = self.inventory.discoveries().await?;
        // Asked for often, and mostly for nothing.
        if entries.is_empty() {
            return Ok(entries);
        }
        let servers = self.inventory.servers(None).await?;
        entries.retain(|entry| entry::enrolled_as(entry, &servers).is_none());
        Ok(entries)
    }
}
