//! Edges: consoles to the coordinator: each watcher has a connection of its own, so that its output never stands in front of a
//! command, and a slow one holds up nobody else.

use std::sync::Arc;

use protocol::{
    console::{ConsoleDown, ConsoleUp, OpenConsole},
    error_chain::chain,
    grpc as wire,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};

use super::client::{UplinkConfig, UplinkError, dial};
use crate::console::{Consoles, Piece, Watching};

/// Messages that wait for a connection to take them.
const OUTGOING_MAX: usize = 4;

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
            let OpenConsole { id, server, who, manner } = open;
            let watching = this.consoles.watch(server, &who, manner).await;
            info!(%server, console = %id, who, refused = watching.is_err(), "console asked for");
            let refused = watching.as_ref().err().map(ToString::to_string);
            let hello = ConsoleUp::Hello { id, refused };
            if let Err(error) = this.carry(hello, watching.ok()).await {
                warn!(%server, console = %id, error = %chain(&error), "console could not be carried");
            }
        });
    }

    async fn carry(&self, hello: ConsoleUp, watching: Option<Watching>) -> Result<(), UplinkError> {
        let channel = dial(&self.config).await?;
        let (up, outgoing) = mpsc::channel(OUTGOING_MAX);
        let _ = up.send(hello.into()).await;
        let mut client = wire::agent_link_client::AgentLinkClient::new(channel);
        let opened = client.console(ReceiverStream::new(outgoing)).await;
        let down = opened.map_err(|status| UplinkError::Ended(status.message().to_owned()))?.into_inner();
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
