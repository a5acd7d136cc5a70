//! Edges: the task of one console that somebody watches: turns the desk's crank.

use std::{collections::HashMap, pin::pin, sync::Arc};

use protocol::{
    console::{ConsoleDown, ConsoleNote},
    id::{ServerId, TenancyId},
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use super::{
    desk::{Desk, Effect, Piece, Visitor, WatcherId},
    kept::keep,
    record::Recorder,
};
use crate::bmc::{
    Bmc,
    console::{Heard, Typed, pair},
};

/// Pieces that wait to be taken by one watcher; what comes beyond is lost to it, with a mark.
pub const PIECES_MAX: usize = 256;

/// What a watcher's place on a console is: its id, and what it is told.
pub(super) type Place = (WatcherId, mpsc::Receiver<Piece>);

/// What is asked of the task.
pub(super) enum Asked {
    /// Somebody comes; it is told none if the server is not its tenant's now.
    Comes { visitor: Visitor, tell: oneshot::Sender<Option<Place>> },
    /// Somebody says something.
    Says(WatcherId, ConsoleDown),
    /// Somebody leaves.
    Leaves(WatcherId),
}

/// What has happened.
enum Came {
    /// The server is another tenancy's, or nobody's.
    Other,
    Heard(Heard),
    Asked(Asked),
}

/// The way to one watcher.
struct Way {
    pieces: mpsc::Sender<Piece>,
    skipped: u64,
}

impl Way {
    /// Tells it, or remembers what it has missed.
    fn tell(&mut self, piece: Piece) {
        if self.skipped > 0 && self.pieces.try_send(Piece::Note(ConsoleNote::Skipped(self.skipped))).is_ok() {
            self.skipped = 0;
        }
        let bytes = match &piece {
            Piece::Output(characters) => characters.len() as u64,
            Piece::Note(_) => 0,
        };
        // Behind a gap that is not told yet, nothing may seem to follow at once.
        if self.skipped > 0 || self.pieces.try_send(piece).is_err() {
            self.skipped += bytes;
        }
    }
}

/// Serves a console from its first watcher until its last one has left, or the server is forgotten; where everything is recorded,
/// until the server is forgotten.
pub(super) async fn run(
    server: ServerId,
    bmc: Arc<dyn Bmc>,
    mut asked: mpsc::Receiver<Asked>,
    mut tenancy: watch::Receiver<Option<TenancyId>>,
    recorder: Option<Arc<Recorder>>,
) {
    info!(%server, "console is watched");
    let (console, far) = pair();
    let (typed, mut heard) = (console.typed, console.heard);
    let mut carrying = pin!(keep(&*bmc, None, far));
    let (mut desk, mut ways) = (Desk::default(), HashMap::<WatcherId, Way>::new());
    // Whose it was when something came last.
    let mut belongs: Option<Option<TenancyId>> = None;
    tenancy.mark_changed();
    loop {
        let came = tokio::select! {
            () = &mut carrying => break,
            changed = tenancy.changed() => changed.map(|()| Came::Other).ok(),
            heard = heard.recv() => heard.map(Came::Heard),
            asked = asked.recv() => asked.map(Came::Asked),
        };
        let Some(came) = came else { break };
        let now = *tenancy.borrow_and_update();
        // Before what came is told: it is of whoever has the server by now.
        if belongs.replace(now) != Some(now) {
            desk.belongs_to(now);
            if let Some(recorder) = &recorder {
                recorder.mark(server, now);
            }
        }
        match came {
            Came::Other => {}
            Came::Heard(heard) => {
                if let Some(recorder) = &recorder {
                    recorder.hear(server, now, &heard);
                }
                desk.heard(heard);
            }
            Came::Asked(Asked::Comes { visitor, tell }) => {
                let place = desk.comes(visitor).map(|id| {
                    let (pieces, told) = mpsc::channel(PIECES_MAX);
                    ways.insert(id, Way { pieces, skipped: 0 });
                    (id, told)
                });
                // Whoever has gone meanwhile is missed below.
                let _ = tell.send(place);
            }
            Came::Asked(Asked::Says(id, what)) => desk.says(id, what),
            Came::Asked(Asked::Leaves(id)) => desk.leaves(id),
        }
        while let Some(effect) = desk.poll_effect() {
            perform(effect, &mut ways, &typed);
        }
        let gone: Vec<WatcherId> =
            ways.iter().filter(|(_, way)| way.pieces.is_closed()).map(|(id, _)| *id).collect();
        for id in gone {
            ways.remove(&id);
            desk.leaves(id);
        }
        if desk.is_left() && recorder.is_none() {
            break;
        }
    }
    info!(%server, "console is not watched any more");
}

/// Does it. Whoever is parted has its way closed, and hears nothing more.
fn perform(effect: Effect, ways: &mut HashMap<WatcherId, Way>, typed: &mpsc::Sender<Typed>) {
    match effect {
        Effect::Tell(id, piece) => {
            if let Some(way) = ways.get_mut(&id) {
                way.tell(piece);
            }
        }
        Effect::Part(id) => drop(ways.remove(&id)),
        // The others do not wait for a BMC that takes nothing.
        Effect::Type(id, what) => {
            if typed.try_send(what).is_err()
                && let Some(way) = ways.get_mut(&id)
            {
                let why = "the BMC takes no characters now; these were not sent".to_owned();
                way.tell(Piece::Note(ConsoleNote::Cannot(why)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_slow_watcher_loses_output_with_a_mark() {
        let (pieces, mut told) = mpsc::channel(2);
        let mut way = Way { pieces, skipped: 0 };
        let output = |text: &'static str| Piece::Output(Bytes::from_static(text.as_bytes()));
        for text in ["one", "two", "three", "four"] {
            way.tell(output(text));
        }
        assert_eq!((told.try_recv(), told.try_recv()), (Ok(output("one")), Ok(output("two"))));
        way.tell(output("five"));
        let skipped = Piece::Note(ConsoleNote::Skipped(9));
        assert_eq!((told.try_recv(), told.try_recv()), (Ok(skipped), Ok(output("five"))));
    }
}
