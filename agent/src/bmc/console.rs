//! Edges: a server's serial console that is open, whatever carries it: two bounded channels with a task at the other end.

use bytes::Bytes;
pub use protocol::ipmi::sol::line::Take;
use tokio::sync::mpsc;

/// Pieces of output that wait to be taken. While they do, the BMC is not read, and repeats what it has to say.
pub const HEARD_MAX: usize = 64;
/// Pieces of input that wait to be sent.
pub const TYPED_MAX: usize = 64;

/// What is sent to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Characters.
    Characters(Bytes),
    /// A break.
    Break,
}

/// What comes from the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Characters of the server.
    Characters(Bytes),
    /// The server sent a break.
    Break,
    /// Characters of the server were lost before the BMC had them.
    Overrun,
    /// Something that was asked for cannot be done, and why.
    Cannot(&'static str),
    /// It is open, for the first time or again.
    Opened,
    /// It is not open any more, or could not be opened, and why.
    Lost(String),
}

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
