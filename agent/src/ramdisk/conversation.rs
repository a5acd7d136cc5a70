//! Decisions: the conversation with one ramdisk over all its connections: what it is told, what its words mean, and when it ends.
//! A step that was given is followed to its end, on whichever connection: one that the ramdisk still works on is not given again, one
//! that was cut off is.
//!
//! ```text
//!   Lost --arrival--> Up --lost--> Lost ... --too long, silent, revoked, out of step--> Ended
//!                      |
//!                      +-- step: [it works on it? it ended it?]  else Run, its bytes, DataEnd --> Progress ... Finished
//! ```
//!
//! What must stay true: a step ends once, or goes down with the session; the ramdisk is given one task at a time; whoever is connected
//! and has a step to do is heard of within `step_silence`; a lost one is waited for so long and no longer, and so is the answer of one whose
//! erase was stopped because its session is to end.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::{
    command::{Failure, FailureKind},
    id::CommandId,
    ramdisk::{FromAgent, FromRamdisk, LastTask, STOP_WAIT_MAX, Task},
    step::{StepOutput, StepProgress},
};

const REVOKED: &str = "its power went off, its boot was cancelled, or it said hello again";
const HANDED_OVER: &str = "it has handed itself over to its tenant";

/// How a step ended.
pub(super) type StepResult = Result<StepOutput, Failure>;

/// Whether bytes follow a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    None,
    Follow,
}

/// What is to be sent to the ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transmit {
    Say(FromAgent),
    /// The bytes of the step, from the first one on, for as long as [`Conversation::is_sending`].
    Payload,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The step moved on.
    Progress(StepProgress),
    /// The step ended.
    StepEnded(StepResult),
    /// The session is over. Nothing comes after it.
    Ended(String),
}

/// The agent's side of the conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    resume_wait: Duration,
    step_silence: Duration,
    link: Link,
    step: Option<Step>,
    /// What the ramdisk was given before this connection.
    last: Option<LastTask>,
    /// When something was last heard of it or sent to it, or asked of it.
    heard: Instant,
    /// The ramdisk has said that it switches off.
    farewell: bool,
    /// The ramdisk has let go of its server, and waits for its session to end.
    handed_over: bool,
    /// When the ramdisk was told to stop, which is the last thing that it is told.
    stopped: Option<Instant>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Lost { since: Instant },
    Up,
    Ended,
}

#[derive(Debug)]
struct Step {
    command: CommandId,
    task: Task,
    bytes: Bytes,
    phase: Phase,
    /// Why its bytes could not be sent to their end.
    failed: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It was not given on this connection.
    Waiting,
    /// It was given, and its bytes are on their way.
    Sending,
    /// The ramdisk has all that it needs.
    Following,
}

impl Conversation {
    /// One whose ramdisk is about to come.
    pub(super) fn new(resume_wait: Duration, step_silence: Duration, now: Instant) -> Self {
        Self {
            resume_wait,
            step_silence,
            link: Link::Lost { since: now },
            step: None,
            last: None,
            heard: now,
            farewell: false,
            handed_over: false,
            stopped: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A ramdisk was let in, and says what became of the task that it was given last. A connection from before is of no more use.
    pub(super) fn handle_arrival(&mut self, answer: FromAgent, last: Option<LastTask>, now: Instant) {
        if self.link == Link::Ended {
            return;
        }
        self.cut(Link::Up);
        self.last = last;
        self.heard = now;
        self.transmits.push_back(Transmit::Say(answer));
        self.go_on(now);
    }

    /// The connection is gone; the ramdisk may come again.
    pub(super) fn handle_lost(&mut self, now: Instant) {
        match self.link {
            Link::Up if self.stopped.is_some() => self.handle_revoked(),
            Link::Up if self.farewell => self.end("it switched itself off".to_owned()),
            Link::Up => self.cut(Link::Lost { since: now }),
            Link::Lost { .. } | Link::Ended => {}
        }
    }

    /// Somebody wants a step. To be called while [`Conversation::takes_step`].
    pub(super) fn handle_step(&mut self, command: CommandId, task: Task, bytes: Bytes, now: Instant) {
        self.step = Some(Step { command, task, bytes, phase: Phase::Waiting, failed: None });
        self.heard = now;
        self.go_on(now);
    }

    /// The ramdisk said something.
    pub(super) fn handle_message(&mut self, message: FromRamdisk, now: Instant) {
        if self.link != Link::Up {
            return;
        }
        self.heard = now;
        match &self.step {
            Some(step) if step.phase != Phase::Waiting => self.answered(message),
            Some(_) | None => self.overheard(message, now),
        }
    }

    /// Some bytes of the step were sent.
    pub(super) fn handle_sent(&mut self, now: Instant) {
        self.heard = now;
    }

    /// All bytes of the step were sent and have this SHA-256, or there will be no more.
    pub(super) fn handle_payload_end(&mut self, end: Result<String, Failure>, now: Instant) {
        self.heard = now;
        let Some(step) = self.step.as_mut().filter(|step| step.phase == Phase::Sending) else { return };
        step.phase = Phase::Following;
        let sha256 = end.unwrap_or_else(|failure| {
            step.failed = Some(failure);
            String::new()
        });
        self.transmits.push_back(Transmit::Say(FromAgent::DataEnd { sha256 }));
    }

    /// The session is to end. A ramdisk in the middle of an erase is told to stop, and its answer is waited for so long and no longer.
    pub(super) fn handle_wind_down(&mut self, now: Instant) {
        if self.stopped.is_some() {
            return;
        }
        let erases = |step: &&Step| matches!(step.task, Task::EraseMetadata(_) | Task::EraseDisks(_));
        let followed = self.step.as_ref().filter(|step| step.phase == Phase::Following).filter(erases);
        match followed.filter(|_| self.link == Link::Up) {
            Some(Step { command, .. }) => {
                self.transmits.push_back(Transmit::Say(FromAgent::Stop { command: *command }));
                self.stopped = Some(now);
            }
            None => self.handle_revoked(),
        }
    }

    /// The session was ended from outside.
    pub(super) fn handle_revoked(&mut self) {
        let reason = if self.handed_over { HANDED_OVER } else { REVOKED };
        self.end(reason.to_owned());
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        match self.link {
            Link::Up if self.stopped.is_some() => self.handle_revoked(),
            Link::Lost { .. } => {
                let seconds = self.resume_wait.as_secs();
                self.end(format!("it lost its agent and did not come back within {seconds} s"));
            }
            Link::Up => self.end(format!("it has been silent for {} s", self.step_silence.as_secs())),
            Link::Ended => {}
        }
    }

    /// When it wants to be told of the time.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.link {
            Link::Lost { since } => Some(since + self.resume_wait),
            Link::Up if self.stopped.is_some() => self.stopped.map(|stopped| stopped + STOP_WAIT_MAX),
            Link::Up => self.step.as_ref().map(|_| self.heard + self.step_silence),
            Link::Ended => None,
        }
    }

