//! Values: what sensors read, from the older resources (`Thermal`, `Power`) and the newer ones (`Sensor`, `ThermalSubsystem`, `PowerSubsystem`,
//! `EnvironmentMetrics`).

use serde::Serialize;

use super::{Health, Status, hardware::name};
use crate::redfish::node::Node;

/// What one sensor reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reading {
    /// Name.
    pub name: String,
    /// The number; none: no reading now, or it has states only.
    pub value: Option<f64>,
    /// Its unit, such as `Cel` → `°C`; empty: none.
    pub unit: String,
    /// Where it begins to be too low.
    pub lower: Bound,
    /// Where it begins to be too high.
    pub upper: Bound,
    /// How it is.
    pub status: Status,
}

/// One side of what is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bound {
    /// From here on it wants a look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caution: Option<f64>,
    /// From here on it is critical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
}

impl Reading {
    /// How bad it is: as the service says, or as its own limits say, whichever is worse.
    pub fn health(&self) -> Health {
        self.status.health.max(Some(self.by_limits())).unwrap_or(Health::Ok)
    }

    fn by_limits(&self) -> Health {
        let Some(value) = self.value else { return Health::Ok };
        let is = |bound: Option<f64>, beyond: fn(f64, f64) -> bool| {
            bound.is_some_and(|bound| beyond(value, bound))
        };
        let (below, above) = (|value, bound| value <= bound, |value, bound| value >= bound);
        if is(self.lower.critical, below) || is(self.upper.critical, above) {
            Health::Critical
        } else if is(self.lower.caution, below) || is(self.upper.caution, above) {
            Health::Warning
        } else {
            Health::Ok
        }
    }
}

/// All readings of an older `Thermal`: temperatures and fans.
pub fn of_thermal(node: Node<'_>) -> Vec<Reading> {
    let temperatures =
        node.list("Temperatures").into_iter().map(|node| older(node, "ReadingCelsius", "°C".to_owned()));
    let fans = node.list("Fans").into_iter().map(|node| {
        let unit = node.text("ReadingUnits").map_or_else(|| "rpm".to_owned(), |unit| unit_of(&unit));
        older(node, "Reading", unit)
    });
    temperatures.chain(fans).filter(|reading| !reading.status.is_absent()).collect()
}

/// All readings of an older `Power`: draw, voltages, power supplies.
pub fn of_power(node: Node<'_>) -> Vec<Reading> {
    let draws = node
        .list("PowerControl")
        .into_iter()
        .filter(|control| control.at("PowerConsumedWatts").is_there())
        .map(|control| older(control, "PowerConsumedWatts", "W".to_owned()));
    let volts =
        node.list("Voltages").into_iter().map(|voltage| older(voltage, "ReadingVolts", "V".to_owned()));
    let supplies = node.list("PowerSupplies").into_iter().map(|supply| {
        let output = ["PowerOutputWatts", "LastPowerOutputWatts", "PowerInputWatts"];
        let property = output.into_iter().find(|name| supply.at(name).is_there()).unwrap_or(output[0]);
        older(supply, property, "W".to_owned())
    });
    draws.chain(volts).chain(supplies).filter(|reading| !reading.status.is_absent()).collect()
}

/// A `Sensor`.
pub fn of_sensor(node: Node<'_>) -> Reading {
    let limits = node.at("Thresholds");
    let limit = |name: &str| limits.at(name).number("Reading");
    Reading {
        name: name(node, &["Name", "Id"]),
        value: node.number("Reading"),
        unit: node.text("ReadingUnits").map(|unit| unit_of(&unit)).unwrap_or_default(),
        lower: Bound {
            caution: limit("LowerCaution"),
            critical: limit("LowerCritical").or(limit("LowerFatal")),
        },
        upper: Bound {
            caution: limit("UpperCaution"),
            critical: limit("UpperCritical").or(limit("UpperFatal")),
        },
        status: node.status(),
    }
}

/// The temperatures of a `ThermalMetrics`.
pub fn of_thermal_metrics(node: Node<'_>) -> Vec<Reading> {
    let list = node.list("TemperatureReadingsCelsius");
    list.into_iter().map(|excerpt| of_excerpt(&name(excerpt, &["DeviceName"]), "°C", excerpt)).collect()
}

/// A `Fan` of a `ThermalSubsystem`.
pub fn of_fan(node: Node<'_>) -> Reading {
    let speed = node.at("SpeedPercent");
    let (value, unit) = match speed.number("SpeedRPM") {
        Some(rpm) => (Some(rpm), "rpm"),
        None => (speed.number("Reading"), "%"),
    };
    let (name, unit) = (name(node, &["Name", "Id"]), unit.to_owned());
    Reading { name, value, unit, status: node.status(), ..Reading::default() }
}

