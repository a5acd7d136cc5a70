//! Edges: what a server's page shows of its inside: how its numbers moved, the newest of its event log, and its BMC.

use api_types::{
    BmcAnswers, BmcHealth, HardwareHealth, Node, NodeLog, NodeSensor, NodeSensorHistory, NodeSensors,
    SensorKind,
};
use domain::url_text::segment;
use jiff::Timestamp;

use super::{
    Ui,
    chart::Chart,
    health,
    session::Visitor,
    view::{Pill, When},
};

/// Numbers that are drawn beside the power draw.
const CHARTS_MAX: usize = 3;
/// Entries of the event log that are shown.
const ENTRIES_SHOWN: usize = 5;
/// The name of the power draw among the histories.
const DRAW: &str = "power-draw";

/// An entry of the event log.
pub struct EntryRow {
    /// How bad it is.
    pub pill: Pill,
    /// What it says, with its sensor.
    pub text: String,
    /// When it was told.
    pub seen: Option<When>,
}

/// How the BMC answers, in a sentence, and whether that is well.
pub struct Answers {
    /// The sentence.
    pub words: String,
    /// Whether it answers.
    pub is_well: bool,
}

/// What is shown. What cannot be read is left out: the page is the same without it.
#[derive(Default)]
pub struct Inside {
    /// Pictures of numbers.
    pub charts: Vec<Chart>,
    /// The newest entries.
    pub entries: Vec<EntryRow>,
    /// How the BMC answers.
    pub answers: Option<Answers>,
    /// When its password was changed last.
    pub rotated: Option<When>,
}

impl Inside {
    /// Reads it.
    pub async fn read(ui: &Ui, visitor: &Visitor, node: &Node, now: Timestamp) -> Self {
        let path = format!("/v1/nodes/{}", node.id);
        let (sensors, log, bmc) = (format!("{path}/sensors"), format!("{path}/sel"), format!("{path}/bmc"));
        let (sensors, log, bmc) = tokio::join!(
            ui.rest.get::<NodeSensors>(visitor, &sensors),
            ui.rest.get::<NodeLog>(visitor, &log),
            ui.rest.get::<BmcHealth>(visitor, &bmc),
        );
        let drawn = drawn(sensors.map(|sensors| sensors.items).unwrap_or_default());
        let mut charts = Vec::new();
        for key in drawn {
            let path = format!("{path}/sensors/{}/history", segment(&key));
            if let Ok(history) = ui.rest.get::<NodeSensorHistory>(visitor, &path).await {
                charts.extend(Chart::draw(&history, now));
            }
        }
        Inside {
            charts,
            entries: log.map(|log| entries(log, now)).unwrap_or_default(),
            answers: bmc.ok().map(|bmc| answers(&bmc)),
            rotated: node.bmc.password.rotated.as_ref().and_then(|at| When::read(at, now)),
        }
    }
}

/// Keys of the numbers that are drawn: the power draw, then those that are not well, then temperatures.
fn drawn(mut sensors: Vec<NodeSensor>) -> Vec<String> {
    sensors.retain(|sensor| sensor.value.is_some());
    let rank =
        |sensor: &NodeSensor| (sensor.health == HardwareHealth::Ok, sensor.kind != SensorKind::Temperature);
    sensors.sort_by_key(rank);
    let keys = sensors.into_iter().map(|sensor| sensor.key).take(CHARTS_MAX);
    std::iter::once(DRAW.to_owned()).chain(keys).collect()
}

fn entries(log: NodeLog, now: Timestamp) -> Vec<EntryRow> {
    let mut items = log.items;
    items.sort_by_key(|entry| std::cmp::Reverse(entry.number));
    let row = |entry: api_types::NodeLogEntry| EntryRow {
        pill: Pill { word: entry.severity.to_string(), ..health::pill(entry.severity) },
        text: if entry.sensor.is_empty() { entry.text } else { format!("{}: {}", entry.sensor, entry.text) },
        seen: entry.seen.as_ref().and_then(|at| When::read(at, now)),
    };
    items.into_iter().take(ENTRIES_SHOWN).map(row).collect()
}

fn answers(bmc: &BmcHealth) -> Answers {
    let latency = bmc.figures.as_ref().and_then(|figures| figures.median_ms);
    let error = bmc.figures.as_ref().and_then(|figures| figures.last_error.clone());
    let words = match (bmc.answers, latency) {
        (BmcAnswers::Yes, Some(ms)) => format!("answers, usually within {ms} ms"),
        (BmcAnswers::Yes, None) => "answers".to_owned(),
        (BmcAnswers::No, _) => match error {
            Some(error) => format!("does not answer: {error}"),
            None => "does not answer".to_owned(),
        },
        (BmcAnswers::Unknown, _) => bmc.reason.clone().unwrap_or_else(|| "not known".to_owned()),
    };
    Answers { words, is_well: bmc.answers == BmcAnswers::Yes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draw_comes_first_then_what_is_not_well_then_temperatures() {
        let sensor = |key: &str, kind: SensorKind, health: HardwareHealth, value: Option<f64>| NodeSensor {
            key: key.to_owned(),
            name: key.to_owned(),
            kind,
            health,
            by_site: false,
            since: None,
            reading: String::new(),
            value,
            unit: None,
            lower_critical: None,
            lower_warning: None,
            upper_warning: None,
            upper_critical: None,
        };
        let sensors = vec![
            sensor("fan", SensorKind::Fan, HardwareHealth::Ok, Some(1.0)),
            sensor("cpu", SensorKind::Temperature, HardwareHealth::Ok, Some(1.0)),
            sensor("psu", SensorKind::PowerSupply, HardwareHealth::Critical, None),
            sensor("volt", SensorKind::Voltage, HardwareHealth::Critical, Some(1.0)),
            sensor("inlet", SensorKind::Temperature, HardwareHealth::Ok, Some(1.0)),
        ];
        assert_eq!(drawn(sensors), ["power-draw", "volt", "cpu", "inlet"]);
        assert_eq!(drawn(vec![]), ["power-draw"]);
    }
}
