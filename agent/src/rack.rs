//! Decisions: the rack as one machine. Everything that happens is an [`Input`]; everything that is to be done is an
//! [`Effect`]; nothing here waits, asks a clock or opens a socket.
//!
//! ```text
//!   coordinator: Declare, Command --\                          /--> BMC: Poll, Work
//!   BMC: Answered, Ended ------------\                        /---> boot table: Permit, Forbid, Know, Forget
//!   ramdisk: Ready, Gone, Progress ----> Rack::handle(now) ---+---> disk: Remember
//!   pxe: Boot, BootRefused ----------/                        \---> uplink: Report
//! ```
//!
//! What must stay true (tests/rack.rs tries to break each):
//! - no BMC is told to switch on without a command that says so, and each command is carried out once;
//! - a server has a boot permit only from the start of its power-on or reset until its power goes off or is taken, or its
//!   ramdisk has handed itself over;
//! - commands of one server are carried out one after the other; servers do not wait for each other;
//! - a result is remembered on disk before it is reported.

mod lanes;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use protocol::{
    boot::{BootPlan, BootProgress},
    command::{Command, CommandResult, Failure, Success},
    convert::Declaration,
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::PowerReading,
    report::ReportBody,
    spec::ServerSpec,
    step::StepProgress,
    watch::Watch,
};

use self::lanes::interrupted;
use crate::{
    poll::{
        debounce::{ASK_AGAIN_AFTER, Sample, Verdict},
        schedule::{HURRIED, Schedule},
    },
    results::Results,
    server::{BmcLane, HURRY_FOR, Server},
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The coordinator says which servers to look after.
    Declare(Declaration),
    /// The coordinator wants something done.
    Command(Command),
    /// A BMC answered [`Effect::Poll`].
    Answered {
        /// Whose.
        server: ServerId,
        /// Of the question.
        number: u64,
        /// What it said.
        sample: Sample,
    },
    /// [`Effect::Work`] is over.
    Ended {
        /// Whose.
        server: ServerId,
        /// Which command.
        command: CommandId,
        /// How it ended.
        outcome: Result<Success, Failure>,
        /// The last reading that was made for it.
        sample: Option<Sample>,
    },
    /// A step moved on.
    Progress {
        /// Whose.
        server: ServerId,
        /// Which command.
        command: CommandId,
        /// How far.
        progress: StepProgress,
    },
    /// A permitted network boot moved on.
    Boot(BootProgress),
    /// A network boot was refused.
    BootRefused {
        /// Who asked.
        mac: MacAddr,
        /// Where.
        network: BootNetwork,
        /// Why it was refused.
        reason: String,
    },
    /// A ramdisk said hello with a valid token.
    RamdiskReady {
        /// Whose.
        server: ServerId,
        /// This run of it.
        session: RamdiskSessionId,
        /// What it was booted for, and where it came from.
        plan: BootPlan,
        /// What it found.
        hardware: Box<HardwareReport>,
    },
    /// A ramdisk's connection is gone.
    RamdiskGone {
        /// Whose.
        server: ServerId,
        /// Which run.
        session: RamdiskSessionId,
        /// Why.
        reason: String,
    },
    /// The time of [`Rack::timeout`] has come.
    Timer,
    /// The agent is about to end: nothing new is begun, and what waits for a BMC is answered. Steps are not: the ramdisk goes
    /// on, and the agent's next run is asked for them again.
    Stop,
}

/// Something to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A new or changed server: how to reach its BMC, which interfaces are its own.
    Know(ServerSpec),
    /// A server is nobody's business any more.
    Forget(ServerId),
    /// Read the power; [`Input::Answered`] follows.
    Poll {
        /// Whose.
        server: ServerId,
        /// To be repeated in the answer.
        number: u64,
    },
    /// Carry out a command on the BMC or the ramdisk; [`Input::Ended`] follows.
    Work(Command),
    /// From now on this server may boot so: it gets a token and its DHCP is answered.
    Permit {
        /// Which server.
        server: ServerId,
        /// What it may boot, and where.
        plan: BootPlan,
    },
    /// No more: its token and its ramdisk's session end.
    Forbid(ServerId),
    /// Keep a result on disk.
    Remember(CommandResult),
    /// Tell the coordinator.
    Report {
        /// Of which server.
        server: ServerId,
        /// What.
        body: ReportBody,
    },
}

