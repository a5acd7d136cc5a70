//! Edges: a stand-in for Contrail's collector: greets a generator, understands and merges what it tells, forgets it when the
//! connection ends as the real one does, and has bad days on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::sandesh::{HEAD, Received, decode, length};

/// Largest frame that is taken.
const FRAME_MAX: usize = 1 << 20;
/// Bytes that are kept to be searched for what should not be there.
const KEPT_MAX: usize = 16 << 20;
/// Messages that are kept.
const MESSAGES_MAX: usize = 10_000;

/// How the collector treats generators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mood {
    /// As it should.
    #[default]
    Good,
    /// It is down: nothing listens, every connection is cut.
    Away,
    /// It refuses every generator.
    Unwilling,
    /// It answers a greeting this much later.
    Slow {
        /// Delay in milliseconds.
        delay_ms: u64,
    },
    /// It cuts a connection after so many messages, and is good then.
    CutAfter {
        /// Messages that it still takes.
        messages: u32,
    },
}

/// What it knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    /// Generators that are connected now: `source:node_type:module:instance`.
    pub generators: BTreeSet<String>,
    /// Connections so far.
    pub connections: u64,
    /// Merged state by key.
    pub servers: BTreeMap<String, Map<String, Value>>,
    /// Keys that were told to be gone, on this connection.
    pub gone: BTreeSet<String>,
    /// Every message: type, key, hints, number, and the names of its fields.
    pub messages: Vec<Told>,
    /// What could not be understood, or must not be.
    pub faults: Vec<String>,
}

/// One message in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// On which connection.
    pub connection: u64,
    /// Its type.
    pub name: String,
    /// Its key.
    pub key: String,
    /// Its hints.
    pub hints: i64,
    /// Its number.
    pub sequence: i64,
    /// The fields beside the key.
    pub fields: Vec<String>,
}

struct Shared {
    known: Mutex<Known>,
    bytes: Mutex<Vec<u8>>,
    mood: watch::Sender<Mood>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A collector that runs.
#[derive(Clone)]
pub struct Collector {
    /// Where.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Collector {
    /// Starts it: it listens when this returns.
    pub async fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening at {listen}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            bytes: Mutex::default(),
            mood: watch::Sender::new(Mood::Good),
        });
        tokio::spawn(serve(listener, address, shared.clone()));
        Ok(Self { address, shared })
    }

    /// What it knows now.
    pub fn known(&self) -> Known {
        lock(&self.shared.known).clone()
    }

    /// Changes its mood.
    pub fn set_mood(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    /// Whether a text was in anything that it ever received.
    pub fn received(&self, text: &str) -> bool {
        lock(&self.shared.bytes).windows(text.len().max(1)).any(|part| part == text.as_bytes())
    }

    /// `GET /collector`, `PUT /collector/mood`, `PUT /collector/received` with a text to look for.
    pub fn router(&self) -> Router {
        let (read, mood, search) = (self.clone(), self.clone(), self.clone());
        let set = async move |Json(new): Json<Mood>| mood.set_mood(new);
        let search = async move |Json(text): Json<String>| Json(search.received(&text));
        Router::new()
            .route("/collector", get(async move || Json(read.known())))
            .route("/collector/mood", axum::routing::put(set))
            .route("/collector/received", axum::routing::put(search))
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut mood = shared.mood.subscribe();
    let mut listener = Some(listener);
    loop {
        if *mood.borrow_and_update() == Mood::Away {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = mood.changed() => if changed.is_err() { return },
            accepted = accepted => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(attend(stream, shared.clone()));
                }
                Err(error) => tracing::warn!(%error, "collector accepts nothing"),
            },
        }
    }
}

async fn attend(stream: TcpStream, shared: Arc<Shared>) {
    let connection = {
        let mut known = lock(&shared.known);
        known.connections += 1;
        known.connections
    };
    let mut mood = shared.mood.subscribe();
    mood.mark_unchanged();
    let mut guest = Guest { shared: shared.clone(), connection, name: None };
    let ended = tokio::select! {
        ended = guest.talk(stream) => ended,
        _ = mood.wait_for(|mood| *mood == Mood::Away) => Ok(()),
    };
    if let Err(fault) = ended {
        tracing::warn!(fault, "generator not understood");
        lock(&shared.known).faults.push(fault);
    }
    if let Some(name) = guest.name {
        // The real one forgets what a generator told when it goes.
        let mut known = lock(&shared.known);
        known.generators.remove(&name);
        known.servers.clear();
        known.gone.clear();
    }
}

struct Guest {
    shared: Arc<Shared>,
    connection: u64,
    name: Option<String>,
}

impl Guest {
    async fn talk(&mut self, mut stream: TcpStream) -> Result<(), String> {
        loop {
            let Some(frame) = read_frame(&mut stream, &self.shared).await? else { return Ok(()) };
            let received = decode(&frame)?;
            match received.name.as_str() {
                "SandeshCtrlClientToServer" => self.greet(&received, &mut stream).await?,
                "IronicNodeInfo" => self.take(received)?,
                other => return Err(format!("an unknown message {other}")),
            }
            let cut = self.shared.mood.send_if_modified(|mood| match mood {
                Mood::CutAfter { messages: 0 } => {
                    *mood = Mood::Good;
                    true
                }
                Mood::CutAfter { messages } => {
                    *messages -= 1;
                    false
                }
                Mood::Good | Mood::Away | Mood::Unwilling | Mood::Slow { .. } => false,
            });
            if cut {
                return Ok(());
            }
        }
    }

