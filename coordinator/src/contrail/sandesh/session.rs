//! Decisions: one generator's conversation with its collectors: connect, greet, tell everything, then tell changes.
//!
//! ```text
//!   Pausing --time--> Connecting --connected--> Greeting --answer--> Telling
//!      ^                  | time, failure          | time, no        | end
//!      +------------------+------------------------+-----------------+     the next collector, after a pause that grows
//! ```
//!
//! There is no queue of messages: what is told next is decided when the connection has room for it, from what the
//! collector should know and what it was told last. So the latest state of a server wins, and memory is bounded by the
//! number of servers. Sequence numbers rise over all connections; the collector's answer says up to which it has heard,
//! and everything later is told again, whole.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use protocol::backoff::{Backoff, Pauses};

use super::{
    message::{
        Field, HINT_CONTROL, HINT_KEY, HINT_SYNC, Header, Message, MessageError, Struct, TYPE_REQUEST,
        TYPE_UVE, Value, field,
    },
    node,
    read::Frames,
};

/// Longest wait for a connection.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for the answer to our greeting.
pub const GREETING_WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause before the next collector is tried; doubled each time.
pub const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the next pause is the first again.
pub const GOOD_AFTER: Duration = Duration::from_secs(30);
/// Servers that are gone and of which a collector may have to be told again.
pub const GONE_MAX: usize = 1024;

const GREETING: &str = "SandeshCtrlClientToServer";
const GREETING_SIGNATURE: i32 = -340_245_130;
const ANSWER: &str = "SandeshCtrlServerToClient";
/// Level of a message that is no log.
const LEVEL_CONTROL: i32 = 0x7fff_ffff;
const LEVEL_UVE: i32 = 5;

/// Who we are to a collector. Two sessions of one identity are both closed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of our host.
    pub source: String,
    /// Name of our program.
    pub module: String,
    /// Kind of node, such as `Analytics`; never empty.
    pub node_type: String,
    /// Which of several; never empty.
    pub instance: String,
    /// Our process.
    pub pid: u32,
}

/// What the edge is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Connect to the collector of this number.
    Connect(usize),
    /// Close the connection, or stop making it; the reason is for people.
    Disconnect(String),
    /// The collector has answered; everything is being told.
    Greeted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pausing { until: Instant },
    Connecting { by: Instant },
    Greeting { by: Instant },
    Telling { since: Instant },
}

/// What a collector should know of one server, and what it was told.
#[derive(Clone, Debug, Default)]
struct Told {
    /// None: it is gone.
    wanted: Option<Vec<Field>>,
    /// None: nothing, or that it is gone.
    told: Option<Vec<Field>>,
    /// Number of the message that told it; 0: none.
    sequence: i32,
}

/// The conversation.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    collectors: usize,
    collector: usize,
    state: State,
    pauses: Pauses,
    connections: u32,
    greetings: i32,
    greet: bool,
    sequence: i32,
    servers: BTreeMap<String, Told>,
    /// Something is new about these.
    changed: BTreeSet<String>,
    /// These are told again, in the order in which they were told first.
    again: BTreeSet<(i32, String)>,
    frames: Frames,
    events: VecDeque<Event>,
}

impl Session {
    /// A conversation with the first of so many collectors, to begin at once.
    pub fn new(identity: Identity, collectors: usize, now: Instant) -> Self {
        Self {
            identity,
            collectors: collectors.max(1),
            collector: 0,
            state: State::Pausing { until: now },
            pauses: Backoff::new(PAUSE_FIRST, PAUSE_MAX).pauses(),
            connections: 0,
            greetings: 0,
            greet: false,
            sequence: 0,
            servers: BTreeMap::new(),
            changed: BTreeSet::new(),
            again: BTreeSet::new(),
            frames: Frames::default(),
            events: VecDeque::new(),
        }
    }

    /// What is to be known of a server; none: it is gone.
    pub fn set(&mut self, key: &str, wanted: Option<Vec<Field>>) {
        if wanted.is_none() && !self.servers.contains_key(key) {
            return;
        }
        let server = self.servers.entry(key.to_owned()).or_default();
        server.wanted = wanted;
        if server.wanted != server.told {
            self.changed.insert(key.to_owned());
        } else {
            self.changed.remove(key);
            if server.sequence == 0 {
                // It came and went before anybody heard of it.
                self.servers.remove(key);
            }
        }
    }

