//! Decisions: what of a reading of a server's sensors is news.
//!
//! ```text
//!   worse            told with the reading that shows it
//!   better           told when two readings in a row show it: what flaps stays bad
//!   another value    told when it has moved by a step (the sensor's hysteresis, or one part in fifty), or has rested for a while
//!   other sensors    told whole
//! ```
//!
//! What is told in a minute has a bound. What does not fit is counted, and told by the readings that follow, the worst first: a
//! receiver that takes every change has in the end what the sensors say.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::health::{Milli, Says, Sensor, SensorChange};

use crate::bmc::readings::SensorReading;

/// Sensors of one server that are told as changed within [`MINUTE`].
pub const CHANGED_PER_MINUTE_MAX: usize = 64;
/// All sensors of a server are told at most once in so long.
pub const WHOLE_EVERY_MIN: Duration = Duration::from_secs(60);
/// What [`CHANGED_PER_MINUTE_MAX`] is about.
pub const MINUTE: Duration = Duration::from_secs(60);
/// A value that has moved by less than a step is told after so long.
pub const RESTED_AFTER: Duration = Duration::from_secs(600);
/// A value has moved by a step when it has moved by one part in so many.
const STEP_PART: i64 = 50;
/// Power draw has moved when it has moved by so many W, or by one part in [`DRAW_PART`].
const DRAW_STEP_W: u32 = 5;
/// See [`DRAW_STEP_W`].
const DRAW_PART: u32 = 20;

/// What was told of one server's sensors.
#[derive(Debug, Default)]
pub struct SensorNews {
    told: BTreeMap<String, Told>,
    /// When all of them were told.
    whole_at: Option<Instant>,
    /// All of them are to be told: the receiver may have missed some.
    is_anew: bool,
    draw_w: Option<u32>,
    /// How many changes were told since then.
    minute: Option<(Instant, usize)>,
}

#[derive(Debug)]
struct Told {
    sensor: Sensor,
    at: Instant,
    /// The last reading showed it to be better than was told.
    looks_better: bool,
}

/// Why a sensor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Rested,
    Moved,
    Better,
    Worse,
}

impl SensorNews {
    /// The next reading is told whole.
    pub fn tell_anew(&mut self) {
        self.is_anew = true;
    }

    /// What of a reading is news; none: nothing.
    pub fn take(&mut self, reading: SensorReading, now: Instant) -> Option<SensorChange> {
        let SensorReading { sensors, left_out, draw_w } = reading;
        let draw_w = self.draw(draw_w);
        if self.is_to_be_told_whole(&sensors, now) {
            return Some(self.whole(sensors, left_out, draw_w, now));
        }
        let mut news: Vec<(Why, Sensor)> =
            sensors.into_iter().filter_map(|sensor| self.news(sensor, now)).collect();
        let room = self.room(now);
        news.sort_by_key(|(why, sensor)| std::cmp::Reverse((*why, sensor.severity)));
        let left_out = u32::try_from(news.len().saturating_sub(room)).unwrap_or(u32::MAX);
        news.truncate(room);
        if news.is_empty() && draw_w.is_none() {
            return None;
        }
        if let Some((_, told)) = &mut self.minute {
            *told += news.len();
        }
        let sensors: Vec<_> = news.into_iter().map(|(_, sensor)| sensor).collect();
        sensors.iter().for_each(|sensor| self.note(sensor, now));
        Some(SensorChange { sensors, complete: false, draw_w, left_out })
    }

    fn is_to_be_told_whole(&self, sensors: &[Sensor], now: Instant) -> bool {
        let Some(at) = self.whole_at else { return true };
        let are_others = self.told.len() != sensors.len()
            || sensors.iter().any(|sensor| !self.told.contains_key(&sensor.key));
        (self.is_anew || are_others) && now.saturating_duration_since(at) >= WHOLE_EVERY_MIN
    }

    fn whole(
        &mut self,
        sensors: Vec<Sensor>,
        left_out: u32,
        draw_w: Option<u32>,
        now: Instant,
    ) -> SensorChange {
        let sensors: Vec<_> = sensors.into_iter().map(|sensor| self.judged(sensor)).collect();
        self.told.clear();
        sensors.iter().for_each(|sensor| self.note(sensor, now));
        (self.whole_at, self.is_anew) = (Some(now), false);
        SensorChange { sensors, complete: true, draw_w: draw_w.or(self.draw_w), left_out }
    }

