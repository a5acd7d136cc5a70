//! Edges: the listeners for ramdisks, one per boot network, and the table of connected ones.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    boot::BootPlan,
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    network::BootNetwork,
    ramdisk::Task,
    secret::Secret,
    step::{Step, StepOutput, StepProgress},
};
use ring::rand::SecureRandom;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    session::{Connection, Payload, StepRequest},
    tls,
    tokens::Tokens,
};
use crate::image::{Cache, hex};

/// Connections at once, all networks together; one rack has fewer servers.
const CONNECTIONS_MAX: usize = 512;
/// Longest time from an accepted connection to a valid hello.
const HELLO_WAIT: Duration = Duration::from_secs(30);
/// Steps that may wait for the one that is running.
const STEPS_WAITING_MAX: usize = 4;
/// Pause after a failed accept (usually: no more file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
const TOKEN_BYTES: usize = 32;

/// Where ramdisks connect to.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// One address per boot network. Port 0 takes any free port.
    pub listeners: Vec<(BootNetwork, SocketAddr)>,
}

/// Why control of ramdisks cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// An address cannot be listened on.
    #[error("listen for ramdisks on {address}; is the boot network's interface up with this address?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
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
    /// A ramdisk said hello with a valid token.
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
    /// Its connection is gone, or it was revoked. Exactly one follows each `Ready`.
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

struct Shared {
    fingerprint: String,
    addresses: Vec<(BootNetwork, SocketAddr)>,
    images: Arc<Cache>,
    events: mpsc::Sender<Event>,
    state: Mutex<State>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    tokens: Tokens,
    sessions: HashMap<RamdiskSessionId, Session>,
}

struct Session {
    server: ServerId,
    steps: mpsc::Sender<StepRequest>,
    end: CancellationToken,
}

impl Control {
    /// Makes a certificate, opens the listeners and starts accepting.
    pub async fn start(
        config: ControlConfig,
        images: Arc<Cache>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, ControlError> {
        let (acceptor, fingerprint) = tls::acceptor()?;
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for (network, address) in config.listeners {
            let failed = |source| ControlError::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            addresses.push((network, listener.local_addr().map_err(failed)?));
            listeners.push((network, listener));
        }
        let shared = Arc::new(Shared {
            fingerprint,
            addresses,
            images,
            events,
            state: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        for (network, listener) in listeners {
            let accepting =
                accept(Arc::clone(&shared), network, listener, acceptor.clone(), Arc::clone(&places));
            shared.tasks.spawn(accepting);
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
        let mut bytes = [0; TOKEN_BYTES];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .expect("the kernel has random numbers once it is up");
        let token = hex(&bytes);
        self.shared.lock().tokens.issue(token.clone(), server, plan);
        Secret::new(token)
    }

    /// Ends the server's token and its session; for when its power went off or its boot was called off.
    pub fn revoke(&self, server: ServerId) {
        let mut state = self.shared.lock();
        state.tokens.revoke(server);
        state.end_sessions(server);
    }

    /// The connected ramdisk of a server.
    pub fn session(&self, server: ServerId) -> Option<RamdiskSessionId> {
        let state = self.shared.lock();
        state.sessions.iter().find(|(_, session)| session.server == server).map(|(id, _)| *id)
    }

    /// Lets a ramdisk do a step and waits for its end. For an image, fetches it into the cache first. `on_progress` is
    /// called at most once a second.
    pub async fn run_step(
        &self,
        session: RamdiskSessionId,
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
        let request = StepRequest { task, payload, on_progress: Box::new(on_progress), reply };
        steps.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => gone(),
            mpsc::error::TrySendError::Full(_) => Failure {
                kind: FailureKind::StepFailed,
                message: format!("{STEPS_WAITING_MAX} steps are waiting for ramdisk {session} already"),
            },
        })?;
        answer.await.map_err(|_| gone())?
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
                (Task::WriteConfigDrive { bytes: content.len() as u64 }, Payload::Bytes(content))
            }
            Step::InstallBootEntry => (Task::InstallBootEntry, Payload::None),
            Step::EraseMetadata => (Task::EraseMetadata, Payload::None),
            Step::EraseDisks => (Task::EraseDisks, Payload::None),
            Step::Sync => (Task::Sync, Payload::None),
            Step::PowerOff => (Task::PowerOff, Payload::None),
        })
    }

    /// Closes every connection and waits until all is at rest.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_sessions(&mut self, server: ServerId) {
        self.sessions.retain(|_, session| {
            let ends = session.server == server;
            if ends {
                session.end.cancel();
            }
            !ends
        });
    }
}

async fn accept(
    shared: Arc<Shared>,
    network: BootNetwork,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    places: Arc<Semaphore>,
) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, network = network.as_str(), "accepting a ramdisk failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, network = network.as_str(), "too many ramdisk connections, one was refused");
            continue;
        };
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        shared.tasks.clone().spawn(async move {
            let _place = place;
            converse(&shared, network, stream, peer, acceptor).await;
        });
    }
}

/// One connection from its first to its last byte.
async fn converse(
    shared: &Arc<Shared>,
    network: BootNetwork,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
) {
    let hello = async {
        let mut connection = Connection::accept(stream, acceptor).await?;
        let (token, hardware) = connection.hello().await?;
        Ok::<_, String>((connection, token, hardware))
    };
    let hello = tokio::select! {
        () = shared.stop.cancelled() => return,
        hello = tokio::time::timeout(HELLO_WAIT, hello) => hello.unwrap_or_else(|_| Err("said no hello in time".into())),
    };
    let (mut connection, token, hardware) = match hello {
        Ok(hello) => hello,
        Err(reason) => {
            tracing::warn!(%peer, network = network.as_str(), reason, "connection was no ramdisk's");
            return;
        }
    };
    let session = RamdiskSessionId::random();
    let end = shared.stop.child_token();
    let (steps, requests) = mpsc::channel(STEPS_WAITING_MAX);
    let redeemed = {
        let mut state = shared.lock();
        let redeemed = state.tokens.redeem(&token, network);
        if let Ok((server, _)) = redeemed {
            state.end_sessions(server);
            state.sessions.insert(session, Session { server, steps, end: end.clone() });
        }
        redeemed
    };
    let (server, plan) = match redeemed {
        Ok(redeemed) => redeemed,
        Err(refused) => {
            tracing::warn!(%peer, network = network.as_str(), reason = %refused, "ramdisk refused");
            connection.refuse(refused.to_string()).await;
            return;
        }
    };
    tracing::info!(%server, %session, %peer, network = network.as_str(), "ramdisk connected");
    let ready = Event::Ready { server, session, plan, hardware };
    let reason = if shared.events.send(ready).await.is_err() {
        "the agent is stopping".to_owned()
    } else {
        connection.serve(session, requests, end).await
    };
    shared.lock().sessions.remove(&session);
    tracing::info!(%server, %session, reason, "ramdisk gone");
    let _ = shared.events.send(Event::Gone { server, session, reason }).await;
}