    /// Everything of which something is wanted to be known.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().filter(|(_, server)| server.wanted.is_some()).map(|(key, _)| key.as_str())
    }

    /// Whether a collector has greeted us.
    pub fn is_telling(&self) -> bool {
        matches!(self.state, State::Telling { .. })
    }

    /// The connection stands.
    pub fn handle_connected(&mut self, now: Instant) {
        if let State::Connecting { .. } = self.state {
            self.state = State::Greeting { by: now + GREETING_WAIT_MAX };
            self.connections = self.connections.saturating_add(1);
            self.frames = Frames::default();
            self.greet = true;
        }
    }

    /// The connection could not be made, or has ended.
    pub fn handle_disconnected(&mut self, now: Instant) {
        match self.state {
            State::Pausing { .. } => return,
            State::Telling { since } if now.saturating_duration_since(since) >= GOOD_AFTER => {
                self.pauses.reset();
            }
            State::Connecting { .. } | State::Greeting { .. } | State::Telling { .. } => {}
        }
        self.collector = (self.collector + 1) % self.collectors;
        self.state = State::Pausing { until: now + self.pauses.take() };
        self.greet = false;
        self.again.clear();
    }

    /// Bytes from the collector.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        self.frames.push(bytes);
        loop {
            let message = match self.frames.take() {
                Ok(None) => return,
                Ok(Some(frame)) => Message::decode(&frame),
                Err(error) => Err(error),
            };
            match message {
                Ok(message) => self.handle_message(&message, now),
                // A body that is not understood is skipped: the frame says where the next one begins.
                Err(MessageError::Body { .. }) if self.is_telling() => {}
                Err(error) => return self.give_up(error.to_string(), now),
            }
            if let State::Pausing { .. } = self.state {
                return;
            }
        }
    }

    fn handle_message(&mut self, message: &Message, now: Instant) {
        let State::Greeting { .. } = self.state else { return };
        if message.name != ANSWER {
            return;
        }
        if message.field("success") != Some(&Value::Bool(true)) {
            return self.give_up("the collector refused the connection".to_owned(), now);
        }
        self.state = State::Telling { since: now };
        self.events.push_back(Event::Greeted);
        let heard = heard(message);
        let later = self.servers.iter().filter(|(_, server)| server.sequence > heard);
        self.again = later.map(|(key, server)| (server.sequence, key.clone())).collect();
    }

    fn give_up(&mut self, reason: String, now: Instant) {
        self.events.push_back(Event::Disconnect(reason));
        self.handle_disconnected(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Pausing { until } if until <= now => {
                self.state = State::Connecting { by: now + CONNECT_WAIT_MAX };
                self.events.push_back(Event::Connect(self.collector));
            }
            State::Connecting { by } if by <= now => {
                let seconds = CONNECT_WAIT_MAX.as_secs();
                self.give_up(format!("no connection within {seconds} s"), now);
            }
            State::Greeting { by } if by <= now => {
                let seconds = GREETING_WAIT_MAX.as_secs();
                self.give_up(format!("the collector did not answer our greeting within {seconds} s"), now);
            }
            State::Pausing { .. }
            | State::Connecting { .. }
            | State::Greeting { .. }
            | State::Telling { .. } => {}
        }
    }

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Pausing { until } => Some(until),
            State::Connecting { by } | State::Greeting { by } => Some(by),
            State::Telling { .. } => None,
        }
    }

    /// What the edge is to do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message for the connection, when it has room. `at_us`: microseconds since 1970.
    pub fn poll_transmit(&mut self, at_us: u64) -> Option<Vec<u8>> {
        match self.state {
            State::Greeting { .. } if std::mem::take(&mut self.greet) => Some(self.greeting(at_us).encode()),
            State::Telling { .. } => {
                while let Some((_, key)) = self.again.pop_first() {
                    if let Some(message) = self.tell_again(&key, at_us) {
                        return Some(message.encode());
                    }
                }
                while let Some(key) = self.changed.pop_first() {
                    if let Some(message) = self.tell_change(&key, at_us) {
                        return Some(message.encode());
                    }
                }
                None
            }
            State::Pausing { .. } | State::Connecting { .. } | State::Greeting { .. } => None,
        }
    }

    /// What was told before, whole and under its old number. What has changed since is told whole under a new one, after
    /// all old ones: a connection that ends in between must not leave an old number behind a new one that was heard.
    fn tell_again(&mut self, key: &str, at_us: u64) -> Option<Message> {
        let server = self.servers.get_mut(key)?;
        if self.changed.contains(key) {
            server.told = None;
            return None;
        }
        let fields = server.told.clone().unwrap_or_else(|| vec![node::deleted()]);
        let sequence = server.sequence;
        Some(self.uve(key, fields, sequence, HINT_KEY | HINT_SYNC, at_us))
    }

    fn tell_change(&mut self, key: &str, at_us: u64) -> Option<Message> {
        self.tell(key, HINT_KEY, at_us)
    }

    fn tell(&mut self, key: &str, hints: i32, at_us: u64) -> Option<Message> {
        let server = self.servers.get_mut(key)?;
        let fields = match (&server.told, &server.wanted) {
            (Some(told), Some(wanted)) => node::delta(told, wanted),
            (None, Some(wanted)) => wanted.clone(),
            (_, None) => vec![node::deleted()],
        };
        // It cannot rise for ever, and the collector compares numbers.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        server.sequence = self.sequence;
        server.told = server.wanted.clone();
        let is_gone = server.wanted.is_none();
        if is_gone {
            self.forget_oldest_gone();
        }
        Some(self.uve(key, fields, self.sequence, hints, at_us))
    }

    fn forget_oldest_gone(&mut self) {
        let gone = self.servers.iter().filter(|(_, server)| server.wanted.is_none());
        let mut gone: Vec<_> = gone.map(|(key, server)| (server.sequence, key.clone())).collect();
        gone.sort();
        for (_, key) in gone.iter().take(gone.len().saturating_sub(GONE_MAX)) {
            self.servers.remove(key);
        }
    }

    fn header(&self, at_us: u64) -> Header {
        Header {
            timestamp_us: i64::try_from(at_us).unwrap_or(i64::MAX),
            module: self.identity.module.clone(),
            source: self.identity.source.clone(),
            node_type: self.identity.node_type.clone(),
            instance: self.identity.instance.clone(),
            ..Header::default()
        }
    }

    fn uve(&self, key: &str, fields: Vec<Field>, sequence: i32, hints: i32, at_us: u64) -> Message {
        let mut all = vec![node::key(key)];
        all.extend(fields);
        let data = Struct { name: node::STRUCT.into(), fields: all };
        Message {
            header: Header {
                sequence,
                signature: node::SIGNATURE,
                kind: TYPE_UVE,
                hints,
                level: LEVEL_UVE,
                ..self.header(at_us)
            },
            name: node::MESSAGE.into(),
            fields: vec![field(1, "data", Value::Struct(data))],
        }
    }

    fn greeting(&mut self, at_us: u64) -> Message {
        self.greetings = self.greetings.checked_add(1).unwrap_or(1);
        let Identity { source, module, node_type, instance, pid } = self.identity.clone();
        Message {
            header: Header {
                context: "ctrl".to_owned(),
                sequence: self.greetings,
                signature: GREETING_SIGNATURE,
                kind: TYPE_REQUEST,
                hints: HINT_CONTROL,
                level: LEVEL_CONTROL,
                ..self.header(at_us)
            },
            name: GREETING.into(),
            fields: vec![
                field(1, "source", Value::Text(source)),
                field(2, "module_name", Value::Text(module)),
                // Contrail's spelling.
                field(3, "sucessful_connections", Value::U32(self.connections)),
                field(4, "uve_types", Value::Texts(vec![node::MESSAGE.to_owned()])),
                field(5, "pid", Value::U32(pid)),
                field(6, "http_port", Value::U32(0)),
                field(7, "node_type_name", Value::Text(node_type)),
                field(8, "instance_id_name", Value::Text(instance)),
            ],
        }
    }
}

/// Up to which number the collector has heard of servers; 0: of none.
fn heard(answer: &Message) -> i32 {
    let Some(Value::Structs(types)) = answer.field("type_info") else { return 0 };
    let find = |kind: &Struct, name: &str| {
        kind.fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
    };
    let ours =
        types.iter().find(|kind| find(kind, "type_name") == Some(Value::Text(node::MESSAGE.to_owned())));
    match ours.and_then(|kind| find(kind, "seq_num")) {
        Some(Value::U32(number)) => i32::try_from(number).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