    /// What to send next.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What has happened next.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether it is ready for a step.
    pub(super) fn takes_step(&self) -> bool {
        self.link == Link::Up && self.step.is_none() && self.stopped.is_none()
    }

    /// Whether the bytes of the step are still wanted.
    pub(super) fn is_sending(&self) -> bool {
        self.step.as_ref().is_some_and(|step| step.phase == Phase::Sending)
    }

    /// Whether it waits for its ramdisk to come back.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.link, Link::Lost { .. })
    }

    /// The step, if there is one and the ramdisk is here: followed, answered, or given.
    fn go_on(&mut self, now: Instant) {
        if self.link != Link::Up {
            return;
        }
        let Some(step) = self.step.as_mut().filter(|step| step.phase == Phase::Waiting) else { return };
        match self.last.take() {
            Some(LastTask::Ended { command, outcome }) if command == step.command => {
                self.step_ended(outcome);
            }
            Some(LastTask::Running { command }) if command == step.command => step.phase = Phase::Following,
            // Something whose asker is gone; the ramdisk does one thing at a time.
            Some(running @ LastTask::Running { .. }) => self.last = Some(running),
            Some(LastTask::Ended { .. }) | None => {
                let run = FromAgent::Run { command: step.command, task: step.task.clone() };
                self.transmits.push_back(Transmit::Say(run));
                step.failed = None;
                step.phase = match step.bytes {
                    Bytes::None => Phase::Following,
                    Bytes::Follow => {
                        self.transmits.push_back(Transmit::Payload);
                        Phase::Sending
                    }
                };
                self.heard = now;
            }
        }
    }

    /// A message while a step is under way.
    fn answered(&mut self, message: FromRamdisk) {
        let Some(asked) = self.step.as_ref().map(|step| step.command) else { return };
        match message {
            FromRamdisk::Progress { command, progress } if command == asked => {
                self.events.push_back(Event::Progress(progress));
            }
            FromRamdisk::Finished { command, outcome } if command == asked => {
                // It gave up before it had all bytes: it now waits for their end.
                if self.is_sending() {
                    self.transmits.push_back(Transmit::Say(FromAgent::DataEnd { sha256: String::new() }));
                }
                self.step_ended(outcome);
            }
            FromRamdisk::Hello { .. }
            | FromRamdisk::Resume { .. }
            | FromRamdisk::Progress { .. }
            | FromRamdisk::Finished { .. } => {
                self.end("it answered a different step from the one it was given".to_owned());
            }
        }
    }

    /// A message while nothing is asked: only a task from before the connection may speak.
    fn overheard(&mut self, message: FromRamdisk, now: Instant) {
        match (self.last.take(), message) {
            (Some(LastTask::Running { command }), FromRamdisk::Progress { command: of, .. })
                if of == command =>
            {
                self.last = Some(LastTask::Running { command });
            }
            (Some(LastTask::Running { command }), FromRamdisk::Finished { command: of, outcome })
                if of == command =>
            {
                self.last = Some(LastTask::Ended { command, outcome });
                self.go_on(now);
            }
            (
                _,
                FromRamdisk::Hello { .. }
                | FromRamdisk::Resume { .. }
                | FromRamdisk::Progress { .. }
                | FromRamdisk::Finished { .. },
            ) => self.end("it spoke without being asked".to_owned()),
        }
    }

    fn step_ended(&mut self, outcome: Result<StepOutput, String>) {
        let Some(step) = self.step.take() else { return };
        let result = match step.failed {
            Some(failure) => Err(failure),
            None => outcome.map_err(|message| Failure { kind: FailureKind::StepFailed, message }),
        };
        self.farewell |= result.is_ok() && matches!(step.task, Task::PowerOff);
        self.handed_over |= result == Ok(StepOutput::HandedOver);
        self.events.push_back(Event::StepEnded(result));
        if self.stopped.is_some() {
            self.handle_revoked();
        }
    }

    /// What was given on a connection that is of no more use is given again on the next one, or followed there.
    fn cut(&mut self, link: Link) {
        self.link = link;
        self.transmits.clear();
        if let Some(step) = &mut self.step {
            step.phase = Phase::Waiting;
        }
    }

    fn end(&mut self, reason: String) {
        if self.link != Link::Ended {
            self.cut(Link::Ended);
            self.events.push_back(Event::Ended(reason));
        }
    }
}

#[cfg(test)]
mod tests;