    /// As it counts: no better than was told, before two readings in a row say so.
    fn judged(&mut self, sensor: Sensor) -> Sensor {
        let Some(told) = self.told.get_mut(&sensor.key) else { return sensor };
        let is_better = sensor.severity < told.sensor.severity;
        let is_sure = std::mem::replace(&mut told.looks_better, is_better);
        let severity = if is_better && !is_sure { told.sensor.severity } else { sensor.severity };
        Sensor { severity, ..sensor }
    }

    fn news(&mut self, sensor: Sensor, now: Instant) -> Option<(Why, Sensor)> {
        let sensor = self.judged(sensor);
        // One that is not known yet is told with all the others.
        let told = self.told.get(&sensor.key)?;
        let why = match sensor.severity.cmp(&told.sensor.severity) {
            std::cmp::Ordering::Greater => Why::Worse,
            std::cmp::Ordering::Less => Why::Better,
            std::cmp::Ordering::Equal if sensor == told.sensor => return None,
            std::cmp::Ordering::Equal if has_moved(&told.sensor, &sensor) => Why::Moved,
            std::cmp::Ordering::Equal => {
                (now.saturating_duration_since(told.at) >= RESTED_AFTER).then_some(Why::Rested)?
            }
        };
        Some((why, sensor))
    }

    fn note(&mut self, sensor: &Sensor, now: Instant) {
        // Told to be better, it has to look better twice again.
        let is_as_told = |told: &Told| told.sensor.severity == sensor.severity;
        let looks_better =
            self.told.get(&sensor.key).is_some_and(|told| told.looks_better && is_as_told(told));
        let told = Told { sensor: sensor.clone(), at: now, looks_better };
        self.told.insert(sensor.key.clone(), told);
    }

    fn room(&mut self, now: Instant) -> usize {
        let is_over = self.minute.is_none_or(|(since, _)| now.saturating_duration_since(since) >= MINUTE);
        if is_over {
            self.minute = Some((now, 0));
        }
        self.minute.map_or(0, |(_, told)| CHANGED_PER_MINUTE_MAX.saturating_sub(told))
    }

    /// The power draw, if it has moved.
    fn draw(&mut self, draw_w: Option<u32>) -> Option<u32> {
        let now_w = draw_w?;
        let has_moved =
            self.draw_w.is_none_or(|told| now_w.abs_diff(told) >= DRAW_STEP_W.max(told / DRAW_PART));
        has_moved.then(|| *self.draw_w.insert(now_w))
    }
}

