//! Edges: what is kept right at every BMC, round by round: it leaves its server off after a power failure, and its password is changed
//! when that is due or asked for. What to do next is decided in [`domain::upkeep`] from what is stored.
//!
//! ```text
//!   enrolled, or other firmware ---------> KeepOff ---------> settled, or a note on the node
//!   nobody has it, and again after somebody had it -> ReadFootprint -> compared, or a note on the node
//!   asked for, old, the factory's, or read by somebody -> rotation: candidate stored -> declared -> RenewPassword -> proved, old one forgotten
//! ```

mod asked;
mod factory;
mod hold;
mod restore;
mod rotate;
#[cfg(test)]
mod tests;
mod traces;
mod updating;

pub use self::asked::{NotShown, Shown};

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    records::Server,
    rim::{Agents, Declarations, Presence, Provisioner},
    upkeep::{
        footprint::{self, RETRY_US},
        hold::AfterTenancy,
        policy::PasswordPolicy,
        readings::Readings,
        restore::is_due,
        rotation::{Rotation, Step},
    },
};
use futures::{StreamExt, stream};
use protocol::id::{RackId, ServerId};
use store::Inventory;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often everything is looked at. What is asked for is looked at at once.
const ROUND: Duration = Duration::from_secs(15);
/// BMCs that are told to leave their server off in one round, and at the same time.
const RESTORES_MAX: usize = 64;
const RESTORES_AT_ONCE: usize = 16;
/// BMCs that are read for what a tenancy has left in one round, and at the same time.
const TRACES_MAX: usize = 32;
const TRACES_AT_ONCE: usize = 8;

/// Keeps BMCs right.
pub struct Upkeep {
    inventory: Inventory,
    agents: Arc<dyn Agents>,
    declarations: Arc<dyn Declarations>,
    presence: Arc<dyn Presence>,
    policy: PasswordPolicy,
    provisioner: Arc<dyn Provisioner>,
    /// What the site wants of servers whose BMC differs after a tenancy.
    after_tenancy: AfterTenancy,
    /// Somebody asked for something.
    asked: Notify,
    /// Which passwords people have read lately.
    readings: Mutex<Readings>,
    /// When what is in a BMC could not be read.
    unread: Mutex<HashMap<ServerId, u64>>,
}

impl Upkeep {
    /// One that begins nothing until it is run.
    pub fn new(
        inventory: Inventory,
        agents: Arc<dyn Agents>,
        declarations: Arc<dyn Declarations>,
        presence: Arc<dyn Presence>,
        provisioner: Arc<dyn Provisioner>,
        policy: PasswordPolicy,
    ) -> Self {
        let after_tenancy = AfterTenancy::Report;
        let (asked, readings, unread) = (Notify::new(), Mutex::default(), Mutex::default());
        Self {
            inventory,
            agents,
            declarations,
            presence,
            policy,
            provisioner,
            after_tenancy,
            asked,
            readings,
            unread,
        }
    }

    /// The same, with what a site wants of servers whose BMC differs after a tenancy.
    pub fn with_after_tenancy(self, after_tenancy: AfterTenancy) -> Self {
        Self { after_tenancy, ..self }
    }

