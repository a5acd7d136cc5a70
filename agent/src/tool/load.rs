//! Decisions: what many answers say together: rate, latencies, failures by kind.

use std::time::Duration;

use serde::Serialize;

use super::kind::Kind;

/// Classes of latencies for each doubling: each is within 5 % of what it stands for.
const CLASSES_PER_DOUBLING: f64 = 16.0;
/// Classes in all: up to an hour.
const CLASSES: usize = 512;

/// Counts, however many answers there are.
#[derive(Clone, Debug)]
pub struct Load {
    latencies: Vec<u64>,
    done: u64,
    longest: Duration,
    failed: [u64; Kind::ALL.len()],
}

impl Default for Load {
    fn default() -> Self {
        Self { latencies: vec![0; CLASSES], done: 0, longest: Duration::ZERO, failed: [0; Kind::ALL.len()] }
    }
}

/// What is printed of a load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Questions that were answered as wished.
    pub done: u64,
    /// Questions that were not, by kind.
    pub failed: Vec<(&'static str, u64)>,
    /// How long it took, in s.
    pub seconds: f64,
    /// Answers per second.
    pub per_second: f64,
    /// Half of the answers took no longer, in ms.
    pub p50_ms: f64,
    /// Nineteen of twenty.
    pub p95_ms: f64,
    /// Ninety-nine of a hundred.
    pub p99_ms: f64,
    /// The longest, in ms.
    pub max_ms: f64,
}

fn class(latency: Duration) -> usize {
    let micros = latency.as_micros().max(1) as f64;
    ((micros.log2() * CLASSES_PER_DOUBLING) as usize).min(CLASSES - 1)
}

impl Load {
    /// One question was answered.
    pub fn done(&mut self, latency: Duration) {
        self.latencies[class(latency)] += 1;
        self.done += 1;
        self.longest = self.longest.max(latency);
    }

    /// One was not.
    pub fn failed(&mut self, kind: Kind) {
        let index = Kind::ALL.iter().position(|other| *other == kind);
        self.failed[index.expect("all kinds are in the list")] += 1;
    }

    /// The worst failure; none: all was done.
    pub fn worst(&self) -> Option<Kind> {
        let failed = |kind: &&Kind| self.count(**kind) > 0;
        Kind::ALL.iter().filter(failed).max().copied()
    }

    fn count(&self, kind: Kind) -> u64 {
        Kind::ALL.iter().zip(self.failed).find(|(other, _)| **other == kind).map_or(0, |(_, count)| count)
    }

    /// The latency that this share of the answers did not exceed, in ms.
    fn share_ms(&self, share: f64) -> f64 {
        let wanted = (self.done as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.latencies.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                let micros = ((class + 1) as f64 / CLASSES_PER_DOUBLING).exp2();
                return (micros / 1000.0).min(self.longest.as_secs_f64() * 1000.0);
            }
        }
        0.0
    }

    /// All of it, after so long.
    pub fn summary(&self, took: Duration) -> Summary {
        let seconds = took.as_secs_f64();
        Summary {
            done: self.done,
            failed: Kind::ALL
                .iter()
                .map(|kind| (kind.name(), self.count(*kind)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            seconds,
            per_second: if seconds > 0.0 { self.done as f64 / seconds } else { 0.0 },
            p50_ms: self.share_ms(0.5),
            p95_ms: self.share_ms(0.95),
            p99_ms: self.share_ms(0.99),
            max_ms: self.longest.as_secs_f64() * 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_within_their_classes() {
        let mut load = Load::default();
        (1..=1000).for_each(|ms| load.done(Duration::from_millis(ms)));
        load.failed(Kind::Unreachable);
        load.failed(Kind::Refused);
        load.failed(Kind::Refused);
        let summary = load.summary(Duration::from_secs(10));
        let near =
            |value: f64, expected: f64| assert!((value / expected - 1.0).abs() < 0.05, "{value} {expected}");
        near(summary.p50_ms, 500.0);
        near(summary.p95_ms, 950.0);
        near(summary.p99_ms, 990.0);
        assert_eq!((summary.max_ms, summary.per_second), (1000.0, 100.0));
        assert_eq!(summary.failed, [("refused", 2), ("no answer", 1)]);
        assert_eq!(load.worst(), Some(Kind::Unreachable));
    }

    #[test]
    fn nothing_and_very_long_waits_are_counted_too() {
        let mut load = Load::default();
        assert_eq!(load.summary(Duration::ZERO).p99_ms, 0.0);
        load.done(Duration::ZERO);
        load.done(Duration::from_secs(1_000_000));
        assert_eq!(load.summary(Duration::from_secs(1)).done, 2);
        assert_eq!(load.worst(), None);
    }
}
