//! Edges: the connection to the coordinator: dialled by us, TLS with certificates on both sides, dialled again with
//! growing pauses for as long as the agent lives. Reports are taken and spooled whether it stands or not.

use std::{
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use protocol::{
    backoff::{self, Backoff},
    command::Command,
    console::OpenConsole,
    console_record::ReadConsole,
    convert::{Declaration, FromAgent, InvalidMessage, ToAgent},
    discovery::Order,
    error_chain::chain,
    grpc as wire,
    heartbeat::{HEARTBEAT_EVERY_MIN, Heartbeat},
    id::{AgentBootId, RackId, ServerId},
    image_cache::CacheOrder,
    report::ReportBody,
    step::CONFIG_DRIVE_BYTES_MAX,
    tunnel::OpenTunnel,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    health::HealthBoard,
    lag::Lag,
    papers::{Paper, Papers, now_s},
    renewal::Renewal,
    session::{Event, Session, Violation},
    spool::{Spool, SpoolError},
};
use crate::{given::Given, metrics};

/// Longest wait for a connection, with its TLS handshake.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for the Welcome.
pub const WELCOME_WAIT: Duration = Duration::from_secs(10);
/// Pause before the first new attempt; it doubles up to [`PAUSE_MAX`], each shortened by chance by up to a half.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause before a new attempt.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A silent connection is probed this often, and given up when a probe is not answered in the same time.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Largest message from the coordinator: a configuration drive and a little around it.
pub const MESSAGE_BYTES_MAX: usize = CONFIG_DRIVE_BYTES_MAX + (1 << 20);
/// Largest piece of an image.
pub const CHUNK_BYTES_MAX: usize = 5 << 20;
/// Messages that wait for the connection to take them.
const OUTGOING_MAX: usize = 32;

/// Where the coordinator is, and who we are.
#[derive(Clone, Debug)]
pub struct UplinkConfig {
    /// Its address as `HOST:PORT`.
    pub coordinator: String,
    /// The name that its certificate must bear.
    pub server_name: String,
    /// The authority that signed its certificate, PEM.
    pub ca: PathBuf,
    /// Our certificate.
    pub papers: Papers,
    /// Our rack.
    pub rack: RackId,
}

/// Something that was seen, on its way into the spool.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Of which server.
    pub server: ServerId,
    /// What.
    pub body: ReportBody,
}

/// What the coordinator asks of the rack.
#[derive(Clone, Debug)]
pub enum Request {
    /// Servers to look after.
    Declare(Declaration),
    /// Something to do, and until when.
    Command(Given),
    /// Something to find.
    Discover(Order),
    /// Somebody wants to be at a console.
    OpenConsole(OpenConsole),
    /// Somebody wants to read what was recorded of a console.
    ReadConsole(ReadConsole),
    /// Something about the rack's image cache.
    Cache(CacheOrder),
    /// Somebody wants to speak to what runs on a booted server.
    OpenTunnel(OpenTunnel),
}

