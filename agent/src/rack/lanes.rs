//! Decisions: commands of one server, in two lanes: from their arrival to their result.

use std::time::Instant;

use protocol::{
    boot::Boot,
    command::{Action, Command, CommandResult, Failure, FailureKind, Success},
    id::{CommandId, ServerId},
    power::{PowerCause, PowerOffHow, PowerReading},
    report::ReportBody,
    step::{Step, StepOutput},
};

use super::{Effect, Rack};
use crate::{
    given::{Given, begun_and_cut_off, too_late},
    poll::debounce::Sample,
    watched::{BmcLane, COMMANDS_WAITING_MAX, HURRY_FOR, RESET_SETTLES_IN},
};

impl Rack {
    pub(super) fn command(&mut self, given: Given, now: Instant) {
        let Command { id, server: server_id, .. } = given.command;
        // One that is under way may have a result already: what is to be answered should it be cut off.
        if self.servers.get(&server_id).is_some_and(|server| server.has(id)) {
            return;
        }
        if let Some(result) = self.results.get(id) {
            let body = ReportBody::Command(result.clone());
            return self.report(server_id, body);
        }
        let Some(server) = self.servers.get_mut(&server_id) else {
            // Not remembered: once the server is declared, the same command is good.
            let failure = Failure {
                kind: FailureKind::UnknownServer,
                message: format!("the agent does not know the server {server_id}"),
            };
            let result = CommandResult { command: id, outcome: Err(failure) };
            return self.report(server_id, ReportBody::Command(result));
        };
        if self.stopping {
            return match given.command.action {
                // The ramdisk waits for the agent's next run, and the coordinator asks that one again; so it does for firmware.
                Action::RunStep { .. } | Action::UpdateFirmware(_) | Action::LookAtFirmware { .. } => {}
                Action::PowerOn { .. }
                | Action::PowerOff { .. }
                | Action::Reset { .. }
                | Action::ReadIdentity
                | Action::KeepOff
                | Action::ReadFootprint
                | Action::Order(_)
                | Action::RenewPassword
                | Action::EndBoot => self.finish(id, server_id, Err(interrupted("the agent is stopping"))),
            };
        }
        let lane = match &given.command.action {
            Action::EndBoot => {
                self.forbid(server_id);
                return self.finish(id, server_id, Ok(Success::Done));
            }
            Action::RunStep { .. } | Action::UpdateFirmware(_) | Action::LookAtFirmware { .. } => {
                &mut server.steps_waiting
            }
            Action::PowerOn { .. }
            | Action::PowerOff { .. }
            | Action::Reset { .. }
            | Action::ReadIdentity
            | Action::KeepOff
            | Action::ReadFootprint
            | Action::Order(_)
            | Action::RenewPassword => &mut server.waiting,
        };
        if lane.len() >= COMMANDS_WAITING_MAX {
            let why = format!("{COMMANDS_WAITING_MAX} commands for this server are already waiting");
            return self.finish(id, server_id, Err(interrupted(&why)));
        }
        lane.push_back(given);
        self.start_next(server_id, now);
        self.make_way(server_id, now);
    }

    /// Begins what can be begun on this server.
    pub(super) fn start_next(&mut self, id: ServerId, now: Instant) {
        if self.stopping {
            return;
        }
        while let Some(server) = self.servers.get_mut(&id) {
            if server.lane != BmcLane::Idle {
                break;
            }
            let Some(given) = server.waiting.pop_front() else { break };
            if given.is_late(now) {
                self.finish(given.command.id, id, Err(too_late()));
            } else {
                self.start(id, given);
            }
        }
        if let Some(server) = self.servers.get_mut(&id)
            && server.step.is_none()
            && let Some(given) = server.steps_waiting.pop_front()
        {
            server.step = Some(given.command.id);
            if matches!(&given.command.action, Action::RunStep { step: Step::PowerOff, .. }) {
                server.asked_to_go_off = true;
            }
            self.remember_begun(&given.command);
            self.effects.push_back(Effect::Work(given));
        }
    }

