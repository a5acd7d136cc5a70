//! Edges: a virtual Redfish BMC: one system, one chassis, one manager, sessions; over HTTP or TLS.

mod answers;
mod connections;
mod tls;

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener as StdTcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use axum::Router;
use protocol::mac::MacAddr;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use uuid::Uuid;

pub(super) use answers::problem;
pub use tls::Tls;

use super::{
    Credentials, FaultSwitch,
    accounts::Password,
    chassis::Chassis,
    ipmi_guard,
    redfish_events::Events,
    redfish_manners::{Manner, Manners, Told},
    redfish_odd::{Odd, Oddities},
    redfish_system as system,
};
use answers::answer;
use connections::accept;
use tls::configured;

/// Sessions at a time.
pub const SESSIONS_MAX: usize = 8;
/// What this service is like.
#[derive(Debug, Default)]
pub struct RedfishOptions {
    /// TLS; none: plain HTTP.
    pub tls: Option<Tls>,
    /// No session service: basic authentication only.
    pub no_sessions: bool,
    /// Where a new session's path is told.
    pub session_path: SessionPath,
    /// Interfaces that the system shows.
    pub macs: Vec<MacAddr>,
    /// Hardware UUID that the system shows; none: some UUID of its own.
    pub uuid: Option<Uuid>,
    /// In which ways it is odd.
    pub odd: Vec<Odd>,
    /// Who it says it is; none: the virtual BMC of the lab.
    pub who: Option<RedfishWho>,
    /// In which manners it does what goes beyond power and boot device.
    pub manners: Vec<Manner>,
    /// There is nothing beyond power, boot device and sessions.
    pub is_bare: bool,
    /// What the root says to everybody besides.
    pub root_says: Value,
}

/// Who a service says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedfishWho {
    /// `Manufacturer` of the system.
    pub manufacturer: String,
    /// `Model` of the system.
    pub model: String,
    /// `FirmwareVersion` of the manager.
    pub firmware: String,
}

/// Where the path of a new session is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionPath {
    /// In `Location`, as DSP0266 (section 13.3.4.2) wants it.
    #[default]
    Location,
    /// In `Location`, behind the name of a host that nobody else knows.
    OtherHost,
    /// In the body only.
    Body,
}

/// What came in since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedfishStats {
    /// Sessions asked for, and requests with basic authentication that failed.
    pub attempts: u64,
    /// Sessions made.
    pub logins: u64,
    /// Requests in all.
    pub requests: u64,
}

/// A running virtual BMC; it ends when this is dropped.
#[derive(Debug)]
pub struct RedfishBmc {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How it misbehaves.
    pub faults: FaultSwitch,
    /// The password by which it lets its user in.
    pub password: Password,
    service: Arc<Service>,
    task: AbortHandle,
}

impl RedfishBmc {
    /// What came in so far.
    pub fn stats(&self) -> RedfishStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RedfishStats {
            attempts: read(&self.service.attempts),
            logins: read(&self.service.logins),
            requests: read(&self.service.requests),
        }
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.service.sessions().len()
    }

    /// Forget every session, as a BMC does that restarts.
    pub fn forget_sessions(&self) {
        self.service.sessions().clear();
    }

    /// Other oddities from now on.
    pub fn set_odd(&self, odd: Vec<Odd>) {
        self.service.oddities.set(odd);
    }

    /// From the next connection on it shows this certificate and speaks these versions of TLS.
    pub fn set_tls(&self, tls: Tls) -> anyhow::Result<()> {
        *self.service.tls.lock().expect("no holder panics") = Some(configured(tls)?);
        Ok(())
    }

    /// From now on the system is another machine, as it is when another BMC gets this one's address.
    pub fn become_machine(&self, uuid: Uuid) {
        *self.service.uuid.lock().expect("no holder panics") = uuid;
    }

    /// What it was told beside power and boot device.
    pub fn told(&self) -> Told {
        self.service.manners.told()
    }

    /// A document of its tree, as it is now.
    pub fn document(&self, path: &str) -> Option<Value> {
        self.service.manners.document(path)
    }

    /// Something happens that its stream of events tells.
    pub fn tell(&self, message_id: &str, message: &str) {
        self.service.events.tell(message_id, message);
    }

    /// All streams of events end.
    pub fn cut_streams(&self) {
        self.service.events.cut();
    }

    /// Streams of events that were begun so far.
    pub fn streams(&self) -> u64 {
        self.service.events.streams()
    }

    /// What the server does when its mains power comes back.
    pub fn restore_policy(&self) -> String {
        let system = self.document(system::SYSTEM).unwrap_or_default();
        system["PowerRestorePolicy"].as_str().unwrap_or_default().to_owned()
    }

    /// Answer the next write as if somebody else had written in between.
    pub fn change_behind_the_back(&self) {
        self.service.hidden_writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for RedfishBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Service {
    username: String,
    password: Password,
    chassis: Machine,
    faults: FaultSwitch,
    options: RedfishOptions,
    oddities: Oddities,
    manners: Manners,
    events: Arc<Events>,
    uuid: Mutex<Uuid>,
    /// None: plain HTTP.
    tls: Mutex<Option<Arc<rustls::ServerConfig>>>,
    /// Log-ins that have failed, and until when the user is locked for it.
    failed: Mutex<(u64, Option<Instant>)>,
    /// Token to session id.
    sessions: Mutex<HashMap<String, String>>,
    /// Part of the system's ETag.
    writes: AtomicU64,
    hidden_writes: AtomicU64,
    attempts: AtomicU64,
    logins: AtomicU64,
    requests: AtomicU64,
}

struct Machine(Arc<dyn Chassis>);

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chassis")
    }
}

