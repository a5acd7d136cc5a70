//! Values: what a server's sensors said last, as Redfish resources of its chassis: one `Sensor` each, and the older `Thermal` and `Power`
//! that gather them.

use domain::{health::KnownSensor, rim::FacadeSensors};
use protocol::{
    health::{Limits, Milli, Says, SensorKind, Severity},
    id::ServerId,
};
use serde_json::{Value, json};

use super::{
    bmc::names,
    resource::{chassis_path, collection, link},
};

/// Units that Redfish has words for, as `ReadingType` and `ReadingUnits`. A number in another unit is not shown: it would have a wrong one.
static UNITS: [(&str, &str, &str); 6] = [
    ("°C", "Temperature", "Cel"),
    ("V", "Voltage", "V"),
    ("A", "Current", "A"),
    ("W", "Power", "W"),
    ("rpm", "Rotational", "RPM"),
    ("%", "Percent", "%"),
];

/// A sensor with a number in one of these units.
struct Number<'a> {
    known: &'a KnownSensor,
    value: Milli,
    limits: Limits,
    unit: &'static (&'static str, &'static str, &'static str),
}

fn numbers(of: &FacadeSensors) -> Vec<Number<'_>> {
    let mut found = Vec::new();
    for known in &of.known {
        if let Says::Number { value, unit, limits, .. } = &known.sensor.says
            && let Some(unit) = UNITS.iter().find(|(ours, _, _)| ours == unit)
        {
            found.push(Number { known, value: *value, limits: *limits, unit });
        }
    }
    found
}

/// Path of the sensors.
fn sensors_path(id: ServerId) -> String {
    format!("{}/Sensors", chassis_path(id))
}

/// Adds to a chassis where its sensors are, and how the worst of them is. Without sensors nothing is said.
pub fn add_to_chassis(chassis: &mut Value, id: ServerId, of: &FacadeSensors) {
    let path = chassis_path(id);
    if !numbers(of).is_empty() {
        chassis["Sensors"] = link(&sensors_path(id));
    }
    if !of.known.is_empty() {
        chassis["Thermal"] = link(&format!("{path}/Thermal"));
    }
    if !of.known.is_empty() || of.draw_w.is_some() {
        chassis["Power"] = link(&format!("{path}/Power"));
    }
    if let Some(worst) = of.known.iter().map(|known| known.severity).max() {
        chassis["Status"]["HealthRollup"] = health(worst).into();
    }
}

/// The list of sensors.
pub fn sensors(id: ServerId, of: &FacadeSensors) -> Value {
    let path = sensors_path(id);
    let members: Vec<_> = sensor_names(&numbers(of)).iter().map(|name| format!("{path}/{name}")).collect();
    collection("Sensor", &path, &members)
}

fn sensor_names(numbers: &[Number<'_>]) -> Vec<String> {
    names(numbers.iter().map(|number| number.known.sensor.key.as_str()))
}

/// One of them, by its name in the path.
pub fn sensor(id: ServerId, name: &str, of: &FacadeSensors) -> Option<Value> {
    let numbers = numbers(of);
    let at = sensor_names(&numbers).iter().position(|known| known == name)?;
    let Number { known, value, limits, unit: (_, kind, unit) } = numbers.get(at)?;
    let mut thresholds = json!({});
    for (word, limit) in [
        ("LowerCritical", limits.lower_critical),
        ("LowerCaution", limits.lower_warning),
        ("UpperCaution", limits.upper_warning),
        ("UpperCritical", limits.upper_critical),
    ] {
        if let Some(limit) = limit {
            thresholds[word] = json!({"Reading": limit.value()});
        }
    }
    Some(json!({
        "@odata.type": "#Sensor.v1_9_0.Sensor",
        "@odata.id": format!("{}/{name}", sensors_path(id)),
        "Id": name,
        "Name": known.sensor.name,
        "ReadingType": kind,
        "Reading": value.value(),
        "ReadingUnits": unit,
        "Thresholds": thresholds,
        "Status": status(known),
    }))
}

/// Temperatures and fans; none: nothing is known of sensors.
pub fn thermal(id: ServerId, of: &FacadeSensors) -> Option<Value> {
    let path = format!("{}/Thermal", chassis_path(id));
    let numbers = numbers(of);
    let temperatures = numbers.iter().filter(|number| number.unit.1 == "Temperature");
    let fans = numbers.iter().filter(|number| number.known.sensor.kind == SensorKind::Fan);
    (!of.known.is_empty()).then(|| {
        json!({
            "@odata.type": "#Thermal.v1_7_1.Thermal",
            "@odata.id": path,
            "Id": "Thermal",
            "Name": "Temperatures and fans",
            "Temperatures": listed(
                &path,
                "Temperatures",
                temperatures.map(|number| (number.known, measured(number, "ReadingCelsius"))),
            ),
            "Fans": listed(&path, "Fans", fans.map(|number| (number.known, fan(number)))),
        })
    })
}

/// Power draw, voltages and power supplies; none: nothing is known of them.
pub fn power(id: ServerId, of: &FacadeSensors) -> Option<Value> {
    if of.known.is_empty() && of.draw_w.is_none() {
        return None;
    }
    let path = format!("{}/Power", chassis_path(id));
    let numbers = numbers(of);
    let voltages = numbers.iter().filter(|number| number.unit.1 == "Voltage");
    let supplies = of.known.iter().filter(|known| known.sensor.kind == SensorKind::PowerSupply);
    let mut power = json!({
        "@odata.type": "#Power.v1_7_1.Power",
        "@odata.id": path,
        "Id": "Power",
        "Name": "Power",
        "Voltages": listed(&path, "Voltages", voltages.map(|number| (number.known, measured(number, "ReadingVolts")))),
        "PowerSupplies": listed(&path, "PowerSupplies", supplies.map(|known| (known, json!({})))),
    });
    if let Some(watts) = of.draw_w {
        power["PowerControl"] = json!([{
            "@odata.id": format!("{path}#/PowerControl/0"),
            "MemberId": "0",
            "Name": "Power draw of the server",
            "PowerConsumedWatts": watts,
        }]);
    }
    Some(power)
}

/// Members of a list inside a resource (DSP8010 `Resource.ReferenceableMember`).
fn listed<'a>(path: &str, list: &str, of: impl Iterator<Item = (&'a KnownSensor, Value)>) -> Vec<Value> {
    let member = |(at, (known, mut shown)): (usize, (&KnownSensor, Value))| {
        shown["@odata.id"] = format!("{path}#/{list}/{at}").into();
        shown["MemberId"] = at.to_string().into();
        shown["Name"] = known.sensor.name.as_str().into();
        shown["Status"] = status(known);
        shown
    };
    of.enumerate().map(member).collect()
}

