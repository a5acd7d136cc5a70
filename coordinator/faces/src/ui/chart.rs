//! Decisions: a small picture of how a number has moved, as SVG that is part of a page. It says in words what it shows.

use std::fmt::{self, Write};

use api_types::NodeSensorHistory;
use jiff::Timestamp;

/// Size of the picture, in its own units; a page shows it as wide as there is room.
const WIDTH: f64 = 600.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 80.0;

/// A picture of a history.
pub struct Chart {
    /// Of what, and from what to what.
    pub words: String,
    /// What is drawn.
    svg: String,
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.svg)
    }
}

/// A point of it: where on the time axis from 0 to 1, and its three numbers.
struct Drawn {
    at: f64,
    low: f64,
    mean: f64,
    high: f64,
}

impl Chart {
    /// Draws it up to now; none: there is nothing to draw.
    pub fn draw(history: &NodeSensorHistory, now: Timestamp) -> Option<Self> {
        let span_s = (history.hours * 3600) as f64;
        let place = |at: &str| {
            let at: Timestamp = at.parse().ok()?;
            Some(1.0 - (now.as_second() - at.as_second()) as f64 / span_s)
        };
        let drawn: Vec<Drawn> = history
            .points
            .iter()
            .filter_map(|point| {
                let at = place(&point.at).filter(|at| (0.0..=1.0).contains(at))?;
                Some(Drawn { at, low: point.low, mean: point.mean, high: point.high })
            })
            .collect();
        let last = drawn.last()?;
        let low = drawn.iter().map(|point| point.low).fold(f64::INFINITY, f64::min);
        let high = drawn.iter().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
        let unit = if history.unit.is_empty() { String::new() } else { format!(" {}", history.unit) };
        let words =
            format!("{}: {}{unit}; within a day {low}{unit} to {high}{unit}", history.name, last.mean);
        let scale = Scale::over(low, high);
        let mut svg =
            format!(r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="chart">"#);
        let band = path(drawn.iter().map(|point| (point.at, point.high)), &scale, "M")
            + &path(drawn.iter().rev().map(|point| (point.at, point.low)), &scale, "L");
        let _ = write!(svg, r#"<path class="band" d="{band}Z"></path>"#);
        // A number stays as it is until another one is told.
        let line = steps(&drawn);
        let _ = write!(svg, r#"<path class="line" d="{}"></path>"#, path(line, &scale, "M"));
        for limit in
            [history.upper_critical, history.upper_warning, history.lower_warning, history.lower_critical]
        {
            if let Some(y) = limit.and_then(|limit| scale.inside(limit)) {
                let _ = write!(svg, r#"<path class="limit" d="M0 {y:.1}H{WIDTH}"></path>"#);
            }
        }
        svg.push_str("</svg>");
        Some(Self { words, svg })
    }
}

/// The means, each until the next one, and the last one until now.
fn steps(drawn: &[Drawn]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let next = drawn.iter().skip(1).map(|point| point.at).chain([1.0]);
    drawn.iter().zip(next).flat_map(|(point, until)| [(point.at, point.mean), (until, point.mean)])
}

/// From numbers to heights.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// With some air, also around a number that never moves.
    fn over(low: f64, high: f64) -> Self {
        let air = ((high - low) * 0.1).max(high.abs() * 0.02).max(0.5);
        Self { low: low - air, high: high + air }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT * (self.high - value) / (self.high - self.low)
    }

    /// The height of a limit, if it is to be seen.
    fn inside(&self, limit: f64) -> Option<f64> {
        (self.low..=self.high).contains(&limit).then(|| self.y(limit))
    }
}

fn path(points: impl Iterator<Item = (f64, f64)>, scale: &Scale, first: &str) -> String {
    let mut text = String::new();
    for (place, (at, value)) in points.enumerate() {
        let verb = if place == 0 { first } else { "L" };
        let _ = write!(text, "{verb}{:.1} {:.1}", at * WIDTH, scale.y(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use api_types::HistoryPoint;

    use super::*;

    fn history(points: &[(&str, f64, f64, f64)]) -> NodeSensorHistory {
        let point = |&(at, low, mean, high): &(&str, f64, f64, f64)| HistoryPoint {
            at: at.to_owned(),
            low,
            mean,
            high,
        };
        NodeSensorHistory {
            key: "1".into(),
            name: "CPU <1>".into(),
            unit: "°C".into(),
            span_s: 300,
            hours: 24,
            lower_critical: None,
            lower_warning: None,
            upper_warning: Some(50.0),
            upper_critical: Some(500.0),
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn a_number_is_drawn_in_its_place_and_said_in_words() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let points = [
            ("2026-11-29T11:00:00Z", 1.0, 1.0, 1.0),
            ("2026-11-30T00:00:00Z", 40.0, 42.0, 44.0),
            ("2026-11-30T06:00:00Z", 50.0, 50.0, 60.0),
        ];
        let chart = Chart::draw(&history(&points), now).unwrap();
        assert_eq!(chart.words, "CPU <1>: 50 °C; within a day 40 °C to 60 °C");
        let svg = chart.to_string();
        // Half a day ago it began, a quarter ago it rose; the limit that is far away is not drawn, and no foreign text is in it.
        assert!(svg.contains(r#"class="line" d="M300.0 66.7L450.0 66.7L450.0 40.0L600.0 40.0""#), "{svg}");
        assert_eq!(svg.matches("limit").count(), 1, "{svg}");
        assert!(!svg.contains("CPU"), "{svg}");
        assert!(Chart::draw(&history(&points[..1]), now).is_none(), "too old");
        // One that never moves has a height, too.
        let flat =
            Chart::draw(&history(&[("2026-11-30T06:00:00Z", 0.0, 0.0, 0.0)]), now).unwrap().to_string();
        assert!(flat.contains("M450.0 40.0L600.0 40.0"), "{flat}");
    }
}
