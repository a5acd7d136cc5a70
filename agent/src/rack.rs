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
//! - a command waits for a poll only as long as a reading of that BMC takes, and for none of a silent BMC;
//! - a result is remembered on disk before it is reported.

mod health;
mod lanes;
mod polls;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use protocol::{
    bmc_health::BmcHealth,
    boot::{BootPlan, BootProgress},
    command::{CommandResult, Failure, Success},
    convert::Declaration,
    hardware::{BmcIdentity, HardwareReport},
    id::{CommandId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    report::ReportBody,
    shown_certificate::ShownCertificate,
    spec::{BmcEndpoint, ServerSpec},
    step::StepProgress,
    watch::Watch,
};

pub use self::health::Breakers;
pub use self::polls::{OldestReading, READING_AGE_MAX};

use self::lanes::interrupted;
use crate::{
    given::Given,
    poll::{debounce::Sample, health::Health, pulse::Pulse, schedule::Schedule},
    results::Results,
    watched::{BmcLane, WatchedServer},
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The coordinator says which servers to look after.
    Declare(Declaration),
    /// The coordinator wants something done.
    Command(Given),
    /// A BMC was logged in to, and said who it is; told before what else it said.
    Identified {
        /// Whose it should be.
        server: ServerId,
        /// Where it was asked, as [`protocol::spec::BmcEndpoint::place`] writes it.
        place: String,
        /// Who it said it is.
        identity: BmcIdentity,
    },
    /// A BMC showed another certificate than before.
    CertificateShown {
        /// Whose it should be.
        server: ServerId,
        /// Where it was asked, as [`protocol::spec::BmcEndpoint::place`] writes it.
        place: String,
        /// What it showed.
        shown: ShownCertificate,
    },
    /// A BMC answered [`Effect::Poll`].
    Answered {
        /// Whose.
        server: ServerId,
        /// Of the question.
        number: u64,
        /// What it said.
        sample: Sample,
    },
    /// [`Effect::Poll`] was given up because of [`Effect::MakeWay`]; nothing was learned.
    TakenBack {
        /// Whose.
        server: ServerId,
        /// Of the question.
        number: u64,
    },
    /// A BMC has told that the power may have changed. It is read now, and nobody stands by what was told.
    Hint {
        /// Whose.
        server: ServerId,
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
        /// Where its boot is permitted instead.
        planned: Option<BootNetwork>,
        /// Why it was refused.
        reason: String,
    },
    /// A server whose boot is permitted has asked for it by an interface that does not boot.
    OtherInterface {
        /// Which server.
        server: ServerId,
        /// By which interface.
        mac: MacAddr,
        /// Where.
        network: BootNetwork,
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
    Know(Box<ServerSpec>),
    /// A server is nobody's business any more.
    Forget(ServerId),
    /// Read the power; [`Input::Answered`] follows.
    Poll {
        /// Whose.
        server: ServerId,
        /// To be repeated in the answer.
        number: u64,
        /// How long to wait for it.
        patience: Duration,
    },
    /// A command waits: unless that question is answered within this time it is given up; [`Input::TakenBack`] follows.
    MakeWay {
        /// Whose.
        server: ServerId,
        /// Of the question.
        number: u64,
        /// How long it still has.
        within: Duration,
    },
    /// Carry out a command on the BMC or the ramdisk; [`Input::Ended`] follows.
    Work(Given),
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
    /// Tell the coordinator, if it wants to know, how these BMCs answer.
    Health(Vec<BmcHealth>),
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
    servers: BTreeMap<ServerId, WatchedServer>,
    schedule: Schedule,
    results: Results,
    polls_asked: u64,
    ages_due: Option<Instant>,
    oldest: Option<OldestReading>,
    health_due: Option<Instant>,
    breakers: Breakers,
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
            ages_due: None,
            oldest: None,
            health_due: None,
            breakers: Breakers::default(),
            stopping: false,
            effects: VecDeque::new(),
        }
    }

