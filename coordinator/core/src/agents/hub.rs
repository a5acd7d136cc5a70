//! Edges: the connected agents, as others hold them: who is here, the wires to them, and what is told of ramdisks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use domain::{
    certificate::Fingerprint,
    health::SiteLimits,
    records::{Ramdisk, Server},
    rim::{AgentError, Agents, Declarations},
    upkeep::certificate::SiteRenewals,
};
use protocol::{
    command::{Action, CommandResult, Success},
    convert::{Declaration, ToAgent},
    heartbeat::StreamTime,
    id::{AgentBootId, CommandId, ConsoleId, RackId, RamdiskSessionId, ServerId, TunnelId},
    ramdisk::RESUME_WAIT_MAX,
    step::StepProgress,
};
use store::Inventory;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    arrival::Peer,
    awaited::Awaited,
    bmc_health::Healths,
    consoles,
    dispatch::{Dispatch, Ending, LeftOver, Wait},
    expected::Expected,
    image_cache::Caches,
    images::IMAGES_PER_RACK_MAX,
    readings::Readings,
    roster::{Newcomer, Rival, Roster},
    tenancy::Told,
    tunnels,
};
use crate::{discovery::Orders, visits::Wake};

/// Longest wait, after an agent was restarted, for news of the ramdisks that it had. It waits for them less.
pub const RAMDISK_WAIT_MAX: Duration = RESUME_WAIT_MAX.saturating_add(Duration::from_secs(30));
/// Messages to one agent that wait to be sent.
pub const OUTBOX_MAX: usize = 1024;
/// How long a request for an image waits for the step that names it: after our restart the step is about to be given again.
pub const IMAGE_STEP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Listeners to ramdisk signals that fall further behind than this must read the inventory.
const SIGNALS_MAX: usize = 1024;

/// A ramdisk came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RamdiskSignal {
    /// It said hello.
    Ready(Ramdisk),
    /// It is gone for good.
    Gone {
        /// From which server.
        server: ServerId,
        /// Which run.
        session: RamdiskSessionId,
        /// Why.
        reason: String,
    },
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The command that runs the step.
    pub command: CommandId,
    /// How far.
    pub progress: StepProgress,
}

/// The wire to one connected agent.
pub(super) struct Wire {
    pub outbox: mpsc::Sender<ToAgent>,
    pub end: CancellationToken,
    /// Whether it opens consoles.
    pub consoles: bool,
    /// Whether it reads what was recorded of them.
    pub console_records: bool,
    /// Whether it takes orders for BMCs.
    pub bmc_orders: bool,
    /// Whether it takes orders for its image cache.
    pub cache_orders: bool,
    /// Whether it opens tunnels.
    pub tunnels: bool,
}

pub(super) struct State {
    pub(super) roster: Roster<Wire>,
    pub(super) dispatch: Dispatch,
    /// Whom the end of each wait is told.
    waiting: HashMap<Wait, oneshot::Sender<Ending>>,
    progress: HashMap<ServerId, Progress>,
    image_places: HashMap<RackId, Arc<Semaphore>>,
    /// What each rack's agent said of its readings last.
    pub(super) readings: HashMap<RackId, Readings>,
    pub(super) healths: Healths,
    pub(super) expected: Expected,
    /// Whose each server is, as its agent was told last.
    pub(super) told: Told,
}

impl State {
    fn new(began_us: u64) -> Self {
        Self {
            roster: Roster::new(began_us),
            dispatch: Dispatch::default(),
            waiting: HashMap::new(),
            progress: HashMap::new(),
            image_places: HashMap::new(),
            readings: HashMap::new(),
            healths: Healths::default(),
            expected: Expected::default(),
            told: Told::default(),
        }
    }

    /// Whom the end of a wait is told.
    pub(super) fn told(&mut self, wait: Wait) -> oneshot::Receiver<Ending> {
        let (tell, told) = oneshot::channel();
        self.waiting.insert(wait, tell);
        told
    }

    /// Tells whoever waited how it ended. To be called whenever something was done to the dispatch.
    pub(super) fn tell_endings(&mut self) {
        while let Some((wait, ending)) = self.dispatch.poll_event() {
            if let Some(waiting) = self.waiting.remove(&wait) {
                // Whoever has gone meanwhile needs no word.
                let _ = waiting.send(ending);
            }
        }
    }

