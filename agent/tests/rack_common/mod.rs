//! A rack whose servers have power, for the tests of its rules: everything that it does is judged as it does it.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use agent::{
    given::Given,
    poll::debounce::Sample,
    rack::{Effect, Input, Rack},
    results::Results,
};
use protocol::{
    bmc_health::BmcHealth,
    boot::{Boot, BootMode, BootPlan, BootPurpose},
    command::{Action, Command, Failure, FailureKind, Success},
    convert::Declaration,
    hardware::BmcIdentity,
    id::{CommandId, RamdiskSessionId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, ServerSpec},
    step::{Step, StepOutput},
    update::{FirmwareImage, FirmwareUpdate},
    watch::Watch,
};

pub const SERVERS: usize = 3;

pub fn spec(number: usize, password: &str) -> ServerSpec {
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
        other_macs: vec![],
        boot_mode: BootMode::Bios,
        boot_loader: None,
        secure_boot: None,
        expected: Default::default(),
        next_password: None,
        tenancy: None,
    }
}

pub fn deploy() -> Boot {
    Boot::Network(BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning })
}

/// Whether it is done beside what the BMC is asked and told.
pub fn is_beside(action: &Action) -> bool {
    matches!(action, Action::RunStep { .. } | Action::UpdateFirmware(_) | Action::LookAtFirmware { .. })
}

/// What the rack asked for and has not been answered yet.
#[derive(Debug)]
pub enum Asked {
    Poll { server: ServerId, number: u64 },
    Work(Command),
}

/// Servers with power, and everything the rack has done to them.
pub struct World {
    pub rack: Rack,
    pub now: Instant,
    pub power: HashMap<ServerId, bool>,
    pub asked: Vec<Asked>,
    pub permits: HashSet<ServerId>,
    pub sent: HashMap<CommandId, Command>,
    pub begun: HashSet<CommandId>,
    /// Begun and not yet reported.
    pub begun_here: HashSet<CommandId>,
    pub remembered: Results,
    pub answered: HashSet<CommandId>,
    pub reported: HashMap<ServerId, (PowerReading, PowerCause)>,
    pub identified: Vec<BmcIdentity>,
    pub watches: Vec<(ServerId, Watch)>,
    pub fails: bool,
    /// Questions that were told to make way, and how long they still had.
    pub in_the_way: Vec<(ServerId, u64, Duration)>,
    pub healths: Vec<BmcHealth>,
}

impl World {
    pub fn new() -> Self {
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

    pub fn declare(&mut self) {
        let servers = (0..SERVERS).map(|n| spec(n, "p")).collect();
        self.happen(Input::Declare(Declaration { servers, forget: vec![], complete: true }));
    }

    pub fn send(&mut self, command: Command) {
        self.sent.insert(command.id, command.clone());
        self.happen(Input::Command(Given::now(command, self.now)));
    }

    pub fn happen(&mut self, input: Input) {
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

    pub fn assert_bmc_is_free(&self, server: ServerId) {
        let busy = self.asked.iter().any(|asked| match asked {
            Asked::Poll { server: of, .. } => *of == server,
            Asked::Work(command) => command.server == server && !is_beside(&command.action),
        });
        assert!(!busy, "two things at once for the BMC of {server}: {:?}", self.asked);
    }

    pub fn sample(&self, server: ServerId) -> Sample {
        if self.power[&server] { Sample::On } else { Sample::Off }
    }

    pub fn answer(&mut self, index: usize) {
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
    pub fn make_way(&mut self) {
        for (server, number, _) in std::mem::take(&mut self.in_the_way) {
            let is_it = |asked: &Asked| matches!(asked, Asked::Poll { server: of, number: its } if (*of, *its) == (server, number));
            if let Some(index) = self.asked.iter().position(is_it) {
                self.asked.remove(index);
                self.happen(Input::TakenBack { server, number });
            }
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.happen(Input::Timer);
    }

    /// The command was not begun, and its result says why.
    pub fn is_refused_as_late(&self, command: &Command) {
        assert!(!self.begun.contains(&command.id), "{command:?} was begun");
        let result = self.remembered.get(command.id).unwrap_or_else(|| panic!("{command:?} has no result"));
        let failure = result.outcome.clone().expect_err("it is late");
        assert_eq!(failure.kind, FailureKind::Interrupted);
        assert!(failure.message.contains("timed out"), "{failure}");
    }

    /// The agent is killed and started again: what is on disk stays, what was under way is repeated by the coordinator.
    pub fn restart(&mut self) {
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

    pub fn settle(&mut self) {
        for _ in 0..200 {
            while !self.asked.is_empty() {
                self.answer(0);
            }
            self.pass(Duration::from_millis(300));
        }
    }
}

pub fn hand_over() -> Action {
    let step = Step::HandOver { password_hash: Secret::new("$5$a$b") };
    Action::RunStep { session: RamdiskSessionId(uuid::Uuid::nil()), step }
}

pub fn update() -> Action {
    let image = FirmwareImage::Url("https://images.example/bmc.bin".into());
    Action::UpdateFirmware(FirmwareUpdate {
        order: uuid::Uuid::nil(),
        attempt: 0,
        component: "BMC".into(),
        image,
    })
}

pub fn send(world: &mut World, action: Action) -> CommandId {
    let id = CommandId::random();
    world.send(Command { id, server: spec(0, "p").id, action, wanted: None });
    id
}
