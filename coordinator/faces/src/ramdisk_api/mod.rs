//! Edges: the ironic-python-agent API for our own ramdisk, so that an unmodified Ironic drives it.
//!
//! ```text
//!   core --ramdisk_ready--> driver --inspect: POST continue_inspection------------------> Ironic
//!                             |-----clean, deploy: lookup (a token), then heartbeats----> Ironic
//!                                                                                           |
//!   core <--run_step, power-- job <--command-- routes <---GET/POST /ramdisk/<id>/v1/commands/
//! ```
//!
//! Ironic notices that a command has ended only when a heartbeat tells it to look, and ignores a heartbeat that meets
//! its own lock. So the driver repeats heartbeats quickly ([`pace`]) until Ironic has looked, and slowly otherwise.
//!
//! What must stay true: Ironic takes an *empty* list of commands for a freshly booted ramdisk and goes on to the next
//! step, written image or not. So the commands of a session outlive this process ([`SessionStore`]): the intent is stored
//! before a job starts, and a job that was under way is taken up again. Steps can be repeated without harm.

pub mod command;
pub mod config_drive;
pub mod image;
pub mod inventory;
pub mod iso9660;
pub mod pace;
pub mod table;

mod driver;
mod job;
mod routes;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use domain::rim::Hardware;
use protocol::{
    boot::BootPurpose,
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
    secret::Secret,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use self::command::SiteErase;
use self::table::Table;
pub use domain::rim::{
    AGENT_VERSION, DriveError, DriveSource, ImageLookup, ImageLookupError, IronicRamdisk, IronicRamdiskError,
    NoDrives, SessionStore, StoreError, Token,
};

/// Ramdisks that are driven at once.
pub const SESSIONS_MAX: usize = 20_000;
/// How long Ironic may take to look at the failure of a ramdisk that is gone.
pub const FAREWELL_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const FAREWELL_PAUSE: Duration = Duration::from_millis(100);

/// How Ironic reaches us, and what a site wants erased by default.
#[derive(Clone, Debug)]
pub struct RamdiskApiConfig {
    /// Where Ironic's conductors reach the facade, without a slash at the end, such as `https://127.0.0.1:22021`.
    pub url: String,
    /// The CA of the facade's certificate (PEM); it goes with every heartbeat, so that Ironic need not be configured.
    pub ca_pem: String,
    /// What is erased: by automated cleaning when Ironic's `[deploy]erase_devices_priority` says nothing, and how thoroughly at least.
    pub erase: SiteErase,
}

/// The facade; cheap to clone.
#[derive(Clone)]
pub struct RamdiskApi {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    hardware: Arc<dyn Hardware>,
    ironic: Arc<dyn IronicRamdisk>,
    images: Arc<dyn ImageLookup>,
    drives: Arc<dyn DriveSource>,
    known_images: Mutex<image::KnownImages>,
    store: Arc<dyn SessionStore>,
    config: RamdiskApiConfig,
    sessions: Mutex<HashMap<ServerId, Arc<Session>>>,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// One run of a ramdisk, as long as it is connected.
pub(crate) struct Session {
    server: ServerId,
    id: RamdiskSessionId,
    purpose: BootPurpose,
    table: Mutex<Table>,
    /// Something happened that the heartbeat loop should look at.
    wake: Notify,
    /// Held while the table is stored, so that an older copy never overwrites a newer one.
    storing: tokio::sync::Mutex<()>,
    /// What it waits for, or why it ended; for people.
    state: Mutex<String>,
    /// The ramdisk is gone: a job that needs it fails.
    gone: CancellationToken,
    /// Why it is gone.
    gone_reason: Mutex<String>,
    end: CancellationToken,
}

impl Session {
    fn gone_reason(&self) -> String {
        lock(&self.gone_reason).clone()
    }

    /// Whether a job is under way, or has failed and Ironic does not know it yet.
    fn owes_an_end(&self) -> bool {
        let table = self.table();
        !table.running().is_empty() || table.has_bad_news()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    fn say(&self, state: impl Into<String>) {
        *lock(&self.state) = state.into();
    }
}

impl RamdiskApi {
    /// A facade over the core.
    pub fn new(
        hardware: Arc<dyn Hardware>,
        ironic: Arc<dyn IronicRamdisk>,
        images: Arc<dyn ImageLookup>,
        store: Arc<dyn SessionStore>,
        config: RamdiskApiConfig,
    ) -> Self {
        Self::with_drives(hardware, ironic, images, Arc::new(NoDrives), store, config)
    }

    /// The same, which takes configuration drives that are addresses from there.
    pub fn with_drives(
        hardware: Arc<dyn Hardware>,
        ironic: Arc<dyn IronicRamdisk>,
        images: Arc<dyn ImageLookup>,
        drives: Arc<dyn DriveSource>,
        store: Arc<dyn SessionStore>,
        config: RamdiskApiConfig,
    ) -> Self {
        let (sessions, tasks, end) = (Mutex::default(), TaskTracker::new(), CancellationToken::new());
        let known_images = Mutex::default();
        Self {
            inner: Arc::new(Inner {
                hardware,
                ironic,
                images,
                drives,
                known_images,
                store,
                config,
                sessions,
                tasks,
                end,
            }),
        }
    }

    /// Its routes, below `/ramdisk/`.
    pub fn router(&self) -> Router {
        routes::router(self.inner.clone())
    }

    /// A ramdisk is connected. Safe to repeat, also by the next process for a session that this one had begun.
    pub fn ramdisk_ready(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
        purpose: BootPurpose,
        network: BootNetwork,
        hardware: HardwareReport,
    ) {
        let new = Arc::new(Session {
            server,
            id: session,
            purpose,
            table: Mutex::default(),
            wake: Notify::new(),
            storing: tokio::sync::Mutex::default(),
            state: Mutex::new("started".to_owned()),
            gone: CancellationToken::new(),
            gone_reason: Mutex::default(),
            end: self.inner.end.child_token(),
        });
        {
            let mut sessions = lock(&self.inner.sessions);
            let current = sessions.get(&server);
            if current.is_some_and(|current| current.id == session) {
                return;
            }
            if current.is_none() && sessions.len() >= SESSIONS_MAX {
                warn!(%server, "too many ramdisks at once; this one is left alone");
                return;
            }
            if let Some(old) = sessions.insert(server, new.clone()) {
                old.end.cancel();
            }
        }
        info!(%server, %session, ?purpose, network = network.as_str(), "ramdisk is handed to ironic");
        self.inner.tasks.spawn(driver::run(self.inner.clone(), new, hardware));
    }

    /// A ramdisk is gone for good, and why: its server was switched off, boots something else, or did not come back to its agent.
    /// A job that was under way fails with the reason, and Ironic is told. Not to be called when only an agent is away for a
    /// moment.
    pub fn ramdisk_gone(&self, server: ServerId, session: RamdiskSessionId, reason: String) {
        let current = self.inner.session(server).filter(|current| current.id == session);
        if let Some(current) = &current {
            lock(&current.gone_reason).clone_from(&reason);
            current.gone.cancel();
            if !current.owes_an_end() {
                self.inner.remove(current);
            }
        }
        let inner = self.inner.clone();
        self.inner.tasks.spawn(async move {
            if let Some(current) = current.filter(|current| !current.end.is_cancelled()) {
                info!(%server, %session, reason, "ramdisk is gone, telling ironic how its job ended");
                let deadline = Instant::now() + FAREWELL_MAX;
                while current.owes_an_end() && Instant::now() < deadline && !current.end.is_cancelled() {
                    tokio::time::sleep(FAREWELL_PAUSE).await;
                }
                inner.remove(&current);
            }
            if inner.end.is_cancelled() {
                return;
            }
            if let Err(error) = inner.store.forget(session).await {
                warn!(%server, %session, %error, "ramdisk session could not be forgotten");
            }
        });
    }

    /// What the ramdisk of a server waits for, or why it ended; for people.
    pub fn state(&self, server: ServerId) -> Option<String> {
        self.inner.session(server).map(|session| lock(&session.state).clone())
    }

    /// Ends all drivers and waits for them. Jobs stay stored, and are taken up by the next process.
    pub async fn shutdown(&self) {
        self.inner.end.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    fn session(&self, server: ServerId) -> Option<Arc<Session>> {
        lock(&self.sessions).get(&server).cloned()
    }

    /// Ends a session, unless a newer one has taken its place already.
    fn remove(&self, session: &Arc<Session>) {
        let mut sessions = lock(&self.sessions);
        if sessions.get(&session.server).is_some_and(|current| Arc::ptr_eq(current, session)) {
            sessions.remove(&session.server);
        }
        session.end.cancel();
    }

    fn callback_url(&self, server: ServerId) -> String {
        format!("{}/ramdisk/{server}", self.config.url)
    }

    /// Stores the session as it is now.
    async fn save(&self, session: &Session) -> Result<(), StoreError> {
        let _order = session.storing.lock().await;
        let record = serde_json::to_string(&*session.table())
            .map_err(|error| StoreError { operation: "write", reason: error.to_string() })?;
        self.store.save(session.server, session.id, Secret::new(record)).await
    }
}

/// The tables hold no invariant across a panic, so a poisoned lock is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