    fn start(&mut self, id: ServerId, given: Given) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        self.schedule.remove(id);
        server.lane = BmcLane::Working(given.clone());
        match &given.command.action {
            Action::PowerOn { boot } | Action::Reset { boot } => {
                server.asked_to_go_off = false;
                match boot {
                    Boot::Network(plan) => {
                        // Ours from now on. Whose it is after that has to be declared anew.
                        server.spec.tenancy = None;
                        self.effects.push_back(Effect::Permit { server: id, plan: plan.clone() });
                    }
                    Boot::Disk => self.forbid(id),
                }
            }
            Action::PowerOff { how } => {
                server.asked_to_go_off |= *how == PowerOffHow::Soft;
                self.forbid(id);
            }
            Action::ReadIdentity
            | Action::EndBoot
            | Action::KeepOff
            | Action::ReadFootprint
            | Action::Order(_)
            | Action::RenewPassword
            | Action::UpdateFirmware(_)
            | Action::LookAtFirmware { .. }
            | Action::RunStep { .. } => {}
        }
        self.effects.push_back(Effect::Work(given));
    }

    pub(super) fn ended(
        &mut self,
        id: ServerId,
        command: CommandId,
        outcome: Result<Success, Failure>,
        sample: Option<Sample>,
        now: Instant,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return self.finish(command, id, outcome);
        };
        if server.step == Some(command) {
            server.step = None;
            // Only a ramdisk that was about to switch off could do so unasked by the BMC lane.
            server.asked_to_go_off &= outcome.is_ok();
            server.hurry_until = Some(now + HURRY_FOR);
            // What runs there is its tenant's now: before anybody is told so, it has no boot and no way back to us.
            if matches!(outcome, Ok(Success::Step(StepOutput::HandedOver))) {
                self.forbid(id);
            }
            self.finish(command, id, outcome);
            return self.start_next(id, now);
        }
        let action = match &server.lane {
            BmcLane::Working(working) if working.command.id == command => working.command.action.clone(),
            BmcLane::Idle | BmcLane::Polling(_) | BmcLane::Working(_) => return,
        };
        server.lane = BmcLane::Idle;
        server.hurry_until = Some(now + HURRY_FOR);
        let failed = outcome.is_err();
        if let Some(sample) = &sample {
            self.note_commanded(id, sample, now);
        }
        let Some(server) = self.servers.get_mut(&id) else { return };
        match (&action, sample) {
            (
                Action::ReadIdentity
                | Action::EndBoot
                | Action::KeepOff
                | Action::ReadFootprint
                | Action::Order(_)
                | Action::RenewPassword
                | Action::UpdateFirmware(_)
                | Action::LookAtFirmware { .. }
                | Action::RunStep { .. },
                _,
            )
            | (_, None) => {}
            (Action::PowerOn { .. } | Action::PowerOff { .. } | Action::Reset { .. }, Some(sample)) => {
                if matches!(action, Action::Reset { .. }) {
                    server.off_counts_from = Some(now + RESET_SETTLES_IN);
                }
                self.take_commanded(id, sample);
            }
        }
        // A power-on that failed may still come true later; then it must find nothing to boot.
        if failed && matches!(action, Action::PowerOn { .. } | Action::Reset { .. }) {
            self.forbid(id);
        }
        self.finish(command, id, outcome);
        self.resume_polling(id, now, now);
        self.start_next(id, now);
    }

    /// What must not be done twice is on the disk before it is begun, with what is answered should this run of the agent not see its end.
    fn remember_begun(&mut self, command: &Command) {
        if matches!(command.action, Action::UpdateFirmware(_)) {
            let result = CommandResult { command: command.id, outcome: Err(begun_and_cut_off()) };
            self.results.insert(result.clone());
            self.effects.push_back(Effect::Remember(result));
        }
    }

    /// A reading that a command ended with.
    fn take_commanded(&mut self, id: ServerId, sample: Sample) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let reading = match sample {
            Sample::On => PowerReading::On,
            Sample::Off => PowerReading::Off,
            // Polling finds out whether that lasts.
            Sample::NoAnswer { .. }
            | Sample::Refused { .. }
            | Sample::NotWatched { .. }
            | Sample::OtherMachine { .. } => return,
        };
        let is_off = reading == PowerReading::Off;
        server.asked_to_go_off &= !is_off;
        let news = server.power.settle(reading.clone());
        if news {
            server.cause = PowerCause::Commanded;
        }
        if is_off {
            self.forbid(id);
        }
        if news {
            self.report(id, ReportBody::Power { reading, cause: PowerCause::Commanded });
        }
    }

    pub(super) fn finish(&mut self, command: CommandId, server: ServerId, outcome: Result<Success, Failure>) {
        let result = CommandResult { command, outcome };
        self.results.insert(result.clone());
        self.effects.push_back(Effect::Remember(result.clone()));
        self.report(server, ReportBody::Command(result));
    }

    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let waiting: Vec<_> = self
            .servers
            .values_mut()
            .flat_map(|server| {
                server.steps_waiting.clear();
                server.waiting.drain(..)
            })
            .collect();
        for Given { command, .. } in waiting {
            self.finish(command.id, command.server, Err(interrupted("the agent is stopping")));
        }
    }
}

pub(super) fn interrupted(why: &str) -> Failure {
    Failure { kind: FailureKind::Interrupted, message: why.to_owned() }
}
