//! The rack's readings of power: what is believed, what is told, and who waits for whom.

mod rack_common;

use std::time::{Duration, Instant};

use agent::{
    poll::debounce::Sample,
    rack::{Breakers, Effect, Input, Rack},
    results::Results,
};
use protocol::{
    bmc_health::BreakerState,
    command::{Action, Command, Failure, FailureKind},
    convert::Declaration,
    hardware::BmcIdentity,
    id::{CommandId, ServerId},
    identity::ExpectedIdentity,
    power::{PowerCause, PowerOffHow, PowerReading},
    report::ReportBody,
    spec::ServerSpec,
    watch::{NotWatched, Watch},
};

use rack_common::{Asked, SERVERS, World, deploy, send, spec};

#[test]
fn a_pulled_plug_is_seen_within_three_seconds_and_ends_the_boot() {
    let mut world = World::new();
    let server = spec(0, "p").id;
    world.settle();
    send(&mut world, Action::PowerOn { boot: deploy() });
    world.settle();
    assert_eq!(world.reported[&server], (PowerReading::On, PowerCause::Commanded));
    assert!(world.permits.contains(&server));
    world.power.insert(server, false);
    let pulled = world.now;
    while world.reported[&server].0 != PowerReading::Off {
        world.pass(Duration::from_millis(50));
        while !world.asked.is_empty() {
            world.answer(0);
        }
        assert!(world.now - pulled < Duration::from_secs(3), "not seen in time");
    }
    assert_eq!(world.reported[&server].1, PowerCause::Unasked);
    assert!(!world.permits.contains(&server));
}

/// A command comes while the power is being read: a silent BMC's reading is given up at once, another one's when it is overdue. An
/// open breaker holds no command back, and one that the BMC has answered closes it.
#[test]
fn a_command_waits_for_no_silent_bmc_and_for_no_breaker() {
    let check = |silences: u32, wait_ms: u64, expected_ms: u128| {
        let mut world = World::new();
        let server = spec(0, "p").id;
        let silence = || Sample::NoAnswer { reason: "silent".into() };
        // Until its reading is under way, and so often before that it is not answered.
        let poll = |world: &mut World| loop {
            let is_its = |asked: &Asked| matches!(asked, Asked::Poll { server: of, .. } if *of == server);
            if let Some(Asked::Poll { number, .. }) = world.asked.iter().find(|asked| is_its(asked)) {
                break *number;
            }
            world.pass(Duration::from_millis(10));
        };
        for _ in 0..silences {
            let number = poll(&mut world);
            world.asked.retain(|asked| !matches!(asked, Asked::Poll { number: of, .. } if *of == number));
            world.happen(Input::Answered { server, number, sample: silence() });
        }
        let number = poll(&mut world);
        world.pass(Duration::from_millis(wait_ms));
        let command = send(&mut world, Action::PowerOff { how: PowerOffHow::Hard });
        assert!(!world.begun.contains(&command), "one thing at a time");
        let [(told, which, within)] = world.in_the_way[..] else { panic!("{:?}", world.in_the_way) };
        assert_eq!((told, which, within.as_millis()), (server, number, expected_ms), "{silences} {wait_ms}");
        world.make_way();
        assert!(world.begun.contains(&command), "{silences} {wait_ms}: it begins at once");
        world.settle();
        assert!(world.answered.contains(&command) && world.reported[&server].0 == PowerReading::Off);
        // It is polled in its turn again.
        let asked = (0..20).filter(|_| {
            world.pass(Duration::from_millis(500));
            let is_polled = world
                .asked
                .iter()
                .any(|asked| matches!(asked, Asked::Poll { server: of, .. } if *of == server));
            while !world.asked.is_empty() {
                world.answer(0);
            }
            is_polled
        });
        assert!((4..=6).contains(&asked.count()), "{silences} {wait_ms}");
    };
    check(0, 0, 500);
    check(0, 100, 400);
    check(0, 1000, 0);
    check(1, 0, 0);
    check(6, 0, 0);
}