/// All servers of the rack.
#[derive(Debug)]
pub struct Rack {
    servers: BTreeMap<ServerId, Server>,
    schedule: Schedule,
    results: Results,
    polls_asked: u64,
    stopping: bool,
    effects: VecDeque<Effect>,
}

impl Rack {
    /// A rack without servers, which remembers how earlier commands ended.
    pub fn new(poll_interval: Duration, seed: u64, results: Results) -> Self {
        Self {
            servers: BTreeMap::new(),
            schedule: Schedule::new(poll_interval, seed),
            results,
            polls_asked: 0,
            stopping: false,
            effects: VecDeque::new(),
        }
    }

    /// Takes what happened; [`Rack::poll_effect`] then says what to do.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Declare(declaration) => self.declare(declaration, now),
            Input::Command(command) => self.command(command),
            Input::Answered { server, number, sample } => self.answered(server, number, sample, now),
            Input::Ended { server, command, outcome, sample } => {
                self.ended(server, command, outcome, sample, now);
            }
            Input::Progress { server, command, progress } => {
                self.report(server, ReportBody::StepProgress { command, progress });
            }
            Input::Boot(progress) => {
                if let Some(server) = self.server_with(progress.mac) {
                    self.report(server, ReportBody::Boot(progress));
                }
            }
            Input::BootRefused { mac, network, reason } => {
                if let Some(server) = self.server_with(mac) {
                    self.report(server, ReportBody::BootRefused { network, reason });
                }
            }
            Input::RamdiskReady { server, session, plan, hardware } => {
                let BootPlan { purpose, network } = plan;
                self.report(server, ReportBody::RamdiskReady { session, purpose, network, hardware });
            }
            Input::RamdiskGone { server, session, reason } => {
                self.report(server, ReportBody::RamdiskGone { session, reason });
            }
            Input::Timer => {}
            Input::Stop => self.stop(),
        }
        self.ask_the_due(now);
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Timer`] is due.
    pub fn timeout(&self) -> Option<Instant> {
        if self.stopping { None } else { self.schedule.timeout() }
    }

    /// How earlier commands ended.
    pub fn results(&self) -> &Results {
        &self.results
    }

    /// Whether nothing is under way.
    pub fn is_at_rest(&self) -> bool {
        self.servers.values().all(|server| server.step.is_none() && server.lane == BmcLane::Idle)
    }

    /// The commands for BMCs that are under way. A ramdisk's step is not among them: it outlives this process.
    pub fn under_way(&self) -> Vec<(ServerId, CommandId)> {
        let working = |(id, server): (&ServerId, &Server)| match &server.lane {
            BmcLane::Working(command) => Some((*id, command.id)),
            BmcLane::Idle | BmcLane::Polling(_) => None,
        };
        self.servers.iter().filter_map(working).collect()
    }

    fn report(&mut self, server: ServerId, body: ReportBody) {
        self.effects.push_back(Effect::Report { server, body });
    }

    fn server_with(&self, mac: MacAddr) -> Option<ServerId> {
        self.servers.values().find(|server| server.spec.macs.contains(&mac)).map(|server| server.spec.id)
    }

    fn declare(&mut self, declaration: Declaration, now: Instant) {
        let Declaration { servers, mut forget, complete } = declaration;
        if complete {
            let listed: Vec<_> = servers.iter().map(|spec| spec.id).collect();
            forget.extend(self.servers.keys().filter(|id| !listed.contains(id)));
        }
        for id in forget {
            self.forget(id);
        }
        for spec in servers {
            self.declare_one(spec, now);
        }
        if complete {
            // The coordinator has just connected: it may have missed or lost what we said before.
            let known: Vec<_> = self
                .servers
                .iter()
                .filter_map(|(id, server)| Some((*id, server.power.known()?.clone(), server.cause)))
                .collect();
            for (id, reading, cause) in known {
                self.report(id, ReportBody::Power { reading, cause });
            }
            let is_unwatched = |(id, server): (&ServerId, &Server)| {
                (server.watch != Watch::Watched).then(|| (*id, server.watch.clone()))
            };
            let unwatched: Vec<_> = self.servers.iter().filter_map(is_unwatched).collect();
            for (id, watch) in unwatched {
                self.report(id, ReportBody::Watch { watch });
            }
        }
    }

    fn declare_one(&mut self, spec: ServerSpec, now: Instant) {
        let id = spec.id;
        match self.servers.get_mut(&id) {
            Some(server) if server.spec == spec => return,
            Some(server) => {
                if server.spec.bmc != spec.bmc {
                    // Another BMC, or another password: what the old one said counts no more.
                    server.power = Default::default();
                    server.watch = Watch::Watched;
                    server.hurry_until = None;
                    if matches!(server.lane, BmcLane::Polling(_)) {
                        server.lane = BmcLane::Idle;
                        self.schedule.answered();
                    }
                }
                server.spec = spec.clone();
            }
            None => {
                self.servers.insert(id, Server::new(spec.clone()));
            }
        }
        self.effects.push_back(Effect::Know(spec));
        self.resume_polling(id, now);
        self.start_next(id);
    }

    fn forget(&mut self, id: ServerId) {
        let Some(server) = self.servers.remove(&id) else { return };
        self.schedule.remove(id);
        if matches!(server.lane, BmcLane::Polling(_)) {
            self.schedule.answered();
        }
        for command in server.waiting.into_iter().chain(server.steps_waiting) {
            self.finish(command.id, id, Err(interrupted("the server was taken out of the inventory")));
        }
        self.effects.push_back(Effect::Forbid(id));
        self.effects.push_back(Effect::Forget(id));
    }

    fn answered(&mut self, id: ServerId, number: u64, sample: Sample, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.lane != BmcLane::Polling(number) {
            return;
        }
        server.lane = BmcLane::Idle;
        self.schedule.answered();
        self.note_watch(id, &sample);
        let Some(server) = self.servers.get_mut(&id) else { return };
        let again_in = match &sample {
            Sample::NotWatched { again_in, .. } => Some(*again_in),
            Sample::On | Sample::Off | Sample::NoAnswer { .. } => None,
        };
        let first = server.power.known().is_none();
        if first {
            // No answer is no reading: the next attempts follow soon, but not at once.
            server.hurry_until = Some(now + HURRY_FOR);
        }
        let gap = sample == Sample::Off && server.is_in_reset(now);
        let verdict = if gap { Verdict::AskAgain } else { server.power.observe(sample, now) };
        let soon = verdict == Verdict::AskAgain;
        if let Verdict::Changed(reading) = verdict {
            let cause = server.cause_of(&reading, first);
            server.cause = cause;
            let is_off = reading == PowerReading::Off;
            server.asked_to_go_off &= !is_off;
            if is_off {
                self.forbid(id);
            }
            self.report(id, ReportBody::Power { reading, cause });
        }
        if let Some(again_in) = again_in {
            self.schedule.ask_at(id, now + again_in);
        } else if soon {
            self.schedule.ask_at(id, now + ASK_AGAIN_AFTER);
        } else {
            self.resume_polling(id, now);
        }
        self.start_next(id);
    }

    /// Takes from an answer whether the server is watched, and reports a change. Silence says neither.
    fn note_watch(&mut self, id: ServerId, sample: &Sample) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let watch = match sample {
            Sample::NoAnswer { .. } => return,
            Sample::On | Sample::Off => Watch::Watched,
            Sample::NotWatched { why, reason, .. } => {
                // The words change with every try; only another cause is news.
                match &server.watch {
                    Watch::NotWatched { why: before, .. } if before == why => return,
                    Watch::Watched | Watch::NotWatched { .. } => {}
                }
                Watch::NotWatched { why: *why, reason: reason.clone() }
            }
        };
        if server.watch != watch {
            server.watch = watch.clone();
            self.report(id, ReportBody::Watch { watch });
        }
    }

    /// Plans the next poll.
    fn resume_polling(&mut self, id: ServerId, now: Instant) {
        let Some(server) = self.servers.get(&id) else { return };
        if server.power.known().is_none() && server.hurry_until.is_none() {
            self.schedule.ask_at(id, now);
        } else if server.is_hurried(now) {
            self.schedule.ask_at(id, now + HURRIED);
        } else {
            self.schedule.ask_in_turn(id, now);
        }
    }

    fn ask_the_due(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        while let Some(id) = self.schedule.next_due(now) {
            match self.servers.get_mut(&id) {
                Some(server) if server.lane == BmcLane::Idle => {
                    self.polls_asked += 1;
                    server.lane = BmcLane::Polling(self.polls_asked);
                    self.effects.push_back(Effect::Poll { server: id, number: self.polls_asked });
                }
                // Busy with a command: its end plans the next poll.
                Some(_) | None => self.schedule.answered(),
            }
        }
    }

    /// Takes the boot permit away. Said even when none is known: after a restart the boot table may know one.
    fn forbid(&mut self, id: ServerId) {
        self.effects.push_back(Effect::Forbid(id));
    }
}
