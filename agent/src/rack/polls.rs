//! Decisions: the polling of the rack's BMCs: from a question to what its answer means, and when the next one is asked.

use std::time::{Duration, Instant};

use protocol::{
    id::ServerId,
    power::{PowerCause, PowerReading},
    report::ReportBody,
    watch::Watch,
};

use super::{Effect, Rack};
use crate::{
    bmc::breaker::Failed,
    poll::{
        debounce::{ASK_AGAIN_AFTER, Sample, Verdict},
        schedule::{HURRIED, Order},
    },
    watched::{BmcLane, HURRY_FOR, WatchedServer},
};

/// A reading that is older is not stood by any more: the power is then reported as not known, with the reason. No command and no
/// reading takes as long.
pub const READING_AGE_MAX: Duration = Duration::from_secs(120);
/// The ages of all readings are looked at this often.
const AGES_EVERY: Duration = Duration::from_secs(1);

/// The oldest reading that is stood by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldestReading {
    /// Whose.
    pub server: ServerId,
    /// When it was made; of a server that was not read yet, when it was declared.
    pub read_at: Instant,
}

impl Rack {
    /// The oldest reading behind what is reported as on or off, or behind nothing yet. A server whose BMC is silent or refuses us
    /// is not among them: that is reported, and nobody takes its last reading for a fresh one.
    pub fn oldest_reading(&self) -> Option<OldestReading> {
        self.oldest
    }

    /// Its power may have changed: it is read now. One that is being asked or told something is read at the end of that anyway.
    pub(super) fn hinted(&mut self, id: ServerId, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.hurry_until = Some(now + HURRY_FOR);
        if server.lane == BmcLane::Idle {
            self.schedule.ask_at(id, Order::Confirm, now);
        }
    }

    pub(super) fn answered(&mut self, id: ServerId, number: u64, sample: Sample, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.lane != BmcLane::Polling(number) {
            return;
        }
        server.lane = BmcLane::Idle;
        let asked = self.schedule.answered(id).unwrap_or(now);
        let took = now.saturating_duration_since(asked);
        server.health.noted(&sample, took, now);
        match &sample {
            Sample::On | Sample::Off => {
                server.read_at = now;
                if server.pulse.heard(took) {
                    self.schedule.hasten_probes(now);
                }
            }
            // Whoever it is, it answers: it is asked on in its turn.
            Sample::OtherMachine { .. } => drop(server.pulse.heard(took)),
            Sample::Refused { .. } => server.pulse.refused(took, now, self.schedule.chance()),
            Sample::NoAnswer { .. } => server.pulse.unheard(now, self.schedule.chance()),
            // Its account knows when it may be asked again.
            Sample::NotWatched { .. } => {}
        }
        self.note_watch(id, &sample);
        let Some(server) = self.servers.get_mut(&id) else { return };
        let again_in = match &sample {
            Sample::NotWatched { again_in, .. } => Some(*again_in),
            Sample::On
            | Sample::Off
            | Sample::NoAnswer { .. }
            | Sample::Refused { .. }
            | Sample::OtherMachine { .. } => None,
        };
        let first = server.power.known().is_none();
        if first {
            // No answer is no reading: the next attempts follow soon, but not at once.
            server.hurry_until = Some(now + HURRY_FOR);
        }
        let gap = sample == Sample::Off && server.is_in_reset(now);
        let verdict = if gap { Verdict::AskAgain } else { server.power.observe(sample, asked, now) };
        match verdict {
            Verdict::AskAgain => self.schedule.ask_at(id, Order::Confirm, now + ASK_AGAIN_AFTER),
            Verdict::Same => self.resume_polling(id, asked, now),
            Verdict::Changed(reading) => {
                let cause = server.cause_of(&reading, first);
                self.changed(id, reading, cause);
                self.resume_polling(id, asked, now);
            }
        }
        if let Some(again_in) = again_in {
            self.schedule.ask_at(id, Order::Routine, now + again_in);
        }
        self.start_next(id, now);
    }

    /// A question was taken back before its answer, because a command waits.
    pub(super) fn taken_back(&mut self, id: ServerId, number: u64, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.lane != BmcLane::Polling(number) {
            return;
        }
        server.lane = BmcLane::Idle;
        server.pulse.taken_back(now);
        let asked = self.schedule.answered(id).unwrap_or(now);
        self.resume_polling(id, asked, now);
        self.start_next(id, now);
    }

    /// A command waits for this server's BMC: a reading that is under way does not hold it up for long.
    pub(super) fn make_way(&mut self, id: ServerId, now: Instant) {
        let Some(server) = self.servers.get(&id).filter(|server| !server.waiting.is_empty()) else { return };
        let BmcLane::Polling(number) = server.lane else { return };
        let has_had =
            self.schedule.asked_at(id).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let within = server.pulse.in_the_way().saturating_sub(has_had);
        self.effects.push_back(Effect::MakeWay { server: id, number, within });
    }

