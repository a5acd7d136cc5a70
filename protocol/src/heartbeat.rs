//! Values: the heartbeat of an agent's stream, and the times by which an agent judges how late a message is.
//!
//! No clock is compared with another one. The coordinator's running clock starts with its process; what it said in answer to a
//! message of ours it said after we had sent that message. So each round trip tells the agent the earliest moment, by its own
//! clock, at which anything that bears such a time can have been said, however long it was on its way.

use std::time::Duration;

/// How often a coordinator asks for a heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// Heartbeats are sent no more often than this, whatever is asked for.
pub const HEARTBEAT_EVERY_MIN: Duration = Duration::from_millis(100);

/// A moment by the coordinator's running clock, in whole milliseconds since its process began. It means something on the stream
/// on which it was said, and nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamTime(pub u64);

/// That the coordinator understands heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatsWanted {
    /// How often it wants one; whole milliseconds, at least one.
    pub every: Duration,
    /// When it said so.
    pub at: StreamTime,
}

/// An agent's heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Rises by one; the answer repeats it.
    pub number: u64,
    /// Age of the oldest power reading that the agent stands by, in whole milliseconds; none: it stands by none.
    pub oldest_reading: Option<Duration>,
}

/// How long somebody waits for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// When it was given.
    pub given: StreamTime,
    /// From then on it is waited for so long; whole milliseconds, at least one. Later it must not be carried out: whoever asked
    /// may have been told that it was not.
    pub within: Duration,
}
