//! Decisions: the history of a server's numbers: of every five minutes the lowest, the mean and the highest that was told.
//!
//! An agent tells a number when it has moved. So a span without a point is one in which nothing moved that was worth telling, or in which
//! nothing was read; whoever draws it says which by the points around it.

use std::collections::BTreeMap;

use protocol::health::{Says, Sensor};
use serde::{Deserialize, Serialize};

/// Length of one span, in microseconds.
pub const SPAN_US: u64 = 5 * 60 * 1_000_000;
/// Length of what is kept together, in microseconds.
pub const HOUR_US: u64 = 3600 * 1_000_000;
/// For how many hours history is kept, the present one included.
pub const HOURS_KEPT: u64 = 25;
/// Numbers of one server whose history is kept: the first so many by key, and the power draw.
pub const SERIES_MAX: usize = 128;
/// The key of the server's power draw, beside those of its sensors.
pub const DRAW: &str = "power-draw";

/// What was told in one span of one number, in thousandths of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, i64, i64, i64, u32)", into = "(u64, i64, i64, i64, u32)")]
pub struct Point {
    /// Which span, counted since 1970.
    pub span: u64,
    /// The lowest.
    pub low: i64,
    /// The highest.
    pub high: i64,
    /// The sum of all.
    sum: i64,
    /// How many there were.
    count: u32,
}

/// Short, because there are many.
impl From<Point> for (u64, i64, i64, i64, u32) {
    fn from(point: Point) -> Self {
        (point.span, point.low, point.high, point.sum, point.count)
    }
}

impl From<(u64, i64, i64, i64, u32)> for Point {
    fn from((span, low, high, sum, count): (u64, i64, i64, i64, u32)) -> Self {
        Self { span, low, high, sum, count }
    }
}

impl Point {
    /// The mean of what was told.
    pub fn mean(&self) -> i64 {
        self.sum / i64::from(self.count.max(1))
    }

    /// When its span began, in microseconds since 1970.
    pub fn at_us(&self) -> u64 {
        self.span.saturating_mul(SPAN_US)
    }

    fn add(&mut self, value: i64) {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        self.sum = self.sum.saturating_add(value);
        self.count = self.count.saturating_add(1);
    }
}

/// What was told within one hour of one server's numbers, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub BTreeMap<String, Vec<Point>>);

impl Hour {
    /// Takes numbers in that were told then. A clock that was set back changes spans that were begun already.
    pub fn take(&mut self, at_us: u64, values: &[(String, i64)]) {
        let span = at_us / SPAN_US;
        for (key, value) in values {
            if !self.0.contains_key(key) && self.0.len() >= SERIES_MAX && key != DRAW {
                continue;
            }
            let points = self.0.entry(key.clone()).or_default();
            match points.iter_mut().find(|point| point.span == span) {
                Some(point) => point.add(*value),
                None => points.push(Point { span, low: *value, high: *value, sum: *value, count: 1 }),
            }
            points.sort_unstable_by_key(|point| point.span);
        }
    }
}

/// The numbers of a report, by key, in thousandths of their units.
pub fn values(sensors: &[Sensor], draw_w: Option<u32>) -> Vec<(String, i64)> {
    let number = |sensor: &Sensor| match &sensor.says {
        Says::Number { value, .. } => Some((sensor.key.clone(), value.0)),
        Says::States(_) | Says::Nothing(_) => None,
    };
    let draw = draw_w.map(|watts| (DRAW.to_owned(), i64::from(watts) * 1000));
    sensors.iter().filter_map(number).chain(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hour: &mut Hour, at_us: u64, key: &str, value: i64) {
        hour.take(at_us, &[(key.to_owned(), value)]);
    }

    #[test]
    fn a_span_has_the_lowest_the_mean_and_the_highest_and_stays_small() {
        let mut hour = Hour::default();
        for (at_s, value) in [(0, 40_000), (60, 46_000), (299, 43_000), (300, 50_000), (1200, -1_000)] {
            told(&mut hour, at_s * 1_000_000, "cpu", value);
        }
        let shown = |point: &Point| (point.at_us() / 1_000_000, point.low, point.mean(), point.high);
        let points: Vec<_> = hour.0["cpu"].iter().map(shown).collect();
        assert_eq!(
            points,
            [(0, 40_000, 43_000, 46_000), (300, 50_000, 50_000, 50_000), (1200, -1_000, -1_000, -1_000)]
        );
        let text = serde_json::to_string(&hour).unwrap();
        assert_eq!(serde_json::from_str::<Hour>(&text).unwrap(), hour);
        assert!(text.len() < 3 * 50, "{text}");
    }

    #[test]
    fn numbers_are_bounded_and_the_power_draw_has_its_place() {
        let mut hour = Hour::default();
        for number in 0..SERIES_MAX + 10 {
            told(&mut hour, 0, &format!("s{number}"), 1);
        }
        told(&mut hour, 0, DRAW, 1);
        assert_eq!(hour.0.len(), SERIES_MAX + 1);
        assert!(hour.0.contains_key(DRAW));
    }
}
