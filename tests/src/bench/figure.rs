//! Values: figures of the benches, as a table for people and as a list for programs.

use serde::Serialize;

/// What one bench measures, before it has been measured. Less is better for all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bench {
    /// Its name, for `make bench ONLY=name`.
    pub name: &'static str,
    /// The figures' unit.
    pub unit: &'static str,
    /// What our figure is to be held against.
    pub peer_name: &'static str,
    /// What is wanted at most; none: only the comparison counts.
    pub goal: Option<f64>,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Our figure.
    pub ours: f64,
    /// The peer's, when it was measured in the same run; never a figure from elsewhere.
    pub peer: Option<f64>,
}

/// One bench with what came of it: an entry of `bench.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The bench.
    pub name: &'static str,
    /// The unit of `ours`, `peer` and `goal`.
    pub unit: &'static str,
    /// Our figure; none when the bench failed.
    pub ours: Option<f64>,
    /// The peer's figure; none when it was not measured in this run.
    pub peer: Option<f64>,
    /// What the peer is.
    pub peer_name: &'static str,
    /// Ours divided by the peer's.
    pub ratio: Option<f64>,
    /// What is wanted at most.
    pub goal: Option<f64>,
    /// Whether the goal was met; none when there is no goal.
    pub met: Option<bool>,
    /// Why there is no figure.
    #[serde(skip)]
    pub failure: Option<String>,
    /// Why there is no figure of the peer, which was tried.
    #[serde(skip)]
    pub peer_failure: Option<String>,
}

impl Figure {
    /// The bench with what it measured, or with the reason why it could not.
    pub fn new(bench: &Bench, measured: Result<Measured, String>) -> Self {
        let (ours, peer, failure) = match measured {
            Ok(measured) => (Some(measured.ours), measured.peer, None),
            Err(why) => (None, None, Some(why)),
        };
        let met = bench.goal.map(|goal| ours.is_some_and(|ours| ours <= goal));
        let Bench { name, unit, peer_name, goal } = *bench;
        let ratio = ratio(ours, peer);
        Self { name, unit, ours, peer, peer_name, ratio, goal, met, failure, peer_failure: None }
    }

    /// The same beside what a peer measured, or with the reason why it could not.
    pub fn beside(self, peer: Result<f64, String>) -> Self {
        let (peer, peer_failure) = match peer {
            Ok(peer) => (Some(peer), None),
            Err(why) => (None, Some(why)),
        };
        Self { peer, ratio: ratio(self.ours, peer), peer_failure, ..self }
    }
}

fn ratio(ours: Option<f64>, peer: Option<f64>) -> Option<f64> {
    ours.zip(peer).filter(|(_, peer)| *peer > 0.0).map(|(ours, peer)| ours / peer)
}

/// The middle one; of two middle ones the mean; none of nothing.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) { *sorted.get(middle.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

/// The table for people, with the reasons of failures below it.
pub fn table(figures: &[Figure]) -> String {
    let number = |value: Option<f64>| {
        value.map_or_else(
            || "-".to_owned(),
            |value| if value < 1000.0 { format!("{value:.2}") } else { format!("{value:.0}") },
        )
    };
    let head = ["name", "unit", "ours", "goal", "met", "peer", "ours/peer", "peer is"].map(str::to_owned);
    let rows = figures.iter().map(|figure| {
        let met = figure.met.map_or("-", |met| if met { "yes" } else { "no" });
        let ours = if figure.failure.is_some() { "FAILED".to_owned() } else { number(figure.ours) };
        let (name, unit, peer_name) = (figure.name.into(), figure.unit.into(), figure.peer_name.into());
        let peer = if figure.peer_failure.is_some() { "FAILED".to_owned() } else { number(figure.peer) };
        let (goal, ratio) = (number(figure.goal), number(figure.ratio));
        [name, unit, ours, goal, met.into(), peer, ratio, peer_name]
    });
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            if (2..=6).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text.push_str(&reasons("", figures.iter().map(|figure| (figure.name, figure.failure.as_deref()))));
    let peers = figures.iter().map(|figure| (figure.name, figure.peer_failure.as_deref()));
    text.push_str(&reasons("the peer of ", peers));
    text
}

/// One fault can take several figures with it; it is told once.
fn reasons<'a>(of: &str, failures: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, failure) in failures {
        let Some(why) = failure else { continue };
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    reasons.iter().map(|(why, names)| format!("{of}{} FAILED: {why}\n", names.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BENCH: Bench = Bench { name: "one", unit: "s", peer_name: "somebody", goal: Some(5.0) };

    #[test]
    fn a_figure_is_held_against_goal_and_peer() {
        let check = |measured: Result<(f64, Option<f64>), &str>, ratio: Option<f64>, met: bool| {
            let measured = measured.map(|(ours, peer)| Measured { ours, peer }).map_err(str::to_owned);
            let figure = Figure::new(&BENCH, measured);
            assert_eq!((figure.ratio, figure.met), (ratio, Some(met)), "{figure:?}");
        };
        check(Ok((4.0, Some(8.0))), Some(0.5), true);
        check(Ok((5.0, None)), None, true);
        check(Ok((6.0, Some(0.0))), None, false);
        check(Err("no tool"), None, false);
    }

    #[test]
    fn a_peer_that_fails_takes_nothing_from_our_figure() {
        let check = |ours: Result<f64, &str>, peer: Result<f64, &str>, ratio: Option<f64>, shown: &str| {
            let ours = ours.map(|ours| Measured { ours, peer: None }).map_err(str::to_owned);
            let figure = Figure::new(&BENCH, ours.clone()).beside(peer.map_err(str::to_owned));
            assert_eq!(figure.ours, ours.ok().map(|measured| measured.ours));
            assert_eq!((figure.peer, figure.ratio), (peer.ok(), ratio));
            let text = table(&[figure]);
            assert!(text.contains(shown), "{text}");
        };
        check(Ok(4.0), Ok(8.0), Some(0.5), "0.50");
        check(Ok(4.0), Err("no DHCP"), None, "the peer of one FAILED: no DHCP");
        check(Err("no tool"), Ok(8.0), None, "one FAILED: no tool");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let check = |samples: &[f64], expected: Option<f64>| assert_eq!(median(samples), expected);
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[9.0, 1.0, 2.0], Some(2.0));
        check(&[4.0, 1.0], Some(2.5));
    }

    #[test]
    fn the_table_says_why_a_figure_is_missing() {
        let figures = [
            Figure::new(&BENCH, Ok(Measured { ours: 4.0, peer: None })),
            Figure::new(&BENCH, Err("the tool is not installed".to_owned())),
            Figure::new(&BENCH, Err("the tool is not installed".to_owned())),
        ];
        let text = table(&figures);
        assert!(text.contains("one, one FAILED: the tool is not installed"), "{text}");
        assert!(text.lines().any(|line| line.contains("4.00") && line.contains("yes")), "{text}");
        let json = serde_json::to_value(&figures[1]).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 8, "{names:?}");
        assert!(json["peer"].is_null() && json["ours"].is_null());
    }
}
