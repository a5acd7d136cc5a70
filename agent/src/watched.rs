//! Decisions: one server as the rack agent holds it: what is known of its power, and what it is doing. What it may boot is
//! the boot table's to know.
//!
//! Two lanes: the BMC is asked or told one thing at a time, and so is the ramdisk; but a step of an hour on the ramdisk
//! does not keep us from seeing that the power went off.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::{
    hardware::BmcIdentity,
    id::CommandId,
    power::{PowerCause, PowerReading},
    spec::ServerSpec,
    watch::Watch,
};

use crate::{
    given::Given,
    poll::{debounce::Debounce, health::Health, pulse::Pulse},
};

/// Most commands of one server that wait for their turn, in each lane.
pub const COMMANDS_WAITING_MAX: usize = 16;
/// For so long after a command its server is polled at the hurried interval.
pub const HURRY_FOR: Duration = Duration::from_secs(5);
/// For so long after a reset "off" is not believed: some BMCs take the power away for a moment.
pub const RESET_SETTLES_IN: Duration = Duration::from_secs(4);

/// What the BMC is being asked or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BmcLane {
    /// Nothing.
    Idle,
    /// Its power reading; the number tells this question from earlier ones.
    Polling(u64),
    /// To carry out this command.
    Working(Given),
}

/// One server.
#[derive(Debug)]
pub struct WatchedServer {
    /// What the coordinator declared.
    pub spec: ServerSpec,
    /// What is known of its power.
    pub power: Debounce,
    /// How its BMC answers.
    pub pulse: Pulse,
    /// How it has answered of late, for people.
    pub health: Health,
    /// When its BMC last said on or off, or when it was declared.
    pub read_at: Instant,
    /// Why the last reported reading was what it was.
    pub cause: PowerCause,
    /// Who its BMC said it is, as it was reported.
    pub identified: Option<BmcIdentity>,
    /// What its BMC is busy with.
    pub lane: BmcLane,
    /// Commands for the BMC that wait.
    pub waiting: VecDeque<Given>,
    /// The step that its ramdisk is doing.
    pub step: Option<CommandId>,
    /// Steps that wait.
    pub steps_waiting: VecDeque<Given>,
    /// Whether it is watched, as it was reported last. Commands are tried all the same: the BMC's account knows when it may.
    pub watch: Watch,
    /// Until then it is polled faster.
    pub hurry_until: Option<Instant>,
    /// Until then "off" is not believed.
    pub off_counts_from: Option<Instant>,
    /// Somebody asked it to switch itself off: when it does, that was no accident.
    pub asked_to_go_off: bool,
}

impl WatchedServer {
    /// One of which nothing is known yet.
    pub fn new(spec: ServerSpec, now: Instant) -> Self {
        Self {
            spec,
            power: Debounce::default(),
            pulse: Pulse::default(),
            health: Health::default(),
            read_at: now,
            cause: PowerCause::First,
            identified: None,
            lane: BmcLane::Idle,
            waiting: VecDeque::new(),
            step: None,
            steps_waiting: VecDeque::new(),
            watch: Watch::Watched,
            hurry_until: None,
            off_counts_from: None,
            asked_to_go_off: false,
        }
    }

    /// Whether this command is under way or waits.
    pub fn has(&self, id: CommandId) -> bool {
        matches!(&self.lane, BmcLane::Working(given) if given.command.id == id)
            || self.step == Some(id)
            || self.waiting.iter().chain(&self.steps_waiting).any(|given| given.command.id == id)
    }

    /// Whether it is to be polled faster now.
    pub fn is_hurried(&self, now: Instant) -> bool {
        self.hurry_until.is_some_and(|until| now < until)
    }

    /// Whether we say of it, or are still to say, that it is on or off.
    pub fn is_stood_by(&self) -> bool {
        self.watch == Watch::Watched && !matches!(self.power.known(), Some(PowerReading::Unreachable { .. }))
    }

    /// Whether its BMC's "off" may still be the gap of a reset.
    pub fn is_in_reset(&self, now: Instant) -> bool {
        self.off_counts_from.is_some_and(|from| now < from)
    }

    /// Why it changed to this reading while nothing was being done to it.
    pub fn cause_of(&self, reading: &PowerReading, first: bool) -> PowerCause {
        match reading {
            _ if first => PowerCause::First,
            PowerReading::Off if self.asked_to_go_off => PowerCause::Commanded,
            PowerReading::On | PowerReading::Off | PowerReading::Unreachable { .. } => PowerCause::Unasked,
        }
    }
}