/// Whether more than a number differs, or that by a step.
fn has_moved(told: &Sensor, now: &Sensor) -> bool {
    match (&told.says, &now.says) {
        (Says::Number { value: before, hysteresis, .. }, Says::Number { value, .. }) => {
            let step = hysteresis.0.max(before.0.saturating_abs() / STEP_PART).max(1);
            let is_the_same_but_for_its_value = {
                let mut now = now.clone();
                if let Says::Number { value, .. } = &mut now.says {
                    *value = *before;
                }
                &now == told
            };
            before.distance(*value) >= Milli(step) || !is_the_same_but_for_its_value
        }
        (Says::Number { .. } | Says::States(_) | Says::Nothing(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use protocol::health::{Limits, SensorKind, Severity};

    use super::*;

    const WALK: Duration = Duration::from_secs(60);

    fn sensor(number: usize, value: i64, severity: Severity) -> Sensor {
        Sensor {
            key: format!("{number:03}"),
            name: format!("T{number}"),
            kind: SensorKind::Temperature,
            severity,
            says: Says::Number {
                value: Milli(value),
                unit: "°C".into(),
                limits: Limits::default(),
                hysteresis: Milli(2000),
            },
        }
    }

    fn reading(sensors: Vec<Sensor>) -> SensorReading {
        SensorReading { sensors, left_out: 0, draw_w: None }
    }

    /// What whoever takes every change knows.
    #[derive(Default)]
    struct Receiver(BTreeMap<String, Sensor>);

    impl Receiver {
        fn take(&mut self, change: &SensorChange) {
            if change.complete {
                self.0.clear();
            }
            self.0.extend(change.sensors.iter().map(|sensor| (sensor.key.clone(), sensor.clone())));
        }
    }

    #[test]
    fn worse_is_told_at_once_better_when_it_lasts_and_small_moves_seldom() {
        let mut now = crate::test_clock::start();
        let mut news = SensorNews::default();
        let mut check = |value: i64, severity, expected: Option<(i64, Severity)>| {
            let change = news.take(reading(vec![sensor(1, value, severity)]), now);
            now += WALK;
            let told = change.map(|change| match &change.sensors[0] {
                Sensor { severity, says: Says::Number { value, .. }, .. } => (value.0, *severity),
                other => panic!("{other:?}"),
            });
            assert_eq!(told, expected, "{value} {severity:?}");
        };
        use Severity::{Critical, Ok, Warning};
        check(40_000, Ok, Some((40_000, Ok)));
        check(40_000, Ok, None);
        check(41_999, Ok, None);
        check(42_000, Ok, Some((42_000, Ok)));
        check(96_000, Critical, Some((96_000, Critical)));
        // Better once: its value is told, and that it is not sure yet.
        check(80_000, Ok, Some((80_000, Critical)));
        check(96_000, Critical, Some((96_000, Critical)));
        check(94_000, Warning, Some((94_000, Critical)));
        check(94_000, Warning, Some((94_000, Warning)));
        check(94_000, Ok, None);
        check(94_000, Ok, Some((94_000, Ok)));
        // A small move is told when it has rested.
        for _ in 0..9 {
            check(94_500, Ok, None);
        }
        check(94_500, Ok, Some((94_500, Ok)));
    }

    #[test]
    fn other_sensors_are_told_whole_and_so_is_everything_to_who_may_have_missed_it() {
        let mut now = crate::test_clock::start();
        let mut news = SensorNews::default();
        let mut check = |news: &mut SensorNews, count: usize, expected: Option<(bool, usize)>| {
            let sensors = (0..count).map(|number| sensor(number, 0, Severity::Ok)).collect();
            let change = news.take(reading(sensors), now);
            now += WALK;
            assert_eq!(change.map(|change| (change.complete, change.sensors.len())), expected);
        };
        check(&mut news, 3, Some((true, 3)));
        check(&mut news, 3, None);
        check(&mut news, 2, Some((true, 2)));
        check(&mut news, 4, Some((true, 4)));
        news.tell_anew();
        check(&mut news, 4, Some((true, 4)));
        check(&mut news, 4, None);
        check(&mut news, 0, Some((true, 0)));
    }

    #[test]
    fn power_draw_is_told_when_it_has_moved() {
        let now = crate::test_clock::start();
        let mut news = SensorNews::default();
        let mut check = |draw_w, expected: Option<Option<u32>>| {
            let change = news.take(SensorReading { draw_w, ..SensorReading::default() }, now);
            assert_eq!(change.map(|change| change.draw_w), expected, "{draw_w:?}");
        };
        check(Some(212), Some(Some(212)));
        check(Some(216), None);
        check(Some(201), Some(Some(201)));
        check(None, None);
        check(Some(206), None);
        check(Some(211), Some(Some(211)));
    }

    proptest! {
        /// Each step is one reading of every sensor: where it stands, and how bad that is.
        #[test]
        fn a_minute_has_a_bound_and_in_the_end_everything_is_told(
            steps in vec(vec((0..100_i64, 0..3_usize), 100), 1..12), pause_s in 5..90_u64,
        ) {
            let start = crate::test_clock::start();
            let mut now = start;
            let (mut news, mut receiver) = (SensorNews::default(), Receiver::default());
            let mut told: Vec<(Instant, usize)> = Vec::new();
            let last: Vec<Sensor> = steps.last().unwrap().iter().enumerate()
                .map(|(number, (value, bad))| sensor(number, value * 1000, Severity::ALL[*bad]))
                .collect();
            let rest = std::iter::repeat_n(last.clone(), 400);
            let readings = steps.iter().map(|step| {
                step.iter().enumerate()
                    .map(|(number, (value, bad))| sensor(number, value * 1000, Severity::ALL[*bad]))
                    .collect::<Vec<_>>()
            });
            for sensors in readings.chain(rest) {
                let before: BTreeMap<_, _> = receiver.0.clone();
                if let Some(change) = news.take(reading(sensors.clone()), now) {
                    receiver.take(&change);
                    if !change.complete {
                        told.push((now, change.sensors.len()));
                    }
                    // As long as there is room, nothing that got worse waits.
                    if change.left_out == 0 {
                        for sensor in &sensors {
                            let knew = before.get(&sensor.key).map_or(Severity::Ok, |known| known.severity);
                            let knows = receiver.0.get(&sensor.key).map(|known| known.severity);
                            prop_assert!(sensor.severity <= knew || knows == Some(sensor.severity));
                        }
                    }
                }
                now += Duration::from_secs(pause_s);
            }
            for (at, _) in &told {
                let within: usize = told.iter()
                    .filter(|(other, _)| *other >= *at && other.saturating_duration_since(*at) < MINUTE)
                    .map(|(_, count)| count).sum();
                prop_assert!(within <= 2 * CHANGED_PER_MINUTE_MAX, "{within} in a minute");
            }
            for sensor in last {
                prop_assert_eq!(receiver.0.get(&sensor.key), Some(&sensor));
            }
        }
    }
}
