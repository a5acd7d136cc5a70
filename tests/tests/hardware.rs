//! Edges: the agent's reading of sensors and event logs on our virtual BMC: what is told of it, and what it keeps waiting.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use agent::{
    bmc::{self, Bmc, BmcOptions, Line, Memory},
    hardware::{Every, Hardware},
    uplink::client::Seen,
};
use protocol::{
    bmc_settings::BmcSettings,
    health::{BmcClock, HardwareChange, LogCourse, Says, Sensor, SensorKind, Severity},
    id::ServerId,
    ipmi::sel::record::Event,
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    ipmi::{self, IpmiBmc},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that must happen.
const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct-horse";

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn virtual_bmc() -> IpmiBmc {
    ipmi::serve(loopback(), Credentials::new("admin", PASSWORD), Arc::new(FakeChassis::default())).unwrap()
}

fn connect(to: SocketAddr) -> Arc<dyn Bmc> {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: to.ip().to_string(),
        port: to.port(),
        username: "admin".into(),
        password: Secret::new(PASSWORD),
        settings: BmcSettings::default(),
    };
    Arc::from(bmc::connect_with(&endpoint, BmcOptions::default()))
}

fn named<'a>(sensors: &'a [Sensor], name: &str) -> &'a Sensor {
    sensors.iter().find(|sensor| sensor.name == name).unwrap_or_else(|| panic!("{name}: {sensors:#?}"))
}

#[tokio::test]
async fn what_a_bmc_says_is_read_with_its_limits_and_the_log_from_where_it_was_read_last() {
    let virtual_bmc = virtual_bmc();
    let bmc = connect(virtual_bmc.addr);
    let (reader, line, mut memory) = (bmc.hardware().expect("IPMI can"), Line::default(), Memory::default());
    let reading = reader.read_sensors(&line, &mut memory).await.unwrap();
    assert_eq!((reading.draw_w, reading.left_out), (Some(0), 0), "it is off");
    let cpu = named(&reading.sensors, "CPU1 Temp");
    assert_eq!(
        (cpu.kind, cpu.severity, cpu.words().as_str()),
        (SensorKind::Temperature, Severity::Ok, "47 °C")
    );
    let Says::Number { limits, .. } = &cpu.says else { panic!("{cpu:?}") };
    assert_eq!(limits.upper_critical.map(|limit| limit.value()), Some(95.0));
    let psu = named(&reading.sensors, "PSU2 Status");
    assert_eq!((psu.kind, psu.severity), (SensorKind::PowerSupply, Severity::Critical));
    assert_eq!(psu.words(), "present, input lost");
    assert_eq!(named(&reading.sensors, "Node2 Temp").words(), "33 °C", "read over the bus");
    assert_eq!(named(&reading.sensors, "FAN1").says, Says::Nothing("no reading now".into()));

    let now = std::time::SystemTime::now();
    let log = reader.read_log(&line, &mut memory, now).await.unwrap();
    assert_eq!((log.course, log.entries.len()), (LogCourse::First, 5));
    assert!(matches!(log.clock, BmcClock::Off { .. }), "it stands still: {:?}", log.clock);
    assert_eq!(log.entries[2].sensor, "PSU2 Status");
    assert_eq!((log.entries[2].severity, log.entries[3].ends), (Severity::Critical, true));
    assert_eq!(log.entries[2].condition, log.entries[3].condition);
    let log = reader.read_log(&line, &mut memory, now).await.unwrap();
    assert_eq!((log.course, log.entries.len()), (LogCourse::Follows, 0));
    let event = Event {
        generator: 0x20,
        format: 4,
        sensor_type: 0x0c,
        sensor: 0x77,
        asserted: true,
        event_type: 0x6f,
        data: [0xa1, 0, 4],
    };
    virtual_bmc.records.with(|records| records.log.add_event(event));
    let log = reader.read_log(&line, &mut memory, now).await.unwrap();
    assert_eq!((log.course, log.entries.len()), (LogCourse::Follows, 1));
    assert_eq!((log.entries[0].kind, log.entries[0].severity), (SensorKind::Memory, Severity::Critical));
}

/// The next change of this kind.
async fn next<T>(seen: &mut mpsc::Receiver<Seen>, found: impl Fn(HardwareChange) -> Option<T>) -> T {
    let waiting = async {
        loop {
            let Seen { body, .. } = seen.recv().await.expect("it runs");
            if let ReportBody::Hardware { change } = body
                && let Some(found) = found(change)
            {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, waiting).await.expect("it is told")
}

#[tokio::test]
async fn changes_are_told_as_they_come() {
    let virtual_bmc = virtual_bmc();
    let every = Some(Duration::from_millis(200));
    let hardware = Arc::new(Hardware::new(Every { sensors: every, log: every }));
    let (seen_tx, mut seen) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&hardware).run(seen_tx, stop.clone()));
    let (bmc, line) = (connect(virtual_bmc.addr), Arc::<Line>::default());
    let server = ServerId(uuid::Uuid::from_u128(1));
    hardware.know(server, &bmc, &line);
    line.set_answers(true);
    let whole = |change| match change {
        HardwareChange::Sensors(change) if change.complete => Some(change),
        _ => None,
    };
    let change = next(&mut seen, whole).await;
    assert_eq!(named(&change.sensors, "PSU2 Status").severity, Severity::Critical);
    let entries = next(&mut seen, |change| match change {
        HardwareChange::Log(log) if log.course == LogCourse::First => Some(log.entries),
        _ => None,
    });
    assert_eq!(entries.await.len(), 5);
    virtual_bmc.records.with(|records| records.sensors.states.get_mut(&0x30).unwrap().states = 0b1_1000);
    let worse = next(&mut seen, |change| match change {
        HardwareChange::Sensors(change) => change
            .sensors
            .into_iter()
            .find(|sensor| sensor.severity == Severity::Critical && sensor.name == "CPU1 Temp"),
        HardwareChange::Log(_) | HardwareChange::Unread { .. } => None,
    });
    worse.await;
    stop.cancel();
    task.await.unwrap();
}
