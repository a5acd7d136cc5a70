//! The rack's rules against random events: nothing is switched on unasked, nothing is done twice, a boot permit lives
//! from power-on to power-off, and every command and every pulled plug is reported in the end.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use agent::{
    given::Given,
    poll::debounce::Sample,
    rack::{Breakers, Effect, Input, Rack},
    results::Results,
};
use proptest::prelude::*;
use protocol::{
    bmc_health::{BmcHealth, BreakerState},
    bmc_order::BmcOrder,
    boot::{Boot, BootMode, BootPlan, BootPurpose},
    command::{Action, Command, Failure, FailureKind, Success},
    convert::Declaration,
    hardware::BmcIdentity,
    id::{CommandId, RamdiskSessionId, ServerId, TenancyId},
    identity::ExpectedIdentity,
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, ServerSpec},
    step::{Step, StepOutput},
    update::{FirmwareImage, FirmwareUpdate},
    watch::{NotWatched, Watch},
};

const SERVERS: usize = 3;

fn spec(number: usize, password: &str) -> ServerSpec {
    let bmc = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: format!("192.0.2.{number}"),
        port: 623,
        username: "admin".into(),
        password: Secret::new(password),
        settings: Default::default(),
    };
    ServerSpec {
        id: ServerId(uuid::Uuid::from_u128(number as u128 + 1)),
        name: format!("node-{number}"),
        bmc,
        macs: vec![],
        boot_mode: BootMode::Bios,
        expected: Default::default(),
        next_password: None,
        tenancy: None,
    }
}

fn deploy() -> Boot {
    Boot::Network(BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning })
}

/// Whether it is done beside what the BMC is asked and told.
fn is_beside(action: &Action) -> bool {
    matches!(action, Action::RunStep { .. } | Action::UpdateFirmware(_) | Action::LookAtFirmware { .. })
}

/// What the rack asked for and has not been answered yet.
#[derive(Debug)]
enum Asked {
    Poll { server: ServerId, number: u64 },
    Work(Command),
}

/// Servers with power, and everything the rack has done to them.
struct World {
    rack: Rack,
    now: Instant,
    power: HashMap<ServerId, bool>,
    asked: Vec<Asked>,
    permits: HashSet<ServerId>,
    sent: HashMap<CommandId, Command>,
    begun: HashSet<CommandId>,
    /// Begun and not yet reported.
    begun_here: HashSet<CommandId>,
    remembered: Results,
    answered: HashSet<CommandId>,
    reported: HashMap<ServerId, (PowerReading, PowerCause)>,
    identified: Vec<BmcIdentity>,
    watches: Vec<(ServerId, Watch)>,
    fails: bool,
    /// Questions that were told to make way, and how long they still had.
    in_the_way: Vec<(ServerId, u64, Duration)>,
    healths: Vec<BmcHealth>,
}

impl World {
    fn new() -> Self {
        let mut world = World {
            rack: Rack::new(Duration::from_secs(2), 1, Results::default()),
            now: Instant::now(),
            power: (0..SERVERS).map(|n| (spec(n, "p").id, false)).collect(),
            asked: Vec::new(),
            permits: HashSet::new(),
            sent: HashMap::new(),
            begun: HashSet::new(),
            begun_here: HashSet::new(),
            remembered: Results::default(),
            answered: HashSet::new(),
            reported: HashMap::new(),
            identified: Vec::new(),
            watches: Vec::new(),
            fails: false,
            in_the_way: Vec::new(),
            healths: Vec::new(),
        };
        world.declare();
        world
    }

    fn declare(&mut self) {
        let servers = (0..SERVERS).map(|n| spec(n, "p")).collect();
        self.happen(Input::Declare(Declaration { servers, forget: vec![], complete: true }));
    }

    fn send(&mut self, command: Command) {
        self.sent.insert(command.id, command.clone());
        self.happen(Input::Command(Given::now(command, self.now)));
    }

