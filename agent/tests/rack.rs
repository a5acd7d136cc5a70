//! The rack's rules against random events: nothing is switched on unasked, nothing is done twice, a boot permit lives
//! from power-on to power-off, and every command and every pulled plug is reported in the end.

mod rack_common;

use std::time::{Duration, Instant};

use agent::{
    given::Given,
    poll::debounce::Sample,
    rack::{Effect, Input, Rack},
    results::Results,
};
use proptest::prelude::*;
use protocol::{
    bmc_order::BmcOrder,
    boot::Boot,
    command::{Action, Command, FailureKind, Success},
    convert::Declaration,
    id::{CommandId, RamdiskSessionId, TenancyId},
    power::{PowerCause, PowerOffHow, PowerReading},
    report::ReportBody,
    spec::ServerSpec,
    step::Step,
};

use rack_common::{Asked, SERVERS, World, deploy, hand_over, send, spec, update};

#[derive(Clone, Debug)]
enum Op {
    Command(usize, u8),
    Repeat(prop::sample::Index),
    Answer(usize),
    PullPlug(usize),
    PressButton(usize),
    Pass(u64),
    Declare,
    Restart,
    Fails(bool),
    MakeWay,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..SERVERS, 0u8..12).prop_map(|(server, action)| Op::Command(server, action)),
        1 => any::<prop::sample::Index>().prop_map(Op::Repeat),
        8 => (0usize..8).prop_map(Op::Answer),
        1 => (0..SERVERS).prop_map(Op::PullPlug),
        1 => (0..SERVERS).prop_map(Op::PressButton),
        4 => (0u64..3000).prop_map(Op::Pass),
        1 => Just(Op::Declare),
        1 => Just(Op::Restart),
        1 => any::<bool>().prop_map(Op::Fails),
        2 => Just(Op::MakeWay),
    ]
}

