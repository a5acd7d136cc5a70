//! Edges: the connection to a collector, and what the session on it is to know of our servers.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::id::ServerId;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{broadcast, mpsc},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    message::Field,
    node,
    session::{Event, Identity, Session},
};
use domain::{
    events,
    health::SiteLimits,
    rim::{AgentConnection, Presence},
};
use store::{Broadcast, Healths, Inventory, InventoryError, Server};

/// Every server is read again at least this often: a signal may be lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Signals that come together are answered together.
const GATHER: Duration = Duration::from_millis(100);
/// States that wait for the session.
const STATES_MAX: usize = 1024;
/// Longest wait for a collector that takes nothing.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(30);
/// A silent connection is probed after this long.
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(3);
/// Probes without an answer that end a connection.
const PROBES_MAX: u32 = 5;
/// Bytes sent without an acknowledgement for so long end a connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Where collectors are, and who we are to them.
#[derive(Clone, Debug)]
pub struct SandeshConfig {
    /// `HOST:PORT` of each, tried in turns.
    pub collectors: Vec<String>,
    /// Our name, which stands for the host.
    pub name: String,
}

/// What a collector is to know of one server; none: it is gone.
type State = (ServerId, Option<Vec<Field>>);

/// Tells the collectors until told to stop.
pub async fn run(
    config: SandeshConfig,
    inventory: Inventory,
    presence: Arc<dyn Presence>,
    limits: Arc<SiteLimits>,
    stop: CancellationToken,
) {
    let (states, states_rx) = mpsc::channel(STATES_MAX);
    let source = Source {
        publisher: format!("bms-coordinator.{}", config.name),
        inventory,
        presence,
        limits,
        known: BTreeSet::new(),
    };
    tokio::join!(source.run(states, stop.clone()), tell(config, states_rx, stop));
}

/// Reads what is to be told.
struct Source {
    publisher: String,
    inventory: Inventory,
    presence: Arc<dyn Presence>,
    /// What the site thinks of sensors' numbers.
    limits: Arc<SiteLimits>,
    known: BTreeSet<ServerId>,
}

impl Source {
    async fn run(mut self, states: mpsc::Sender<State>, stop: CancellationToken) {
        // Listening begins before the first reading, so that nothing falls between.
        let mut listener = Broadcast::listen(self.inventory.broadcast());
        let mut all = true;
        let mut some = BTreeSet::new();
        loop {
            let read = if all { self.all(&states).await } else { self.some(&some, &states).await };
            if let Err(error) = read {
                warn!(error = %error, "servers not read for the collector");
            }
            some.clear();
            all = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => true,
                event = listener.recv() => note(event, &mut some),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(GATHER) => {}
            }
            while let Ok(event) = listener.try_recv() {
                all |= note(Ok(event), &mut some);
            }
        }
    }

    async fn all(&mut self, states: &mpsc::Sender<State>) -> Result<(), InventoryError> {
        let servers = self.inventory.servers(None).await?;
        let present: BTreeSet<_> = servers.iter().map(|server| server.id).collect();
        for gone in self.known.difference(&present) {
            // Nobody receives only when everything ends.
            let _ = states.send((*gone, None)).await;
        }
        let healths = Healths::read(&self.inventory, &self.limits, None).await?;
        for server in &servers {
            let _ = states.send((server.id, Some(self.fields(server, &healths)))).await;
        }
        self.known = present;
        Ok(())
    }

    async fn some(
        &mut self,
        ids: &BTreeSet<ServerId>,
        states: &mpsc::Sender<State>,
    ) -> Result<(), InventoryError> {
        for id in ids {
            let server = self.inventory.server(*id).await?;
            match &server {
                Some(_) => self.known.insert(*id),
                None => self.known.remove(id),
            };
            let healths = Healths::read(&self.inventory, &self.limits, Some(*id)).await?;
            let _ = states.send((*id, server.map(|server| self.fields(&server, &healths)))).await;
        }
        Ok(())
    }

    fn fields(&self, server: &Server, healths: &Healths) -> Vec<Field> {
        let away = match self.presence.connection(&server.rack) {
            AgentConnection::Connected => None,
            AgentConnection::Disconnected(why) => Some(why),
        };
        let mut fields = node::fields(server, away.is_some(), &self.publisher);
        let health = healths.of(server, away.as_deref());
        fields.extend(node::hardware(&health, healths.draw_w(server.id)));
        fields
    }
}

