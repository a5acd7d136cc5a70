//! Conversations in simulated time with ramdisks that are slow, silent, lost, out of step, or talk nonsense.

use std::collections::HashMap;

use proptest::prelude::*;
use protocol::{
    hardware::HardwareReport, id::RamdiskSessionId, root_device::RootDeviceHints, secret::Secret,
    step::EraseOrder,
};

use super::*;
use crate::ramdisk::STEP_SILENCE_MAX;

const RESUME_WAIT: Duration = Duration::from_secs(120);
const SECOND: Duration = Duration::from_secs(1);

fn welcome() -> FromAgent {
    FromAgent::Welcome { session: RamdiskSessionId::random(), resume: Secret::new("s") }
}

fn run(command: CommandId, task: Task) -> FromAgent {
    FromAgent::Run { command, task }
}

fn finished(command: CommandId, outcome: Result<StepOutput, &str>) -> FromRamdisk {
    FromRamdisk::Finished { command, outcome: outcome.map_err(str::to_owned) }
}

fn progress(command: CommandId) -> FromRamdisk {
    FromRamdisk::Progress { command, progress: StepProgress { done_bytes: 1, total_bytes: 2 } }
}

fn failed(kind: FailureKind, message: &str) -> StepResult {
    Err(Failure { kind, message: message.to_owned() })
}

/// A conversation with the time of its edge, and what came out of it.
struct Talk {
    now: Instant,
    it: Conversation,
    said: Vec<Transmit>,
    happened: Vec<Event>,
}

impl Talk {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            it: Conversation::new(RESUME_WAIT, STEP_SILENCE_MAX, now),
            said: Vec::new(),
            happened: Vec::new(),
        }
    }

    /// One whose ramdisk is here and was welcomed.
    fn up() -> Self {
        let mut talk = Self::new();
        talk.arrive(None);
        talk.said.clear();
        talk
    }

    fn turn(&mut self) {
        self.said.extend(std::iter::from_fn(|| self.it.poll_transmit()));
        self.happened.extend(std::iter::from_fn(|| self.it.poll_event()));
    }

    fn arrive(&mut self, last: Option<LastTask>) {
        self.it.handle_arrival(FromAgent::Resumed, last, self.now);
        self.turn();
    }

    fn lose(&mut self) {
        self.it.handle_lost(self.now);
        self.turn();
    }

    fn step(&mut self, task: Task, bytes: Bytes) -> CommandId {
        let command = CommandId::random();
        self.it.handle_step(command, task, bytes, self.now);
        self.turn();
        command
    }

    fn hear(&mut self, message: FromRamdisk) {
        self.it.handle_message(message, self.now);
        self.turn();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.it.handle_timeout(self.now);
        self.turn();
    }

    fn said(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.said)
    }

    fn happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.happened)
    }

    #[track_caller]
    fn ended(&mut self, word: &str) {
        let (_, happened) = (self.said(), self.happened());
        assert!(matches!(&happened[..], [.., Event::Ended(reason)] if reason.contains(word)), "{happened:?}");
        assert_eq!(self.it.poll_timeout(), None);
        // Nothing comes after it.
        self.arrive(None);
        self.it.handle_revoked();
        self.pass(RESUME_WAIT + STEP_SILENCE_MAX);
        assert_eq!((self.said(), self.happened()), (vec![], vec![]));
    }
}

