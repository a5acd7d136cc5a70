//! Values: what was printed at a serial console and recorded at its rack, as it is asked for and read.

use crate::id::{ConsoleId, ServerId, TenancyId};

/// Most characters of a text that is looked for.
pub const SOUGHT_CHARS_MAX: usize = 200;
/// Most of the last lines that can be asked for.
pub const TAIL_LINES_MAX: u32 = 10_000;
/// Most bytes of one line; a longer one is cut into several.
pub const LINE_BYTES_MAX: usize = 4096;

/// Somebody wants to read what was recorded of a server's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadConsole {
    /// Names this reading.
    pub id: ConsoleId,
    /// Whose console.
    pub server: ServerId,
    /// Which lines.
    pub wanted: WantedLines,
}

/// Which lines of a record are wanted, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedLines {
    /// Only what was printed in this tenancy; none: everything.
    pub tenancy: Option<TenancyId>,
    /// Printed then or later, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Printed before.
    pub until_us: Option<u64>,
    /// Of those only the last so many, up to [`TAIL_LINES_MAX`].
    pub tail: Option<u32>,
    /// Only those with this text in them, whatever their case; empty: all. Up to [`SOUGHT_CHARS_MAX`].
    pub text: String,
    /// And then what is printed from now on.
    pub follow: bool,
}

/// A line of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// When its first character came, in microseconds since 1970.
    pub at_us: u64,
    /// What it says.
    pub what: Recorded,
}

/// What a line of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The server printed this; what drives a terminal is taken out.
    Printed(String),
    /// Something between the characters, in words.
    Note(String),
    /// The console was lost, and why.
    Lost(String),
    /// From here on the server is this tenancy's.
    TenancyBegan(TenancyId),
    /// It is not any more.
    TenancyEnded(TenancyId),
}
