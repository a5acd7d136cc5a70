//! Decisions: the commands that somebody waits for: on which stream each is given, and how each wait ends.
//!
//! ```text
//!   begin --> [a stream is open? given on it] --result--> Ended(Result)
//!                 |                  |
//!                 |                  +-- the stream breaks; on the next one:
//!                 |                        harmless to do twice  -> given again, under its id
//!                 |                        a permit              -> the agent is asked; it answers what comes later, and has not
//!                 |                                                 answered the command: Ended(NotTaken), or Ended(NotKnown)
//!                 +-- none is open: a permit is refused, a ramdisk's step waits for the next stream
//! ```
//!
//! What must stay true: every wait ends exactly once, by its deadline at the latest; a permit is given on one stream only; whoever is
//! told `NotTaken` may prove anew and ask again, for no run of the agent has carried the command out in a way that a repetition would
//! double; a command that nobody waits for is not given again.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::{Duration, Instant},
};

use protocol::{
    bmc_order::BmcOrder,
    command::{Action, Command, CommandResult, FailureKind},
    id::{CommandId, RackId, ServerId},
    power_budget,
};

use super::{
    command::{AfterBreak, Repeat, after_break, image_of, repeat_of},
    roster::Stream,
};

/// Longest wait for the end of a power command. The gate waits less.
pub const POWER_WAIT_MAX: Duration = power_budget::CLIENT_READ_TIMEOUT;
/// Longest wait for a look at a BMC's firmware. The agent looks less long.
pub const LOOK_WAIT_MAX: Duration = Duration::from_secs(150);
/// Longest wait for the end of a ramdisk's step since it was last heard to move on: how long it takes in all is up to the disks.
pub const STEP_WAIT_MAX: Duration = Duration::from_secs(48 * 3600);

/// Longest wait for the end of this action.
pub(super) fn wait_max(action: &Action) -> Duration {
    match (repeat_of(action), action) {
        (Repeat::NewEachTime, Action::LookAtFirmware { .. }) => LOOK_WAIT_MAX,
        (Repeat::NewEachTime, _) => POWER_WAIT_MAX,
        (Repeat::SameCommand | Repeat::Once, _) => STEP_WAIT_MAX,
    }
}

/// One wait for one command. Several may wait for the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wait {
    pub command: CommandId,
    number: u64,
}

/// Who wants a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// The gate, a facade, a person.
    Somebody,
    /// We ourselves: the agent's answer says what became of this other command.
    AfterBreakOf(CommandId),
}

/// A command whose wait began.
#[derive(Debug)]
pub(super) struct Begun {
    pub wait: Wait,
    pub deadline: Instant,
    /// Whether it is to be given on the stream that is open; otherwise it waits for the next one.
    pub give: bool,
}

/// Why no wait begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotBegun {
    /// It is a permit for this moment, and no agent is here.
    NoAgent,
    /// What became of the other command is known by now.
    Answered,
}

/// How a wait ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The agent said how the command ended.
    Result(CommandResult),
    /// A break came between: the agent has not got it, or has it no more.
    NotTaken,
    /// The agent was restarted, and a repetition might do it twice.
    NotKnown,
    /// Nothing was heard of it by the deadline.
    TimedOut,
    /// What we asked after is known by now, or nobody waits for it any more.
    NoMoreAsked,
}

/// What is to be done on a new stream about commands that were given before, or never.
#[derive(Debug, Default)]
pub(super) struct LeftOver {
    /// To be given, in this order.
    pub again: Vec<Command>,
    /// Commands of which the agent is to be asked, and the servers at whose BMCs.
    pub ask_after: Vec<(CommandId, ServerId)>,
}

/// The commands under way.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    under_way: HashMap<CommandId, UnderWay>,
    endings: VecDeque<(Wait, Ending)>,
    last_number: u64,
}

#[derive(Debug)]
struct UnderWay {
    /// Its place in the order in which commands began.
    number: u64,
    rack: RackId,
    command: Command,
    asker: Asker,
    /// The stream on which it was given last.
    given: Option<Stream>,
    waits: Vec<(Wait, Instant)>,
}

impl Dispatch {
    /// Begins to wait for a command of a rack whose open stream is `stream`. A command that is under way already is given once more:
    /// whoever gave it may have been cut off before it was sent, and the agent does it once.
    pub(super) fn begin(
        &mut self,
        rack: &RackId,
        command: &Command,
        asker: Asker,
        stream: Option<Stream>,
        now: Instant,
    ) -> Result<Begun, NotBegun> {
        if stream.is_none() && repeat_of(&command.action) == Repeat::NewEachTime {
            return Err(NotBegun::NoAgent);
        }
        match asker {
            Asker::AfterBreakOf(other) if !self.under_way.contains_key(&other) => {
                return Err(NotBegun::Answered);
            }
            Asker::AfterBreakOf(_) | Asker::Somebody => {}
        }
        self.last_number += 1;
        let number = self.last_number;
        let wait = Wait { command: command.id, number };
        let deadline = now + wait_max(&command.action);
        let under_way = self.under_way.entry(command.id).or_insert_with(|| UnderWay {
            number,
            rack: rack.clone(),
            command: command.clone(),
            asker,
            given: None,
            waits: Vec::new(),
        });
        under_way.waits.push((wait, deadline));
        under_way.given = stream.or(under_way.given);
        Ok(Begun { wait, deadline, give: stream.is_some() })
    }