/// Each BMC's summary is told every half minute; that one falls silent, or answers again, within a second.
#[test]
fn how_bmcs_answer_is_told_now_and_then_and_when_it_changes() {
    let mut world = World::new();
    let (server, ms) = (spec(0, "p").id, Duration::from_millis);
    // So long passes; the summaries of one server meanwhile.
    let pass = |world: &mut World, time: Duration, is_silent: bool| {
        let until = world.now + time;
        while world.now < until {
            world.pass(ms(100));
            while let Some(index) = world.asked.iter().position(|asked| matches!(asked, Asked::Poll { .. })) {
                match world.asked[index] {
                    Asked::Poll { server: of, number } if of == server && is_silent => {
                        world.asked.remove(index);
                        let sample = Sample::NoAnswer { reason: "silent".into() };
                        world.happen(Input::Answered { server, number, sample });
                    }
                    _ => world.answer(index),
                }
            }
        }
        let healths = std::mem::take(&mut world.healths).into_iter();
        healths
            .filter(|health| health.server == server)
            .map(|health| (health.answers, health.breaker))
            .collect::<Vec<_>>()
    };
    pass(&mut world, ms(60_000), false);
    assert_eq!(pass(&mut world, ms(60_000), false), [(Some(true), BreakerState::Closed); 2]);
    let told = pass(&mut world, ms(4000), true);
    assert!(matches!(told[..], [(Some(false), BreakerState::Open { .. }), ..]), "{told:?}");
    assert!(told.len() <= 2, "{told:?}");
    assert_eq!(world.rack.breakers(), Breakers { closed: SERVERS - 1, open: 1, half_open: 0 });
    let told = pass(&mut world, ms(18_000), false);
    assert_eq!(told.last(), Some(&(Some(true), BreakerState::Closed)));
    assert_eq!(world.rack.breakers(), Breakers { closed: SERVERS, open: 0, half_open: 0 });
}

#[test]
fn a_server_that_is_not_watched_is_reported_so_asked_on_and_still_told_what_to_do() {
    let mut world = World::new();
    world.settle();
    let refusing = spec(0, "p").id;
    let again_in = Duration::from_secs(10);
    let refused = Sample::NotWatched {
        why: NotWatched::CredentialsRefused,
        reason: "the BMC refused us".into(),
        again_in,
    };
    let (mut tries, mut works) = (0, 0);
    for round in 0..60 {
        world.pass(Duration::from_secs(1));
        if round == 10 {
            send(&mut world, Action::PowerOff { how: PowerOffHow::Hard });
        }
        while let Some(asked) = world.asked.pop() {
            match asked {
                Asked::Poll { server, number } if server == refusing => {
                    tries += 1;
                    world.happen(Input::Answered { server, number, sample: refused.clone() });
                }
                Asked::Poll { server, number } => {
                    world.happen(Input::Answered { server, number, sample: Sample::Off });
                }
                // The BMC's account knows whether it may be tried.
                Asked::Work(command) => {
                    works += 1;
                    let failure = Failure { kind: FailureKind::BmcCredentials, message: "refused".into() };
                    let (server, command) = (command.server, command.id);
                    world.happen(Input::Ended { server, command, outcome: Err(failure), sample: None });
                }
            }
        }
    }
    assert!((4..=12).contains(&tries), "it is asked when it is worth asking: {tries} times in a minute");
    assert_eq!(works, 1);
    assert!(matches!(world.reported[&refusing].0, PowerReading::Unreachable { .. }));
    assert_eq!(world.watches.len(), 1, "told once: {:?}", world.watches);
    assert!(matches!(world.watches[0], (server, Watch::NotWatched { .. }) if server == refusing));
    // The reason that is shown is that of the latest try.
    let number = loop {
        world.pass(Duration::from_secs(1));
        let is_ours = |asked: &Asked| matches!(asked, Asked::Poll { server, .. } if *server == refusing);
        if let Some(index) = world.asked.iter().position(is_ours)
            && let Asked::Poll { number, .. } = world.asked.remove(index)
        {
            break number;
        }
    };
    let reason = "the BMC has locked the account".to_owned();
    let sample = Sample::NotWatched { why: NotWatched::CredentialsRefused, reason: reason.clone(), again_in };
    world.happen(Input::Answered { server: refusing, number, sample });
    let why = NotWatched::CredentialsRefused;
    assert_eq!(world.watches.last(), Some(&(refusing, Watch::NotWatched { why, reason })));
    // After a break the coordinator is told again.
    world.declare();
    assert_eq!(world.watches.len(), 3, "{:?}", world.watches);
    // The refusal has passed: the next try finds it, and its power is seen again.
    world.pass(again_in);
    world.settle();
    assert_eq!(world.watches.last(), Some(&(refusing, Watch::Watched)));
    assert_eq!(world.reported[&refusing].0, PowerReading::Off);
}