    /// Whoever waited has gone.
    pub(super) fn leave(&mut self, wait: Wait) {
        self.waiting.remove(&wait);
        self.dispatch.leave(wait);
        self.tell_endings();
    }
}

/// The agents.
pub struct AgentHub {
    pub(super) inventory: Inventory,
    pub(super) wake: Wake,
    /// Our name, for their logs.
    pub(super) name: String,
    /// What the site thinks of sensors' numbers.
    pub limits: Arc<SiteLimits>,
    /// By which rules the site takes renewed certificates of BMCs.
    pub(super) renewals: SiteRenewals,
    /// How long an agent that was restarted has to tell of its ramdisks.
    pub(super) ramdisk_wait: Duration,
    /// How long a request for an image waits for the step that names it.
    pub(super) image_wait: Duration,
    /// Counts the changes of who may open what.
    pub(super) certificates_changed: watch::Sender<u64>,
    /// When the running clock began by which agents judge how late a message is.
    started: Instant,
    /// Counts the streams that began.
    pub(super) arrivals: watch::Sender<u64>,
    /// Consoles that were asked for.
    pub(super) consoles: Awaited<ConsoleId, consoles::Arrival>,
    /// Tunnels that were asked for.
    pub(super) tunnels: Awaited<TunnelId, tunnels::Arrival>,
    /// What was asked of the racks' image caches.
    pub(super) caches: Caches,
    state: Mutex<State>,
    signals: broadcast::Sender<RamdiskSignal>,
    /// Scans and windows that were ordered.
    pub discovery: Arc<Orders>,
}

impl AgentHub {
    /// A hub without agents.
    pub fn new(inventory: Inventory, wake: Wake, name: String, limits: Arc<SiteLimits>) -> Self {
        let state = Mutex::new(State::new(inventory.clock().now_us()));
        let signals = broadcast::channel(SIGNALS_MAX).0;
        let discovery = Arc::<Orders>::default();
        let ramdisk_wait = RAMDISK_WAIT_MAX;
        Self {
            inventory,
            wake,
            name,
            limits,
            renewals: SiteRenewals::default(),
            ramdisk_wait,
            image_wait: IMAGE_STEP_WAIT_MAX,
            certificates_changed: watch::Sender::new(0),
            started: Instant::now(),
            arrivals: watch::Sender::new(0),
            consoles: Awaited::default(),
            tunnels: Awaited::default(),
            caches: Caches::default(),
            state,
            signals,
            discovery,
        }
    }

    /// The same, with a site's rules for renewed certificates of BMCs.
    pub fn with_renewals(self, renewals: SiteRenewals) -> Self {
        Self { renewals, ..self }
    }