    /// What a command's last reading says of how its BMC answers. Whatever its breaker said, it was asked.
    pub(super) fn note_commanded(&mut self, id: ServerId, sample: &Sample, now: Instant) {
        let chance = self.schedule.chance();
        let Some(server) = self.servers.get_mut(&id) else { return };
        match sample {
            Sample::On | Sample::Off => {
                server.read_at = now;
                server.health.read(now);
                if server.pulse.commanded(Ok(()), now, chance) {
                    self.schedule.hasten_probes(now);
                }
            }
            Sample::NoAnswer { .. } => drop(server.pulse.commanded(Err(Failed::Silent), now, chance)),
            Sample::Refused { .. } => drop(server.pulse.commanded(Err(Failed::Refused), now, chance)),
            // Its account, and who it is, are other matters.
            Sample::NotWatched { .. } | Sample::OtherMachine { .. } => {}
        }
    }

    /// Takes from an answer whether the server is watched, and reports a change. Silence says neither; whose BMC it is, is told
    /// in another way.
    fn note_watch(&mut self, id: ServerId, sample: &Sample) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let watch = match sample {
            Sample::NoAnswer { .. } | Sample::Refused { .. } | Sample::OtherMachine { .. } => return,
            Sample::On | Sample::Off => Watch::Watched,
            // The words change with every try, and it is tried seldom: people are shown the latest.
            Sample::NotWatched { why, reason, .. } => Watch::NotWatched { why: *why, reason: reason.clone() },
        };
        if server.watch != watch {
            server.watch = watch.clone();
            self.report(id, ReportBody::Watch { watch });
        }
    }

    /// Reports what nobody's command has led to.
    fn changed(&mut self, id: ServerId, reading: PowerReading, cause: PowerCause) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.cause = cause;
        let is_off = reading == PowerReading::Off;
        server.asked_to_go_off &= !is_off;
        if is_off {
            self.forbid(id);
        }
        self.report(id, ReportBody::Power { reading, cause });
    }

    /// Plans the next poll, unless the BMC is busy: then its end plans it. `asked`: when it was asked last.
    pub(super) fn resume_polling(&mut self, id: ServerId, asked: Instant, now: Instant) {
        let Some(server) = self.servers.get(&id) else { return };
        if server.lane != BmcLane::Idle {
            return;
        }
        if let Some(until) = server.pulse.breaker().until() {
            self.schedule.ask_silent(id, until, asked, now);
        } else if server.power.known().is_none() && server.hurry_until.is_none() {
            self.schedule.ask_at(id, Order::Routine, now);
        } else if server.is_hurried(now) {
            self.schedule.ask_again(id, HURRIED, asked, now);
        } else if let Some(every) = server.spec.bmc.settings.poll_interval() {
            self.schedule.ask_again(id, every, asked, now);
        } else {
            self.schedule.ask_in_turn(id, asked, now);
        }
    }

    pub(super) fn ask_the_due(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        while let Some(id) = self.schedule.next_due(now) {
            match self.servers.get_mut(&id) {
                Some(server) if server.lane == BmcLane::Idle => {
                    self.polls_asked += 1;
                    let number = self.polls_asked;
                    server.lane = BmcLane::Polling(number);
                    server.pulse.asked();
                    let patience = server.pulse.patience();
                    self.effects.push_back(Effect::Poll { server: id, number, patience });
                }
                // Busy with a command: its end plans the next poll.
                Some(_) | None => {
                    self.schedule.answered(id);
                }
            }
        }
    }

    /// Nobody is to take an old reading for a fresh one, whatever it is that keeps the next one from us.
    pub(super) fn look_at_ages(&mut self, now: Instant) {
        if self.stopping || self.ages_due.is_some_and(|due| now < due) {
            return;
        }
        self.ages_due = (!self.servers.is_empty()).then_some(now + AGES_EVERY);
        let outdated: Vec<_> = self
            .servers
            .iter()
            .filter(|(_, server)| server.is_stood_by())
            .filter(|(_, server)| now.saturating_duration_since(server.read_at) > READING_AGE_MAX)
            .map(|(id, server)| (*id, why_outdated(server, now)))
            .collect();
        for (id, reason) in outdated {
            let Some(server) = self.servers.get_mut(&id) else { continue };
            let first = server.power.known().is_none();
            if let Verdict::Changed(reading) = server.power.outdated(reason) {
                let cause = server.cause_of(&reading, first);
                self.changed(id, reading, cause);
            }
        }
        let stood_by = self.servers.iter().filter(|(_, server)| server.is_stood_by());
        let oldest = stood_by.min_by_key(|(_, server)| server.read_at);
        self.oldest = oldest.map(|(id, server)| OldestReading { server: *id, read_at: server.read_at });
        self.tell_health(now);
    }
}

fn why_outdated(server: &WatchedServer, now: Instant) -> String {
    let age = now.saturating_duration_since(server.read_at).as_secs();
    let why = match &server.lane {
        BmcLane::Idle => {
            "it was not its turn yet: the agent is overloaded; check its CPU load and its log, or move some of its servers \
             to another agent"
        }
        BmcLane::Polling(_) => {
            "the request to its BMC has not ended: check the agent's log, and restart the agent if this persists"
        }
        BmcLane::Working(_) => {
            "a command for its BMC is waiting or has not ended: check the agent's log for what it is busy with"
        }
    };
    format!("its power has not been read for {age} s, because {why}")
}