/// Notes whom an event is about; true when it may be about all.
fn note(event: Result<events::Event, broadcast::error::RecvError>, some: &mut BTreeSet<ServerId>) -> bool {
    match event {
        Ok(event) => match event.server {
            Some(server) => {
                some.insert(server);
                false
            }
            None => event.rack.is_some(),
        },
        Err(_) => true,
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the collector closed the connection")]
    Closed,
    #[error("the collector took nothing for {} s", WRITE_WAIT_MAX.as_secs())]
    Stuck,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The session has said why.
    #[error("{0}")]
    GivenUp(String),
    #[error("told to stop")]
    Stopped,
}

async fn tell(config: SandeshConfig, mut states: mpsc::Receiver<State>, stop: CancellationToken) {
    let identity = Identity {
        source: config.name,
        module: "bms-coordinator".to_owned(),
        node_type: "Analytics".to_owned(),
        instance: "0".to_owned(),
        pid: std::process::id(),
    };
    let mut session = Session::new(identity, config.collectors.len(), Instant::now());
    let mut failing = false;
    loop {
        let until = session.poll_timeout().map(tokio::time::Instant::from_std);
        tokio::select! {
            () = stop.cancelled() => return,
            Some((id, fields)) = states.recv() => session.set(&id.to_string(), fields),
            () = at(until) => session.handle_timeout(Instant::now()),
        }
        let Some(Event::Connect(number)) = session.poll_event() else { continue };
        let Some(collector) = config.collectors.get(number) else { continue };
        let ended = converse(&mut session, collector, &mut states, &stop).await;
        let was_good = session.is_telling();
        counters::sandesh_connected(false);
        session.handle_disconnected(Instant::now());
        while session.poll_event().is_some() {}
        match ended {
            Ended::Stopped => return,
            // Said once, until it was good in between.
            error if was_good || !failing => warn!(collector, error = %error, "no collector, tried again"),
            error => debug!(collector, error = %error, "no collector, tried again"),
        }
        failing = true;
    }
}

/// One connection, from dialling to its end.
async fn converse(
    session: &mut Session,
    collector: &str,
    states: &mut mpsc::Receiver<State>,
    stop: &CancellationToken,
) -> Ended {
    let mut dialling = Box::pin(dial(collector));
    let stream = loop {
        let until = session.poll_timeout().map(tokio::time::Instant::from_std);
        tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            Some((id, fields)) = states.recv() => session.set(&id.to_string(), fields),
            dialled = &mut dialling => match dialled {
                Ok(stream) => break stream,
                Err(error) => return error.into(),
            },
            () = at(until) => {
                session.handle_timeout(Instant::now());
                if let Some(Event::Disconnect(reason)) = session.poll_event() {
                    return Ended::GivenUp(reason);
                }
            }
        }
    };
    session.handle_connected(Instant::now());
    carry(session, stream, collector, states, stop).await
}

async fn dial(collector: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(collector).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let probes =
        TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES_MAX);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(stream)
}

/// Carries bytes both ways. The next message is made only when the connection has taken the one before.
async fn carry(
    session: &mut Session,
    stream: TcpStream,
    collector: &str,
    states: &mut mpsc::Receiver<State>,
    stop: &CancellationToken,
) -> Ended {
    let peer: Option<SocketAddr> = stream.peer_addr().ok();
    let (mut from, mut to) = stream.into_split();
    let mut buffer = vec![0; 8192];
    let mut outgoing: Vec<u8> = Vec::new();
    let mut write_by = tokio::time::Instant::now();
    loop {
        while let Some(event) = session.poll_event() {
            match event {
                Event::Greeted => {
                    info!(collector, peer = ?peer, "the collector knows us");
                    counters::sandesh_connected(true);
                }
                Event::Disconnect(reason) => return Ended::GivenUp(reason),
                Event::Connect(_) => {}
            }
        }
        if outgoing.is_empty()
            && let Some(message) = session.poll_transmit(now_us())
        {
            outgoing = message;
            write_by = tokio::time::Instant::now() + WRITE_WAIT_MAX;
        }
        let until = session.poll_timeout().map(tokio::time::Instant::from_std);
        tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            Some((id, fields)) = states.recv() => session.set(&id.to_string(), fields),
            read = from.read(&mut buffer) => match read {
                Ok(0) => return Ended::Closed,
                Ok(length) => session.handle_bytes(&buffer[..length], Instant::now()),
                Err(error) => return error.into(),
            },
            written = to.write(&outgoing), if !outgoing.is_empty() => match written {
                Ok(0) => return Ended::Closed,
                Ok(length) => {
                    outgoing.drain(..length);
                    if outgoing.is_empty() {
                        counters::sandesh_sent();
                    }
                    write_by = tokio::time::Instant::now() + WRITE_WAIT_MAX;
                }
                Err(error) => return error.into(),
            },
            () = tokio::time::sleep_until(write_by), if !outgoing.is_empty() => return Ended::Stuck,
            () = at(until) => session.handle_timeout(Instant::now()),
        }
    }
}

/// Waits for a moment; for ever without one.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
