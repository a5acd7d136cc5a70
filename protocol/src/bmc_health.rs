//! Values: how the BMCs of a rack answer their agent, as it tells the coordinator: a summary of each, now and then, of which the last
//! one counts. Times are ages: no clock is compared with another one.

use std::time::Duration;

use crate::id::ServerId;

/// How often each BMC's summary is sent; one whose state has changed is sent sooner.
pub const HEALTH_EVERY: Duration = Duration::from_secs(30);
/// Most summaries in one message.
pub const HEALTHS_MAX: usize = 256;
/// An error's text is cut at so many characters.
pub const ERROR_CHARS_MAX: usize = 300;

/// How one server's BMC answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmcHealth {
    /// Whose.
    pub server: ServerId,
    /// Whether it answered when it was asked last; none: it was not asked yet.
    pub answers: Option<bool>,
    /// Of how many questions of late the figures are.
    pub asked: u32,
    /// How many of them it did not answer, or refused.
    pub failed: u32,
    /// How long its answers took, in whole milliseconds; none: there was none.
    pub latency: Option<Latency>,
    /// Sessions that are open at it for polling and commands.
    pub sessions: u32,
    /// Whether it is asked in its turn.
    pub breaker: BreakerState,
    /// What went wrong last; none: nothing has.
    pub last_error: Option<LastError>,
    /// Age of the newest reading of its server's power, in whole milliseconds; none: there is none.
    pub reading_age: Option<Duration>,
}

/// How long answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: Duration,
    /// 95 of 100 took no longer.
    pub p95: Duration,
}

/// Whether a BMC is asked in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It failed and is left in peace; after so long, in whole milliseconds, it is asked once.
    Open {
        /// See above.
        again_in: Duration,
    },
    /// It failed and is being asked once, to see.
    HalfOpen,
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// How long ago, in whole milliseconds.
    pub ago: Duration,
    /// What, with what to do about it.
    pub text: String,
}
