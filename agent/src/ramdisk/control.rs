//! Edges: control of the ramdisks of a rack: which tokens are out, which sessions go on, and who is let in.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, SocketAddrV4},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use protocol::{
    boot::BootPlan,
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    hex,
    id::{CommandId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::{FromAgent, Task},
    secret::Secret,
    step::{Step, StepOutput, StepProgress},
};
use ring::rand::SecureRandom;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{Payload, StepRequest},
    keep::{Keep, Kept, KeptSession, KeptToken},
    listen,
    session::{Arrival, Session},
    tls,
    tokens::{SecretHash, Tokens},
};
use crate::image::Cache;

/// Steps that may wait for the one that is running.
const STEPS_WAITING_MAX: usize = 4;
/// Bytes of a token, and of a session's secret.
const TOKEN_BYTES: usize = 32;

/// Where the ramdisks of one boot network connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Which network.
    pub network: BootNetwork,
    /// Our interface on it; who comes in by another one finds nobody.
    pub interface: String,
    /// Our address on it. Port 0 takes any free port.
    pub address: SocketAddrV4,
    /// Length of its prefix: whoever does not lie in it is not spoken to.
    pub prefix_len: u8,
}

/// Where ramdisks connect to, and which of them are known from before.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// One per boot network.
    pub listeners: Vec<Listener>,
    /// Directory for what must survive a restart.
    pub state_dir: PathBuf,
    /// The boots that are under way: tokens and sessions of others are not taken up again.
    pub boots: Vec<(ServerId, BootPlan)>,
    /// How long a lost ramdisk is waited for: [`RESUME_WAIT_MAX`](protocol::ramdisk::RESUME_WAIT_MAX) outside tests.
    pub resume_wait: Duration,
}

/// Why control of ramdisks cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// An address cannot be listened on.
    #[error("listen for ramdisks on {address} of {interface}; is the interface up with this address?")]
    Listen {
        /// Which.
        address: SocketAddrV4,
        /// Of which interface.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be used.
    #[error("use {path}; check the state directory, or remove the file: ramdisks under way are then lost")]
    Keep {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("make the certificate for ramdisks")]
    Certificate(#[from] rcgen::Error),
    /// The certificate was not taken.
    #[error("use the certificate for ramdisks")]
    Tls(#[from] rustls::Error),
}

/// What happens to ramdisks without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ramdisk said hello with a valid token, or has taken its session up again.
    Ready {
        /// On which server.
        server: ServerId,
        /// The name of this run.
        session: RamdiskSessionId,
        /// The plan its token was issued for; the hello came over `plan.network`.
        plan: BootPlan,
        /// What it found.
        hardware: Box<HardwareReport>,
    },
    /// Its connection is gone for good, or it was revoked: the end of the session.
    Gone {
        /// On which server.
        server: ServerId,
        /// Which run.
        session: RamdiskSessionId,
        /// Why.
        reason: String,
    },
}

/// Control of all ramdisks of a rack. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    fingerprint: String,
    addresses: Vec<(BootNetwork, SocketAddr)>,
    images: Arc<Cache>,
    events: mpsc::Sender<Event>,
    keep: Keep,
    resume_wait: Duration,
    state: Mutex<State>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    tokens: Tokens,
    sessions: HashMap<RamdiskSessionId, Entry>,
}

struct Entry {
    server: ServerId,
    plan: BootPlan,
    secret: SecretHash,
    /// The token that opened it, until its ramdisk has shown that it read the welcome, and with it the session's secret: by its
    /// first word, or by coming back with the secret. Until then it can come back with the token alone.
    unread: Option<SecretHash>,
    /// Whether a ramdisk is connected, as far as we know.
    is_linked: Arc<AtomicBool>,
    arrivals: mpsc::Sender<Arrival>,
    steps: mpsc::Sender<StepRequest>,
    end: CancellationToken,
}

