//! Values: what is sent to a server's serial console, and what comes from it.

use bytes::Bytes;

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
