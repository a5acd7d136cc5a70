//! Decisions: how old the oldest power reading of a rack is, and when that is told.

use std::time::{Duration, Instant};

/// A rack whose oldest power reading is older than this is an alarm: its agent has more to do than it can, or hangs. Each server of
/// it is told one by one when the agent stands by its reading no more, which is later.
pub const OLDEST_READING_MAX: Duration = Duration::from_secs(60);

/// What a rack's agent said of its readings last, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readings {
    oldest: Option<Duration>,
    heard: Instant,
    is_told: bool,
}

impl Readings {
    /// A heartbeat said how old the oldest one is; none: its agent stands by none.
    pub(super) fn heard(before: Option<&Self>, oldest: Option<Duration>, now: Instant) -> Self {
        Self { oldest, heard: now, is_told: before.is_some_and(|before| before.is_told) }
    }

    /// How old the oldest one is by now, were it not read again since: should the agent hang, it grows on.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.oldest.map(|oldest| oldest + now.saturating_duration_since(self.heard))
    }

    /// What is to be told now, once a turn.
    pub(super) fn news(&mut self, now: Instant) -> Option<News> {
        let age = self.age(now).filter(|age| *age > OLDEST_READING_MAX);
        let was_told = std::mem::replace(&mut self.is_told, age.is_some());
        match age {
            Some(age) if !was_told => Some(News::Old(age)),
            None if was_told => Some(News::Fresh),
            Some(_) | None => None,
        }
    }
}

/// What changed about the age of a rack's readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Old(Duration),
    Fresh,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_readings_are_told_once_and_a_silent_agent_makes_them_older() {
        let began = Instant::now();
        let seconds = Duration::from_secs;
        let mut readings = Readings { oldest: Some(seconds(2)), heard: began, is_told: false };
        assert_eq!(readings.news(began + seconds(58)), None);
        assert_eq!(readings.age(began + seconds(58)), Some(seconds(60)));
        assert_eq!(readings.news(began + seconds(59)), Some(News::Old(seconds(61))));
        assert_eq!(readings.news(began + seconds(90)), None, "it is told once");
        readings = Readings { oldest: Some(seconds(1)), heard: began + seconds(91), ..readings };
        assert_eq!(readings.news(began + seconds(92)), Some(News::Fresh));
        assert_eq!(readings.news(began + seconds(93)), None);
        // Who stands by no reading has none that is old.
        let mut none = Readings { oldest: None, heard: began, is_told: false };
        assert_eq!(none.news(began + seconds(600)), None);
    }
}
