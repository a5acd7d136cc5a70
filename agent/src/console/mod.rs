//! Edges: the serial consoles of the rack's servers: several watchers at each, one of whom types.
//!
//! ```text
//!   watcher --\                        /--> BMC: one session of the console's own, opened again when it is lost (kept.rs)
//!   watcher ----> desk (who types) ---+
//!   watcher --/                        \--> every watcher: characters, and what happens between them
//! ```
//! What must stay true: a slow watcher loses output, with a mark, and holds up nobody; the keyboard is one watcher's, and is taken
//! from it only by force; a console that nobody watches is given back, unless the rack records (`record/`); whoever is there for a tenancy is told nothing
//! of before it or after it. What carries a console to its BMC is in
//! [`crate::bmc::console`].

mod desk;
mod kept;
pub mod record;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    console::ConsoleDown,
    id::{ServerId, TenancyId},
};
use tokio::{
    sync::{mpsc, oneshot, watch as latest},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub use self::{
    desk::{Desk, Piece, Visitor, WatcherId},
    kept::{AGAIN_MAX, AGAIN_MIN, LEAVE_MAX, keep},
    watch::PIECES_MAX,
};
use self::{
    record::{Place, Recorder},
    watch::{Asked, run},
};
use crate::bmc::Bmc;

/// Most watchers of one rack's consoles.
pub const WATCHERS_MAX: usize = 128;
/// What watchers say, and has not been heard yet.
const ASKED_MAX: usize = 64;

/// How long somebody who comes for a tenancy waits for the word that the server is that tenancy's.
const TENANCY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Why there is no console.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConsole {
    /// No such server.
    #[error("the rack's agent does not look after this server; is it enrolled in this rack?")]
    Unknown,
    /// Too many are open.
    #[error("{WATCHERS_MAX} people watch consoles of this rack; try again when one has left")]
    Full,
    /// It is in our hands, or somebody else's.
    #[error("the server is not this tenant's now; its console is open while its own system runs on it")]
    NotTheirs,
    /// Nothing is recorded here.
    #[error(
        "consoles of this rack are not recorded; set [console] record = \"all\" in its agent's configuration"
    )]
    NotRecorded,
    /// Too many are read.
    #[error("{} people read consoles' records of this rack; try again when one is done", record::READERS_MAX)]
    FullOfReaders,
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
    /// Whose own system runs on the server now.
    tenancy: latest::Sender<Option<TenancyId>>,
    /// Ends the console with this entry.
    end: CancellationToken,
}

impl Known {
    fn belongs_to(&self, tenancy: Option<TenancyId>) {
        self.tenancy.send_if_modified(|was| std::mem::replace(was, tenancy) != tenancy);
    }
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

    /// A server and whose it is now, or another connection to its BMC. Over another one, a console that is open ends, and its watchers
    /// come again.
    pub fn know(&self, server: ServerId, bmc: Arc<dyn Bmc>, tenancy: Option<TenancyId>) {
        let mut servers = self.locked();
        if let Some(known) = servers.get(&server).filter(|known| Arc::ptr_eq(&known.bmc, &bmc)) {
            known.belongs_to(tenancy);
            return;
        }
        let tenancy = latest::Sender::new(tenancy);
        let mut known = Known { bmc, desk: None, tenancy, end: CancellationToken::new() };
        if self.recorder.is_some() {
            self.begin(server, &mut known);
        }
        servers.insert(server, known);
    }

    /// A server that is nobody's business any more; its console ends.
    pub fn forget(&self, server: ServerId) {
        self.locked().remove(&server);
    }

    /// The server is about to boot something of ours: what it prints from now on is no tenant's, whatever was declared of it.
    pub fn take_back(&self, server: ServerId) {
        if let Some(known) = self.locked().get(&server) {
            known.belongs_to(None);
        }
    }

    /// Takes a place to read what was recorded.
    pub fn reader(&self) -> Result<(Place, Arc<Recorder>), NoConsole> {
        let recorder = self.recorder.clone().ok_or(NoConsole::NotRecorded)?;
        let place = recorder.place().ok_or(NoConsole::FullOfReaders)?;
        Ok((place, recorder))
    }

    /// Takes a place at a console, which is opened if nobody watches it yet.
    pub async fn watch(&self, server: ServerId, visitor: Visitor) -> Result<Watching, NoConsole> {
        let counted = Arc::clone(&self.watchers);
        // We and the field hold two that are none of a watcher's.
        if Arc::strong_count(&counted) > WATCHERS_MAX + 1 {
            return Err(NoConsole::Full);
        }
        if let Some(tenancy) = visitor.tenancy {
            self.await_tenancy(server, tenancy).await;
        }
        loop {
            let desk = self.desk(server)?;
            let (tell, told) = oneshot::channel();
            let comes = Asked::Comes { visitor: visitor.clone(), tell };
            let Ok(()) = desk.send(comes).await else { continue };
            // A desk that ended in this moment is followed by another one.
            let Ok(place) = told.await else { continue };
            let (id, pieces) = place.ok_or(NoConsole::NotTheirs)?;
            return Ok(Watching { pieces, said: Saying { id, desk }, _counted: counted });
        }
    }

    /// Waits a moment until the server is this tenancy's: what was declared just before may be on its way through the rack still.
    async fn await_tenancy(&self, server: ServerId, tenancy: TenancyId) {
        let now = self.locked().get(&server).map(|known| known.tenancy.subscribe());
        if let Some(mut now) = now {
            // Whoever is too early, or too late, is told so at the desk.
            let _ = timeout(TENANCY_WAIT_MAX, now.wait_for(|now| *now == Some(tenancy))).await;
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
        let (recorder, tenancy) = (self.recorder.clone(), known.tenancy.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = run(server, bmc, asked, tenancy, recorder) => {}
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
