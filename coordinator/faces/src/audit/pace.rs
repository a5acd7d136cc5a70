//! Decisions: how many requests are written down that anybody can cause, as refused ones: they must not fill table and log.

/// So many in a row.
pub const BURST_MAX: u64 = 100;
/// One more after this time.
pub const ONE_EVERY_US: u64 = 1_000_000;

/// Counts what is written down of them.
#[derive(Debug, Default)]
pub struct Pace {
    /// When everything that was taken is given back.
    full_us: u64,
    passed_over: u64,
}

impl Pace {
    /// Whether one more is written down now; if so, how many were passed over since the last one.
    pub fn take(&mut self, now_us: u64) -> Option<u64> {
        let full_us = self.full_us.max(now_us) + ONE_EVERY_US;
        if full_us - now_us > BURST_MAX * ONE_EVERY_US {
            self.passed_over += 1;
            return None;
        }
        self.full_us = full_us;
        Some(std::mem::take(&mut self.passed_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_written_down_at_its_pace_and_counted() {
        let mut pace = Pace::default();
        let written =
            |pace: &mut Pace, now_us, tries: u64| (0..tries).filter_map(|_| pace.take(now_us)).count() as u64;
        assert_eq!(written(&mut pace, 5, 1000), BURST_MAX);
        assert_eq!(written(&mut pace, 5 + ONE_EVERY_US / 2, 10), 0);
        assert_eq!(pace.take(5 + ONE_EVERY_US), Some(910));
        assert_eq!(written(&mut pace, 6 + ONE_EVERY_US, 10), 0);
        assert_eq!(
            written(&mut pace, 5 + 1000 * ONE_EVERY_US, 1000),
            BURST_MAX,
            "a rest gives all of it back"
        );
    }
}
