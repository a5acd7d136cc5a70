//! Edges: one console's WebSocket, from its opening to its end.

use std::{sync::Arc, time::Duration};

use api_types::{ConsoleAsks, ConsoleSaid};
use axum::extract::ws::{Message, WebSocket};
use coordinator_core::agents::Console;
use futures::{SinkExt, StreamExt, future::BoxFuture, stream::SplitSink};
use protocol::{
    console::{ConsoleDown, ConsoleNote, ConsoleUp, Grip},
    id::ServerId,
};
use store::Inventory;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{audit::Asked, problem::Problem};

/// How long a client may take for one message; meanwhile its agent keeps so much for it, and then skips.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long it may take to see whether a console that ended did so because the server is not its watcher's any more.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How often a client is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A client that has said nothing for so long, not even to a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// What ends a console from outside.
pub(super) struct Ends {
    /// Whoever opened it may not be there any more.
    pub(super) gone: BoxFuture<'static, Problem>,
    /// The server is not what it was any more.
    pub(super) stays: BoxFuture<'static, Problem>,
    /// Has that looked at now: the rack is the first to know.
    pub(super) look: Arc<Notify>,
}

/// In whose name something is done there.
pub(super) struct Watcher {
    pub(super) inventory: Inventory,
    pub(super) asked: Asked,
    pub(super) node: ServerId,
    /// Whether it may know of BMCs.
    pub(super) sees_all: bool,
}

/// Carries both ways until either end is gone, or an end comes from outside. The last word says why.
pub(super) async fn carry(socket: WebSocket, mut console: Console, ends: Ends, watcher: Watcher) {
    let Ends { mut gone, mut stays, look } = ends;
    let (mut to, mut from) = socket.split();
    let mut pings = tokio::time::interval(PING_EVERY);
    let mut heard_at = Instant::now();
    let why = loop {
        let sent = tokio::select! {
            why = &mut gone => break Some(why.detail.clone()),
            why = &mut stays => break Some(why.detail.clone()),
            told = console.next() => match told.and_then(|told| message(told, watcher.sees_all)) {
                Some(message) => send(&mut to, message).await,
                None => {
                    look.notify_one();
                    let why = timeout(LOOK_MAX, &mut stays).await.map(|why| why.detail.clone());
                    break Some(why.unwrap_or_else(|_| {
                        "the rack's agent has ended the console; open it again".to_owned()
                    }));
                }
            },
            message = from.next() => {
                heard_at = Instant::now();
                match message {
                    Some(Ok(message)) => match watcher.act(message, &console).await {
                        Ok(Some(answer)) => send(&mut to, said(&answer)).await,
                        Ok(None) => true,
                        Err(Left) => break None,
                    },
                    Some(Err(_)) | None => break None,
                }
            }
            _ = pings.tick() => {
                heard_at.elapsed() < SILENCE_MAX && send(&mut to, Message::Ping(axum::body::Bytes::new())).await
            }
        };
        if !sent {
            break None;
        }
    };
    if let Some(why) = why {
        send(&mut to, said(&ConsoleSaid::Ended { why })).await;
        let _ = timeout(SEND_MAX, to.close()).await;
    }
}

/// The client has left.
struct Left;

impl Watcher {
    /// Does what the client asks for; the answer, if there is one.
    async fn act(&self, message: Message, console: &Console) -> Result<Option<ConsoleSaid>, Left> {
        let asked = match message {
            Message::Binary(characters) => ConsoleDown::Input(characters.to_vec()),
            Message::Text(word) => match serde_json::from_str(&word) {
                Ok(ConsoleAsks::Break) => ConsoleDown::Break,
                Ok(ConsoleAsks::Take { force }) => {
                    if force {
                        let node = self.node.to_string();
                        self.asked.write_down(&self.inventory, "console take-over", &node).await;
                    }
                    ConsoleDown::Take(if force { Grip::ByForce } else { Grip::IfFree })
                }
                Err(error) => {
                    let why = format!("this word is not known: {error}");
                    return Ok(Some(ConsoleSaid::Cannot { why }));
                }
            },
            Message::Ping(_) | Message::Pong(_) => return Ok(None),
            Message::Close(_) => return Err(Left),
        };
        match timeout(SEND_MAX, console.down.send(asked)).await {
            Ok(Ok(())) => Ok(None),
            // Its end follows.
            Ok(Err(_)) => Ok(None),
            Err(_) => {
                let why = "the rack's agent takes nothing now; this was not sent".to_owned();
                Ok(Some(ConsoleSaid::Cannot { why }))
            }
        }
    }
}

/// Whether the client has taken it in time.
async fn send(to: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(timeout(SEND_MAX, to.send(message)).await, Ok(Ok(())))
}

fn said(word: &ConsoleSaid) -> Message {
    Message::Text(serde_json::to_string(word).unwrap_or_default().into())
}

/// What the client is told; none: the stream begins anew, or is a record, which it never is. Why a console was lost tells of a BMC, which
/// is no tenant's business.
fn message(told: ConsoleUp, sees_all: bool) -> Option<Message> {
    let note = match told {
        ConsoleUp::Output(characters) => return Some(Message::Binary(characters.into())),
        ConsoleUp::Hello { .. } | ConsoleUp::Line(_) | ConsoleUp::End(_) => return None,
        ConsoleUp::Note(note) => note,
    };
    Some(said(&match note {
        ConsoleNote::Opened => ConsoleSaid::Opened,
        ConsoleNote::Lost(why) if sees_all => ConsoleSaid::Lost { why },
        ConsoleNote::Lost(_) => ConsoleSaid::Lost {
            why: "it cannot be reached now; ask an administrator if that lasts".to_owned(),
        },
        ConsoleNote::Break => ConsoleSaid::Break,
        ConsoleNote::Overrun => ConsoleSaid::Overrun,
        ConsoleNote::Skipped(bytes) => ConsoleSaid::Skipped { bytes },
        ConsoleNote::Cannot(why) => ConsoleSaid::Cannot { why },
        ConsoleNote::Keyboard => ConsoleSaid::Keyboard,
        ConsoleNote::Held(by) => ConsoleSaid::Held { by },
        ConsoleNote::Free => ConsoleSaid::Free,
    }))
}
