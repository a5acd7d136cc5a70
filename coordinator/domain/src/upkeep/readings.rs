//! Decisions: how often passwords may be read by people.

use std::collections::VecDeque;

/// Within this time, in microseconds: an hour.
pub const WITHIN_US: u64 = 3600 * 1_000_000;
/// So many passwords are read by one user.
pub const BY_ONE_MAX: usize = 5;
/// So many in all: whoever has many accounts takes them no faster.
pub const BY_ALL_MAX: usize = 20;
/// A password that was read is changed after so long, in microseconds: whoever read it needs it for a while.
pub const CHANGED_AFTER_US: u64 = 3600 * 1_000_000;

/// The readings of the last hour.
#[derive(Debug, Default)]
pub struct Readings(VecDeque<(u64, String)>);

/// Why a password is not read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{who} read {most} passwords of BMCs within the last hour, the most that is allowed; try again in {minutes} min"
)]
pub struct TooMany {
    /// Who.
    pub who: String,
    /// How many that is.
    pub most: usize,
    /// Until there is room.
    pub minutes: u64,
}

impl Readings {
    /// This user reads one now, or may not.
    pub fn take(&mut self, user: &str, now_us: u64) -> Result<(), TooMany> {
        self.0.retain(|(at_us, _)| now_us.saturating_sub(*at_us) < WITHIN_US);
        let own: Vec<u64> = self.0.iter().filter(|(_, who)| who == user).map(|(at_us, _)| *at_us).collect();
        let all: Vec<u64> = self.0.iter().map(|(at_us, _)| *at_us).collect();
        for (times, most, who) in [(own, BY_ONE_MAX, user), (all, BY_ALL_MAX, "all administrators together")]
        {
            if let Some(first) = times.first().filter(|_| times.len() >= most) {
                let left_us = (first + WITHIN_US).saturating_sub(now_us);
                return Err(TooMany { who: who.to_owned(), most, minutes: left_us.div_ceil(60_000_000) });
            }
        }
        self.0.push_back((now_us, user.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reads_some_in_an_hour_and_all_together_some_more() {
        let mut readings = Readings::default();
        for _ in 0..BY_ONE_MAX {
            readings.take("ada", 0).unwrap();
        }
        let refused = readings.take("ada", 0).unwrap_err();
        assert!(refused.to_string().contains("ada") && refused.minutes == 60, "{refused}");
        for number in BY_ONE_MAX..BY_ALL_MAX {
            readings.take(&format!("u{number}"), 1).unwrap();
        }
        let refused = readings.take("eve", 2).unwrap_err();
        assert!(refused.to_string().contains("together"), "{refused}");
        assert_eq!(readings.take("ada", WITHIN_US), Ok(()), "an hour later there is room");
    }
}
