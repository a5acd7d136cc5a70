//! Edges: serial consoles, and what was recorded of them: asked for on an agent's stream, carried on a stream of their own that the agent
//! opens for each watcher or reader.

use std::{sync::Arc, time::Duration};

use domain::{records::Server, rim::AgentError};
use protocol::{
    command::{Failure, FailureKind},
    console::{ConsoleDown, ConsoleUp, Manner, OpenConsole},
    console_record::{ReadConsole, RecordLine, WantedLines},
    convert::ToAgent,
    grpc,
    id::{ConsoleId, RackId, TenancyId},
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tracing::warn;

use super::hub::AgentHub;

/// How long an agent may take to open a console's stream; the console itself may come later.
pub const CONSOLE_WAIT_MAX: Duration = Duration::from_secs(10);
/// An agent that opens such a stream has to say at once whose it is.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(10);
/// What a watcher says, and is not sent yet.
const DOWN_MAX: usize = 16;

/// A watcher's place at a console. Dropped, it is left.
pub struct Console {
    up: Streaming<grpc::ConsoleUp>,
    /// Towards the console.
    pub down: mpsc::Sender<ConsoleDown>,
}

impl Console {
    /// What the watcher is told next; none: it is over.
    pub async fn next(&mut self) -> Option<ConsoleUp> {
        let message = self.up.message().await.ok().flatten()?;
        match ConsoleUp::try_from(message) {
            Ok(told) => Some(told),
            Err(error) => {
                warn!(%error, "console ended by a message that we cannot take");
                None
            }
        }
    }
}

/// How an agent answered that was asked for a console.
pub(super) type Arrival = Result<Console, String>;

/// How somebody is at a console.
pub struct Visit<'a> {
    /// Its name, for the others there.
    pub who: &'a str,
    /// Whether it wants to type.
    pub manner: Manner,
    /// It is there only while the server is this tenancy's; none: whosever it is.
    pub tenancy: Option<TenancyId>,
}

/// A console's record that is being read. Dropped, it is left.
pub struct ConsoleRecord(Console);

impl ConsoleRecord {
    /// The next line; none: everything was told. An error says why not everything was.
    pub async fn next(&mut self) -> Result<Option<RecordLine>, String> {
        match self.0.next().await {
            Some(ConsoleUp::Line(line)) => Ok(Some(line)),
            Some(ConsoleUp::End(end)) => end.map(|()| None),
            Some(ConsoleUp::Hello { .. } | ConsoleUp::Output(_) | ConsoleUp::Note(_)) => {
                Err("the rack's agent sent something else than a record".to_owned())
            }
            None => Err("the rack's agent is not connected any more; ask again when it is".to_owned()),
        }
    }
}

impl AgentHub {
    /// Takes a place at a server's console.
    pub async fn open_console(&self, server: &Server, visit: Visit<'_>) -> Result<Console, AgentError> {
        let rack = &server.rack;
        let outbox = self.outbox(rack).ok_or_else(|| self.is_away(rack))?;
        if !self.can(rack, |wire| wire.consoles) {
            return Err(refused(format!("the agent of rack {rack} is too old to open consoles; update it")));
        }
        let Visit { who, manner, tenancy } = visit;
        // On the same stream and before it: the agent knows whose the server is by then.
        self.keep_told(server).await;
        let ask = |id| {
            let who = who.to_owned();
            ToAgent::OpenConsole(OpenConsole { id, server: server.id, who, manner, tenancy })
        };
        self.call_for(rack, &outbox, ask).await
    }

    /// Reads what was recorded of a server's console.
    pub async fn read_console(
        &self,
        server: &Server,
        wanted: WantedLines,
    ) -> Result<ConsoleRecord, AgentError> {
        let rack = &server.rack;
        let outbox = self.outbox(rack).ok_or_else(|| self.is_away(rack))?;
        if !self.can(rack, |wire| wire.console_records) {
            return Err(refused(format!(
                "the agent of rack {rack} is too old to read what was recorded of consoles; update it"
            )));
        }
        let ask = |id| ToAgent::ReadConsole(ReadConsole { id, server: server.id, wanted });
        self.call_for(rack, &outbox, ask).await.map(ConsoleRecord)
    }

    /// Asks an agent to call with a stream of this id, and waits for the call.
    async fn call_for(
        &self,
        rack: &RackId,
        outbox: &mpsc::Sender<ToAgent>,
        ask: impl FnOnce(ConsoleId) -> ToAgent,
    ) -> Result<Console, AgentError> {
        let id = ConsoleId::random();
        let (_waiting, told) = self.consoles.wait(id, rack);
        outbox.send(ask(id)).await.map_err(|_| self.is_away(rack))?;
        match tokio::time::timeout(CONSOLE_WAIT_MAX, told).await {
            Ok(Ok(arrival)) => arrival.map_err(refused),
            Ok(Err(_)) | Err(_) => {
                let reason = format!("did not open the console within {} s", CONSOLE_WAIT_MAX.as_secs());
                Err(AgentError::Away { rack: rack.clone(), reason })
            }
        }
    }
}

pub(super) fn refused(message: String) -> AgentError {
    AgentError::Failed(Failure { kind: FailureKind::UnknownServer, message })
}

/// Takes in a stream that an agent opened, and hands it to whoever waits for it. What is said there goes out by the receiver.
pub(super) async fn arrive(
    hub: Arc<AgentHub>,
    rack: RackId,
    mut up: Streaming<grpc::ConsoleUp>,
) -> Result<mpsc::Receiver<ConsoleDown>, Status> {
    let first = tokio::time::timeout(HELLO_WAIT_MAX, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 10 s"))??;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream ended before a hello"))?;
    let hello = ConsoleUp::try_from(first).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let ConsoleUp::Hello { id, refused } = hello else {
        return Err(Status::failed_precondition("something else came before the hello"));
    };
    let nobody = || Status::not_found("nobody waits for this console");
    let tell = hub.consoles.take(id, &rack).ok_or_else(nobody)?;
    let (down, said) = mpsc::channel(DOWN_MAX);
    let arrival = match refused {
        None => Ok(Console { up, down }),
        Some(why) => Err(why),
    };
    tell.send(arrival).map_err(|_| nobody())?;
    Ok(said)
}
