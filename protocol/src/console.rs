//! Values: what watchers of a serial console and the agent of its rack say to each other.

use crate::{
    console_record::RecordLine,
    id::{ConsoleId, ServerId, TenancyId},
};

/// Most characters of a watcher's name that is shown to the others.
pub const WHO_CHARS_MAX: usize = 100;
/// Most bytes of one piece of input or output.
pub const PIECE_BYTES_MAX: usize = 16 << 10;

/// Somebody wants to be at a server's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConsole {
    /// Names this watcher's place.
    pub id: ConsoleId,
    /// Whose console.
    pub server: ServerId,
    /// The watcher, for the others there.
    pub who: String,
    /// Whether it wants the keyboard, or only looks.
    pub manner: Manner,
    /// It is there only while the server is this tenancy's; none: whosever it is.
    pub tenancy: Option<TenancyId>,
}

/// What somebody wants at a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// To look.
    Looks,
    /// To type as well, if nobody else does.
    Types,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsoleUp {
    /// The first message: which watcher it is, or why it has no console.
    Hello {
        /// Which.
        id: ConsoleId,
        /// Why there is none; none: it follows.
        refused: Option<String>,
    },
    /// Characters of the server.
    Output(Vec<u8>),
    /// Something between them.
    Note(ConsoleNote),
    /// A line of what was recorded.
    Line(RecordLine),
    /// Everything that was asked of a record has been sent; or it has not, and why.
    End(Result<(), String>),
}

/// Something that is told between the characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsoleNote {
    /// The console is open, or open again.
    Opened,
    /// It is not, and why; it is tried again.
    Lost(String),
    /// The server sent a break.
    Break,
    /// The BMC has lost characters.
    Overrun,
    /// This watcher was too slow, and has lost so many bytes.
    Skipped(u64),
    /// What was asked for cannot be done, and why.
    Cannot(String),
    /// The keyboard is this watcher's.
    Keyboard,
    /// The keyboard is this other one's.
    Held(String),
    /// Nobody has the keyboard.
    Free,
}

/// What a watcher says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsoleDown {
    /// Characters for the server.
    Input(Vec<u8>),
    /// Send a break.
    Break,
    /// It wants the keyboard.
    Take(Grip),
}

/// How somebody takes the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grip {
    /// If it is free.
    IfFree,
    /// From whoever has it.
    ByForce,
}