    /// Takes what happened; [`Rack::poll_effect`] then says what to do.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Declare(declaration) => self.declare(declaration, now),
            Input::Command(given) => self.command(given, now),
            Input::Identified { server, place, identity } => self.identified(server, place, identity),
            Input::CertificateShown { server, place, shown } => self.certificate_shown(server, place, shown),
            Input::Answered { server, number, sample } => self.answered(server, number, sample, now),
            Input::TakenBack { server, number } => self.taken_back(server, number, now),
            Input::Hint { server } => self.hinted(server, now),
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
            Input::BootRefused { mac, network, planned, reason } => {
                if let Some(server) = self.server_with(mac) {
                    self.report(server, ReportBody::BootRefused { network, mac: Some(mac), planned, reason });
                }
            }
            Input::OtherInterface { server, mac, network } => {
                let reason = format!("{mac} is an interface by which this server does not boot");
                self.report(
                    server,
                    ReportBody::BootRefused { network, mac: Some(mac), planned: None, reason },
                );
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
        self.look_at_ages(now);
        self.ask_the_due(now);
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Timer`] is due.
    pub fn timeout(&self) -> Option<Instant> {
        if self.stopping {
            return None;
        }
        self.schedule.timeout().into_iter().chain(self.ages_due).min()
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
        let working = |(id, server): (&ServerId, &WatchedServer)| match &server.lane {
            BmcLane::Working(given) => Some((*id, given.command.id)),
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
            let is_unwatched = |(id, server): (&ServerId, &WatchedServer)| {
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
                let is_other_account = !is_same_account(&server.spec, &spec);
                if is_other_account || server.spec.expected != spec.expected {
                    // The connection is made anew: whoever answers says anew who it is.
                    server.identified = None;
                }
                if is_other_account {
                    // Another BMC, or another password: what the old one said counts no more.
                    server.power = Default::default();
                    server.watch = Watch::Watched;
                    server.hurry_until = None;
                    server.pulse = Pulse::default();
                    server.health = Health::default();
                    server.read_at = now;
                    if matches!(server.lane, BmcLane::Polling(_)) {
                        server.lane = BmcLane::Idle;
                        self.schedule.answered(id);
                    }
                }
                server.spec = spec.clone();
            }
            None => {
                self.servers.insert(id, WatchedServer::new(spec.clone(), now));
            }
        }
        self.effects.push_back(Effect::Know(Box::new(spec)));
        self.resume_polling(id, now, now);
        self.start_next(id, now);
    }

    fn forget(&mut self, id: ServerId) {
        let Some(server) = self.servers.remove(&id) else { return };
        self.schedule.remove(id);
        self.schedule.answered(id);
        for given in server.waiting.into_iter().chain(server.steps_waiting) {
            self.finish(given.command.id, id, Err(interrupted("the server was taken out of the inventory")));
        }
        self.effects.push_back(Effect::Forbid(id));
        self.effects.push_back(Effect::Forget(id));
    }

    /// Tells who the BMC is, the first time and whenever it is another one.
    fn identified(&mut self, id: ServerId, place: String, identity: BmcIdentity) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let is_news = server.identified.as_ref() != Some(&identity);
        if place == server.spec.bmc.place() && is_news {
            server.identified = Some(identity.clone());
            self.report(id, ReportBody::Identified { place, identity });
        }
    }

    /// Tells which certificate a BMC shows. Who reached it says so once for each.
    fn certificate_shown(&mut self, id: ServerId, place: String, shown: ShownCertificate) {
        if self.servers.get(&id).is_some_and(|server| server.spec.bmc.place() == place) {
            self.report(id, ReportBody::CertificateShown { place, shown });
        }
    }

    /// Takes the boot permit away. Said even when none is known: after a restart the boot table may know one.
    fn forbid(&mut self, id: ServerId) {
        self.effects.push_back(Effect::Forbid(id));
    }
}

/// Whether it is the same BMC and user, with a password that we had declared to follow: then what was said by it still counts.
fn is_same_account(known: &ServerSpec, declared: &ServerSpec) -> bool {
    let password = &declared.bmc.password;
    let is_known = *password == known.bmc.password
        || known.next_password.as_ref().is_some_and(|next| next.password == *password);
    let bmc = BmcEndpoint { password: password.clone(), ..known.bmc.clone() };
    is_known && bmc == declared.bmc
}
