//! The stream against a bad network and a dying agent: every report that reached the disk is stored by the coordinator
//! once, under its number, in order.

use std::collections::VecDeque;

use agent::uplink::{
    outbox::Outbox,
    session::{Event, Session, Violation, WINDOW},
    spool::Spool,
};
use proptest::prelude::*;
use protocol::{
    bmc_facts::PartFacts,
    convert::{FromAgent, ToAgent},
    health::HardwareChange,
    id::{AgentBootId, ServerId},
    power::{PowerCause, PowerReading},
    report::{Report, ReportBody},
    shown_certificate::ShownCertificate,
};

fn body(number: u64) -> ReportBody {
    ReportBody::Power {
        reading: PowerReading::Unreachable { reason: number.to_string() },
        cause: PowerCause::Unasked,
    }
}

fn session() -> Session {
    Session::new("rack-1".parse().unwrap(), AgentBootId::random(), "test")
}

/// A coordinator as the contract describes it: it stores a report when its number is new, and says so sooner or later.
#[derive(Default)]
struct Coordinator {
    stored: Vec<Report>,
    welcomed: bool,
}

impl Coordinator {
    fn highest(&self) -> u64 {
        self.stored.last().map_or(0, |report| report.seq)
    }

    fn receive(&mut self, message: FromAgent) -> Option<ToAgent> {
        match message {
            FromAgent::Hello(_) => {
                assert!(!std::mem::replace(&mut self.welcomed, true), "a second hello on one stream");
                Some(ToAgent::Welcome {
                    coordinator: "c".into(),
                    acknowledged: self.highest(),
                    heartbeats: None,
                    certificate_days: None,
                    hardware: false,
                    bmc_healths: false,
                    certificates: true,
                })
            }
            FromAgent::Report(report) => {
                assert!(self.welcomed, "a report before the welcome");
                if report.seq > self.highest() {
                    self.stored.push(report);
                }
                Some(ToAgent::Acknowledge { seq: self.highest() })
            }
            FromAgent::Heartbeat(_) | FromAgent::Renew(_) | FromAgent::Health(_) => {
                panic!("nobody asked for {message:?}")
            }
        }
    }
}

struct World {
    dir: tempfile::TempDir,
    spool: Spool,
    session: Session,
    coordinator: Coordinator,
    up: VecDeque<FromAgent>,
    down: VecDeque<ToAgent>,
    next: u64,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("spool")).unwrap();
        let (coordinator, up, down) = Default::default();
        World { dir, spool, session: session(), coordinator, up, down, next: 0 }
    }

    fn disconnect(&mut self) {
        self.session.handle_disconnected();
        self.coordinator.welcomed = false;
        self.up.clear();
        self.down.clear();
    }

    fn connect(&mut self) {
        self.disconnect();
        self.session.handle_connected();
    }

    fn transmit(&mut self) {
        while let Some(message) = self.session.poll_transmit(self.spool.outbox()) {
            self.up.push_back(message);
        }
        assert!(self.up.len() <= WINDOW + 1);
    }

    fn deliver_up(&mut self) {
        if let Some(message) = self.up.pop_front() {
            self.down.extend(self.coordinator.receive(message));
        }
    }

    fn deliver_down(&mut self) {
        let Some(message) = self.down.pop_front() else { return };
        match self.session.handle_message(message, self.spool.outbox()).unwrap() {
            Event::Welcomed { acknowledged, .. } | Event::Acknowledged(acknowledged) => {
                self.spool.acknowledge(acknowledged).unwrap();
            }
            event => panic!("{event:?}"),
        }
    }

    fn report(&mut self) {
        self.next += 1;
        let seq = self.spool.append(self.next, ServerId(uuid::Uuid::nil()), body(self.next)).unwrap();
        assert_eq!(seq, self.next, "numbers rise by one");
    }

    /// The agent is killed in the middle of an append: some bytes of the next record are on the disk.
    fn kill(&mut self, torn: usize) {
        self.disconnect();
        let path = self.dir.path().join("spool");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&[7, 0, 0, 0, 1, 2, 3, 4, 1, 1][..torn.min(10)]);
        std::fs::write(&path, bytes).unwrap();
        self.spool = Spool::open(&path).unwrap();
        self.session = session();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_report_is_stored_once_and_in_order(ops in prop::collection::vec((0u8..12, 0usize..11), 1..120)) {
        let mut world = World::new();
        for (op, number) in ops {
            match op {
                0..=2 => world.report(),
                3 | 4 => world.transmit(),
                5 | 6 => world.deliver_up(),
                7..=9 => world.deliver_down(),
                10 => world.connect(),
                _ => if number < 4 { world.kill(number * 3) } else { world.disconnect() },
            }
        }
        world.connect();
        for _ in 0..10_000 {
            world.transmit();
            if world.up.is_empty() && world.down.is_empty() {
                break;
            }
            world.deliver_up();
            world.deliver_down();
        }
        let stored: Vec<_> = world.coordinator.stored.iter().map(|report| (report.seq, report.body.clone())).collect();
        let expected: Vec<_> = (1..=world.next).map(|number| (number, body(number))).collect();
        prop_assert_eq!(stored, expected);
        prop_assert_eq!(world.spool.outbox().oldest(), 0, "all is acknowledged");
    }
}