fn action(number: u8) -> Action {
    match number {
        0 => Action::PowerOn { boot: deploy() },
        1 => Action::PowerOn { boot: Boot::Disk },
        2 => Action::PowerOff { how: PowerOffHow::Hard },
        3 => Action::Reset { boot: deploy() },
        4 => Action::ReadIdentity,
        5 => Action::EndBoot,
        6 => hand_over(),
        7 => Action::KeepOff,
        8 => Action::RenewPassword,
        9 => update(),
        10 => Action::Order(BmcOrder::Interrupt),
        _ => Action::RunStep { session: RamdiskSessionId(uuid::Uuid::nil()), step: Step::Sync },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_rules_hold_whatever_happens(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in ops {
            match op {
                Op::Command(server, number) => {
                    let command =
                        Command { id: CommandId::random(), server: spec(server, "p").id, action: action(number), wanted: None };
                    world.send(command);
                }
                Op::Repeat(index) => {
                    let commands: Vec<_> = world.sent.values().cloned().collect();
                    if !commands.is_empty() {
                        world.send(commands[index.index(commands.len())].clone());
                    }
                }
                Op::Answer(index) => world.answer(index),
                Op::PullPlug(server) => drop(world.power.insert(spec(server, "p").id, false)),
                Op::PressButton(server) => drop(world.power.insert(spec(server, "p").id, true)),
                Op::Pass(ms) => world.pass(Duration::from_millis(ms)),
                Op::Declare => world.declare(),
                Op::Restart => world.restart(),
                Op::Fails(fails) => world.fails = fails,
                Op::MakeWay => world.make_way(),
            }
        }
        world.settle();
        for id in world.sent.keys() {
            prop_assert!(world.answered.contains(id), "never answered: {:?}", world.sent[id]);
        }
        for (server, on) in &world.power {
            let reading = if *on { PowerReading::On } else { PowerReading::Off };
            prop_assert_eq!(&world.reported[server].0, &reading, "of {}", server);
            if !on {
                prop_assert!(!world.permits.contains(server), "{} is off and may boot", server);
            }
        }
    }
}

#[test]
fn an_update_that_a_killed_agent_had_begun_is_answered_and_not_begun_again() {
    let mut world = World::new();
    let id = send(&mut world, update());
    assert!(world.begun.contains(&id), "it waits for nothing");
    world.declare();
    let again = world.sent[&id].clone();
    world.send(again);
    assert!(!world.answered.contains(&id), "it is under way, and not cut off");
    world.restart();
    let failure = world.remembered.get(id).unwrap().outcome.clone().unwrap_err();
    assert!(world.answered.contains(&id));
    assert_eq!(failure.kind, FailureKind::MaybeDone);
    // One that comes to its end is remembered as it ended.
    let id = send(&mut world, update());
    world.settle();
    assert_eq!(world.remembered.get(id).unwrap().outcome, Ok(Success::FirmwareTaken { task: None }));
}

#[test]
fn a_ramdisk_that_was_told_to_switch_off_did_not_fail() {
    let mut world = World::new();
    let server = spec(0, "p").id;
    send(&mut world, Action::PowerOn { boot: deploy() });
    world.settle();
    let session = RamdiskSessionId(uuid::Uuid::nil());
    send(&mut world, Action::RunStep { session, step: Step::PowerOff });
    world.settle();
    world.power.insert(server, false);
    world.settle();
    assert_eq!(world.reported[&server], (PowerReading::Off, PowerCause::Commanded));
}

#[test]
fn a_hand_over_ends_the_boot_before_anybody_is_told_of_it() {
    let mut world = World::new();
    let server = spec(0, "p").id;
    send(&mut world, Action::PowerOn { boot: deploy() });
    world.settle();
    assert!(world.permits.contains(&server));
    let command = send(&mut world, hand_over());
    assert!(world.permits.contains(&server), "not before the ramdisk has let go");
    world.settle();
    assert!(world.answered.contains(&command) && !world.permits.contains(&server));
    assert_eq!(world.reported[&server].0, PowerReading::On, "it stays on");
}

#[test]
fn an_unknown_server_is_not_remembered_as_a_failure() {
    let mut world = World::new();
    let id = CommandId::random();
    let stranger = spec(99, "p");
    let command = Command { id, server: stranger.id, action: Action::ReadIdentity, wanted: None };
    world.rack.handle(Input::Command(Given::now(command.clone(), world.now)), world.now);
    let effects: Vec<_> = std::iter::from_fn(|| world.rack.poll_effect()).collect();
    assert!(matches!(&effects[..], [Effect::Report { body: ReportBody::Command(_), .. }]), "{effects:?}");
    let declaration = Declaration { servers: vec![stranger], forget: vec![], complete: false };
    world.rack.handle(Input::Declare(declaration), world.now);
    world.rack.handle(Input::Command(Given::now(command, world.now)), world.now);
    let begun = std::iter::from_fn(|| world.rack.poll_effect());
    let begun: Vec<_> =
        begun.filter(|effect| matches!(effect, Effect::Poll { .. } | Effect::Work(_))).collect();
    assert!(!begun.is_empty());
}

#[test]
fn a_command_that_nobody_waits_for_any_more_switches_nothing() {
    let mut world = World::new();
    world.settle();
    let (first, other) = (spec(0, "p").id, spec(1, "p").id);
    world.power.insert(first, true);
    world.settle();
    let command = |server, action| Command { id: CommandId::random(), server, action, wanted: None };
    let network = Action::PowerOn { boot: deploy() };
    let off = Action::PowerOff { how: PowerOffHow::Hard };
    // Held up on its way: no permit, no question to a BMC, and whoever asks is told.
    for action in [network.clone(), off.clone(), Action::Reset { boot: Boot::Disk }, Action::ReadIdentity] {
        let late = command(other, action);
        world.sent.insert(late.id, late.clone());
        world.happen(Input::Command(Given { until: world.now, command: late.clone() }));
        world.is_refused_as_late(&late);
        assert!(!world.permits.contains(&other), "{late:?}");
    }
    // In time when it came, and too late when its turn came.
    let slow = command(first, off);
    world.send(slow.clone());
    let behind = command(first, network);
    world.sent.insert(behind.id, behind.clone());
    let until = world.now + Duration::from_secs(20);
    world.happen(Input::Command(Given { until, command: behind.clone() }));
    world.now = until;
    let index = world.asked.iter().position(|asked| matches!(asked, Asked::Work(work) if work.id == slow.id));
    world.answer(index.expect("the first one is under way"));
    assert!(world.remembered.get(slow.id).is_some_and(|result| result.outcome.is_ok()));
    world.is_refused_as_late(&behind);
    assert!(!world.permits.contains(&first));
}

#[test]
fn a_boot_of_ours_ends_a_tenants_time_until_it_is_declared_anew() {
    let mut rack = Rack::new(Duration::from_secs(2), 1, Results::default());
    let now = Instant::now();
    let tenancy = Some(TenancyId(uuid::Uuid::from_u128(7)));
    let theirs = ServerSpec { tenancy, ..spec(0, "p") };
    // Every poll is answered, so that nothing waits for one.
    let known = |rack: &mut Rack| {
        let mut known = Vec::new();
        while let Some(effect) = rack.poll_effect() {
            match effect {
                Effect::Know(spec) => known.push(spec.tenancy),
                Effect::Poll { server, number, .. } => {
                    rack.handle(Input::Answered { server, number, sample: Sample::Off }, now);
                }
                _ => {}
            }
        }
        known
    };
    let declare = |rack: &mut Rack| {
        let declaration = Declaration { servers: vec![theirs.clone()], forget: vec![], complete: false };
        rack.handle(Input::Declare(declaration), now);
        known(rack)
    };
    let power_on = |rack: &mut Rack, boot: Boot| {
        let (id, action) = (CommandId::random(), Action::PowerOn { boot });
        let command = Command { id, server: theirs.id, action, wanted: None };
        rack.handle(Input::Command(Given::now(command, now)), now);
        let (server, outcome) = (theirs.id, Ok(Success::Done));
        rack.handle(Input::Ended { server, command: id, outcome, sample: None }, now);
        known(rack)
    };
    assert_eq!(declare(&mut rack), [tenancy]);
    assert_eq!(declare(&mut rack), [], "it is known");
    power_on(&mut rack, Boot::Disk);
    assert_eq!(declare(&mut rack), [], "its own disk is its own");
    power_on(&mut rack, deploy());
    assert_eq!(declare(&mut rack), [tenancy], "it was ours meanwhile");
}
