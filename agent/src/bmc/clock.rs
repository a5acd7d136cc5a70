//! Decisions: what a BMC's clock is worth, beside the agent's.

use std::time::{Duration, SystemTime};

use protocol::{health::BmcClock, ipmi::sel::When};

/// A clock that differs by less is right: seconds are all that it has, and an answer takes its time.
pub const RIGHT_WITHIN: Duration = Duration::from_secs(120);

/// What a clock is worth that says this now.
pub fn judge(says: When, now: SystemTime) -> BmcClock {
    match says {
        When::Unknown => BmcClock::Unknown,
        When::SinceStart(_) => BmcClock::SinceStart,
        When::Unix(seconds) => judge_unix(seconds.into(), now),
    }
}

/// The same of a clock that says so many seconds since 1970.
pub fn judge_unix(seconds: i64, now: SystemTime) -> BmcClock {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let by_s = seconds.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
    match by_s.unsigned_abs() < RIGHT_WITHIN.as_secs() {
        true => BmcClock::Right,
        false => BmcClock::Off { by_s },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let check = |says, expected| assert_eq!(judge(says, now), expected, "{says:?}");
        check(When::Unix(1_800_000_000), BmcClock::Right);
        check(When::Unix(1_799_999_881), BmcClock::Right);
        check(When::Unix(1_799_996_400), BmcClock::Off { by_s: -3600 });
        check(When::Unix(1_800_000_121), BmcClock::Off { by_s: 121 });
        check(When::SinceStart(60), BmcClock::SinceStart);
        check(When::Unknown, BmcClock::Unknown);
    }
}