#[test]
fn another_machines_answer_is_no_reading() {
    let mut world = World::new();
    world.settle();
    let ours = spec(0, "p");
    world.power.insert(ours.id, true);
    world.settle();
    assert_eq!(world.reported[&ours.id].0, PowerReading::On);
    let said = |guid: &str| BmcIdentity { guid: guid.into(), ..BmcIdentity::default() };
    let identified =
        |guid: &str, place: String| Input::Identified { server: ours.id, place, identity: said(guid) };
    // Who it is, is told once; of a BMC that the server does not have any more, never.
    for _ in 0..3 {
        world.happen(identified("a", ours.bmc.place()));
    }
    world.happen(identified("b", "ipmi://198.51.100.99:623".into()));
    assert_eq!(world.identified, [said("a")]);
    // Another machine that is off: neither its power nor anything else of it is our server's.
    world.happen(identified("b", ours.bmc.place()));
    let (server, number) = loop {
        if let Some(index) = world
            .asked
            .iter()
            .position(|asked| matches!(asked, Asked::Poll { server, .. } if *server == ours.id))
        {
            let Asked::Poll { server, number } = world.asked.remove(index) else { unreachable!() };
            break (server, number);
        }
        world.pass(Duration::from_millis(300));
    };
    let sample = Sample::OtherMachine { reason: "another machine's".into() };
    world.happen(Input::Answered { server, number, sample });
    assert!(matches!(world.reported[&ours.id].0, PowerReading::Unreachable { .. }));
    let action = Action::PowerOff { how: PowerOffHow::Hard };
    let command = Command { id: CommandId::random(), server, action, wanted: None };
    world.send(command.clone());
    let message = "another machine's".to_owned();
    let outcome = Err(Failure { kind: FailureKind::BmcRefused, message });
    let sample = Some(Sample::OtherMachine { reason: "another machine's".into() });
    world.asked.retain(|asked| !matches!(asked, Asked::Work(work) if work.id == command.id));
    world.happen(Input::Ended { server, command: command.id, outcome, sample });
    assert!(matches!(world.reported[&ours.id].0, PowerReading::Unreachable { .. }), "no confirmation either");
    assert_eq!(world.identified, [said("a"), said("b")]);
    // Once somebody else is expected, whoever answers says anew who it is. What is known of the power stays: told again, an old
    // "off" would be taken for the end of the boot that was permitted since.
    let expected = ExpectedIdentity { bmc: said("b"), ..ExpectedIdentity::default() };
    let servers = vec![ServerSpec { expected, ..ours.clone() }];
    world.happen(Input::Declare(Declaration { servers, forget: vec![], complete: false }));
    world.happen(identified("b", ours.bmc.place()));
    assert_eq!(world.identified, [said("a"), said("b"), said("b")]);
    let mut quiet = World::new();
    quiet.settle();
    assert_eq!(quiet.reported.remove(&ours.id).map(|(reading, _)| reading), Some(PowerReading::Off));
    let expected = ExpectedIdentity { bmc: said("a"), ..ExpectedIdentity::default() };
    let servers = vec![ServerSpec { expected, ..spec(0, "p") }];
    quiet.happen(Input::Declare(Declaration { servers, forget: vec![], complete: false }));
    quiet.settle();
    assert!(!quiet.reported.contains_key(&ours.id), "off is told once: {:?}", quiet.reported);
}

/// The questions that a rack asks now.
fn polls(rack: &mut Rack) -> Vec<u64> {
    let effects = std::iter::from_fn(|| rack.poll_effect());
    let number = |effect| match effect {
        Effect::Poll { number, .. } => Some(number),
        _ => None,
    };
    effects.filter_map(number).collect()
}

#[test]
fn a_hint_brings_the_next_reading_forward() {
    let (start, server) = (Instant::now(), spec(0, "p").id);
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut rack = Rack::new(Duration::from_secs(600), 1, Results::default());
    let declaration = Declaration { servers: vec![spec(0, "p")], forget: vec![], complete: true };
    rack.handle(Input::Declare(declaration), start);
    // Until nothing is doubted or hurried any more.
    for second in 1..30 {
        rack.handle(Input::Timer, at(second));
        for number in polls(&mut rack) {
            rack.handle(Input::Answered { server, number, sample: Sample::On }, at(second));
        }
    }
    assert_eq!(polls(&mut rack), Vec::<u64>::new(), "its turn is in ten minutes");
    rack.handle(Input::Hint { server }, at(31));
    let asked = polls(&mut rack);
    assert_eq!(asked.len(), 1, "it is read now");
    rack.handle(Input::Hint { server }, at(31));
    assert_eq!(polls(&mut rack), Vec::<u64>::new(), "one thing at a time");
    rack.handle(Input::Answered { server, number: asked[0], sample: Sample::Off }, at(31));
    // The reading is confirmed as ever: nobody stands by the hint.
    rack.handle(Input::Timer, at(32));
    let confirm = polls(&mut rack);
    assert_eq!(confirm.len(), 1);
    rack.handle(Input::Answered { server, number: confirm[0], sample: Sample::Off }, at(32));
    let effects: Vec<Effect> = std::iter::from_fn(|| rack.poll_effect()).collect();
    let is_off = |effect: &Effect| {
        matches!(effect, Effect::Report { body: ReportBody::Power { reading: PowerReading::Off, .. }, .. })
    };
    assert!(effects.iter().any(is_off), "{effects:?}");
    let stranger = ServerId(uuid::Uuid::from_u128(99));
    rack.handle(Input::Hint { server: stranger }, at(33));
}
