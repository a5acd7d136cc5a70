//! Edges: the serial consoles of the rack's servers: several watchers at each, one of whom types.
//!
//! ```text
//!   watcher --\                        /--> BMC: one session of the console's own, opened again when it is lost (kept.rs)
//!   watcher ----> desk (who types) ---+
//!   watcher --/                        \--> every watcher: characters, and what happens between them
//! ```
//! What must stay true: a slow watcher loses output, with a mark, and holds up nobody; the keyboard is one watcher's, and is taken
//! from it only by force; a console that nobody watches is given back, unless the rack records (`record/`). What carries a console to its BMC is in
//! [`crate::bmc::console`].

mod desk;
mod kept;
pub mod record;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{
    console::{ConsoleDown, Manner},
    id::ServerId,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::{
    desk::{Desk, Piece, WatcherId},
    kept::{AGAIN_MAX, AGAIN_MIN, keep},
    watch::PIECES_MAX,
};
use self::{
    record::Recorder,
    watch::{Asked, run},
};
use crate::bmc::Bmc;

/// Most watchers of one rack's consoles.
pub const WATCHERS_MAX: usize = 128;
/// What watchers say, and has not been heard yet.
const ASKED_MAX: usize = 64;

/// Why there is no console.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConsole {
    /// No such server.
    #[error("the rack's agent does not look after this server; is it enrolled in this rack?")]
    Unknown,
    /// Too many are open.
    #[error("{WATCHERS_MAX} people watch consoles of this rack; try again when one has left")]
    Full,
}

/// The consoles of a rack.
#[derive(Default)]
pub struct Consoles {
    servers: Mutex<HashMap<ServerId, Known>>,
    /// Whoever watches holds a clone.
    watchers: Arc<()>,
    /// Where everything is recorded; none: nothing is, and a console is open only while somebody watches it.
    recorder: Option<Arc<Recorder>>,
}

struct Known {
    bmc: Arc<dyn Bmc>,
    /// Where watchers are taken in; closed when nobody watches.
    desk: Option<mpsc::Sender<Asked>>,
    /// Ends the console with this entry.
    end: CancellationToken,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Somebody's place at a console. Dropped, it is left.
pub struct Watching {
    /// What is told.
    pub pieces: mpsc::Receiver<Piece>,
    /// What is said.
    pub said: Saying,
    _counted: Arc<()>,
}

/// Says something at a console, in one watcher's name.
pub struct Saying {
    id: WatcherId,
    desk: mpsc::Sender<Asked>,
}

impl Saying {
    /// Says it; false: the console is gone.
    pub async fn say(&self, what: ConsoleDown) -> bool {
        self.desk.send(Asked::Says(self.id, what)).await.is_ok()
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        // One that finds no room is missed when it is told something.
        let _ = self.desk.try_send(Asked::Leaves(self.id));
    }
}

impl Consoles {
    /// Consoles that are open all the time, and recorded.
    pub fn recorded(recorder: Recorder) -> Self {
        Self { recorder: Some(Arc::new(recorder)), ..Self::default() }
    }

    /// A server, or another connection to its BMC. A console that is open ends; its watchers come again.
    pub fn know(&self, server: ServerId, bmc: Arc<dyn Bmc>) {
        let mut servers = self.locked();
        let is_same = servers.get(&server).is_some_and(|known| Arc::ptr_eq(&known.bmc, &bmc));
        if is_same {
            return;
        }
        let mut known = Known { bmc, desk: None, end: CancellationToken::new() };
        if self.recorder.is_some() {
            self.begin(server, &mut known);
        }
        servers.insert(server, known);
    }

    /// A server that is nobody's business any more; its console ends.
    pub fn forget(&self, server: ServerId) {
        self.locked().remove(&server);
    }

    /// Takes a place at a console, which is opened if nobody watches it yet.
    pub async fn watch(&self, server: ServerId, who: &str, manner: Manner) -> Result<Watching, NoConsole> {
        let counted = Arc::clone(&self.watchers);
        // We and the field hold two that are none of a watcher's.
        if Arc::strong_count(&counted) > WATCHERS_MAX + 1 {
            return Err(NoConsole::Full);
        }
        loop {
            let desk = self.desk(server)?;
            let (tell, told) = oneshot::channel();
            let comes = Asked::Comes { who: who.to_owned(), manner, tell };
            let Ok(()) = desk.send(comes).await else { continue };
            // A desk that ended in this moment is followed by another one.
            if let Ok((id, pieces)) = told.await {
                return Ok(Watching { pieces, said: Saying { id, desk }, _counted: counted });
            }
        }
    }

    /// The desk of a server, begun if there is none.
    fn desk(&self, server: ServerId) -> Result<mpsc::Sender<Asked>, NoConsole> {
        let mut servers = self.locked();
        let known = servers.get_mut(&server).ok_or(NoConsole::Unknown)?;
        if let Some(desk) = known.desk.as_ref().filter(|desk| !desk.is_closed()) {
            return Ok(desk.clone());
        }
        Ok(self.begin(server, known))
    }

    fn begin(&self, server: ServerId, known: &mut Known) -> mpsc::Sender<Asked> {
        let (desk, asked) = mpsc::channel(ASKED_MAX);
        let (bmc, end) = (Arc::clone(&known.bmc), known.end.clone());
        let recorder = self.recorder.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = run(server, bmc, asked, recorder) => {}
                () = end.cancelled() => {}
            }
        });
        known.desk = Some(desk.clone());
        desk
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ServerId, Known>> {
        // The map holds no invariant across a panic.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