/// Why a connection could not be made or did not last.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// A certificate or key file.
    #[error("cannot read {path}; `bms-coordinator issue-agent` writes it")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Our certificate has ended, which is why there is no connection.
    #[error(
        "our certificate {path} expired {} days ago; issue a new one on the coordinator's host (bms-coordinator \
         issue-agent --rack {rack} --out DIR) and replace the old files",
        .days
    )]
    Over {
        /// Which file.
        path: PathBuf,
        /// Whole days since then.
        days: u64,
        /// Our rack.
        rack: RackId,
        /// What came of the attempt.
        source: Box<UplinkError>,
    },
    /// The address or a certificate makes no sense.
    #[error("cannot use the coordinator's address {address} with the configured certificates")]
    Configuration {
        /// The address.
        address: String,
        /// What is wrong.
        source: tonic::transport::Error,
    },
    /// No connection.
    #[error("cannot connect to the coordinator at {address}")]
    Connect {
        /// The address.
        address: String,
        /// What happened.
        source: tonic::transport::Error,
    },
    /// No answer in time.
    #[error("the coordinator at {address} did not answer within {} s", .after.as_secs())]
    Silent {
        /// The address.
        address: String,
        /// How long we waited.
        after: Duration,
    },
    /// The coordinator ended the stream.
    #[error("the coordinator ended the stream: {0}")]
    Ended(String),
    /// A message that we cannot take.
    #[error(transparent)]
    Message(#[from] InvalidMessage),
    /// A message at the wrong moment.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The agent's end of the stream, to be [`run`](Uplink::run).
#[derive(Debug)]
pub struct Uplink {
    config: Arc<UplinkConfig>,
    session: Session,
    lag: Lag,
    renewal: Renewal,
    /// How often the coordinator wants a heartbeat, and when the next one is due.
    beat: Option<Beat>,
    /// How BMCs answer; and whether the coordinator wants to know.
    health: Arc<HealthBoard>,
    wants_health: bool,
    spool: Spool,
    seen: mpsc::Receiver<Seen>,
    requests: mpsc::Sender<Request>,
    stop: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    every: Duration,
    due: tokio::time::Instant,
}

/// Told to stop, or nobody is left to speak for.
struct Stopped;

impl Uplink {
    /// Reports what comes through `seen`; passes what the coordinator asks to `requests`.
    pub fn new(
        config: Arc<UplinkConfig>,
        boot: AgentBootId,
        spool: Spool,
        seen: mpsc::Receiver<Seen>,
        requests: mpsc::Sender<Request>,
        stop: CancellationToken,
    ) -> Self {
        let session = Session::new(config.rack.clone(), boot, env!("CARGO_PKG_VERSION"));
        let renewal = Renewal::new(Arc::clone(&config));
        let (health, wants_health, beat) = (Arc::default(), false, None);
        let lag = Lag::default();
        Self { config, session, lag, renewal, beat, health, wants_health, spool, seen, requests, stop }
    }

    /// Tells what is on this board too.
    pub fn telling(self, health: Arc<HealthBoard>) -> Self {
        Self { health, ..self }
    }

    /// Connects again and again until it is told to stop; then spools what is still in the channel.
    pub async fn run(mut self) {
        let mut pauses = Backoff::new(PAUSE_MIN, PAUSE_MAX).pauses();
        loop {
            let error = match self.connect_and_serve().await {
                Err(error) => self.explained(error).await,
                Ok(Stopped) => break,
            };
            if self.session.is_open() {
                pauses.reset();
            }
            self.session.handle_disconnected();
            metrics::connected(false);
            let wait = backoff::spread(pauses.take(), rand::random());
            tracing::warn!(error = %chain(&error), wait_ms = wait.as_millis() as u64, "no connection to the coordinator");
            if self.spooling_until(tokio::time::sleep(wait)).await.is_err() {
                break;
            }
        }
        while let Ok(seen) = self.seen.try_recv() {
            self.take(seen);
        }
        tracing::info!(pending = self.spool.outbox().pending().count(), "uplink stopped");
    }

    /// The reason behind a failed attempt.
    async fn explained(&self, error: UplinkError) -> UplinkError {
        match self.config.papers.read().await {
            Ok(paper) if !self.session.is_open() => explained(error, &paper, &self.config.rack, now_s()),
            Ok(_) | Err(_) => error,
        }
    }

    async fn connect_and_serve(&mut self) -> Result<Stopped, UplinkError> {
        let (outgoing, outgoing_rx) = mpsc::channel(OUTGOING_MAX);
        self.session.handle_connected();
        self.lag = Lag::greets(Instant::now());
        self.renewal.connected();
        self.beat = None;
        self.wants_health = false;
        // The stream's answer may wait for our Hello, so it is put there before the call.
        self.transmit(&outgoing);
        let config = Arc::clone(&self.config);
        let address = config.coordinator.clone();
        let opening = async {
            let channel = dial(&config).await?;
            let mut client = wire::agent_link_client::AgentLinkClient::new(channel)
                .max_decoding_message_size(MESSAGE_BYTES_MAX);
            let opening = client.connect(ReceiverStream::new(outgoing_rx));
            match tokio::time::timeout(WELCOME_WAIT, opening).await {
                Ok(answer) => answer.map(tonic::Response::into_inner).map_err(ended),
                Err(_) => {
                    Err(UplinkError::Silent { address: config.coordinator.clone(), after: WELCOME_WAIT })
                }
            }
        };
        let Ok(stream) = self.spooling_until(opening).await else { return Ok(Stopped) };
        self.serve(stream?, outgoing, address).await
    }

    /// Carries messages both ways until the stream ends.
    async fn serve(
        &mut self,
        mut stream: Streaming<wire::CoordinatorMessage>,
        outgoing: mpsc::Sender<wire::AgentMessage>,
        address: String,
    ) -> Result<Stopped, UplinkError> {
        let mut welcome_by = pin!(tokio::time::sleep(WELCOME_WAIT));
        // A request that the rack has no room for yet. Nothing more is read until it has, but reports are still taken:
        // the rack may be waiting for us to take one.
        let mut request: Option<Request> = None;
        let requests = self.requests.clone();
        loop {
            self.transmit(&outgoing);
            self.count_spool();
            let more_to_send = self.session.has_more(self.spool.outbox());
            tokio::select! {
                () = self.stop.cancelled() => return Ok(Stopped),
                seen = self.seen.recv() => match seen {
                    Some(seen) => self.take(seen),
                    None => return Ok(Stopped),
                },
                room = requests.reserve(), if request.is_some() => match (room, request.take()) {
                    (Ok(room), Some(request)) => room.send(request),
                    _ => return Ok(Stopped),
                },
                message = stream.next(), if request.is_none() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        Some(Err(status)) => return Err(ended(status)),
                        None => return Err(UplinkError::Ended("without a reason".into())),
                    };
                    request = self.handle(ToAgent::try_from(message)?)?;
                }
                room = outgoing.reserve(), if more_to_send => if room.is_err() {
                    return Err(UplinkError::Ended("it takes no more reports".into()));
                },
                () = due(self.beat.map(|beat| beat.due)) => self.send_heartbeat(&outgoing),
                healths = self.health.take(), if self.wants_health => {
                    if outgoing.send(FromAgent::Health(healths).into()).await.is_err() {
                        return Err(UplinkError::Ended("it takes no more messages".into()));
                    }
                }
                () = due(self.renewal.due()) => {
                    if let Some(question) = self.renewal.question().await
                        && outgoing.send(question.into()).await.is_err()
                    {
                        return Err(UplinkError::Ended("it takes no more messages".into()));
                    }
                }
                () = &mut welcome_by, if !self.session.is_open() => {
                    return Err(UplinkError::Silent { address, after: WELCOME_WAIT });
                }
            }
        }
    }

    fn handle(&mut self, message: ToAgent) -> Result<Option<Request>, UplinkError> {
        let (heartbeats, certificate_days) = match &message {
            ToAgent::Welcome { heartbeats, certificate_days, bmc_healths, .. } => {
                self.wants_health = *bmc_healths;
                (*heartbeats, *certificate_days)
            }
            ToAgent::Declare(_)
            | ToAgent::Command(_)
            | ToAgent::Acknowledge { .. }
            | ToAgent::Discover(_)
            | ToAgent::Heard { .. }
            | ToAgent::OpenConsole(_)
            | ToAgent::ReadConsole(_)
            | ToAgent::Cache(_)
            | ToAgent::OpenTunnel(_)
            | ToAgent::Renewed(_) => (None, None),
        };
        let event = self.session.handle_message(message, self.spool.outbox())?;
        if let Some(wanted) = heartbeats {
            self.lag.welcomed(wanted.at);
            let every = wanted.every.max(HEARTBEAT_EVERY_MIN);
            self.beat = Some(Beat { every, due: tokio::time::Instant::now() });
        }
        if certificate_days.is_some() {
            self.renewal.welcomed(certificate_days);
        }
        match event {
            Event::Welcomed { coordinator, acknowledged } => {
                self.spool.acknowledge(acknowledged)?;
                let pending = self.spool.outbox().len();
                metrics::connected(true);
                tracing::info!(coordinator, acknowledged, pending, "connected to the coordinator");
            }
            Event::SpoolLost { coordinator, acknowledged } => {
                tracing::warn!(
                    coordinator,
                    acknowledged,
                    "the coordinator knows more reports than we do; going on behind them"
                );
                self.spool.renumber_above(acknowledged)?;
            }
            Event::Acknowledged(seq) => self.spool.acknowledge(seq)?,
            Event::Declared(declaration) => return Ok(Some(Request::Declare(declaration))),
            Event::Command(command) => return Ok(Some(Request::Command(self.given(command)))),
            Event::Heard { number, at } => self.lag.heard(number, at),
            Event::Renewed(answer) => self.renewal.answered(answer),
            Event::OpenConsole(open) => return Ok(Some(Request::OpenConsole(open))),
            Event::ReadConsole(read) => return Ok(Some(Request::ReadConsole(read))),
            Event::Cache(order) => return Ok(Some(Request::Cache(order))),
            Event::OpenTunnel(open) => return Ok(Some(Request::OpenTunnel(open))),
            Event::Discover(order) => return Ok(Some(Request::Discover(order))),
        }
        Ok(None)
    }

    /// The command with its time: as much of it as is left for certain.
    fn given(&self, command: Command) -> Given {
        let now = Instant::now();
        let mut given = Given::now(command, now);
        if let Some(wanted) = given.command.wanted {
            given.until = given.until.min(self.lag.until(wanted, now));
        }
        given
    }

    /// One that the connection does not take now is left out: what has no way is no sign of life.
    fn send_heartbeat(&mut self, outgoing: &mpsc::Sender<wire::AgentMessage>) {
        let Some(beat) = &mut self.beat else { return };
        beat.due = tokio::time::Instant::now() + beat.every;
        if let Ok(room) = outgoing.try_reserve() {
            let number = self.lag.beats(Instant::now());
            let oldest_reading = metrics::oldest_reading_age();
            room.send(FromAgent::Heartbeat(Heartbeat { number, oldest_reading }).into());
        }
    }

    /// Hands over as many messages as the connection takes now.
    fn transmit(&mut self, outgoing: &mpsc::Sender<wire::AgentMessage>) {
        while let Ok(room) = outgoing.try_reserve() {
            match self.session.poll_transmit(self.spool.outbox()) {
                Some(message) => room.send(message.into()),
                None => return,
            }
        }
    }

    /// Waits for something else, and keeps taking reports meanwhile.
    async fn spooling_until<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Err(Stopped),
                done = &mut wait => return Ok(done),
                seen = self.seen.recv() => match seen {
                    Some(seen) => self.take(seen),
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Puts a report on the disk. One that cannot be kept is not lost for good: power is read again, and a command is
    /// answered again when it is repeated.
    fn count_spool(&self) {
        let outbox = self.spool.outbox();
        metrics::spool(outbox.len(), outbox.bytes());
    }

    fn take(&mut self, seen: Seen) {
        let at_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        if let Err(error) = self.spool.append(at_us, seen.server, seen.body) {
            tracing::error!(server = %seen.server, error = %chain(&error), "a report could not be kept");
        }
        self.count_spool();
    }
}