    fn happen(&mut self, input: Input) {
        self.rack.handle(input, self.now);
        let mut permitted = None;
        while let Some(effect) = self.rack.poll_effect() {
            if let Some(server) = permitted.take() {
                assert!(
                    matches!(&effect, Effect::Work(given) if given.command.server == server),
                    "a permit stands right before the command that needs it, not before {effect:?}"
                );
            }
            match effect {
                Effect::Know(_) | Effect::Forget(_) => {}
                Effect::Health(healths) => self.healths.extend(healths),
                Effect::Poll { server, number, .. } => {
                    self.assert_bmc_is_free(server);
                    self.asked.push(Asked::Poll { server, number });
                }
                Effect::MakeWay { server, number, within } => {
                    self.in_the_way.push((server, number, within));
                }
                Effect::Work(Given { command, .. }) => {
                    assert!(self.sent.contains_key(&command.id), "nobody sent {command:?}");
                    assert!(self.begun.insert(command.id), "begun twice: {command:?}");
                    self.begun_here.insert(command.id);
                    let known = self.remembered.get(command.id).map(|result| result.outcome.clone());
                    match (&command.action, known) {
                        // What must not be done twice is on the disk before it is begun.
                        (Action::UpdateFirmware(_), known) => {
                            let kind = known.and_then(Result::err).map(|failure| failure.kind);
                            assert_eq!(kind, Some(FailureKind::MaybeDone), "{command:?}");
                        }
                        (_, known) => assert_eq!(known, None, "done already: {command:?}"),
                    }
                    if !is_beside(&command.action) {
                        self.assert_bmc_is_free(command.server);
                    }
                    self.asked.push(Asked::Work(command));
                }
                Effect::Permit { server, .. } => {
                    self.permits.insert(server);
                    permitted = Some(server);
                }
                Effect::Forbid(server) => {
                    self.permits.remove(&server);
                }
                Effect::Remember(result) => self.remembered.insert(result),
                Effect::Report { server, body } => match body {
                    ReportBody::Power { reading, cause } => {
                        self.reported.insert(server, (reading, cause));
                    }
                    ReportBody::Identified { identity, .. } => self.identified.push(identity),
                    ReportBody::Command(result) => {
                        assert!(
                            self.remembered.get(result.command).is_some(),
                            "reported before it was remembered"
                        );
                        let handed_over = result.outcome == Ok(Success::Step(StepOutput::HandedOver));
                        let fresh = self.begun_here.remove(&result.command);
                        assert!(
                            !(handed_over && fresh && self.permits.contains(&server)),
                            "{server} is its tenant's, and may boot from our network"
                        );
                        self.answered.insert(result.command);
                    }
                    ReportBody::Watch { watch } => self.watches.push((server, watch)),
                    _ => {}
                },
            }
        }
        for server in &self.permits {
            let off = matches!(self.reported.get(server), Some((PowerReading::Off, _)));
            let being_switched_on = self.asked.iter().any(|asked| {
                matches!(asked, Asked::Work(Command { server: of, action: Action::PowerOn { .. } | Action::Reset { .. }, .. }) if of == server)
            });
            assert!(!off || being_switched_on, "{server} is off and may boot from the network");
        }
    }

    fn assert_bmc_is_free(&self, server: ServerId) {
        let busy = self.asked.iter().any(|asked| match asked {
            Asked::Poll { server: of, .. } => *of == server,
            Asked::Work(command) => command.server == server && !is_beside(&command.action),
        });
        assert!(!busy, "two things at once for the BMC of {server}: {:?}", self.asked);
    }

    fn sample(&self, server: ServerId) -> Sample {
        if self.power[&server] { Sample::On } else { Sample::Off }
    }