#[test]
fn a_step_is_given_with_its_bytes_and_ends_as_the_ramdisk_says() {
    let mut talk = Talk::new();
    talk.it.handle_arrival(welcome(), None, talk.now);
    talk.turn();
    assert!(matches!(&talk.said()[..], [Transmit::Say(FromAgent::Welcome { .. })]));
    let task = Task::WriteImage { virtual_bytes: 8, root_device: RootDeviceHints::default() };
    let command = talk.step(task.clone(), Bytes::Follow);
    assert_eq!(talk.said(), [Transmit::Say(run(command, task.clone())), Transmit::Payload]);
    assert!(talk.it.is_sending() && !talk.it.takes_step());
    talk.hear(progress(command));
    talk.it.handle_payload_end(Ok("ab".to_owned()), talk.now);
    talk.turn();
    assert_eq!(talk.said(), [Transmit::Say(FromAgent::DataEnd { sha256: "ab".to_owned() })]);
    talk.hear(finished(command, Ok(StepOutput::Done)));
    let moved = Event::Progress(StepProgress { done_bytes: 1, total_bytes: 2 });
    assert_eq!(talk.happened(), [moved, Event::StepEnded(Ok(StepOutput::Done))]);
    // One that gives up in the middle waits for the end of the bytes; one whose image is broken is told so.
    let command = talk.step(task.clone(), Bytes::Follow);
    talk.said();
    talk.hear(finished(command, Err("the disk is on fire")));
    assert_eq!(talk.said(), [Transmit::Say(FromAgent::DataEnd { sha256: String::new() })]);
    let failure = failed(FailureKind::StepFailed, "the disk is on fire");
    assert_eq!(talk.happened(), [Event::StepEnded(failure)]);
    let command = talk.step(task, Bytes::Follow);
    let broken = Failure { kind: FailureKind::ImageCorrupt, message: "a hole".to_owned() };
    talk.it.handle_payload_end(Err(broken.clone()), talk.now);
    talk.hear(finished(command, Err("the bytes ended early")));
    assert_eq!(talk.happened(), [Event::StepEnded(Err(broken))], "the cause, not its consequence");
    assert!(talk.it.takes_step());
}

#[test]
fn what_becomes_of_a_step_after_a_break_depends_on_what_the_ramdisk_says_of_it() {
    let check = |last: fn(CommandId) -> Option<LastTask>, is_given: bool, is_ended: bool| {
        let mut talk = Talk::up();
        let command = talk.step(Task::Sync, Bytes::None);
        talk.said();
        talk.lose();
        talk.arrive(last(command));
        let expected = [Transmit::Say(FromAgent::Resumed), Transmit::Say(run(command, Task::Sync))];
        assert_eq!(talk.said(), expected[..if is_given { 2 } else { 1 }]);
        let ended = Event::StepEnded(Ok(StepOutput::Done));
        if !is_ended {
            talk.hear(progress(command));
            assert!(matches!(talk.happened()[..], [Event::Progress(_)]), "it is followed");
            talk.hear(finished(command, Ok(StepOutput::Done)));
        }
        assert_eq!(talk.happened(), [ended]);
    };
    let done = || Ok(StepOutput::Done);
    check(|_| None, true, false);
    check(|command| Some(LastTask::Running { command }), false, false);
    check(|command| Some(LastTask::Ended { command, outcome: Ok(StepOutput::Done) }), false, true);
    check(
        |_| Some(LastTask::Ended { command: CommandId::random(), outcome: Err(String::new()) }),
        true,
        false,
    );
    // A task whose asker is gone is waited for first, and its end is kept for whoever asks for it again.
    let (mut talk, other) = (Talk::new(), CommandId::random());
    talk.arrive(Some(LastTask::Running { command: other }));
    talk.said();
    talk.hear(progress(other));
    let command = talk.step(Task::Sync, Bytes::None);
    assert_eq!(talk.said(), [], "one thing at a time");
    talk.hear(finished(other, done()));
    assert_eq!(talk.said(), [Transmit::Say(run(command, Task::Sync))]);
}

#[test]
fn a_silent_ramdisk_is_given_up_and_a_lost_one_waited_for() {
    let mut talk = Talk::up();
    assert_eq!(talk.it.poll_timeout(), None, "without a step it may be silent");
    talk.pass(3 * STEP_SILENCE_MAX);
    // Each step has its time from when it is asked for, however long the one before took.
    let command = talk.step(Task::Sync, Bytes::None);
    talk.pass(STEP_SILENCE_MAX - SECOND);
    talk.hear(progress(command));
    talk.pass(STEP_SILENCE_MAX - SECOND);
    talk.it.handle_sent(talk.now);
    talk.pass(STEP_SILENCE_MAX - SECOND);
    talk.lose();
    talk.pass(RESUME_WAIT - SECOND);
    talk.arrive(Some(LastTask::Running { command }));
    talk.pass(STEP_SILENCE_MAX - SECOND);
    assert_eq!(talk.happened().len(), 1, "it has moved on once");
    talk.pass(SECOND);
    talk.ended("it has been silent for 300 s");
    // So has one that waits for a task whose asker is gone.
    let mut talk = Talk::new();
    talk.arrive(Some(LastTask::Running { command: CommandId::random() }));
    talk.step(Task::Sync, Bytes::None);
    talk.pass(STEP_SILENCE_MAX);
    talk.ended("it has been silent for 300 s");
    let mut talk = Talk::up();
    talk.lose();
    talk.pass(RESUME_WAIT);
    talk.ended("did not come back within 120 s");
    let mut talk = Talk::new();
    talk.pass(RESUME_WAIT);
    talk.ended("did not come back within 120 s");
}