#[test]
fn no_more_than_the_window_is_in_flight() {
    let mut outbox = Outbox::new(1, usize::MAX);
    for number in 0..2 * WINDOW as u64 {
        outbox.push(0, ServerId(uuid::Uuid::nil()), body(number)).unwrap();
    }
    let mut session = session();
    session.handle_connected();
    assert!(matches!(session.poll_transmit(&outbox), Some(FromAgent::Hello(_))));
    assert_eq!(session.poll_transmit(&outbox), None, "nothing before the welcome");
    session
        .handle_message(
            ToAgent::Welcome {
                coordinator: "c".into(),
                acknowledged: 0,
                heartbeats: None,
                certificate_days: None,
                hardware: false,
                bmc_healths: false,
                certificates: true,
            },
            &outbox,
        )
        .unwrap();
    let sent = std::iter::from_fn(|| session.poll_transmit(&outbox)).count();
    assert_eq!(sent, WINDOW);
    session.handle_message(ToAgent::Acknowledge { seq: 10 }, &outbox).unwrap();
    outbox.acknowledge(10);
    assert_eq!(std::iter::from_fn(|| session.poll_transmit(&outbox)).count(), 10);
}

#[test]
fn a_coordinator_that_breaks_the_rules_is_told() {
    let outbox = Outbox::new(1, usize::MAX);
    let welcome = || ToAgent::Welcome {
        coordinator: "c".into(),
        acknowledged: 0,
        heartbeats: None,
        certificate_days: None,
        hardware: false,
        bmc_healths: false,
        certificates: true,
    };
    let check = |messages: Vec<ToAgent>, expected: Violation| {
        let mut session = session();
        session.handle_connected();
        session.poll_transmit(&outbox);
        let last = messages.into_iter().map(|message| session.handle_message(message, &outbox)).last();
        assert_eq!(last.unwrap(), Err(expected));
    };
    check(vec![ToAgent::Acknowledge { seq: 0 }], Violation::NotWelcome);
    check(vec![welcome(), welcome()], Violation::SecondWelcome);
    let early = ToAgent::Acknowledge { seq: 7 };
    check(vec![welcome(), early], Violation::NeverSent { acknowledged: 7, next: 1 });
}

#[test]
fn an_agent_without_its_spool_goes_on_behind_what_the_coordinator_knows() {
    let outbox = Outbox::new(3, usize::MAX);
    let mut session = session();
    session.handle_connected();
    session.poll_transmit(&outbox);
    let welcome = ToAgent::Welcome {
        coordinator: "c".into(),
        acknowledged: 50,
        heartbeats: None,
        certificate_days: None,
        hardware: false,
        bmc_healths: false,
        certificates: true,
    };
    let event = session.handle_message(welcome, &outbox).unwrap();
    assert!(matches!(event, Event::SpoolLost { acknowledged: 50, .. }), "{event:?}");
}

#[test]
fn a_coordinator_that_knows_no_sensors_is_told_of_none() {
    // Nor of what BMCs say, nor of their certificates.
    let check = |hardware: bool, expected: &[u64]| {
        let mut outbox = Outbox::new(1, usize::MAX);
        let server = ServerId(uuid::Uuid::nil());
        let sensors = || ReportBody::Hardware { change: HardwareChange::Unread { reason: String::new() } };
        let facts = || ReportBody::Facts { part: PartFacts::Media(Vec::new()) };
        let power = || ReportBody::Power { reading: PowerReading::On, cause: PowerCause::First };
        let certificate = || ReportBody::CertificateShown {
            place: "redfish://192.0.2.5:443".to_owned(),
            shown: ShownCertificate::new(vec![vec![1]], false).unwrap(),
        };
        for body in [sensors(), power(), sensors(), facts(), power(), sensors(), certificate()] {
            outbox.push(0, server, body).unwrap();
        }
        let mut session = session();
        session.handle_connected();
        session.poll_transmit(&outbox);
        let welcome = ToAgent::Welcome {
            coordinator: "c".into(),
            acknowledged: 0,
            heartbeats: None,
            certificate_days: None,
            hardware,
            bmc_healths: false,
            certificates: hardware,
        };
        session.handle_message(welcome, &outbox).unwrap();
        let mut sent = Vec::new();
        while session.has_more(&outbox) {
            match session.poll_transmit(&outbox) {
                Some(FromAgent::Report(report)) => sent.push(report.seq),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent, expected);
        assert_eq!(session.poll_transmit(&outbox), None);
    };
    check(true, &[1, 2, 3, 4, 5, 6, 7]);
    check(false, &[2, 5]);
}
