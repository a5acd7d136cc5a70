//! Edges: consoles to the coordinator: each watcher has a connection of its own, so that its output never stands in front of a
//! command, and a slow one holds up nobody else.

use std::{sync::Arc, time::Duration};

use protocol::{
    console::{ConsoleDown, ConsoleUp, OpenConsole},
    console_record::ReadConsole,
    error_chain::chain,
    grpc as wire,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};

use super::client::{UplinkConfig, UplinkError, dial};
use crate::console::{
    Consoles, Piece, Visitor, Watching,
    record::{self, Place, Recorder},
};

/// Messages that wait for a connection to take them.
const OUTGOING_MAX: usize = 4;
/// Lines of a record that wait to be sent.
const LINES_MAX: usize = 64;

/// How long the coordinator may take to close behind the end of a record.
const GOODBYE_MAX: Duration = Duration::from_secs(10);

/// Both ways of a stream.
type Both = (mpsc::Sender<wire::ConsoleUp>, Streaming<wire::ConsoleDown>);

/// Opens consoles as the coordinator asks for them.
#[derive(Clone)]
pub struct ConsoleStreams {
    config: Arc<UplinkConfig>,
    consoles: Arc<Consoles>,
}

impl ConsoleStreams {
    /// Consoles of this rack over connections made by this configuration.
    pub fn new(config: Arc<UplinkConfig>, consoles: Arc<Consoles>) -> Self {
        Self { config, consoles }
    }

    /// Lets somebody watch; their number is bounded where they are taken in.
    pub fn open(&self, open: OpenConsole) {
        let this = self.clone();
        tokio::spawn(async move {
            let OpenConsole { id, server, who, manner, tenancy } = open;
            let visitor = Visitor { who: who.clone(), manner, tenancy };
            let watching = this.consoles.watch(server, visitor).await;
            info!(%server, console = %id, who, refused = watching.is_err(), "console asked for");
            let refused = watching.as_ref().err().map(ToString::to_string);
            let hello = ConsoleUp::Hello { id, refused };
            if let Err(error) = this.carry(hello, watching.ok()).await {
                warn!(%server, console = %id, error = %chain(&error), "console could not be carried");
            }
        });
    }

    /// Lets somebody read what was recorded; their number is bounded as well.
    pub fn read(&self, read: ReadConsole) {
        let this = self.clone();
        tokio::spawn(async move {
            let (id, server) = (read.id, read.server);
            let source = this.consoles.reader();
            info!(%server, console = %id, refused = source.is_err(), "record of a console asked for");
            let refused = source.as_ref().err().map(ToString::to_string);
            let hello = ConsoleUp::Hello { id, refused };
            if let Err(error) = this.carry_record(hello, source.ok(), read).await {
                warn!(%server, console = %id, error = %chain(&error), "record of a console could not be carried");
            }
        });
    }

    async fn carry_record(
        &self,
        hello: ConsoleUp,
        source: Option<(Place, Arc<Recorder>)>,
        read: ReadConsole,
    ) -> Result<(), UplinkError> {
        let (up, mut down) = self.call(hello).await?;
        let Some((_place, recorder)) = source else { return Ok(()) };
        let (found, mut lines) = mpsc::channel(LINES_MAX);
        let reading = async {
            let sent = record::send(&recorder, read.server, read.wanted, &found).await;
            drop(found);
            sent
        };
        let upwards = async {
            while let Some(line) = lines.recv().await {
                if up.send(ConsoleUp::Line(line).into()).await.is_err() {
                    return;
                }
            }
        };
        let done = async {
            let (sent, ()) = tokio::join!(reading, upwards);
            let end = sent.map_err(|error| format!("the record could not be read to its end: {error}"));
            let _ = up.send(ConsoleUp::End(end).into()).await;
        };
        // Whoever asked closes it when it has read enough.
        tokio::select! {
            () = done => {}
            _ = next(&mut down) => return Ok(()),
        }
        // The end is on its way; the coordinator closes behind it.
        drop(up);
        let _ = tokio::time::timeout(GOODBYE_MAX, next(&mut down)).await;
        Ok(())
    }

    /// Opens a stream of its own for this.
    async fn call(&self, hello: ConsoleUp) -> Result<Both, UplinkError> {
        let channel = dial(&self.config).await?;
        let (up, outgoing) = mpsc::channel(OUTGOING_MAX);
        let _ = up.send(hello.into()).await;
        let mut client = wire::agent_link_client::AgentLinkClient::new(channel);
        let opened = client.console(ReceiverStream::new(outgoing)).await;
        let down = opened.map_err(|status| UplinkError::Ended(status.message().to_owned()))?.into_inner();
        Ok((up, down))
    }

    async fn carry(&self, hello: ConsoleUp, watching: Option<Watching>) -> Result<(), UplinkError> {
        let (up, down) = self.call(hello).await?;
        let Some(Watching { mut pieces, said, .. }) = watching else { return Ok(()) };
        let upwards = async {
            while let Some(piece) = pieces.recv().await {
                if up.send(message(piece).into()).await.is_err() {
                    return;
                }
            }
        };
        let downwards = async {
            let mut down = down;
            while let Some(what) = next(&mut down).await {
                if !said.say(what).await {
                    return;
                }
            }
        };
        // Either end closes it.
        tokio::select! {
            () = upwards => {}
            () = downwards => {}
        }
        Ok(())
    }
}

fn message(piece: Piece) -> ConsoleUp {
    match piece {
        Piece::Output(characters) => ConsoleUp::Output(characters.to_vec()),
        Piece::Note(note) => ConsoleUp::Note(note),
    }
}

/// What is said next; none: nobody says anything any more.
async fn next(down: &mut Streaming<wire::ConsoleDown>) -> Option<ConsoleDown> {
    let message = down.message().await.ok().flatten()?;
    match ConsoleDown::try_from(message) {
        Ok(what) => Some(what),
        Err(error) => {
            warn!(%error, "console ended by a message that we cannot take");
            None
        }
    }
}
