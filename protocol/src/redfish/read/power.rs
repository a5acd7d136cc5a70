//! Values: what a server draws and may draw, and the light by which it is found.

use serde::Serialize;

use crate::redfish::node::Node;

/// What a server draws and may draw, in W.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PowerControl {
    /// It draws now.
    pub draw_w: Option<f64>,
    /// It may draw at most; none: no limit is set.
    pub limit_w: Option<f64>,
    /// It could draw at most.
    pub capacity_w: Option<f64>,
}

impl PowerControl {
    /// Of the first `PowerControl` of an older `Power`.
    pub fn of_power(node: Node<'_>) -> Self {
        let list = node.list("PowerControl");
        let Some(control) = list.first() else { return Self::default() };
        Self {
            draw_w: control.number("PowerConsumedWatts"),
            limit_w: control.at("PowerLimit").number("LimitInWatts").filter(|limit| *limit > 0.0),
            capacity_w: control.number("PowerCapacityWatts"),
        }
    }

    /// Of an `EnvironmentMetrics`.
    pub fn of_environment(node: Node<'_>) -> Self {
        let limit = node.at("PowerLimitWatts");
        let is_on = !matches!(limit.text("ControlMode").as_deref(), Some("Disabled"));
        Self {
            draw_w: node.at("PowerWatts").number("Reading"),
            limit_w: limit.number("SetPoint").filter(|limit| is_on && *limit > 0.0),
            capacity_w: limit.number("AllowableMax"),
        }
    }

    /// Of a `Control` of power; none: it controls something else.
    pub fn of_control(node: Node<'_>) -> Option<Self> {
        let is =
            |name: &str, words: &[&str]| node.text(name).is_none_or(|said| words.contains(&said.as_str()));
        if node.text("ControlType").as_deref() != Some("Power") || !is("SetPointUnits", &["W"]) {
            return None;
        }
        let is_on = !matches!(node.text("ControlMode").as_deref(), Some("Disabled"));
        let most = ["AllowableMax", "SettingRangeMax"].into_iter().find_map(|name| node.number(name));
        Some(Self {
            draw_w: node.at("Sensor").number("Reading"),
            limit_w: node.number("SetPoint").filter(|limit| is_on && *limit > 0.0),
            capacity_w: most,
        })
    }
}

/// The light by which a server is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// On, or blinking.
    On,
    /// Off.
    Off,
}

impl Light {
    /// As a resource shows it: by `LocationIndicatorActive`, or by the older `IndicatorLED`.
    pub fn of(node: Node<'_>) -> Option<Self> {
        let newer = node.flag("LocationIndicatorActive");
        let older = node.text("IndicatorLED").and_then(|word| match word.to_ascii_lowercase().as_str() {
            "lit" | "blinking" => Some(true),
            "off" => Some(false),
            _ => None,
        });
        Some(if newer.or(older)? { Light::On } else { Light::Off })
    }
}
