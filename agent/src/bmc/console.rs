//! Edges: a server's serial console that is open, whatever carries it: two bounded channels with a task at the other end.

pub use protocol::ipmi::sol::line::Take;
use tokio::sync::mpsc;

pub use super::heard::{Heard, Typed};

/// Pieces of output that wait to be taken. While they do, the BMC is not read, and repeats what it has to say.
pub const HEARD_MAX: usize = 64;
/// Pieces of input that wait to be sent.
pub const TYPED_MAX: usize = 64;

/// A console. Dropped, it is given back. When nothing more comes from it, it is over.
#[derive(Debug)]
pub struct Console {
    /// Towards the server.
    pub typed: mpsc::Sender<Typed>,
    /// From the server.
    pub heard: mpsc::Receiver<Heard>,
}

/// The other end of a [`Console`].
#[derive(Debug)]
pub struct Far {
    /// What is to be sent.
    pub typed: mpsc::Receiver<Typed>,
    /// What came.
    pub heard: mpsc::Sender<Heard>,
}

/// Both ends of a console.
pub fn pair() -> (Console, Far) {
    let (typed, typed_rx) = mpsc::channel(TYPED_MAX);
    let (heard, heard_rx) = mpsc::channel(HEARD_MAX);
    (Console { typed, heard: heard_rx }, Far { typed: typed_rx, heard })
}