    /// Whoever waited does so no more. With the last one gone the command is not given again.
    pub(super) fn leave(&mut self, wait: Wait) {
        let Some(under_way) = self.under_way.get_mut(&wait.command) else { return };
        under_way.waits.retain(|(one, _)| *one != wait);
        if under_way.waits.is_empty() {
            self.end(wait.command, &Ending::NoMoreAsked);
        }
    }

    /// A new stream of a rack began: the commands for it that were not given on this one.
    pub(super) fn handle_stream(&mut self, rack: &RackId, stream: Stream) -> LeftOver {
        let mut left = LeftOver::default();
        let here = self.under_way.values_mut().filter(|it| &it.rack == rack && it.given != Some(stream));
        let mut here: Vec<_> = here.collect();
        here.sort_by_key(|it| it.number);
        for it in here {
            match (after_break(&it.command.action), it.given) {
                (AfterBreak::Again, _) => {
                    it.given = Some(stream);
                    left.again.push(it.command.clone());
                }
                (AfterBreak::AskFirst, Some(_)) => left.ask_after.push((it.command.id, it.command.server)),
                // It was not begun without a stream.
                (AfterBreak::AskFirst, None) => {}
            }
        }
        left
    }

    /// The agent said how a command ended. It answers the commands for a BMC in their order: when a question that was put after a
    /// command is answered and the command is not, the command has never come, or went down with an earlier run of the agent.
    pub(super) fn handle_result(&mut self, result: &CommandResult) {
        let answered = self.end(result.command, &Ending::Result(result.clone()));
        let Some(UnderWay { asker: Asker::AfterBreakOf(other), given: Some(asked), .. }) = answered else {
            return;
        };
        match &result.outcome {
            // Not put into the queue behind the command: nothing follows from it.
            Err(failure) if failure.kind == FailureKind::Interrupted => {}
            Ok(_) | Err(_) => {
                if let Some(ending) = self.under_way.get(&other).map(|it| it.unanswered(asked)) {
                    self.end(other, &ending);
                }
            }
        }
    }

    /// A step moves on: whoever waits for it has all the time again.
    pub(super) fn handle_progress(&mut self, command: CommandId, now: Instant) {
        let Some(it) = self.under_way.get_mut(&command) else { return };
        let later = now + wait_max(&it.command.action);
        for (_, until) in &mut it.waits {
            *until = (*until).max(later);
        }
    }

    /// Until when this wait goes on; none: it has ended.
    pub(super) fn deadline(&self, wait: Wait) -> Option<Instant> {
        let waits = &self.under_way.get(&wait.command)?.waits;
        waits.iter().find(|(one, _)| *one == wait).map(|(_, until)| *until)
    }

    /// Ends the waits whose deadline has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let mut left = Vec::new();
        for (id, it) in &mut self.under_way {
            let (late, waiting) = mem::take(&mut it.waits).into_iter().partition(|(_, until)| *until <= now);
            it.waits = waiting;
            let late: Vec<(Wait, Instant)> = late;
            self.endings.extend(late.into_iter().map(|(wait, _)| (wait, Ending::TimedOut)));
            if it.waits.is_empty() {
                left.push(*id);
            }
        }
        for id in left {
            self.end(id, &Ending::TimedOut);
        }
    }

    /// A wait that has ended. Each is told once.
    pub(super) fn poll_event(&mut self) -> Option<(Wait, Ending)> {
        self.endings.pop_front()
    }

    /// Whether a step that was given to this rack's agent, and has not ended, writes this image.
    pub(super) fn is_image_wanted(&self, rack: &RackId, image: &str) -> bool {
        self.under_way
            .values()
            .any(|it| &it.rack == rack && image_of(&it.command.action) == Some(image) && it.given.is_some())
    }

    /// Ends every wait for a command, and the questions after it.
    fn end(&mut self, id: CommandId, ending: &Ending) -> Option<UnderWay> {
        let mut ended = self.under_way.remove(&id)?;
        let waits = mem::take(&mut ended.waits);
        self.endings.extend(waits.into_iter().map(|(wait, _)| (wait, ending.clone())));
        let asks = |it: &&UnderWay| it.asker == Asker::AfterBreakOf(id);
        let questions: Vec<_> = self.under_way.values().filter(asks).map(|it| it.command.id).collect();
        for question in questions {
            self.end(question, &Ending::NoMoreAsked);
        }
        Some(ended)
    }
}

impl UnderWay {
    /// What became of this command when the agent has answered a question that was put after it on `asked`, and the command not.
    fn unanswered(&self, asked: Stream) -> Ending {
        let same_run = self.given.is_some_and(|given| given.run == asked.run);
        match &self.command.action {
            // A second one is another one.
            Action::Reset { .. } | Action::Order(BmcOrder::Interrupt) if !same_run => Ending::NotKnown,
            Action::PowerOn { .. }
            | Action::Reset { .. }
            | Action::PowerOff { .. }
            | Action::ReadIdentity
            | Action::EndBoot
            | Action::KeepOff
            | Action::ReadFootprint
            | Action::Order(_)
            | Action::RenewPassword
            | Action::UpdateFirmware(_)
            | Action::LookAtFirmware { .. }
            | Action::RunStep { .. } => Ending::NotTaken,
        }
    }
}

#[cfg(test)]
mod tests;
