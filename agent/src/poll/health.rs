//! Decisions: what is kept of how one BMC has answered of late, and when the coordinator is told of it: now and then, and at once when
//! its state changes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::{
    bmc_health::{BmcHealth, BreakerState, ERROR_CHARS_MAX, LastError, Latency},
    id::ServerId,
};

use super::debounce::Sample;
use crate::bmc::breaker::Breaker;

/// So many questions are remembered: four minutes of a healthy BMC.
pub const ASKED_MAX: usize = 128;
/// Stands for a question without a reading.
const FAILED: u16 = u16::MAX;

/// How one BMC has answered.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Milliseconds that each answer took, or [`FAILED`].
    took: VecDeque<u16>,
    last_error: Option<(Instant, String)>,
    read_at: Option<Instant>,
    told: Option<Told>,
}

/// What of it is told at once when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    answers: Option<bool>,
    is_closed: bool,
}

impl Health {
    /// A question was answered so, after this time.
    pub fn noted(&mut self, sample: &Sample, took: Duration, now: Instant) {
        let reason = match sample {
            Sample::On | Sample::Off => {
                let ms = u16::try_from(took.as_millis()).unwrap_or(FAILED).min(FAILED - 1);
                self.read_at = Some(now);
                return self.push(ms);
            }
            Sample::NoAnswer { reason }
            | Sample::Refused { reason }
            | Sample::NotWatched { reason, .. }
            | Sample::OtherMachine { reason } => reason,
        };
        self.push(FAILED);
        self.last_error = Some((now, reason.chars().take(ERROR_CHARS_MAX).collect()));
    }

    /// A command got a reading.
    pub fn read(&mut self, now: Instant) {
        self.read_at = Some(now);
    }

    /// Whether something is to be told at once.
    pub fn is_news(&self, breaker: Breaker) -> bool {
        !self.took.is_empty() && self.told != Some(self.state(breaker))
    }

    /// The summary, which is told now.
    pub fn tell(&mut self, server: ServerId, breaker: Breaker, now: Instant) -> BmcHealth {
        self.told = Some(self.state(breaker));
        let ago = |at: Instant| whole_ms(now.saturating_duration_since(at));
        BmcHealth {
            server,
            answers: self.answers(),
            asked: count(self.took.len()),
            failed: count(self.took.iter().filter(|took| **took == FAILED).count()),
            latency: self.latency(),
            // Who holds the connections says so.
            sessions: 0,
            breaker: match breaker {
                Breaker::Closed { .. } => BreakerState::Closed,
                Breaker::Open { until, .. } => {
                    BreakerState::Open { again_in: whole_ms(until.saturating_duration_since(now)) }
                }
                Breaker::HalfOpen { .. } => BreakerState::HalfOpen,
            },
            last_error: self
                .last_error
                .as_ref()
                .map(|(at, text)| LastError { ago: ago(*at), text: text.clone() }),
            reading_age: self.read_at.map(ago),
        }
    }

    fn push(&mut self, took: u16) {
        if self.took.len() >= ASKED_MAX {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    fn answers(&self) -> Option<bool> {
        self.took.back().map(|took| *took != FAILED)
    }

    fn state(&self, breaker: Breaker) -> Told {
        Told { answers: self.answers(), is_closed: breaker.is_closed() }
    }

    fn latency(&self) -> Option<Latency> {
        let mut took: Vec<_> = self.took.iter().copied().filter(|took| *took != FAILED).collect();
        took.sort_unstable();
        // The nearest rank: so many of a hundred took no longer.
        let rank = |percent: usize| took.get((took.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        let ms = |ms: u16| Duration::from_millis(ms.into());
        Some(Latency { median: ms(rank(50)?), p95: ms(rank(95)?) })
    }
}

fn whole_ms(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> Sample {
        Sample::NoAnswer { reason: "no answer".into() }
    }

    #[test]
    fn figures_are_of_the_last_questions() {
        let now = crate::test_clock::start();
        let ms = Duration::from_millis;
        // Milliseconds of each answer, none: silence; then asked, failed, median and 95 of 100.
        let check = |answers: &[Option<u64>], asked: u32, failed: u32, latency: Option<(u64, u64)>| {
            let mut health = Health::default();
            for answer in answers {
                match answer {
                    Some(took) => health.noted(&Sample::On, ms(*took), now),
                    None => health.noted(&silence(), ms(8000), now),
                }
            }
            let told = health.tell(ServerId::random(), Breaker::default(), now + ms(1500));
            let found = told.latency.map(|latency| (latency.median, latency.p95));
            let expected = latency.map(|(median, p95)| (ms(median), ms(p95)));
            assert_eq!((told.asked, told.failed, found), (asked, failed, expected), "{answers:?}");
            assert_eq!(told.answers, answers.last().map(Option::is_some));
            assert_eq!(told.reading_age, latency.map(|_| ms(1500)));
            assert_eq!(told.last_error.map(|error| error.ago), (failed > 0).then_some(ms(1500)));
        };
        check(&[], 0, 0, None);
        check(&[None], 1, 1, None);
        check(&[Some(7)], 1, 0, Some((7, 7)));
        check(&[Some(1), Some(3), None, Some(2)], 4, 1, Some((2, 3)));
        let mut many = vec![Some(90_000); 9];
        many.extend(vec![Some(10); ASKED_MAX - 6]);
        check(&many, 128, 0, Some((10, 10)));
        many.extend([Some(90_000); 7]);
        check(&many, 128, 0, Some((10, 65_534)));
    }

    #[test]
    fn a_change_of_state_is_news_once() {
        let now = crate::test_clock::start();
        let closed = Breaker::default();
        let open = Breaker::Open { times: 1, until: now + Duration::from_secs(1) };
        let mut health = Health::default();
        assert!(!health.is_news(closed), "nothing is known yet");
        health.noted(&Sample::On, Duration::ZERO, now);
        assert!(health.is_news(closed));
        let server = ServerId::random();
        health.tell(server, closed, now);
        health.noted(&Sample::Off, Duration::ZERO, now);
        assert!(!health.is_news(closed));
        health.noted(&silence(), Duration::ZERO, now);
        assert!(health.is_news(open));
        let told = health.tell(server, open, now);
        assert_eq!(told.breaker, BreakerState::Open { again_in: Duration::from_secs(1) });
        assert!(
            !health.is_news(open)
                && !health.is_news(Breaker::HalfOpen { times: 1 })
                && health.is_news(closed)
        );
    }
}
