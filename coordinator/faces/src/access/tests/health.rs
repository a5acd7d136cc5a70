//! Edges: the health of hardware by the REST API: the word with its reasons, in lists and alone, and who has dealt with an entry.

use axum::{body::Body, http::Request};
use domain::health::{KnownSensor, LogStanding};
use protocol::health::{BmcClock, Limits, LogCourse, LogEntry, Milli, Says, Sensor, SensorKind, Severity};
use serde_json::{Value, json};
use store::SensorsRead;

use super::world::World;

const ADMIN: &str = "token-administrator";

async fn get(world: &World, token: &str, path: &str) -> (u16, Value) {
    let request = Request::get(path).header("x-auth-token", token).body(Body::empty()).unwrap();
    let (status, _, said) = world.send(request).await;
    (status.as_u16(), serde_json::from_str(&said).unwrap_or_default())
}

async fn acknowledge(world: &World, entries: Value) -> (u16, Value) {
    let request = Request::post("/v1/nodes/n1/sel/acknowledge").header("x-auth-token", ADMIN);
    let request = request.header("content-type", "application/json");
    let body = Body::from(json!({ "entries": entries }).to_string());
    let (status, _, said) = world.send(request.body(body).unwrap()).await;
    (status.as_u16(), serde_json::from_str(&said).unwrap_or_default())
}

fn hot() -> KnownSensor {
    let limits = Limits { upper_critical: Some(Milli(95_000)), ..Limits::default() };
    let says = Says::Number { value: Milli(96_000), unit: "°C".into(), limits, hysteresis: Milli(0) };
    let (key, name, severity) = ("20/0/30".into(), "CPU1".into(), Severity::Critical);
    let sensor = Sensor { key, name, kind: SensorKind::Temperature, severity, says };
    KnownSensor { sensor, severity, by_site: false, since_us: 1_000_000 }
}

fn entry() -> LogEntry {
    LogEntry {
        id: "7".into(),
        fingerprint: "7".into(),
        at_s: Some(1_767_225_600),
        sensor: "DIMM A1".into(),
        kind: SensorKind::Memory,
        text: "uncorrectable error".into(),
        severity: Severity::Warning,
        condition: String::new(),
        ends: false,
    }
}

#[tokio::test]
async fn the_word_has_its_reasons_and_an_entry_is_one_until_it_is_acknowledged() {
    let world = World::start().await;
    let inventory = &world.inventory;
    let id = inventory.server_by_name("n1").await.unwrap().unwrap().id;
    let read = SensorsRead { complete: true, draw_w: Some(212), left_out: 0 };
    inventory.put_sensors(id, &[hot()], read).await.unwrap();
    let standing = LogStanding { records: 1, is_full: false, clock: BmcClock::Off { by_s: -3600 } };
    inventory.put_log(id, &standing, LogCourse::Follows, &[entry()]).await.unwrap();

    let (status, node) = get(&world, ADMIN, "/v1/nodes/n1").await;
    // No agent is here: nobody knows, and what was wrong last is shown all the same.
    assert_eq!((status, &node["health"]), (200, &json!("unknown")), "{node}");
    assert!(node["health_not_known"].as_str().is_some_and(|why| why.contains("rack1")), "{node}");
    let reasons: Vec<_> = node["health_reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| (&reason["source"], &reason["text"]))
        .collect();
    assert_eq!(reasons[0], (&json!("sensor"), &json!("CPU1: 96 °C (its upper critical limit is 95)")));
    assert_eq!(reasons[1], (&json!("log_entry"), &json!("event log: DIMM A1: uncorrectable error")));
    for (asked, found) in [("unknown", 1), ("critical", 0)] {
        let (_, page) = get(&world, ADMIN, &format!("/v1/nodes?health={asked}")).await;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(found), "{asked}: {page}");
    }
    assert_eq!(get(&world, ADMIN, "/v1/nodes?health=blue").await.0, 400);

    let (_, sensors) = get(&world, ADMIN, "/v1/nodes/n1/sensors").await;
    assert_eq!((&sensors["draw_w"], &sensors["items"][0]["value"]), (&json!(212), &json!(96.0)), "{sensors}");
    let (_, log) = get(&world, ADMIN, "/v1/nodes/n1/sel").await;
    assert_eq!(log["clock"], "the BMC's clock is 3600 s behind its agent's");
    assert_eq!(
        (&log["items"][0]["at"], &log["items"][0]["open"]),
        (&json!("2026-01-01T00:00:00.000Z"), &json!(true))
    );
    for path in ["/v1/nodes/n1/sensors", "/v1/nodes/n1/sel"] {
        assert_eq!(get(&world, "token-member", path).await.0, 403, "a tenant sees none of it");
    }

    assert_eq!(acknowledge(&world, json!([99])).await, (200, json!({"acknowledged": 0})));
    assert_eq!(acknowledge(&world, json!([])).await, (200, json!({"acknowledged": 1})));
    assert_eq!(acknowledge(&world, json!(vec![1; 1001])).await.0, 400);
    let (_, log) = get(&world, ADMIN, "/v1/nodes/n1/sel").await;
    assert_eq!(
        (&log["items"][0]["open"], &log["items"][0]["acknowledged_by"]),
        (&json!(false), &json!("administrator"))
    );
    let (_, node) = get(&world, ADMIN, "/v1/nodes/n1").await;
    assert_eq!(node["health_reasons"].as_array().map(Vec::len), Some(1), "the sensor is left");
}
