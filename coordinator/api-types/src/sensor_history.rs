//! Values: how a number of a server has moved.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a number of a node has moved within the last hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeSensorHistory {
    /// By what the sensor is known on its BMC; `power-draw`: what the server draws.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Length of a point's span in seconds.
    pub span_s: u64,
    /// For how many hours it is kept.
    pub hours: u64,
    /// At or below this it is critical.
    pub lower_critical: Option<f64>,
    /// At or below this it is a warning.
    pub lower_warning: Option<f64>,
    /// At or above this it is a warning.
    pub upper_warning: Option<f64>,
    /// At or above this it is critical.
    pub upper_critical: Option<f64>,
    /// The points, oldest first. Between two of them the number had not moved, or was not read.
    pub points: Vec<HistoryPoint>,
}

/// What was told of a number in a few minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPoint {
    /// When the span began (RFC 3339).
    pub at: String,
    /// The lowest.
    pub low: f64,
    /// The mean.
    pub mean: f64,
    /// The highest.
    pub high: f64,
}