impl Service {
    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.sessions.lock().expect("no holder panics")
    }

    fn uuid(&self) -> Uuid {
        *self.uuid.lock().expect("no holder panics")
    }

    /// A resource as a BMC of this maker shows it.
    fn as_who(&self, mut body: Value) -> Value {
        if let Some(who) = &self.options.who {
            let said = [
                ("Manufacturer", &who.manufacturer),
                ("Model", &who.model),
                ("FirmwareVersion", &who.firmware),
            ];
            for (name, said) in said {
                if let Some(value) = body.get_mut(name).filter(|_| !said.is_empty()) {
                    *value = json!(said);
                }
            }
        }
        body
    }

    /// Whether a request is lost with its connection. After a restart, sessions are forgotten.
    fn cuts(&self, is_again: bool) -> bool {
        let faults = self.faults.get();
        if let Some(until) = faults.down_until {
            if Instant::now() < until {
                return true;
            }
            self.faults.is_up();
            self.sessions().clear();
        }
        (is_again && faults.one_request_a_connection) || ipmi_guard::chance() < faults.loss_percent
    }

    /// Whether a log-in with this user and password is let in. A locked user is not, and is not told.
    fn lets_in(&self, is_right: bool) -> bool {
        let (faults, now) = (self.faults.get(), Instant::now());
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.1.is_some_and(|until| now < until) || self.faults.refuses_log_in() {
            return false;
        }
        failed.0 = if is_right { 0 } else { failed.0 + 1 };
        failed.1 = faults.lock_out.filter(|lock| failed.0 >= lock.after).map(|lock| now + lock.pause);
        is_right
    }

    fn etag(&self) -> String {
        format!("W/\"{}\"", self.writes.load(Ordering::Relaxed))
    }
}

/// Serves on an address; port 0 takes a free one.
pub fn serve(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    tls: Option<Tls>,
) -> anyhow::Result<RedfishBmc> {
    let listener =
        StdTcpListener::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_on(listener, credentials, chassis, RedfishOptions { tls, ..RedfishOptions::default() })
}

/// Serves on an address by plain HTTP, as the BMC of a machine with this hardware UUID.
pub fn serve_as(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    uuid: Uuid,
) -> anyhow::Result<RedfishBmc> {
    let listener =
        StdTcpListener::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_on(listener, credentials, chassis, RedfishOptions { uuid: Some(uuid), ..RedfishOptions::default() })
}

/// Serves on a socket that was made elsewhere, such as in a network namespace.
pub fn serve_on(
    listener: StdTcpListener,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    mut options: RedfishOptions,
) -> anyhow::Result<RedfishBmc> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let addr = listener.local_addr()?;
    let tls = options.tls.take().map(configured).transpose()?;
    let faults = FaultSwitch::default();
    let uuid = Mutex::new(options.uuid.unwrap_or_else(Uuid::new_v4));
    let password = Password::new(credentials.password);
    let service = Arc::new(Service {
        uuid,
        username: credentials.username,
        password: password.clone(),
        tls: Mutex::new(tls),
        failed: Mutex::default(),
        chassis: Machine(chassis),
        faults: faults.clone(),
        oddities: Oddities::new(std::mem::take(&mut options.odd)),
        manners: Manners::new(std::mem::take(&mut options.manners)),
        events: Arc::default(),
        options,
        sessions: Mutex::default(),
        writes: AtomicU64::new(1),
        hidden_writes: AtomicU64::new(0),
        attempts: AtomicU64::new(0),
        logins: AtomicU64::new(0),
        requests: AtomicU64::new(0),
    });
    let router = Router::new().fallback(answer).with_state(service.clone());
    let task = tokio::spawn(accept(listener, Arc::clone(&service), router)).abort_handle();
    Ok(RedfishBmc { addr, faults, password, service, task })
}
