//! Edges: a console that is opened again when it was lost: a BMC that starts anew forgets every session.

use std::{convert::Infallible, time::Duration};

use protocol::backoff::{self, Backoff};
use tokio::time::{sleep, timeout};

use crate::bmc::{
    Bmc,
    console::{Console, Far, Heard, Take},
};

/// Pause before a lost console is opened again; it doubles with each failure.
pub const AGAIN_MIN: Duration = Duration::from_secs(1);
/// And does not become longer than this. It is also how long a console that somebody else has is left to them at most.
pub const AGAIN_MAX: Duration = Duration::from_secs(30);
/// How long it may take to give a console back, with what was typed before.
pub const LEAVE_MAX: Duration = Duration::from_secs(2);

/// Why nothing more is carried.
struct NobodyHolds;

/// Carries a console until nobody holds its other end, and opens it again whenever it is lost; never by force. `open`: it is open
/// already. When this returns, what was typed is sent and the console is given back, or [`LEAVE_MAX`] is over.
pub async fn keep(bmc: &dyn Bmc, open: Option<Console>, mut far: Far) {
    let Err(NobodyHolds) = carry_on(bmc, open, &mut far).await;
}

async fn carry_on(bmc: &dyn Bmc, open: Option<Console>, far: &mut Far) -> Result<Infallible, NobodyHolds> {
    let mut pauses = Backoff::new(AGAIN_MIN, AGAIN_MAX).pauses();
    let mut console = open;
    // Said once, however often it is tried.
    let mut told = String::new();
    loop {
        let opened = match console.take() {
            Some(open) => Ok(open),
            None => unless_left(far, bmc.console(Take::IfFree)).await?,
        };
        let lost = match opened {
            Ok(open) => {
                far.heard.send(Heard::Opened).await.map_err(|_| NobodyHolds)?;
                told.clear();
                pauses.reset();
                relay(open, far).await?
            }
            Err(error) => error.to_string(),
        };
        if lost != told {
            told.clone_from(&lost);
            far.heard.send(Heard::Lost(lost)).await.map_err(|_| NobodyHolds)?;
        }
        let pause = backoff::spread(pauses.take(), rand::random());
        unless_left(far, sleep(pause)).await?;
    }
}

/// Both ways, until the console is lost: then why.
async fn relay(mut open: Console, far: &mut Far) -> Result<String, NobodyHolds> {
    loop {
        tokio::select! {
            heard = open.heard.recv() => match heard {
                Some(Heard::Lost(why)) => return Ok(why),
                Some(heard) => far.heard.send(heard).await.map_err(|_| NobodyHolds)?,
                None => return Ok("it was closed".to_owned()),
            },
            typed = far.typed.recv() => match typed {
                // A console that ends now says so.
                Some(typed) => drop(open.typed.send(typed).await),
                None => {
                    give_back(open, far).await;
                    return Err(NobodyHolds);
                }
            },
        }
    }
}

/// Lets the console end in order; what comes from it until then is still told.
async fn give_back(Console { typed, mut heard }: Console, far: &Far) {
    drop(typed);
    let ended = async {
        while let Some(heard) = heard.recv().await {
            // Whoever does not listen any more has left.
            let _ = far.heard.send(heard).await;
        }
    };
    let _ = timeout(LEAVE_MAX, ended).await;
}

/// Waits for something else. What is typed meanwhile goes nowhere, as at a line that is not plugged in.
async fn unless_left<T>(far: &mut Far, wait: impl Future<Output = T>) -> Result<T, NobodyHolds> {
    let mut wait = std::pin::pin!(wait);
    loop {
        tokio::select! {
            done = &mut wait => return Ok(done),
            typed = far.typed.recv() => if typed.is_none() {
                return Err(NobodyHolds);
            },
            () = far.heard.closed() => return Err(NobodyHolds),
        }
    }
}