    async fn greet(&mut self, greeting: &Received, stream: &mut TcpStream) -> Result<(), String> {
        for (name, expected) in
            [("Context", "ctrl"), ("Hints", "2"), ("Type", "2"), ("VersionSig", "-340245130")]
        {
            let found = &greeting.header[name];
            if found != expected {
                return Err(format!("the greeting's {name} is {found:?}"));
            }
        }
        let text = |name: &str| greeting.fields.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let [source, kind, module, instance] =
            ["source", "node_type_name", "module_name", "instance_id_name"].map(text);
        if kind.is_empty() || instance.is_empty() {
            return Err("node type and instance must not be empty".to_owned());
        }
        let mood = *self.shared.mood.borrow();
        if let Mood::Slow { delay_ms } = mood {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        let name = format!("{source}:{kind}:{module}:{instance}");
        let is_new = lock(&self.shared.known).generators.insert(name.clone());
        if !is_new {
            return Err(format!("a second session of {name}"));
        }
        self.name = Some(name);
        let answer = answer(mood != Mood::Unwilling);
        stream.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())
    }

    fn take(&mut self, received: Received) -> Result<(), String> {
        if self.name.is_none() {
            return Err("a generator that has not greeted tells something".to_owned());
        }
        for (name, expected) in [("Type", 6), ("Level", 5), ("VersionSig", 1_713_663_921)] {
            let found = received.number(name);
            if found != expected {
                return Err(format!("{name} of a state is {found}"));
            }
        }
        if received.table.as_deref() != Some("ObjectServerTable") {
            return Err(format!("the key is of table {:?}", received.table));
        }
        let Some(Value::Object(data)) = received.fields.get("data") else {
            return Err("a state without data".to_owned());
        };
        let mut data = data.clone();
        let key = data.remove("name").and_then(|key| key.as_str().map(str::to_owned)).unwrap_or_default();
        let mut known = lock(&self.shared.known);
        let told = Told {
            connection: self.connection,
            name: received.name.clone(),
            key: key.clone(),
            hints: received.number("Hints"),
            sequence: received.number("SequenceNum"),
            fields: data.keys().cloned().collect(),
        };
        if known.messages.len() < MESSAGES_MAX {
            known.messages.push(told);
        }
        if data.get("deleted") == Some(&Value::Bool(true)) {
            known.servers.remove(&key);
            known.gone.insert(key);
        } else {
            known.gone.remove(&key);
            known.servers.entry(key).or_default().extend(data);
        }
        Ok(())
    }
}

async fn read_frame(stream: &mut TcpStream, shared: &Shared) -> Result<Option<Vec<u8>>, String> {
    let mut frame = vec![0; HEAD];
    // A connection may end between two frames; in the middle of one it may be cut.
    if stream.read_exact(&mut frame).await.is_err() {
        return Ok(None);
    }
    let length = length(&frame)?;
    if !(HEAD..=FRAME_MAX).contains(&length) {
        return Err(format!("a frame of {length} bytes"));
    }
    frame.resize(length, 0);
    if stream.read_exact(&mut frame[HEAD..]).await.is_err() {
        return Ok(None);
    }
    let mut bytes = lock(&shared.bytes);
    if bytes.len() + frame.len() < KEPT_MAX {
        bytes.extend_from_slice(&frame);
    }
    Ok(Some(frame))
}

/// The answer to a greeting. The real one always says that it has heard nothing.
fn answer(willing: bool) -> String {
    let header = "<SandeshHeader><Namespace type=\"string\" identifier=\"1\"></Namespace>\
        <Timestamp type=\"i64\" identifier=\"2\">1795316202107282</Timestamp>\
        <Module type=\"string\" identifier=\"3\">contrail-collector</Module>\
        <Source type=\"string\" identifier=\"4\">analytics1</Source><Context type=\"string\" identifier=\"5\">ctrl</Context>\
        <SequenceNum type=\"i32\" identifier=\"6\">1</SequenceNum>\
        <VersionSig type=\"i32\" identifier=\"7\">1746741351</VersionSig><Type type=\"i32\" identifier=\"8\">2</Type>\
        <Hints type=\"i32\" identifier=\"9\">2</Hints><Level type=\"i32\" identifier=\"10\">2147483647</Level>\
        <Category type=\"string\" identifier=\"11\"></Category><NodeType type=\"string\" identifier=\"12\">Analytics</NodeType>\
        <InstanceId type=\"string\" identifier=\"13\">0</InstanceId></SandeshHeader>";
    let body = format!(
        "{header}<SandeshCtrlServerToClient type=\"sandesh\"><type_info type=\"list\" identifier=\"1\">\
         <list type=\"struct\" size=\"1\"><UVETypeInfo><type_name type=\"string\" identifier=\"1\">IronicNodeInfo</type_name>\
         <seq_num type=\"u32\" identifier=\"2\">0</seq_num></UVETypeInfo></list></type_info>\
         <success type=\"bool\" identifier=\"2\">{willing}</success></SandeshCtrlServerToClient>"
    );
    format!("<sandesh length=\"{:010}\">{body}</sandesh>", HEAD + body.len() + "</sandesh>".len())
}
