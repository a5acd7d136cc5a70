//! Edges: reads sensors and logs, a few servers at a time, each behind its power and its commands.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use protocol::{
    error_chain::chain,
    health::{HardwareChange, TEXT_CHARS_MAX},
    id::ServerId,
    report::ReportBody,
    text::bounded,
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    log::LogNews,
    rounds::{Due, Every, Next, Rounds},
    sensors::SensorNews,
};
use crate::{
    bmc::{
        Bmc, Line, Memory, NotRead,
        readings::{LogReading, SensorReading},
    },
    uplink::client::Seen,
};

/// A reading that takes longer is given up: the BMC hangs in the middle of it.
pub const READING_MAX: Duration = Duration::from_secs(300);
/// That nothing can be read is told when nothing was read for so long.
pub const UNREAD_AFTER: Duration = Duration::from_secs(300);

/// Whose hardware is read, as the rack's loop says it.
pub struct Hardware {
    every: Every,
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Default)]
struct Known {
    servers: HashMap<ServerId, Reached>,
    numbers: u64,
    is_anew: bool,
}

#[derive(Clone)]
struct Reached {
    /// Of this connection: another BMC, or another password, is another one.
    number: u64,
    bmc: Arc<dyn Bmc>,
    line: Arc<Line>,
}

impl Hardware {
    /// Nobody's yet.
    pub fn new(every: Every) -> Self {
        Self { every, known: Mutex::default(), changed: Notify::new() }
    }

    /// Reads this server's from now on. The same BMC goes on as it was.
    pub fn know(&self, server: ServerId, bmc: &Arc<dyn Bmc>, line: &Arc<Line>) {
        self.change(|known| {
            if known.servers.get(&server).is_some_and(|reached| Arc::ptr_eq(&reached.bmc, bmc)) {
                return;
            }
            known.numbers += 1;
            let (bmc, line) = (Arc::clone(bmc), Arc::clone(line));
            known.servers.insert(server, Reached { number: known.numbers, bmc, line });
        });
    }

    /// No more.
    pub fn forget(&self, server: ServerId) {
        self.change(|known| {
            known.servers.remove(&server);
        });
    }