/// A number under its name, with its limits.
fn measured(number: &Number<'_>, reading: &str) -> Value {
    let mut shown = json!({ reading: number.value.value() });
    for (word, limit) in thresholds(&number.limits) {
        shown[word] = limit.value().into();
    }
    shown
}

/// A fan; its numbers are whole ones there.
fn fan(number: &Number<'_>) -> Value {
    let unit = if number.unit.1 == "Percent" { "Percent" } else { "RPM" };
    let mut shown = json!({"Reading": whole(number.value), "ReadingUnits": unit});
    for (word, limit) in thresholds(&number.limits) {
        shown[word] = whole(limit).into();
    }
    shown
}

fn thresholds(limits: &Limits) -> impl Iterator<Item = (&'static str, Milli)> {
    let all = [
        ("LowerThresholdCritical", limits.lower_critical),
        ("LowerThresholdNonCritical", limits.lower_warning),
        ("UpperThresholdNonCritical", limits.upper_warning),
        ("UpperThresholdCritical", limits.upper_critical),
    ];
    all.into_iter().filter_map(|(word, limit)| Some((word, limit?)))
}

fn whole(number: Milli) -> i64 {
    number.value().round() as i64
}

fn status(known: &KnownSensor) -> Value {
    json!({"State": "Enabled", "Health": health(known.severity)})
}

fn health(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "OK",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

#[cfg(test)]
mod tests {
    use protocol::health::Sensor;

    use super::*;

    fn known(key: &str, kind: SensorKind, severity: Severity, says: Says) -> KnownSensor {
        let name = key.to_uppercase();
        let sensor = Sensor { key: key.to_owned(), name, kind, severity, says };
        KnownSensor { sensor, severity, by_site: false, since_us: 1 }
    }

    fn number(value: i64, unit: &str) -> Says {
        let limits = Limits { upper_critical: Some(Milli(90_500)), ..Limits::default() };
        Says::Number { value: Milli(value), unit: unit.to_owned(), limits, hysteresis: Milli(0) }
    }

    fn some() -> FacadeSensors {
        let known = vec![
            known("cpu", SensorKind::Temperature, Severity::Critical, number(91_500, "°C")),
            known("a/b", SensorKind::Fan, Severity::Ok, number(4_200_400, "rpm")),
            known("v", SensorKind::Voltage, Severity::Ok, number(3_301, "V")),
            known("odd", SensorKind::Other, Severity::Ok, number(1_000, "psi")),
            known("ps1", SensorKind::PowerSupply, Severity::Warning, Says::States(vec!["lost".into()])),
        ];
        FacadeSensors { known, draw_w: Some(214) }
    }

    #[test]
    fn sensors_are_shown_in_the_units_of_the_standard() {
        let (id, of) = (ServerId::random(), some());
        let check = |value: &Value, pointer: &str, expected: Value| {
            assert_eq!(value.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}: {value}");
        };
        let mut chassis = json!({"Status": {}});
        add_to_chassis(&mut chassis, id, &of);
        check(&chassis, "/Status/HealthRollup", "Critical".into());
        let list = sensors(id, &of);
        check(&list, "/Members@odata.count", 3.into());
        let cpu = sensor(id, "cpu", &of).unwrap();
        check(&cpu, "/Reading", 91.5.into());
        check(&cpu, "/ReadingUnits", "Cel".into());
        check(&cpu, "/Thresholds", json!({"UpperCritical": {"Reading": 90.5}}));
        check(&sensor(id, "1", &of).unwrap(), "/ReadingType", "Rotational".into());
        assert_eq!(sensor(id, "odd", &of), None, "psi is none of the units");
        let thermal = thermal(id, &of).unwrap();
        check(&thermal, "/Temperatures/0/ReadingCelsius", 91.5.into());
        check(&thermal, "/Temperatures/1", Value::Null);
        check(&thermal, "/Fans/0/Reading", 4200.into());
        check(&thermal, "/Fans/0/UpperThresholdCritical", 91.into());
        let power = power(id, &of).unwrap();
        check(&power, "/PowerControl/0/PowerConsumedWatts", 214.into());
        check(&power, "/Voltages/0/ReadingVolts", 3.301.into());
        check(&power, "/PowerSupplies/0/Status/Health", "Warning".into());
    }

    #[test]
    fn without_sensors_nothing_is_said_of_them() {
        let (id, none) = (ServerId::random(), FacadeSensors::default());
        let mut chassis = json!({"Status": {"Health": "OK"}});
        add_to_chassis(&mut chassis, id, &none);
        assert_eq!(chassis, json!({"Status": {"Health": "OK"}}));
        assert_eq!((thermal(id, &none), power(id, &none)), (None, None));
        assert_eq!(sensors(id, &none)["Members"], json!([]));
    }
}
