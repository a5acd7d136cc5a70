//! Edges: the history of a server's numbers in the API.

use std::sync::Arc;

use api_types::{HistoryPoint, NodeSensorHistory};
use axum::{Json, extract::State};
use domain::{
    health::{
        KnownSensor,
        history::{DRAW, HOURS_KEPT, Point, SPAN_US},
    },
    records::Server,
};
use protocol::health::{Limits, Milli, Says};

use super::{Api, request::Path, time::time};
use crate::problem::Problem;

/// Shows how a number of a node has moved within the last day: of each five minutes the lowest, the mean and the highest that was told.
///
/// A sensor is named by its name or its key; `power-draw` is what the server draws. A number is told when it has moved: between two points
/// it had not moved, or was not read. Sensors of the same name are told apart by their keys.
#[utoipa::path(get, path = "/v1/nodes/{node}/sensors/{sensor}/history", operation_id = "read_sensor_history",
    params(("node" = String, Path, description = "name or id"), ("sensor" = String, Path, description = "name, key or power-draw")),
    responses((status = 200, body = NodeSensorHistory), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn history(
    State(api): State<Arc<Api>>,
    Path((node, sensor)): Path<(String, String)>,
) -> Result<Json<NodeSensorHistory>, Problem> {
    let server = api.find_node(&node).await?;
    let meant = api.sensor(&server, &sensor).await?;
    let key = meant.as_ref().map_or(DRAW, |known| known.sensor.key.as_str());
    let points = api.inventory.history(server.id, key).await?;
    let (name, unit, limits) = match meant.as_ref().map(|known| (&known.sensor, &known.sensor.says)) {
        None => ("power draw".to_owned(), "W".to_owned(), Limits::default()),
        Some((sensor, Says::Number { unit, limits, .. })) => (sensor.name.clone(), unit.clone(), *limits),
        Some((sensor, Says::States(_) | Says::Nothing(_))) => {
            (sensor.name.clone(), String::new(), Limits::default())
        }
    };
    let number = |milli: Option<Milli>| milli.map(Milli::value);
    Ok(Json(NodeSensorHistory {
        key: key.to_owned(),
        name,
        unit,
        span_s: SPAN_US / 1_000_000,
        hours: HOURS_KEPT - 1,
        lower_critical: number(limits.lower_critical),
        lower_warning: number(limits.lower_warning),
        upper_warning: number(limits.upper_warning),
        upper_critical: number(limits.upper_critical),
        points: points.iter().map(view).collect(),
    }))
}

fn view(point: &Point) -> HistoryPoint {
    let value = |milli: i64| Milli(milli).value();
    HistoryPoint {
        at: time(point.at_us()).unwrap_or_default(),
        low: value(point.low),
        mean: value(point.mean()),
        high: value(point.high),
    }
}

impl Api {
    /// The sensor of a server that is meant; none: its power draw.
    async fn sensor(&self, server: &Server, meant: &str) -> Result<Option<KnownSensor>, Problem> {
        let mut known = self.inventory.sensors(server.id).await?;
        if let Some(found) = known.remove(meant) {
            return Ok(Some(found));
        }
        let mut named: Vec<_> = known.into_values().filter(|known| known.sensor.name == meant).collect();
        if named.len() > 1 {
            let keys: Vec<_> = named.iter().map(|known| known.sensor.key.as_str()).collect();
            return Err(Problem::conflict(format!(
                "several sensors of {} are named {meant}; name one by its key: {}",
                server.name,
                keys.join(", ")
            )));
        }
        match named.pop() {
            Some(found) => Ok(Some(found)),
            None if meant == DRAW => Ok(None),
            None => Err(Problem::not_found("sensor", meant)),
        }
    }
}
