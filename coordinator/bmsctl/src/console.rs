//! Edges: `bmsctl console`: a server's serial console on this terminal, by the coordinator's WebSocket.

use std::time::Duration;

use anyhow::{Context, bail};
use api_types::{ConsoleAsks, ConsoleSaid};
use futures::{SinkExt, StreamExt};
use host::{
    escape::{Escape, HELP, Key},
    terminal::{Raw, read_keys, show, tell},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{args::Console, client::Client, path::path};

/// Pieces of what is typed that wait to be read by us.
const KEYS_MAX: usize = 16;
/// Largest message of the coordinator.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// A coordinator that says nothing for so long, not even a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long the goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<reqwest::Upgraded>;

/// Shows it until the user leaves it or the coordinator ends it.
pub async fn run(client: &Client, asked: Console) -> anyhow::Result<()> {
    let of = if asked.server { "servers" } else { "nodes" };
    let query = if asked.watch { "?watch=true" } else { "" };
    let path = path(&[of, &asked.name, "console"])? + query;
    let upgraded = client.websocket(&path).await?;
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
    let raw = Raw::new().context("the terminal cannot be used")?;
    tell(&format!("console of {}; ~. leaves it, ~? says what else", asked.name))?;
    let ended = converse(&mut socket, asked.watch).await;
    drop(raw);
    let _ = timeout(GOODBYE_MAX, socket.close(None)).await;
    if let Some(why) = ended? {
        bail!("the coordinator has ended the console: {why}");
    }
    tell("console left")?;
    Ok(())
}

/// Until the end; then why the coordinator has ended it, if it has.
async fn converse(socket: &mut Socket, watch: bool) -> anyhow::Result<Option<String>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (keys, mut typed) = mpsc::channel(KEYS_MAX);
    read_keys(move |bytes| !bytes.is_empty() && keys.blocking_send(bytes.to_vec()).is_ok());
    let mut escape = Escape::default();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(characters))) => show(&characters)?,
                Some(Ok(Message::Text(word))) => match serde_json::from_str(&word)? {
                    ConsoleSaid::Ended { why } => return Ok(Some(why)),
                    word => told(&word)?,
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(Some("it was closed".to_owned())),
                Some(Err(error)) => return Err(error).context("the connection to the coordinator broke"),
            },
            bytes = typed.recv() => match bytes {
                Some(bytes) => if act(socket, &escape.read(&bytes), watch).await? { return Ok(None) },
                None => return Ok(None),
            },
            () = sleep(SILENCE_MAX) => bail!("the coordinator says nothing any more"),
            _ = terminate.recv() => return Ok(None),
            _ = hangup.recv() => return Ok(None),
        }
    }
}

/// Sends what was typed; whether the user leaves.
async fn act(socket: &mut Socket, keys: &[Key], watch: bool) -> anyhow::Result<bool> {
    for key in keys {
        let message = match key {
            Key::End => return Ok(true),
            Key::Help => {
                tell(HELP)?;
                continue;
            }
            Key::TakeOver => word(ConsoleAsks::Take { force: true })?,
            Key::Break => word(ConsoleAsks::Break)?,
            Key::Typed(_) if watch => continue,
            Key::Typed(characters) => Message::Binary(characters.clone().into()),
        };
        socket.send(message).await.context("the connection to the coordinator broke")?;
    }
    Ok(false)
}

fn word(asks: ConsoleAsks) -> anyhow::Result<Message> {
    Ok(Message::Text(serde_json::to_string(&asks)?.into()))
}

/// Says what happened between the characters.
fn told(word: &ConsoleSaid) -> std::io::Result<()> {
    let text = match word {
        ConsoleSaid::Opened => "console open".to_owned(),
        ConsoleSaid::Lost { why } => format!("console lost: {why}; it is opened again"),
        ConsoleSaid::Break => "the server sent a break".to_owned(),
        ConsoleSaid::Overrun => "the BMC has lost characters".to_owned(),
        ConsoleSaid::Skipped { bytes } => format!("{bytes} bytes were lost: this terminal is too slow"),
        ConsoleSaid::Cannot { why } => why.clone(),
        ConsoleSaid::Keyboard => "the keyboard is yours".to_owned(),
        ConsoleSaid::Held { by } => format!("{by} has the keyboard; ~W takes it"),
        ConsoleSaid::Free => "nobody has the keyboard; ~W takes it".to_owned(),
        ConsoleSaid::Ended { .. } | ConsoleSaid::Other => return Ok(()),
    };
    tell(&text)
}