/// Waits until then; for ever where nothing is due.
async fn due(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A certificate that has ended is refused in the handshake, which shows as a broken connection. Whether ours has, we see ourselves.
fn explained(error: UplinkError, paper: &Paper, rack: &RackId, now_s: u64) -> UplinkError {
    match paper.ended_days_ago(now_s) {
        None => error,
        Some(days) => {
            UplinkError::Over { path: paper.path.clone(), days, rack: rack.clone(), source: Box::new(error) }
        }
    }
}

fn ended(status: tonic::Status) -> UplinkError {
    UplinkError::Ended(format!("{:?}: {}", status.code(), status.message()))
}

/// A new connection. The certificate files are read each time, so that renewed ones are used.
pub async fn dial(config: &UplinkConfig) -> Result<Channel, UplinkError> {
    let ca = tokio::fs::read(&config.ca).await;
    let ca = ca.map_err(|source| UplinkError::Pem { path: config.ca.clone(), source })?;
    let paper = config.papers.read().await?;
    let address = || config.coordinator.clone();
    let unusable = |source| UplinkError::Configuration { address: address(), source };
    let identity = Identity::from_pem(&paper.cert, paper.key.as_slice());
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .identity(identity)
        .domain_name(config.server_name.clone());
    let endpoint = Endpoint::from_shared(format!("https://{}", config.coordinator))
        .map_err(unusable)?
        .tls_config(tls)
        .map_err(unusable)?
        .connect_timeout(CONNECT_WAIT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .http2_adaptive_window(true);
    match tokio::time::timeout(CONNECT_WAIT, endpoint.connect()).await {
        Ok(connected) => connected.map_err(|source| UplinkError::Connect { address: address(), source }),
        Err(_) => Err(UplinkError::Silent { address: address(), after: CONNECT_WAIT }),
    }
}

#[cfg(test)]
mod tests {
    use protocol::certificate::Validity;

    use super::*;

    #[test]
    fn an_agent_whose_certificate_is_over_says_so_with_the_remedy() {
        let validity = Some(Validity { begins_s: 0, ends_s: 1000 });
        let paper =
            Paper { cert: Vec::new(), key: Vec::new().into(), path: "/etc/bms/agent.pem".into(), validity };
        let rack: RackId = "rack-1".parse().unwrap();
        let said = |now_s| {
            let error = UplinkError::Ended("the connection was reset".to_owned());
            chain(&explained(error, &paper, &rack, now_s))
        };
        assert!(!said(1000).contains("certificate"));
        let text = said(1001 + 3 * 86_400);
        for word in ["/etc/bms/agent.pem", "expired 3 days ago", "issue-agent --rack rack-1", "was reset"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
}