impl Control {
    /// Takes up what an earlier run of the agent left, opens the listeners and starts accepting. Must be called inside a Tokio
    /// runtime.
    pub fn start(
        config: ControlConfig,
        images: Arc<Cache>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, ControlError> {
        let keep = Keep::new(&config.state_dir);
        let (acceptor, fingerprint) = tls::acceptor(&keep)?;
        let kept = keep.load()?;
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for place in config.listeners {
            let Listener { network, interface, address, prefix_len: _ } = &place;
            let failed =
                |source| ControlError::Listen { address: *address, interface: interface.clone(), source };
            let listener = pxe::listen_on(interface, *address.ip(), address.port()).map_err(failed)?;
            addresses.push((*network, listener.local_addr().map_err(failed)?));
            listeners.push((place, listener));
        }
        let shared = Arc::new(Shared {
            fingerprint,
            addresses,
            images,
            events,
            keep,
            resume_wait: config.resume_wait,
            state: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.take_up(kept, &config.boots);
        for (place, listener) in listeners {
            shared.tasks.spawn(listen::accept(Arc::clone(&shared), place, listener, acceptor.clone()));
        }
        shared.tasks.close();
        Ok(Self { shared })
    }

    /// SHA-256 of the certificate, lower-case hex: `bms.fingerprint` of the kernel command line.
    pub fn fingerprint(&self) -> &str {
        &self.shared.fingerprint
    }

    /// Where ramdisks of this network connect to: `bms.agent` of the kernel command line.
    pub fn address(&self, network: BootNetwork) -> Option<SocketAddr> {
        self.shared.addresses.iter().find(|(of, _)| *of == network).map(|(_, address)| *address)
    }

    /// A new token for the next boot of this server: `bms.token` of the kernel command line. Earlier ones end.
    pub fn issue(&self, server: ServerId, plan: BootPlan) -> Secret {
        let token = random();
        let mut state = self.shared.lock();
        state.tokens.issue(SecretHash::of(token.reveal()), server, plan);
        self.shared.keep(&state);
        token
    }

    /// A token for a boot that was under way when the agent was started, beside the one from before. When that one was used
    /// already, this one is good for nothing: one boot, one session.
    pub fn issue_again(&self, server: ServerId, plan: BootPlan) -> Secret {
        let token = random();
        let mut state = self.shared.lock();
        if state.tokens.iter().any(|(_, (of, _))| *of == server) {
            state.tokens.add(SecretHash::of(token.reveal()), server, plan);
            self.shared.keep(&state);
        }
        token
    }

    /// Ends the server's token and its session; for when its power went off, its boot was called off, or its ramdisk has handed
    /// itself over.
    pub fn revoke(&self, server: ServerId) {
        let mut state = self.shared.lock();
        let had_token = state.tokens.iter().any(|(_, (of, _))| *of == server);
        state.tokens.revoke(server);
        if state.end_sessions(server) || had_token {
            self.shared.keep(&state);
        }
    }

    /// The ramdisk of a server, connected or about to come back.
    pub fn session(&self, server: ServerId) -> Option<RamdiskSessionId> {
        let state = self.shared.lock();
        state.sessions.iter().find(|(_, session)| session.server == server).map(|(id, _)| *id)
    }

    /// Lets a ramdisk do a step and waits for its end. For an image, fetches it into the cache first. `on_progress` is
    /// called at most once a second. A step that the ramdisk was given for the same command before, and did not lose with
    /// its connection, is not given again.
    pub async fn run_step(
        &self,
        session: RamdiskSessionId,
        command: CommandId,
        step: Step,
        on_progress: impl Fn(StepProgress) + Send + Sync + 'static,
    ) -> Result<StepOutput, Failure> {
        let gone = || Failure {
            kind: FailureKind::NoRamdisk,
            message: format!("ramdisk {session} is not connected any more"),
        };
        let steps = self.shared.lock().sessions.get(&session).map(|s| s.steps.clone()).ok_or_else(gone)?;
        let (task, payload) = self.prepare(step).await?;
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let on_progress = Box::new(move |progress| {
            shared.welcome_was_read(session);
            on_progress(progress);
        });
        let heard = Instant::now();
        let request = StepRequest { command, task, payload, on_progress, reply, heard };
        steps.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => gone(),
            mpsc::error::TrySendError::Full(_) => Failure {
                kind: FailureKind::StepFailed,
                message: format!("{STEPS_WAITING_MAX} steps are waiting for ramdisk {session} already"),
            },
        })?;
        let outcome = answer.await.map_err(|_| gone())?;
        self.shared.welcome_was_read(session);
        outcome
    }

    /// Splits a step into what the ramdisk is told and the bytes that follow.
    async fn prepare(&self, step: Step) -> Result<(Task, Payload), Failure> {
        Ok(match step {
            Step::Inventory => (Task::Inventory, Payload::None),
            Step::WriteImage(image) => {
                let image = self.shared.images.get(&image).await?;
                (Task::WriteImage { virtual_bytes: image.virtual_bytes() }, Payload::Image(image))
            }
            Step::WriteConfigDrive { content } => {
                (Task::WriteConfigDrive { bytes: content.len() as u64 }, Payload::Bytes(content.into()))
            }
            Step::InstallBootEntry => (Task::InstallBootEntry, Payload::None),
            Step::EraseMetadata(order) => (Task::EraseMetadata(order), Payload::None),
            Step::EraseDisks(order) => (Task::EraseDisks(order), Payload::None),
            Step::Sync => (Task::Sync, Payload::None),
            Step::PowerOff => (Task::PowerOff, Payload::None),
            Step::HandOver { password_hash } => (Task::HandOver { password_hash }, Payload::None),
        })
    }

    /// Closes every connection and waits until all is at rest. The sessions wait for the agent's next run.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.wait().await;
    }
}