#[test]
fn words_out_of_step_end_the_session() {
    let hello =
        || FromRamdisk::Hello { token: Secret::new("t"), hardware: Box::new(HardwareReport::default()) };
    for message in
        [hello(), progress(CommandId::random()), finished(CommandId::random(), Ok(StepOutput::Done))]
    {
        let mut talk = Talk::up();
        talk.hear(message.clone());
        talk.ended("without being asked");
        let mut talk = Talk::up();
        talk.step(Task::Sync, Bytes::None);
        talk.said();
        talk.hear(message);
        talk.ended("a different step");
    }
    // The second end of a step is nobody's.
    let mut talk = Talk::up();
    let command = talk.step(Task::Sync, Bytes::None);
    talk.said();
    talk.hear(finished(command, Ok(StepOutput::Done)));
    talk.hear(finished(command, Ok(StepOutput::Done)));
    talk.ended("without being asked");
}

#[test]
fn the_reason_of_the_end_says_what_was_done_last() {
    let check = |task: Task, output: StepOutput, end: fn(&mut Talk), word: &str| {
        let mut talk = Talk::up();
        let command = talk.step(task, Bytes::None);
        talk.hear(finished(command, Ok(output)));
        talk.said();
        end(&mut talk);
        talk.ended(word);
    };
    let revoke = |talk: &mut Talk| {
        talk.it.handle_revoked();
        talk.turn();
    };
    let hand_over = || Task::HandOver { password_hash: Secret::new("$5$") };
    check(Task::PowerOff, StepOutput::Done, Talk::lose, "switched itself off");
    check(hand_over(), StepOutput::HandedOver, revoke, "handed itself over");
    check(Task::Sync, StepOutput::Done, revoke, "was cancelled");
}

#[test]
fn an_erase_is_stopped_before_its_session_ends_and_no_other_step_is() {
    let erase = || Task::EraseDisks(EraseOrder::default());
    let begun = |task: Task, bytes: Bytes| {
        let mut talk = Talk::up();
        let command = talk.step(task, bytes);
        talk.said();
        talk.it.handle_wind_down(talk.now);
        talk.turn();
        (talk, command)
    };
    let stop = |command| vec![Transmit::Say(FromAgent::Stop { command })];

    let (mut talk, command) = begun(erase(), Bytes::None);
    assert_eq!(talk.said(), stop(command));
    talk.it.handle_wind_down(talk.now);
    talk.turn();
    assert_eq!(talk.said(), vec![], "it is told once");
    talk.hear(progress(command));
    talk.pass(STOP_WAIT_MAX - SECOND);
    talk.hear(finished(command, Ok(StepOutput::Erased { disks: vec![] })));
    let ended = Event::StepEnded(Ok(StepOutput::Erased { disks: vec![] }));
    assert!(talk.happened.contains(&ended), "{:?}", talk.happened);
    talk.ended("was cancelled");

    let (mut silent, command) = begun(erase(), Bytes::None);
    assert_eq!(silent.said(), stop(command));
    silent.pass(STOP_WAIT_MAX);
    silent.ended("was cancelled");

    let (mut lost, _) = begun(Task::EraseMetadata(EraseOrder::default()), Bytes::None);
    lost.lose();
    lost.ended("was cancelled");

    let (mut other, _) = begun(Task::Sync, Bytes::None);
    other.ended("was cancelled");
    let mut away = Talk::new();
    away.step(erase(), Bytes::None);
    away.it.handle_wind_down(away.now);
    away.turn();
    away.ended("was cancelled");
}

