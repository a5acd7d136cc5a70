//! Edges: `sol`: the server's serial console on this terminal.

use bytes::Bytes;
use host::{
    escape::{Escape, HELP, Key},
    terminal::{Raw, read_keys, show, tell},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::timeout,
};

use super::super::{failure::Failure, reach::Reached};
use crate::{
    bmc::console::{Heard, Take, Typed, pair},
    console::{LEAVE_MAX, keep},
};

/// Pieces of what is typed that wait to be read by us.
const KEYS_MAX: usize = 16;

/// Why a list of BMCs has no console.
pub(in crate::tool) fn one_at_a_time() -> Failure {
    Failure::Usage(
        "sol shows the console of one BMC: name it by -H ADDRESS, without --hosts and --rounds".to_owned(),
    )
}

/// How it goes on.
enum Next {
    On,
    /// The user leaves it, or is told to.
    Leave,
    /// There is no console any more.
    End,
}

/// Shows the console until the user leaves it, or the program is told to end.
pub(in crate::tool) async fn run(bmc: &Reached, take: Take, watch: bool) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::Usage(format!("the terminal cannot be used: {error}"));
    let open = bmc.bmc().console(take).await?;
    let (console, far) = pair();
    let (typed, mut heard) = (console.typed, console.heard);
    let mut carrying = std::pin::pin!(keep(bmc.bmc(), Some(open), far));
    let raw = Raw::new().map_err(cannot)?;
    let mut ends = ends().map_err(cannot)?;
    let mut keys = keys();
    let mut escape = Escape::default();
    // The first thing that is heard is that it is open.
    let mut is_first = true;
    tell(&format!("console of {}; ~. leaves it, ~? says what else", bmc.name)).map_err(cannot)?;
    loop {
        let next = tokio::select! {
            () = &mut carrying => Next::End,
            heard = heard.recv() => match heard {
                Some(heard) => print(heard, std::mem::take(&mut is_first)).map_err(cannot)?,
                None => Next::End,
            },
            bytes = keys.recv() => match bytes {
                Some(bytes) => act(&escape.read(&bytes), &typed, watch).await.map_err(cannot)?,
                None => Next::Leave,
            },
            () = told(&mut ends) => Next::Leave,
        };
        match next {
            Next::On => {}
            Next::Leave => {
                // What was typed before still goes out, and what comes meanwhile is shown.
                drop(typed);
                let left = async {
                    loop {
                        tokio::select! {
                            () = &mut carrying => return Ok(()),
                            Some(heard) = heard.recv() => print(heard, false)?,
                        };
                    }
                };
                timeout(LEAVE_MAX, left).await.unwrap_or(Ok(())).map_err(cannot)?;
                break;
            }
            Next::End => break,
        }
    }
    drop(raw);
    tell("console left").map_err(cannot)
}

/// The signals that end us, so that the terminal is as before.
fn ends() -> std::io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?])
}

async fn told(ends: &mut [Signal; 3]) {
    let [terminate, hangup, interrupt] = ends;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// What is typed, until the input ends.
fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (keys, read) = mpsc::channel(KEYS_MAX);
    read_keys(move |bytes| !bytes.is_empty() && keys.blocking_send(bytes.to_vec()).is_ok());
    read
}

fn print(heard: Heard, is_first: bool) -> std::io::Result<Next> {
    match heard {
        Heard::Characters(characters) => show(&characters)?,
        Heard::Break => tell("the server sent a break")?,
        Heard::Overrun => tell("the BMC has lost characters")?,
        Heard::Cannot(why) => tell(why)?,
        Heard::Opened if is_first => {}
        Heard::Opened => tell("console open again")?,
        Heard::Lost(why) => tell(&format!("console lost: {why}; it is opened again"))?,
    }
    Ok(Next::On)
}

async fn act(keys: &[Key], typed: &mpsc::Sender<Typed>, watch: bool) -> std::io::Result<Next> {
    for key in keys {
        let sent = match key {
            Key::End => return Ok(Next::Leave),
            Key::Help => {
                tell(HELP)?;
                continue;
            }
            Key::TakeOver => {
                tell("there is nobody else at this console; --take-over takes it from another session")?;
                continue;
            }
            Key::Typed(_) | Key::Break if watch => continue,
            Key::Typed(characters) => Typed::Characters(Bytes::copy_from_slice(characters)),
            Key::Break => Typed::Break,
        };
        if typed.send(sent).await.is_err() {
            return Ok(Next::End);
        }
    }
    Ok(Next::On)
}