    /// Runs until it is told to stop. What is cut off then is taken up by the next run.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let ended = async {
                self.round().await;
                tokio::select! {
                    () = self.asked.notified() => {}
                    () = tokio::time::sleep(ROUND) => {}
                }
            };
            tokio::select! {
                () = ended => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Does what is due now.
    pub async fn round(&self) {
        match self.inventory.servers(None).await {
            Ok(servers) => {
                if self.claim(&servers).await {
                    // They have more to be looked after than is known of them here.
                    self.asked.notify_one();
                }
                let left_alone = self.updated_now().await;
                let is_free = |server: &Server| !left_alone.contains(&server.id);
                let free: Vec<Server> = servers.into_iter().filter(is_free).collect();
                self.plan(&free).await;
                let traces = async {
                    self.look_for_traces(&free).await;
                    self.hold_back_now().await;
                };
                tokio::join!(self.keep_off(&free), self.rotate(&left_alone), traces);
            }
            Err(error) => warn!(%error, "BMCs are not looked after: the servers cannot be read"),
        }
    }

    async fn keep_off(&self, servers: &[Server]) {
        let now_us = self.now_us();
        let due = servers.iter().filter(|server| is_due(server, now_us) && self.is_reached(&server.rack));
        let due: Vec<Server> = due.take(RESTORES_MAX).cloned().collect();
        stream::iter(due)
            .for_each_concurrent(RESTORES_AT_ONCE, |server| async move {
                if let Err(error) = self.settle_restore(&server).await {
                    warn!(server = %server.id, %error, "restore policy not stored");
                }
            })
            .await;
    }

    /// What was read in this round counts in it.
    async fn hold_back_now(&self) {
        match self.inventory.servers(None).await {
            Ok(servers) => self.hold_back(&servers).await,
            Err(error) => warn!(%error, "nobody is held back or let go: the servers cannot be read"),
        }
    }

    async fn look_for_traces(&self, servers: &[Server]) {
        let now_us = self.now_us();
        let rests = |server: &&Server| {
            let at_us = self.unread().get(&server.id).copied();
            at_us.is_some_and(|at_us| now_us.saturating_sub(at_us) < RETRY_US)
        };
        let due =
            servers.iter().filter(|server| footprint::due(server).is_some() && self.is_reached(&server.rack));
        let due: Vec<Server> = due.filter(|server| !rests(server)).take(TRACES_MAX).cloned().collect();
        stream::iter(due)
            .for_each_concurrent(TRACES_AT_ONCE, |server| async move {
                if let Err(error) = self.settle_traces(&server).await {
                    warn!(server = %server.id, %error, "what is in a BMC not stored");
                }
            })
            .await;
    }

    /// Changes of passwords, some of each rack at the same time, and racks beside each other.
    async fn rotate(&self, left_alone: &HashSet<ServerId>) {
        let servers = match self.inventory.servers(None).await {
            Ok(servers) => servers,
            Err(error) => {
                return warn!(%error, "passwords of BMCs are not changed: the servers cannot be read");
            }
        };
        self.say_what_waits(&servers, left_alone).await;
        let free: Vec<Server> =
            servers.into_iter().filter(|server| !left_alone.contains(&server.id)).collect();
        let chosen = chosen(&free, self.policy.per_rack, self.now_us());
        let chosen: Vec<ServerId> =
            chosen.into_iter().filter(|(rack, _)| self.is_reached(rack)).map(|(_, id)| id).collect();
        let is_more = !chosen.is_empty();
        stream::iter(chosen)
            .for_each_concurrent(None, |id| async move {
                if let Err(error) = self.advance(id).await {
                    warn!(server = %id, %error, "change of a BMC's password not stored");
                }
            })
            .await;
        if is_more {
            // Others of these racks wait for their turn.
            self.asked.notify_one();
        }
    }

    fn is_reached(&self, rack: &RackId) -> bool {
        self.presence.connection(rack).is_connected()
    }

    fn now_us(&self) -> u64 {
        self.inventory.clock().now_us()
    }

    fn unread(&self) -> std::sync::MutexGuard<'_, HashMap<ServerId, u64>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose password is changed now: of each rack so many at most, first those that may have been told.
fn chosen(servers: &[Server], per_rack: usize, now_us: u64) -> Vec<(RackId, ServerId)> {
    let mut due: BTreeMap<&RackId, Vec<(&Server, &Rotation)>> = BTreeMap::new();
    for server in servers {
        let rotation = server.upkeep.rotation.as_ref();
        // A power-on is not kept waiting.
        let rotation =
            rotation.filter(|rotation| rotation.step(now_us) != Step::Wait && server.intent.is_none());
        if let Some(rotation) = rotation {
            due.entry(&server.rack).or_default().push((server, rotation));
        }
    }
    let mut all = Vec::new();
    for (rack, mut waiting) in due {
        waiting.sort_by_key(|(_, rotation)| (!rotation.is_under_way(), rotation.since_us));
        all.extend(waiting.into_iter().take(per_rack.max(1)).map(|(server, _)| (rack.clone(), server.id)));
    }
    all
}