    fn answer(&mut self, index: usize) {
        if self.asked.is_empty() {
            return;
        }
        let asked = self.asked.remove(index % self.asked.len());
        match asked {
            Asked::Poll { server, number } => {
                let sample = self.sample(server);
                self.happen(Input::Answered { server, number, sample });
            }
            Asked::Work(command) => {
                let Command { id, server, action, .. } = command;
                let mut outcome = Ok(Success::Done);
                let mut sample = None;
                match action {
                    Action::PowerOn { .. } | Action::Reset { .. } if self.fails => {
                        let kind = FailureKind::NotConfirmed;
                        outcome = Err(Failure { kind, message: "still off".into() });
                        sample = Some(self.sample(server));
                    }
                    Action::PowerOn { .. } | Action::Reset { .. } => {
                        self.power.insert(server, true);
                        sample = Some(Sample::On);
                    }
                    Action::PowerOff { .. } => {
                        self.power.insert(server, false);
                        sample = Some(Sample::Off);
                    }
                    Action::RunStep { step: Step::HandOver { .. }, .. } => {
                        outcome = Ok(Success::Step(StepOutput::HandedOver));
                    }
                    Action::RunStep { .. } => outcome = Ok(Success::Step(StepOutput::Done)),
                    Action::UpdateFirmware(_) => outcome = Ok(Success::FirmwareTaken { task: None }),
                    Action::ReadIdentity
                    | Action::EndBoot
                    | Action::KeepOff
                    | Action::ReadFootprint
                    | Action::LookAtFirmware { .. }
                    | Action::Order(_)
                    | Action::RenewPassword => {}
                }
                self.happen(Input::Ended { server, command: id, outcome, sample });
            }
        }
    }

    /// The questions that were told to make way are given up.
    fn make_way(&mut self) {
        for (server, number, _) in std::mem::take(&mut self.in_the_way) {
            let is_it = |asked: &Asked| matches!(asked, Asked::Poll { server: of, number: its } if (*of, *its) == (server, number));
            if let Some(index) = self.asked.iter().position(is_it) {
                self.asked.remove(index);
                self.happen(Input::TakenBack { server, number });
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.happen(Input::Timer);
    }

    /// The command was not begun, and its result says why.
    fn is_refused_as_late(&self, command: &Command) {
        assert!(!self.begun.contains(&command.id), "{command:?} was begun");
        let result = self.remembered.get(command.id).unwrap_or_else(|| panic!("{command:?} has no result"));
        let failure = result.outcome.clone().expect_err("it is late");
        assert_eq!(failure.kind, FailureKind::Interrupted);
        assert!(failure.message.contains("timed out"), "{failure}");
    }

    /// The agent is killed and started again: what is on disk stays, what was under way is repeated by the coordinator.
    fn restart(&mut self) {
        let mut results = Results::default();
        self.remembered.iter().for_each(|result| results.insert(result.clone()));
        self.rack = Rack::new(Duration::from_secs(2), 1, results);
        self.asked.clear();
        self.in_the_way.clear();
        // An update of firmware that was begun once is not begun again, whatever is on the disk.
        let is_update = |id: &CommandId| {
            self.sent.get(id).is_some_and(|it| matches!(it.action, Action::UpdateFirmware(_)))
        };
        self.begun.retain(|id| is_update(id) || self.remembered.get(*id).is_some());
        self.reported.clear();
        self.declare();
        let open: Vec<_> =
            self.sent.values().filter(|command| !self.answered.contains(&command.id)).cloned().collect();
        open.into_iter().for_each(|command| self.happen(Input::Command(Given::now(command, self.now))));
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            while !self.asked.is_empty() {
                self.answer(0);
            }
            self.pass(Duration::from_millis(300));
        }
    }
}

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

fn hand_over() -> Action {
    let step = Step::HandOver { password_hash: Secret::new("$5$a$b") };
    Action::RunStep { session: RamdiskSessionId(uuid::Uuid::nil()), step }
}

fn update() -> Action {
    let image = FirmwareImage::Url("https://images.example/bmc.bin".into());
    Action::UpdateFirmware(FirmwareUpdate {
        order: uuid::Uuid::nil(),
        attempt: 0,
        component: "BMC".into(),
        image,
    })
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

fn send(world: &mut World, action: Action) -> CommandId {
    let id = CommandId::random();
    world.send(Command { id, server: spec(0, "p").id, action, wanted: None });
    id
}

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