/// A ramdisk of the other end, as `pxe/ramdisk` is: one task at a time, and its word on it outlives its connection.
#[derive(Default)]
struct Ramdisk {
    last: Option<LastTask>,
    /// The task of which not all bytes have come.
    receiving: Option<CommandId>,
    /// How often each command's task was begun with all that it needs.
    begun: HashMap<CommandId, usize>,
}

impl Ramdisk {
    fn take(&mut self, transmit: &Transmit) {
        match transmit {
            Transmit::Say(FromAgent::Run { command, task }) => {
                let is_busy = matches!(self.last, Some(LastTask::Running { .. })) || self.receiving.is_some();
                assert!(!is_busy, "two tasks at once");
                match task {
                    Task::WriteImage { .. } => self.receiving = Some(*command),
                    _ => self.begin(*command),
                }
            }
            Transmit::Say(FromAgent::DataEnd { .. }) => {
                if let Some(command) = self.receiving.take() {
                    self.begin(command);
                }
            }
            Transmit::Say(_) | Transmit::Payload => {}
        }
    }

    fn begin(&mut self, command: CommandId) {
        *self.begun.entry(command).or_default() += 1;
        self.last = Some(LastTask::Running { command });
    }

    /// The connection is gone: a task whose bytes were cut off is as if it had not been given.
    fn lose(&mut self) {
        if self.receiving.take().is_some() {
            self.last = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn every_step_ends_once_and_no_task_is_begun_twice(ops in prop::collection::vec((0u8..12, 0u64..200), 1..80)) {
        let (mut talk, mut ramdisk, mut is_up) = (Talk::new(), Ramdisk::default(), false);
        let (mut asked, mut ends, mut over) = (Vec::new(), 0, false);
        for (op, which) in ops {
            match op {
                0 | 1 if !is_up => {
                    talk.it.handle_arrival(FromAgent::Resumed, ramdisk.last.clone(), talk.now);
                    is_up = true;
                }
                2 if is_up => {
                    talk.it.handle_lost(talk.now);
                    ramdisk.lose();
                    is_up = false;
                }
                3..=5 if talk.it.takes_step() => {
                    let (task, bytes) = match which % 2 {
                        0 => (Task::WriteImage { virtual_bytes: 8, root_device: RootDeviceHints::default() }, Bytes::Follow),
                        _ => (Task::Sync, Bytes::None),
                    };
                    let command = CommandId::random();
                    talk.it.handle_step(command, task, bytes, talk.now);
                    asked.push(command);
                }
                6 | 7 if talk.it.is_sending() => talk.it.handle_payload_end(Ok(String::new()), talk.now),
                8..=10 if is_up => {
                    if let Some(LastTask::Running { command }) = ramdisk.last {
                        let outcome = Ok(StepOutput::Done);
                        ramdisk.last = Some(LastTask::Ended { command, outcome: outcome.clone() });
                        talk.hear(FromRamdisk::Finished { command, outcome });
                    }
                }
                11 => talk.pass(Duration::from_secs(which)),
                _ => {}
            }
            talk.turn();
            if is_up {
                talk.said().iter().for_each(|transmit| ramdisk.take(transmit));
            }
            for event in talk.happened() {
                prop_assert!(!over, "{:?} after the end", event);
                match event {
                    Event::StepEnded(outcome) => {
                        prop_assert_eq!(outcome, Ok(StepOutput::Done));
                        ends += 1;
                    }
                    Event::Progress(_) => {}
                    Event::Ended(_) => over = true,
                }
            }
            let under_way = usize::from(talk.it.step.is_some());
            prop_assert_eq!(ends + under_way, asked.len(), "a step ends once");
            if talk.it.poll_timeout().is_none() {
                prop_assert!(over || talk.it.takes_step(), "a wait without a bound");
            }
        }
        prop_assert!(ramdisk.begun.values().all(|times| *times == 1), "begun twice");
    }
}
