//! Edges: what an agent tells of sensors and event logs: judged, kept, told to operators once, and to no tenant.

use domain::health::{LimitRule, SiteLimits};
use protocol::health::{
    BmcClock, HardwareChange, Limits, LogChange, LogCourse, LogEntry, Milli, Says, Sensor, SensorChange,
    SensorKind, Severity,
};

use super::*;

fn sensor(name: &str, celsius: i64, severity: Severity) -> Sensor {
    let (unit, hysteresis) = ("°C".to_owned(), Milli(0));
    let says = Says::Number { value: Milli(celsius * 1000), unit, limits: Limits::default(), hysteresis };
    Sensor { key: name.to_owned(), name: name.to_owned(), kind: SensorKind::Temperature, severity, says }
}

fn sensors(sensors: Vec<Sensor>, complete: bool) -> ReportBody {
    let change = SensorChange { sensors, complete, draw_w: Some(212), left_out: 0 };
    ReportBody::Hardware { change: HardwareChange::Sensors(change) }
}

fn log(course: LogCourse, entries: Vec<LogEntry>) -> ReportBody {
    let change =
        LogChange { entries, left_out: 0, course, records: 1, is_full: false, clock: BmcClock::Right };
    ReportBody::Hardware { change: HardwareChange::Log(change) }
}

fn entry(id: &str, severity: Severity) -> LogEntry {
    LogEntry {
        id: id.to_owned(),
        fingerprint: id.to_owned(),
        at_s: None,
        sensor: "DIMM A1".to_owned(),
        kind: SensorKind::Memory,
        text: "uncorrectable error".to_owned(),
        severity,
        condition: String::new(),
        ends: false,
    }
}

#[tokio::test]
async fn what_gets_worse_is_an_alarm_once_and_a_site_has_the_last_word() {
    use Severity::{Critical, Ok, Warning};
    let mut site = Site::new().await;
    site.stop.cancel();
    let rule = LimitRule { sensor: "inlet*".into(), upper_critical: Some(42.0), ..LimitRule::default() };
    let limits = Arc::new(SiteLimits::new(vec![rule]).unwrap());
    (site.hub, site.address, site.stop) =
        serve_hub_with(&site.issuer, &site.inventory, Waits::default(), limits).await;
    let mut agent = site.agent().await;
    // What is said, and how many alarms and how many words of recovery there are then.
    let all = |cpu, inlet| vec![sensor("CPU1", 50, cpu), sensor("Inlet", inlet, Warning)];
    let steps = [
        (sensors(all(Ok, 30), true), 0, 0),
        (sensors(vec![sensor("CPU1", 96, Critical)], false), 1, 0),
        // Told anew after a break, it is no second alarm.
        (sensors(all(Critical, 30), true), 1, 0),
        (sensors(vec![sensor("Inlet", 43, Ok)], false), 2, 0),
        (sensors(vec![sensor("CPU1", 60, Ok)], false), 2, 1),
        (log(LogCourse::First, vec![entry("1", Critical)]), 2, 1),
        (log(LogCourse::Follows, vec![entry("2", Critical)]), 3, 1),
        (log(LogCourse::First, vec![entry("1", Critical), entry("2", Critical)]), 3, 1),
        (log(LogCourse::Cleared, vec![]), 3, 2),
    ];
    for (seq, (said, alarms, words)) in (1..).zip(steps) {
        agent.report(&site, seq, said).await;
        agent.acknowledged(seq).await;
        let found = (site.told(EventKind::Alarm).await, site.told(EventKind::Hardware).await);
        assert_eq!((found.0.len(), found.1.len()), (alarms, words), "after report {seq}: {found:?}");
    }
    let alarms = site.told(EventKind::Alarm).await;
    assert_eq!(
        alarms[1],
        "hardware got worse: Inlet: 43 °C (the site's upper critical limit is 42) (critical)"
    );
    assert!(alarms[2].contains("DIMM A1: uncorrectable error (critical)"), "{alarms:?}");
    assert!(alarms[2].ends_with("bmsctl node sel ack n1"), "{alarms:?}");
    let known = site.inventory.sensors(site.server.id).await.unwrap();
    assert!(known["Inlet"].by_site && known["Inlet"].severity == Critical);
    assert_eq!(
        site.inventory.open_entries(None).await.unwrap().len(),
        1,
        "the first was there before we looked"
    );
    let hardware = site.inventory.hardware(site.server.id).await.unwrap().unwrap();
    assert_eq!(hardware.draw_w, Some(212));
}

#[tokio::test]
async fn a_tenant_is_told_nothing_of_its_machines_parts() {
    let site = Site::new().await;
    let tenant = domain::records::TenantServer {
        node: Some(site.server.id),
        ..domain::samples::tenant_server(uuid::Uuid::from_u128(1))
    };
    site.inventory.put_tenant_server(&tenant).await.unwrap();
    let mut agent = site.agent().await;
    let unread = HardwareChange::Unread { reason: "it has none".to_owned() };
    let said = [
        sensors(vec![sensor("CPU1", 96, Severity::Critical)], true),
        sensors(vec![sensor("CPU1", 50, Severity::Ok)], false),
        log(LogCourse::Follows, vec![entry("2", Severity::Critical)]),
        log(LogCourse::Cleared, vec![]),
        ReportBody::Hardware { change: unread },
    ];
    for (seq, said) in (1..).zip(said) {
        agent.report(&site, seq, said).await;
        agent.acknowledged(seq).await;
    }
    let all = site.inventory.events_from(&EventFilter::default()).await.unwrap();
    let of_hardware: Vec<_> =
        all.iter().filter(|event| matches!(event.kind, EventKind::Alarm | EventKind::Hardware)).collect();
    assert_eq!(of_hardware.len(), 5, "{all:?}");
    assert!(of_hardware.iter().all(|event| event.told.is_none()), "{of_hardware:?}");
}