    /// Whoever is told may have missed something: the next reading of each server is told whole.
    pub fn tell_anew(&self) {
        self.change(|known| known.is_anew = true);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Reads until it is told to stop; what is under way then is given up.
    pub async fn run(self: Arc<Self>, seen: mpsc::Sender<Seen>, stop: CancellationToken) {
        let mut reader = Reader {
            rounds: Rounds::new(self.every, rand::random()),
            hardware: self,
            servers: HashMap::new(),
            tasks: JoinSet::new(),
            seen,
        };
        loop {
            let timer = reader.rounds.timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                () = stop.cancelled() => return,
                () = reader.hardware.changed.notified() => reader.look_who(),
                () = at(timer) => {}
                Some(ended) = reader.tasks.join_next() => match ended {
                    Ok(ended) => reader.ended(ended).await,
                    Err(error) => tracing::error!(%error, "a reading of sensors panicked"),
                },
            }
            reader.begin_the_due().await;
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

struct Reader {
    hardware: Arc<Hardware>,
    rounds: Rounds,
    servers: HashMap<ServerId, ReadServer>,
    tasks: JoinSet<Ended>,
    seen: mpsc::Sender<Seen>,
}

/// What is known of one server.
struct ReadServer {
    reached: Reached,
    sensors: SensorNews,
    log: LogNews,
    memory: Memory,
    read_at: Instant,
    /// It was told that nothing can be read.
    is_unread: bool,
}

/// A reading that has ended.
struct Ended {
    server: ServerId,
    number: u64,
    memory: Memory,
    sensors: Option<Result<SensorReading, NotRead>>,
    log: Option<Result<LogReading, NotRead>>,
}

impl Reader {
    /// Takes over what the rack's loop has said.
    fn look_who(&mut self) {
        let (known, is_anew) = {
            let mut known = self.hardware.known.lock().unwrap_or_else(PoisonError::into_inner);
            (known.servers.clone(), std::mem::take(&mut known.is_anew))
        };
        let is_gone = |id: &ServerId, server: &ReadServer| {
            known.get(id).is_none_or(|reached| reached.number != server.reached.number)
        };
        let gone: Vec<_> =
            self.servers.iter().filter(|(id, server)| is_gone(id, server)).map(|(id, _)| *id).collect();
        for id in gone {
            self.servers.remove(&id);
            self.rounds.remove(id);
        }
        let now = Instant::now();
        for (id, reached) in known {
            if !self.servers.contains_key(&id) && reached.bmc.hardware().is_some() {
                self.rounds.add(id, now);
                self.servers.insert(id, ReadServer::new(reached, now));
            }
        }
        if is_anew {
            for server in self.servers.values_mut() {
                server.sensors.tell_anew();
                server.log.tell_anew();
                server.is_unread = false;
            }
        }
    }

    async fn begin_the_due(&mut self) {
        let now = Instant::now();
        loop {
            let servers = &mut self.servers;
            let answers = |id| servers.get(&id).is_some_and(|server| server.reached.line.answers());
            let Some(next) = self.rounds.next_due(now, answers) else { return };
            match next {
                Next::NotAsked(id) => {
                    let reason = "its BMC does not answer, or lets nobody in";
                    let unread = servers.get_mut(&id).and_then(|server| server.unread(now, reason));
                    self.tell(id, unread).await;
                }
                Next::Read(id, due) => {
                    let Some(server) = servers.get_mut(&id) else { continue };
                    let (reached, memory) = (server.reached.clone(), std::mem::take(&mut server.memory));
                    self.tasks.spawn(read(id, reached, memory, due));
                }
            }
        }
    }

    async fn ended(&mut self, ended: Ended) {
        let Ended { server: id, number, memory, sensors, log } = ended;
        self.rounds.ended(id);
        let Some(server) = self.servers.get_mut(&id).filter(|server| server.reached.number == number) else {
            return;
        };
        server.memory = memory;
        let now = Instant::now();
        let changes = [
            sensors.and_then(|reading| server.took_sensors(reading, now)),
            log.and_then(|reading| server.took_log(reading, now)),
        ];
        for change in changes {
            self.tell(id, change).await;
        }
    }

    async fn tell(&self, server: ServerId, change: Option<HardwareChange>) {
        let Some(change) = change else { return };
        if self.seen.send(Seen { server, body: ReportBody::Hardware { change } }).await.is_err() {
            tracing::error!(%server, "the uplink is gone, a report is lost");
        }
    }
}

impl ReadServer {
    fn new(reached: Reached, now: Instant) -> Self {
        let (sensors, log, memory) = (SensorNews::default(), LogNews::default(), Memory::default());
        Self { reached, sensors, log, memory, read_at: now, is_unread: false }
    }

    fn took_sensors(
        &mut self,
        reading: Result<SensorReading, NotRead>,
        now: Instant,
    ) -> Option<HardwareChange> {
        match reading {
            Ok(reading) => {
                self.read_at = now;
                if std::mem::take(&mut self.is_unread) {
                    self.sensors.tell_anew();
                }
                self.sensors.take(reading, now).map(HardwareChange::Sensors)
            }
            Err(NotRead::Bmc(error)) => self.unread(now, &chain(&error)),
            Err(NotRead::HasNone(reason)) => self.has_none(&reason),
        }
    }

    /// That a log cannot be read is no news of the sensors; it is tried again in its turn.
    fn took_log(&mut self, reading: Result<LogReading, NotRead>, now: Instant) -> Option<HardwareChange> {
        match reading {
            Ok(reading) => self.log.take(reading, now).map(HardwareChange::Log),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "event log not read");
                None
            }
        }
    }

    /// Nothing was read; told when that has lasted, once.
    fn unread(&mut self, now: Instant, reason: &str) -> Option<HardwareChange> {
        match now.saturating_duration_since(self.read_at) >= UNREAD_AFTER {
            true => self.has_none(reason),
            false => None,
        }
    }

    fn has_none(&mut self, reason: &str) -> Option<HardwareChange> {
        let reason = bounded(reason, TEXT_CHARS_MAX).into_owned();
        (!std::mem::replace(&mut self.is_unread, true)).then_some(HardwareChange::Unread { reason })
    }
}

/// One reading of one server.
async fn read(server: ServerId, reached: Reached, mut memory: Memory, due: Due) -> Ended {
    let Reached { number, bmc, line } = reached;
    let (mut sensors, mut log) = (None, None);
    if let Some(reader) = bmc.hardware() {
        let reading = async {
            if due.sensors {
                sensors = Some(reader.read_sensors(&line, &mut memory).await);
            }
            // Who has just gone silent is asked for nothing more.
            if due.log && !matches!(sensors, Some(Err(NotRead::Bmc(_)))) {
                log = Some(reader.read_log(&line, &mut memory, SystemTime::now()).await);
            }
        };
        if tokio::time::timeout(READING_MAX, reading).await.is_err() {
            tracing::warn!(%server, seconds = READING_MAX.as_secs(), "reading of sensors given up");
        }
    }
    Ended { server, number, memory, sensors, log }
}
