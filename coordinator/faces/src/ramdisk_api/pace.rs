//! Decisions: how long to wait until Ironic is told or asked again.

use std::time::Duration;

/// Between heartbeats that only say "still here".
pub const HEARTBEAT_QUIET: Duration = Duration::from_secs(5);
/// Heartbeats with news that are sent quickly; after these something is wrong, and the quiet pace will do.
pub const HEARTBEATS_WITH_NEWS_MAX: u32 = 60;
/// Lookups and inspection reports that are tried. At the pace below that is two minutes; a conductor holds its lock for a few
/// seconds after it has switched a server on.
pub const TRIES_MAX: u32 = 240;

/// The steps by which repetition slows down.
const LADDER_MS: [u64; 4] = [150, 200, 300, 500];

/// How long to wait after the `tried`-th request (from 0).
pub fn retry_after(tried: u32) -> Duration {
    let step = LADDER_MS.get(tried as usize).or(LADDER_MS.last()).copied();
    Duration::from_millis(step.unwrap_or(500))
}

/// How long to wait after the `tried`-th heartbeat since there was something new to see.
pub fn heartbeat_after(news: bool, tried: u32) -> Duration {
    if news && tried < HEARTBEATS_WITH_NEWS_MAX { retry_after(tried) } else { HEARTBEAT_QUIET }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_travel_fast_and_then_slow() {
        let check = |news, tried, ms| {
            assert_eq!(heartbeat_after(news, tried), Duration::from_millis(ms), "{news} {tried}")
        };
        check(true, 0, 150);
        check(true, 3, 500);
        check(true, 59, 500);
        check(true, 60, 5000);
        check(true, u32::MAX, 5000);
        check(false, 0, 5000);
    }
}