/// A token or a session's secret.
fn random() -> Secret {
    let mut bytes = [0; TOKEN_BYTES];
    ring::rand::SystemRandom::new().fill(&mut bytes).expect("the kernel has random numbers once it is up");
    Secret::new(hex::encode(bytes))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts tokens and sessions on disk; with the lock held, so that an older state never overwrites a newer one.
    fn keep(&self, state: &State) {
        let tokens = state.tokens.iter().map(|(token, (server, plan))| KeptToken {
            token: *token,
            server: *server,
            plan: plan.clone(),
        });
        let sessions = state.sessions.iter().map(|(session, entry)| KeptSession {
            session: *session,
            server: entry.server,
            plan: entry.plan.clone(),
            secret: entry.secret,
            unread: entry.unread,
        });
        self.keep.store(&Kept { tokens: tokens.collect(), sessions: sessions.collect() });
    }

    /// Takes up what belongs to a boot that is under way, and tells of the sessions that do not.
    fn take_up(self: &Arc<Self>, kept: Kept, boots: &[(ServerId, BootPlan)]) {
        let goes_on = |server: ServerId, plan: &BootPlan| {
            boots.iter().any(|(boot, planned)| *boot == server && planned == plan)
        };
        let mut state = self.lock();
        for KeptToken { token, server, plan } in kept.tokens {
            if goes_on(server, &plan) {
                state.tokens.add(token, server, plan);
            }
        }
        let mut gone = Vec::new();
        for kept in kept.sessions {
            let KeptSession { session, server, plan, .. } = kept.clone();
            if goes_on(server, &plan) {
                tracing::info!(%server, %session, "waiting for a ramdisk to come back");
                self.open(&mut state, kept);
            } else {
                let reason = "its boot was called off".to_owned();
                gone.push(Event::Gone { server, session, reason });
            }
        }
        self.keep(&state);
        let events = self.events.clone();
        self.tasks.spawn(async move {
            for event in gone {
                let _ = events.send(event).await;
            }
        });
    }

    /// Begins a session; its ramdisk is let in by what is returned.
    fn open(self: &Arc<Self>, state: &mut State, opened: KeptSession) -> mpsc::Sender<Arrival> {
        let KeptSession { session: id, server, plan, secret, unread } = opened;
        let (arrivals, arrivals_rx) = mpsc::channel(1);
        let (steps, requests) = mpsc::channel(STEPS_WAITING_MAX);
        let end = self.stop.child_token();
        let (let_in, planned) = (arrivals.clone(), plan.clone());
        let is_linked = Arc::new(AtomicBool::new(false));
        let linked = Arc::clone(&is_linked);
        let entry = Entry { server, plan, secret, unread, is_linked, arrivals, steps, end: end.clone() };
        state.sessions.insert(id, entry);
        let mut session = Session {
            id,
            server,
            plan: planned,
            arrivals: arrivals_rx,
            requests,
            events: self.events.clone(),
            end,
            is_linked: linked,
            resume_wait: self.resume_wait,
        };
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let reason = session.run().await;
            if shared.stop.is_cancelled() {
                // The agent's next run takes it up again.
                return;
            }
            {
                let mut state = shared.lock();
                if state.sessions.remove(&id).is_some() {
                    shared.keep(&state);
                }
            }
            tracing::info!(%server, session = %id, reason, "ramdisk gone");
            let _ = shared.events.send(Event::Gone { server, session: id, reason }).await;
        });
        let_in
    }

    /// Lets a ramdisk in by its token: a new session, or the one that this token has opened, when its ramdisk cannot have read its
    /// welcome. An agent that is killed between accepting a token and being read would cost a deploy otherwise.
    pub(super) fn let_in(
        self: &Arc<Self>,
        token: &Secret,
        network: BootNetwork,
    ) -> Result<(mpsc::Sender<Arrival>, FromAgent), String> {
        let mut state = self.lock();
        let (token, resume) = (SecretHash::of(token.reveal()), random());
        let secret = SecretHash::of(resume.reveal());
        let (server, session, arrivals) = match state.tokens.redeem(token, network) {
            Ok((server, plan)) => {
                state.end_sessions(server);
                let session = RamdiskSessionId::random();
                let opened = KeptSession { session, server, plan, secret, unread: Some(token) };
                let arrivals = self.open(&mut state, opened);
                (server, session, arrivals)
            }
            Err(refused) => {
                let (session, entry) = state.unread(token, network).ok_or_else(|| refused.to_string())?;
                // Nobody has read the former one.
                entry.secret = secret;
                (entry.server, session, entry.arrivals.clone())
            }
        };
        if let Some(entry) = state.sessions.get(&session) {
            entry.is_linked.store(true, Ordering::Relaxed);
        }
        // Before it is welcomed: what it is told to show us after a crash, we must know then.
        self.keep(&state);
        tracing::info!(%server, %session, network = network.as_str(), "ramdisk connected");
        Ok((arrivals, FromAgent::Welcome { session, resume }))
    }

    /// Lets a ramdisk in by its session's secret: the session goes on.
    pub(super) fn let_in_again(
        &self,
        session: RamdiskSessionId,
        secret: &Secret,
        network: BootNetwork,
    ) -> Result<(mpsc::Sender<Arrival>, FromAgent), String> {
        let mut state = self.lock();
        let entry = state
            .sessions
            .get_mut(&session)
            .filter(|entry| entry.secret == SecretHash::of(secret.reveal()) && entry.plan.network == network);
        let entry = entry.ok_or(
            "the session cannot be taken up again: its power went off, its boot was called off, it was away for too \
             long, or the agent's state was lost",
        )?;
        tracing::info!(server = %entry.server, %session, network = network.as_str(), "ramdisk is back");
        entry.is_linked.store(true, Ordering::Relaxed);
        let (arrivals, was_unread) = (entry.arrivals.clone(), entry.unread.take().is_some());
        if was_unread {
            self.keep(&state);
        }
        Ok((arrivals, FromAgent::Resumed))
    }

    /// The ramdisk has spoken in its session: from now on its secret alone lets it in.
    fn welcome_was_read(&self, session: RamdiskSessionId) {
        let mut state = self.lock();
        if state.sessions.get_mut(&session).is_some_and(|entry| entry.unread.take().is_some()) {
            self.keep(&state);
        }
    }
}

impl State {
    /// The session that this token has opened, and whose ramdisk may come back with it: nobody is connected, and nothing shows that
    /// the welcome was read.
    fn unread(&mut self, token: SecretHash, network: BootNetwork) -> Option<(RamdiskSessionId, &mut Entry)> {
        let mut sessions = self.sessions.iter_mut();
        let found = sessions.find(|(_, entry)| {
            entry.unread == Some(token)
                && entry.plan.network == network
                && !entry.is_linked.load(Ordering::Relaxed)
        });
        found.map(|(session, entry)| (*session, entry))
    }

    /// Says whether there were any.
    fn end_sessions(&mut self, server: ServerId) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|_, session| {
            let ends = session.server == server;
            if ends {
                session.end.cancel();
            }
            !ends
        });
        self.sessions.len() < before
    }
}