/// A `PowerSupply` of a `PowerSubsystem`, without its metrics.
pub fn of_supply(node: Node<'_>) -> Reading {
    Reading { name: name(node, &["Name", "Id"]), status: node.status(), ..Reading::default() }
}

/// What an `EnvironmentMetrics` of a chassis or system says of temperature, power and fans.
pub fn of_environment(of: &str, node: Node<'_>) -> Vec<Reading> {
    let facts = [
        ("TemperatureCelsius", "temperature", "°C"),
        ("PowerWatts", "power draw", "W"),
        ("HumidityPercent", "humidity", "%"),
    ];
    let one = facts.into_iter().filter(|(property, ..)| node.at(property).is_there());
    let one = one.map(|(property, what, unit)| of_excerpt(&format!("{of} {what}"), unit, node.at(property)));
    let fans = node.list("FanSpeedsPercent").into_iter();
    one.chain(fans.map(|fan| of_excerpt(&name(fan, &["DeviceName"]), "%", fan))).collect()
}

/// A part of a sensor that stands in another resource.
fn of_excerpt(name: &str, unit: &str, node: Node<'_>) -> Reading {
    let (name, unit) = (name.to_owned(), unit.to_owned());
    Reading { name, value: node.number("Reading"), unit, ..Reading::default() }
}

fn older(node: Node<'_>, property: &str, unit: String) -> Reading {
    Reading {
        name: name(node, &["Name", "FanName", "MemberId"]),
        value: node.number(property),
        unit,
        lower: Bound {
            caution: node.number("LowerThresholdNonCritical"),
            critical: node.number("LowerThresholdCritical").or(node.number("LowerThresholdFatal")),
        },
        upper: Bound {
            caution: node.number("UpperThresholdNonCritical"),
            critical: node.number("UpperThresholdCritical").or(node.number("UpperThresholdFatal")),
        },
        status: node.status(),
    }
}

/// A unit of UCUM, or a word of Redfish, as people write it.
fn unit_of(said: &str) -> String {
    match said {
        "Cel" => "°C",
        "RPM" | "{rev}/min" => "rpm",
        "Percent" => "%",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worse_of_what_is_said_and_what_the_limits_say_counts() {
        let check = |sensor: serde_json::Value, expected: Health| {
            assert_eq!(of_sensor(Node::of(&sensor)).health(), expected, "{sensor}");
        };
        let limits = json!({"UpperCaution": {"Reading": 80}, "UpperCritical": {"Reading": "90"}, "LowerCritical": {"Reading": 5}});
        check(json!({"Reading": 60, "Thresholds": limits}), Health::Ok);
        check(json!({"Reading": 80, "Thresholds": limits}), Health::Warning);
        check(json!({"Reading": "91.5", "Thresholds": limits}), Health::Critical);
        check(json!({"Reading": 5, "Thresholds": limits}), Health::Critical);
        check(json!({"Reading": 60, "Thresholds": limits, "Status": {"Health": "Warning"}}), Health::Warning);
        check(json!({"Reading": null, "Thresholds": limits}), Health::Ok);
        check(json!({"Status": {"HealthRollup": "CRITICAL"}}), Health::Critical);
    }

    #[test]
    fn older_and_newer_resources_say_the_same() {
        let thermal = json!({
            "Temperatures": [
                {"Name": "CPU1", "ReadingCelsius": 47, "UpperThresholdCritical": 95},
                {"Name": "CPU2", "Status": {"State": "Absent"}},
            ],
            "Fans": [{"FanName": "FAN1", "Reading": 5400, "ReadingUnits": "RPM"}],
        });
        let shown = |readings: Vec<Reading>| -> Vec<String> {
            readings.iter().map(|it| format!("{} {:?} {}", it.name, it.value, it.unit)).collect()
        };
        assert_eq!(shown(of_thermal(Node::of(&thermal))), ["CPU1 Some(47.0) °C", "FAN1 Some(5400.0) rpm"]);
        let power = json!({"PowerControl": [{"Name": "System", "PowerConsumedWatts": "212"}, {}], "Voltages": [{"Name": "12V", "ReadingVolts": 12.06}]});
        assert_eq!(shown(of_power(Node::of(&power))), ["System Some(212.0) W", "12V Some(12.06) V"]);
        let fan = json!({"Id": "1", "SpeedPercent": {"Reading": 40, "SpeedRPM": 5400}});
        assert_eq!(shown(vec![of_fan(Node::of(&fan))]), ["1 Some(5400.0) rpm"]);
        let environment = json!({"PowerWatts": {"Reading": 212}, "FanSpeedsPercent": [{"DeviceName": "FAN1", "Reading": 40}]});
        let environment = of_environment("Chassis", Node::of(&environment));
        assert_eq!(shown(environment), ["Chassis power draw Some(212.0) W", "FAN1 Some(40.0) %"]);
    }
}