    /// Our running clock.
    pub(super) fn stream_time(&self) -> StreamTime {
        StreamTime(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Since when a rack's agent is away; one that has not come yet, since we began.
    pub(super) fn away_since_us(&self, rack: &RackId) -> u64 {
        self.state().roster.away_since_us(rack)
    }

    /// Listens to ramdisks that come and go, from now on; those that run already are in the inventory.
    pub fn ramdisk_signals(&self) -> broadcast::Receiver<RamdiskSignal> {
        self.signals.subscribe()
    }

    pub(super) fn tell_ramdisk(&self, signal: RamdiskSignal) {
        // Nobody listening is no fault.
        let _ = self.signals.send(signal);
    }

    /// How far the step that runs on a server has come.
    pub fn progress(&self, server: ServerId) -> Option<Progress> {
        self.state().progress.get(&server).cloned()
    }

    pub(super) fn set_progress(&self, server: ServerId, progress: Progress) {
        self.state().progress.insert(server, progress);
    }

    /// The run of a rack's agent that is connected now.
    pub fn connected(&self, rack: &RackId) -> Option<AgentBootId> {
        self.state().roster.stream(rack).map(|stream| stream.run)
    }

    /// Who is at the other end of a rack's stream.
    pub fn peer(&self, rack: &RackId) -> Option<Peer> {
        self.state().roster.peer(rack).cloned()
    }

    /// Whether a newcomer would take a place that is not its own.
    pub(super) fn meet(&self, rack: &RackId, newcomer: &Newcomer) -> Result<(), Rival> {
        self.state().roster.meet(rack, newcomer)
    }

    /// Takes a new stream in; the same agent's older one ends. Gives the stream's number.
    pub(super) fn link(&self, rack: &RackId, newcomer: Newcomer, wire: Wire) -> Result<u64, Rival> {
        let begun = self.state().roster.begin(rack, newcomer, wire)?;
        if let Some(old) = begun.replaced {
            old.end.cancel();
        }
        self.arrivals.send_replace(begun.number);
        Ok(begun.number)
    }

    /// Ends a rack's stream if it was opened by one of these certificates.
    pub(super) fn end_streams_of(&self, rack: &RackId, revoked: &[Fingerprint]) {
        let state = self.state();
        let is_revoked = state.roster.peer(rack).is_some_and(|peer| revoked.contains(&peer.fingerprint));
        if let Some(wire) = state.roster.wire(rack).filter(|_| is_revoked) {
            wire.end.cancel();
        }
    }

    /// Whether a step that was given to this rack's agent, and has not ended, writes this image, or it was ordered beforehand.
    pub(super) fn is_image_wanted(&self, rack: &RackId, image: &str) -> bool {
        self.state().dispatch.is_image_wanted(rack, image)
            || self.caches.is_warmed(rack, image, Instant::now())
    }

    /// The places of a rack for images on their way.
    pub(super) fn image_places(&self, rack: &RackId) -> Arc<Semaphore> {
        let mut state = self.state();
        let places = state.image_places.entry(rack.clone());
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(IMAGES_PER_RACK_MAX))))
    }

    /// A stream ended. Says whether it was the rack's present one.
    pub(super) fn unlink(&self, rack: &RackId, number: u64) -> bool {
        let now_us = self.inventory.clock().now_us();
        let mut state = self.state();
        let was_present = state.roster.end(rack, number, now_us);
        if was_present {
            state.readings.remove(rack);
        }
        was_present
    }

    /// What is to be done about the commands that were not given on a rack's new stream.
    pub(super) fn left_over(&self, rack: &RackId, number: u64) -> LeftOver {
        let mut state = self.state();
        let stream = state.roster.stream(rack).filter(|stream| stream.number == number);
        stream.map_or_else(LeftOver::default, |stream| state.dispatch.handle_stream(rack, stream))
    }

    /// A command ended: tells whoever waits.
    pub(super) fn ended(&self, server: ServerId, result: &CommandResult) {
        let mut state = self.state();
        if state.progress.get(&server).is_some_and(|progress| progress.command == result.command) {
            state.progress.remove(&server);
        }
        state.dispatch.handle_result(result);
        state.tell_endings();
    }

    pub(super) fn outbox(&self, rack: &RackId) -> Option<mpsc::Sender<ToAgent>> {
        self.state().roster.wire(rack).map(|wire| wire.outbox.clone())
    }

    /// Whether a rack's agent is here and knows how to do this.
    pub(super) fn can(&self, rack: &RackId, knows: fn(&Wire) -> bool) -> bool {
        self.state().roster.wire(rack).is_some_and(knows)
    }

    /// Whether a rack's agent is here and too old to take orders for BMCs.
    pub(super) fn takes_no_orders(&self, rack: &RackId) -> bool {
        self.state().roster.wire(rack).is_some_and(|wire| !wire.bmc_orders)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // The maps hold no invariant across a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hub as others hold it.
#[derive(Clone)]
pub struct Hub(pub Arc<AgentHub>);

#[async_trait]
impl Agents for Hub {
    async fn run(&self, rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError> {
        self.0.run_command(rack, server, action).await
    }
}

#[async_trait]
impl Declarations for AgentHub {
    async fn declare(&self, server: &Server) {
        self.send_declaration(
            &server.rack,
            Declaration { servers: vec![self.spec_as_told(server)], forget: Vec::new(), complete: false },
        )
        .await;
    }

    async fn keep(&self, server: &Server) {
        self.keep_told(server).await;
    }

    async fn forget(&self, rack: &RackId, server: ServerId) {
        let declaration = Declaration { servers: Vec::new(), forget: vec![server], complete: false };
        self.send_declaration(rack, declaration).await;
    }
}

impl AgentHub {
    async fn send_declaration(&self, rack: &RackId, declaration: Declaration) {
        if let Some(outbox) = self.outbox(rack) {
            // A stream that ends now is followed by a new one, which begins with every server.
            let _ = outbox.send(ToAgent::Declare(declaration)).await;
        }
    }
}
