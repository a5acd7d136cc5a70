//! Edges: control of the ramdisks of a rack: the listeners, the sessions' tasks, and what of them is kept on disk.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    boot::BootPlan,
    hex,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::{FromAgent, STOP_WAIT_MAX},
    secret::Secret,
};
use ring::rand::SecureRandom;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::{ControlConfig, ControlError, Event, Listener},
    keep::Keep,
    listen,
    live::Live,
    payload::StepRequest,
    register::{Fresh, Kept, LetIn, LetInAgain, NotTakenUp, Register, Running},
    session::{Arrival, Session},
    tls,
    tokens::SecretHash,
};
use crate::image::Cache;

/// Steps that may wait for the one that is running.
pub(super) const STEPS_WAITING_MAX: usize = 4;
/// Bytes of a token, and of a session's secret.
const TOKEN_BYTES: usize = 32;

/// Control of all ramdisks of a rack. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Control {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    fingerprint: String,
    addresses: Vec<(BootNetwork, SocketAddr)>,
    pub(super) images: Arc<Cache>,
    events: mpsc::Sender<Event>,
    keep: Keep,
    resume_wait: Duration,
    step_silence: Duration,
    state: Mutex<State>,
    live: Arc<Live>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    register: Register,
    /// Of each session that goes on.
    ends: HashMap<RamdiskSessionId, Ends>,
    /// Of each server whose session was ended and may still wait for its ramdisk's answer.
    ending: HashMap<ServerId, CancellationToken>,
}

/// Our ends of the channels to a session's task.
struct Ends {
    server: ServerId,
    arrivals: mpsc::Sender<Arrival>,
    steps: mpsc::Sender<StepRequest>,
    end: CancellationToken,
    /// The session's task is over.
    over: CancellationToken,
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
            let listener =
                pxe::listen_on(interface, (*address.ip()).into(), address.port()).map_err(failed)?;
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
            step_silence: config.step_silence,
            state: Mutex::default(),
            live: Arc::default(),
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

