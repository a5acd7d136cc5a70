//! Edges: one visit to a console, from the agent's side to the face's.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use coordinator_core::agents::{AgentHub, Console, Visit};
use protocol::{
    console::{ConsoleDown, ConsoleNote, ConsoleUp, Grip, Manner},
    id::{ServerId, TenancyId},
};
use store::Inventory;
use tokio::{
    sync::{mpsc, oneshot},
    time::{interval, timeout},
};
use tracing::info;

use super::{face::Place, words};
use crate::audit::Witness;

/// How long an agent may take for one piece of input.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the server is still whose it was.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// What a visit tells the face.
pub(super) enum Told {
    /// The agent carries the console.
    Opened,
    /// It does not; the log says why.
    Cannot,
    /// Characters to print; `taken` is told when there is room for more.
    Print { characters: Vec<u8>, taken: oneshot::Sender<()> },
    /// It is over, and why.
    End(String),
}

/// With whom a visit speaks.
pub(super) struct Visitor {
    pub(super) place: Place,
    pub(super) node: ServerId,
    pub(super) from: SocketAddr,
    pub(super) inventory: Inventory,
    pub(super) agents: Arc<AgentHub>,
    pub(super) witness: Arc<Witness>,
    pub(super) tell: mpsc::Sender<(Place, Told)>,
    pub(super) typed: mpsc::Receiver<ConsoleDown>,
}

impl Visitor {
    /// Opens the console and carries both ways until either end is gone.
    pub(super) async fn attend(mut self) {
        let told = match self.open().await {
            Ok((console, tenancy)) => {
                self.witness.console_by_ipmi(self.from.ip(), self.node).await;
                if self.tell.send((self.place, Told::Opened)).await.is_err() {
                    return;
                }
                match self.carry(console, tenancy).await {
                    Some(why) => Told::End(why),
                    None => return,
                }
            }
            Err(why) => {
                info!(server = %self.node, from = %self.from, why, "console by ipmi not opened");
                Told::Cannot
            }
        };
        let _ = self.tell.send((self.place, told)).await;
    }

    async fn open(&self) -> Result<(Console, Option<TenancyId>), String> {
        let server = self.inventory.server(self.node).await.map_err(|error| error.to_string())?;
        let server = server.ok_or_else(|| format!("there is no node {}", self.node))?;
        let tenancy = server.tenancy();
        let who = format!("IPMI console from {}", self.from.ip());
        let visit = Visit { who: &who, manner: Manner::Types, tenancy };
        let console = self.agents.open_console(&server, visit).await.map_err(|error| error.to_string())?;
        Ok((console, tenancy))
    }

    /// Why it is over; none: whoever was there has left.
    async fn carry(&mut self, mut console: Console, tenancy: Option<TenancyId>) -> Option<String> {
        let mut looks = interval(LOOK_AGAIN_EVERY);
        // What was sent to be printed, until there is room for more: meanwhile the agent keeps, and then skips.
        let mut printing: Option<oneshot::Receiver<()>> = None;
        loop {
            tokio::select! {
                up = console.next(), if printing.is_none() => {
                    let Some(up) = up else {
                        return Some("the rack's agent has ended the console; open it again".to_owned());
                    };
                    if matches!(up, ConsoleUp::Note(ConsoleNote::Free)) {
                        // Whoever is here cannot ask for the keyboard.
                        say(&console, ConsoleDown::Take(Grip::IfFree)).await;
                    }
                    if let Some(characters) = shown(up) {
                        let (taken, room) = oneshot::channel();
                        self.tell.send((self.place, Told::Print { characters, taken })).await.ok()?;
                        printing = Some(room);
                    }
                }
                room = until(&mut printing) => {
                    room.ok()?;
                    printing = None;
                }
                typed = self.typed.recv() => say(&console, typed?).await,
                _ = looks.tick() => {
                    // A database that does not answer for a moment ends nothing.
                    let Ok(server) = self.inventory.server(self.node).await else { continue };
                    if server.is_none_or(|server| server.tenancy() != tenancy) {
                        return Some("the server has changed hands; open its console again".to_owned());
                    }
                }
            }
        }
    }
}

/// Waits for room; for ever while nothing is printed.
async fn until(printing: &mut Option<oneshot::Receiver<()>>) -> Result<(), oneshot::error::RecvError> {
    match printing {
        Some(room) => room.await,
        None => std::future::pending().await,
    }
}

/// What the agent does not take in time is lost; the end of its stream follows.
async fn say(console: &Console, down: ConsoleDown) {
    let _ = timeout(SEND_MAX, console.down.send(down)).await;
}

/// What is printed of what the agent tells.
fn shown(up: ConsoleUp) -> Option<Vec<u8>> {
    match up {
        ConsoleUp::Output(characters) => Some(characters),
        ConsoleUp::Note(note) => words::of_note(&note).map(|note| words::line(&note)),
        ConsoleUp::Hello { .. } | ConsoleUp::Line(_) | ConsoleUp::End(_) => None,
    }
}
