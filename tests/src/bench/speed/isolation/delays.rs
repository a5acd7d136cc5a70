//! Values: how long isolations took, and what of that is told.

use std::{collections::BTreeMap, time::Duration};

/// What each isolation took.
#[derive(Debug, Default)]
pub(super) struct Delays {
    from_first: Vec<Duration>,
    from_seen: Vec<Duration>,
}

impl Delays {
    /// One that took so long from the first answer that said off, and so long from the one that confirmed it.
    pub(super) fn add(&mut self, from_first: Duration, from_seen: Duration) {
        self.from_first.push(from_first);
        self.from_seen.push(from_seen);
    }

    /// In milliseconds, by their names.
    pub(super) fn measured(mut self) -> BTreeMap<String, f64> {
        self.from_first.sort_unstable();
        self.from_seen.sort_unstable();
        let told = [
            ("seen_p50_ms", of(&self.from_seen, 50)),
            ("seen_p99_ms", of(&self.from_seen, 99)),
            ("seen_max_ms", of(&self.from_seen, 100)),
            ("first_p99_ms", of(&self.from_first, 99)),
        ];
        told.into_iter()
            .filter_map(|(name, took)| Some((name.to_owned(), took?.as_secs_f64() * 1e3)))
            .collect()
    }
}

/// The shortest of them that so many of a hundred do not exceed (nearest rank); none of nothing.
fn of(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_delays_that_were_measured() {
        let ms = Duration::from_millis;
        let check = |count: u64, percent, expected| {
            let sorted: Vec<_> = (1..=count).map(ms).collect();
            assert_eq!(of(&sorted, percent), expected, "{percent} of {count}");
        };
        check(0, 99, None);
        check(1, 99, Some(ms(1)));
        check(100, 50, Some(ms(50)));
        check(100, 99, Some(ms(99)));
        check(100, 100, Some(ms(100)));
        check(101, 99, Some(ms(100)));
        check(400, 99, Some(ms(396)));
    }

    #[test]
    fn both_beginnings_are_told() {
        let ms = Duration::from_millis;
        let mut delays = Delays::default();
        delays.add(ms(230), ms(30));
        delays.add(ms(210), ms(10));
        let told = delays.measured();
        let of = |name: &str| told[name].round() as u64;
        assert_eq!((of("seen_p50_ms"), of("seen_p99_ms"), of("seen_max_ms")), (10, 30, 30));
        assert_eq!(of("first_p99_ms"), 230);
    }
}