    /// Where ramdisks run.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.shared.live)
    }

    /// A new token for the next boot of this server: `bms.token` of the kernel command line. Earlier ones end.
    pub fn issue(&self, server: ServerId, plan: BootPlan) -> Secret {
        let token = random();
        let mut state = self.shared.lock();
        state.register.issue(SecretHash::of(token.reveal()), server, plan);
        self.shared.keep(&state);
        token
    }

    /// A token for a boot that was under way when the agent was started, beside the one from before. When that one was used
    /// already, this one is good for nothing: one boot, one session.
    pub fn issue_again(&self, server: ServerId, plan: BootPlan) -> Secret {
        let token = random();
        let mut state = self.shared.lock();
        if state.register.issue_again(SecretHash::of(token.reveal()), server, plan) {
            self.shared.keep(&state);
        }
        token
    }

    /// Ends the server's token and its session; for when its power went off, its boot was cancelled, or its ramdisk has handed
    /// itself over. A ramdisk in the middle of an erase is told to stop, and may answer.
    pub fn revoke(&self, server: ServerId) {
        let mut state = self.shared.lock();
        if let Some(ended) = state.register.revoke(server) {
            state.ending.retain(|_, over| !over.is_cancelled());
            let over = ended.iter().find_map(|session| Some(state.ends.get(session)?.over.clone()));
            if let Some(over) = over {
                state.ending.insert(server, over);
            }
            state.end(&ended);
            self.shared.keep(&state);
        }
    }

    /// Waits until a session of the server's that was ended is over: what its ramdisk still has to say was said, or too late. Mostly
    /// that is so at once, and always within [`STOP_WAIT_MAX`].
    pub async fn wound_down(&self, server: ServerId) {
        let over = self.shared.lock().ending.get(&server).cloned();
        if let Some(over) = over {
            let _ = tokio::time::timeout(STOP_WAIT_MAX, over.cancelled()).await;
        }
    }

    /// The ramdisk of a server, connected or about to come back.
    pub fn session(&self, server: ServerId) -> Option<RamdiskSessionId> {
        self.shared.lock().register.session_of(server)
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
    /// Whose ramdisk a session that goes on is, and where it takes its steps.
    pub(super) fn steps_of(
        &self,
        session: RamdiskSessionId,
    ) -> Option<(ServerId, mpsc::Sender<StepRequest>)> {
        self.lock().ends.get(&session).map(|ends| (ends.server, ends.steps.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts tokens and sessions on disk; with the lock held, so that an older state never overwrites a newer one.
    fn keep(&self, state: &State) {
        self.live.replace(state.register.live());
        self.keep.store(&state.register.kept());
    }

    /// Takes up what belongs to a boot that is under way, and tells of the sessions that do not.
    fn take_up(self: &Arc<Self>, kept: Kept, boots: &[(ServerId, BootPlan)]) {
        let mut state = self.lock();
        let taken = state.register.take_up(kept, boots);
        for running in taken.go_on {
            tracing::info!(server = %running.server, session = %running.session, "waiting for a ramdisk to come back");
            self.open(&mut state, running);
        }
        self.keep(&state);
        let events = self.events.clone();
        self.tasks.spawn(async move {
            for Running { session, server, .. } in taken.called_off {
                let reason = "its boot was cancelled".to_owned();
                let _ = events.send(Event::Gone { server, session, reason }).await;
            }
        });
    }

    /// Starts a session's task; its ramdisk is let in by what is returned.
    fn open(self: &Arc<Self>, state: &mut State, running: Running) -> mpsc::Sender<Arrival> {
        let Running { session: id, server, plan } = running;
        let (arrivals, arrivals_rx) = mpsc::channel(1);
        let (steps, requests) = mpsc::channel(STEPS_WAITING_MAX);
        let end = self.stop.child_token();
        let let_in = arrivals.clone();
        let over = CancellationToken::new();
        let when_over = over.clone().drop_guard();
        state.ends.insert(id, Ends { server, arrivals, steps, end: end.clone(), over });
        let mut session = Session {
            id,
            server,
            plan,
            arrivals: arrivals_rx,
            requests,
            events: self.events.clone(),
            end,
            shared: Arc::clone(self),
            resume_wait: self.resume_wait,
            step_silence: self.step_silence,
        };
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let reason = session.run().await;
            drop(when_over);
            if shared.stop.is_cancelled() {
                // The agent's next run takes it up again.
                return;
            }
            {
                let mut state = shared.lock();
                state.ends.remove(&id);
                if state.register.handle_ended(id) {
                    shared.keep(&state);
                }
            }
            tracing::info!(%server, session = %id, reason, "ramdisk gone");
            let _ = shared.events.send(Event::Gone { server, session: id, reason }).await;
        });
        let_in
    }

    /// Lets a ramdisk in by its token.
    pub(super) fn let_in(
        self: &Arc<Self>,
        token: &Secret,
        network: BootNetwork,
        peer: IpAddr,
    ) -> Result<(mpsc::Sender<Arrival>, FromAgent), String> {
        let resume = random();
        let fresh = Fresh { session: RamdiskSessionId::random(), secret: SecretHash::of(resume.reveal()) };
        let mut state = self.lock();
        let let_in = state.register.let_in(SecretHash::of(token.reveal()), network, fresh);
        let LetIn { running, opened } = let_in.map_err(|refused| refused.to_string())?;
        let (server, session) = (running.server, running.session);
        let arrivals = match opened {
            Some(ended) => {
                state.end(&ended);
                Some(self.open(&mut state, running))
            }
            None => state.ends.get(&session).map(|ends| ends.arrivals.clone()),
        };
        state.register.handle_address(session, v4(peer));
        // Before it is welcomed: what it is told to show us after a crash, we must know then.
        self.keep(&state);
        let arrivals = arrivals.ok_or_else(|| NotTakenUp.to_string())?;
        tracing::info!(%server, %session, network = network.as_str(), "ramdisk connected");
        Ok((arrivals, FromAgent::Welcome { session, resume }))
    }

    /// Lets a ramdisk in by its session's secret: the session goes on.
    pub(super) fn let_in_again(
        &self,
        session: RamdiskSessionId,
        secret: &Secret,
        network: BootNetwork,
        peer: IpAddr,
    ) -> Result<(mpsc::Sender<Arrival>, FromAgent), String> {
        let mut state = self.lock();
        let secret = SecretHash::of(secret.reveal());
        let let_in = state.register.let_in_again(session, secret, network);
        let LetInAgain { server, is_first_sign } = let_in.map_err(|refused| refused.to_string())?;
        let has_moved = state.register.handle_address(session, v4(peer));
        if is_first_sign || has_moved {
            self.keep(&state);
        }
        let arrivals = state.ends.get(&session).map(|ends| ends.arrivals.clone());
        let arrivals = arrivals.ok_or_else(|| NotTakenUp.to_string())?;
        tracing::info!(%server, %session, network = network.as_str(), "ramdisk is back");
        Ok((arrivals, FromAgent::Resumed))
    }

    /// The ramdisk has spoken in its session.
    pub(super) fn welcome_was_read(&self, session: RamdiskSessionId) {
        let mut state = self.lock();
        if state.register.handle_spoken(session) {
            self.keep(&state);
        }
    }

    /// A session's ramdisk is connected, or its connection is lost.
    pub(super) fn linked(&self, session: RamdiskSessionId, is_linked: bool) {
        self.lock().register.handle_linked(session, is_linked);
    }
}

fn v4(peer: IpAddr) -> Option<Ipv4Addr> {
    match peer.to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

impl State {
    /// Ends the tasks of sessions that are over.
    fn end(&mut self, sessions: &[RamdiskSessionId]) {
        for session in sessions {
            if let Some(ends) = self.ends.remove(session) {
                ends.end.cancel();
            }
        }
    }
}
