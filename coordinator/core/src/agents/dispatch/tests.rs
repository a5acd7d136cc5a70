//! Commands given, lost, carried out, answered and asked after in any order, with an agent that breaks, dies and comes back.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use protocol::{
    boot::Boot,
    command::{Failure, Success},
    id::{AgentBootId, RamdiskSessionId},
    power::PowerOffHow,
    step::Step,
};

use super::*;

fn rack() -> RackId {
    "rack1".parse().unwrap()
}

fn command(action: Action) -> Command {
    Command { id: CommandId::random(), server: ServerId(uuid::Uuid::nil()), action, wanted: None }
}

fn on() -> Action {
    Action::PowerOn { boot: Boot::Disk }
}

fn reset() -> Action {
    Action::Reset { boot: Boot::Disk }
}

fn off() -> Action {
    Action::PowerOff { how: PowerOffHow::Hard }
}

fn step() -> Action {
    Action::RunStep { session: RamdiskSessionId::random(), step: Step::Sync }
}

fn done(command: CommandId) -> CommandResult {
    CommandResult { command, outcome: Ok(Success::Done) }
}

fn stream(number: u64, run: AgentBootId) -> Stream {
    Stream { number, run }
}

/// The endings that are told now.
fn endings(dispatch: &mut Dispatch) -> Vec<(Wait, Ending)> {
    std::iter::from_fn(|| dispatch.poll_event()).collect()
}

/// A coordinator, a stream, and an agent with one server.
struct World {
    now: Instant,
    dispatch: Dispatch,
    run: AgentBootId,
    stream: Option<Stream>,
    streams: u64,
    /// On its way to the agent.
    down: VecDeque<Command>,
    /// What the agent has taken and not begun; gone when it dies.
    taken: VecDeque<Command>,
    /// What it has carried out, on its disk.
    remembered: HashMap<CommandId, CommandResult>,
    /// Reports on its disk.
    spool: VecDeque<CommandResult>,
    /// Questions that are about to be put.
    questions: Vec<CommandId>,
    /// Each wait with its command and its deadline; and how it ended, or that it was left.
    waits: HashMap<Wait, (Command, Instant)>,
    order: Vec<Wait>,
    ended: HashMap<Wait, Ending>,
    left: HashSet<Wait>,
    /// How often each command was put on a stream, and carried out.
    given: HashMap<CommandId, usize>,
    carried_out: HashMap<CommandId, usize>,
}

impl World {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            dispatch: Dispatch::default(),
            run: AgentBootId::random(),
            stream: None,
            streams: 0,
            down: VecDeque::new(),
            taken: VecDeque::new(),
            remembered: HashMap::new(),
            spool: VecDeque::new(),
            questions: Vec::new(),
            waits: HashMap::new(),
            order: Vec::new(),
            ended: HashMap::new(),
            left: HashSet::new(),
            given: HashMap::new(),
            carried_out: HashMap::new(),
        }
    }

    fn put_down(&mut self, command: Command) {
        *self.given.entry(command.id).or_default() += 1;
        self.down.push_back(command);
    }

    fn begin(&mut self, command: Command, asker: Asker) {
        match self.dispatch.begin(&rack(), &command, asker, self.stream, self.now) {
            Ok(begun) => {
                self.waits.insert(begun.wait, (command.clone(), begun.deadline));
                self.order.push(begun.wait);
                if begun.give {
                    self.put_down(command);
                }
            }
            Err(NotBegun::NoAgent) => assert!(self.stream.is_none()),
            Err(NotBegun::Answered) => assert_ne!(asker, Asker::Somebody),
        }
    }

    fn open(&self) -> Vec<Wait> {
        let is_open = |wait: &&Wait| !self.ended.contains_key(*wait) && !self.left.contains(*wait);
        self.order.iter().filter(is_open).copied().collect()
    }

    /// Somebody waits for a step that somebody waits for already.
    fn join(&mut self, which: usize) {
        let open = self.open();
        let steps = open.iter().map(|wait| &self.waits[wait].0);
        let steps: Vec<_> = steps.filter(|it| matches!(it.action, Action::RunStep { .. })).cloned().collect();
        if !steps.is_empty() {
            self.begin(steps[which % steps.len()].clone(), Asker::Somebody);
        }
    }

    fn ask(&mut self) {
        if let Some(other) = self.questions.pop() {
            self.begin(command(Action::ReadIdentity), Asker::AfterBreakOf(other));
        }
    }

    fn connect(&mut self) {
        self.down.clear();
        self.streams += 1;
        let stream = stream(self.streams, self.run);
        self.stream = Some(stream);
        let left = self.dispatch.handle_stream(&rack(), stream);
        for command in left.again {
            let waits = self.open().iter().any(|wait| wait.command == command.id);
            assert!(waits, "nobody waits for {command:?}");
            self.put_down(command);
        }
        self.questions.extend(left.ask_after.into_iter().map(|(command, _)| command));
    }

    fn disconnect(&mut self) {
        self.stream = None;
        self.down.clear();
    }

    fn die(&mut self) {
        self.disconnect();
        self.run = AgentBootId::random();
        self.taken.clear();
    }

    fn deliver(&mut self) {
        let Some(command) = self.down.pop_front() else { return };
        match self.remembered.get(&command.id) {
            Some(result) => self.spool.push_back(result.clone()),
            None if self.taken.iter().any(|it| it.id == command.id) => {}
            None => self.taken.push_back(command),
        }
    }

    /// The agent carries the next one out; killed before the end is on its disk it knows nothing of it.
    fn carry_out(&mut self, is_killed: bool) {
        let Some(command) = self.taken.pop_front() else { return };
        *self.carried_out.entry(command.id).or_default() += 1;
        if is_killed {
            return self.die();
        }
        self.remembered.insert(command.id, done(command.id));
        self.spool.push_back(done(command.id));
    }

    fn report(&mut self) {
        if self.stream.is_some()
            && let Some(result) = self.spool.pop_front()
        {
            self.dispatch.handle_result(&result);
        }
    }

    fn leave(&mut self, which: usize) {
        let open = self.open();
        if !open.is_empty() {
            let wait = open[which % open.len()];
            self.left.insert(wait);
            self.dispatch.leave(wait);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.dispatch.handle_timeout(self.now);
    }

    fn hear_endings(&mut self) {
        for (wait, ending) in endings(&mut self.dispatch) {
            let (command, deadline) = &self.waits[&wait];
            let is_question = command.action == Action::ReadIdentity;
            match &ending {
                Ending::Result(result) => assert_eq!(result.command, command.id),
                Ending::NotTaken | Ending::NotKnown => {
                    assert_eq!(after_break(&command.action), AfterBreak::AskFirst)
                }
                Ending::TimedOut => assert!(*deadline <= self.now),
                Ending::NoMoreAsked => assert!(is_question, "{command:?}"),
            }
            assert!(!self.left.contains(&wait), "it was left");
            assert_eq!(self.ended.insert(wait, ending), None, "it ends once");
        }
    }

    fn do_next(&mut self, op: u8, which: usize) {
        match op {
            0 => self.begin(command(on()), Asker::Somebody),
            1 | 2 => self.begin(command(reset()), Asker::Somebody),
            3 => self.begin(command(off()), Asker::Somebody),
            4 => self.begin(command(step()), Asker::Somebody),
            5 => self.join(which),
            6..=8 => self.deliver(),
            9 | 10 => self.carry_out(false),
            11 => self.carry_out(true),
            12 | 13 => self.report(),
            14 => self.disconnect(),
            15 => self.die(),
            16..=18 => self.connect(),
            19 | 20 => self.ask(),
            21 => self.leave(which),
            _ => self.pass(Duration::from_secs(which as u64)),
        }
        self.hear_endings();
    }

    /// From now on nothing breaks.
    fn settle(&mut self) {
        self.connect();
        while !self.questions.is_empty() {
            self.ask();
        }
        while !(self.down.is_empty() && self.taken.is_empty() && self.spool.is_empty()) {
            self.deliver();
            self.carry_out(false);
            self.report();
            self.hear_endings();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_wait_ends_once_and_nothing_is_done_twice(
        ops in prop::collection::vec((0u8..23, 0usize..70), 1..120)
    ) {
        let mut world = World::new();
        for (op, which) in ops {
            world.do_next(op, which);
            let open: HashSet<_> = world.open().into_iter().collect();
            let under_way = world.dispatch.under_way.values();
            let waited_for: HashSet<_> = under_way.flat_map(|it| &it.waits).map(|(wait, _)| *wait).collect();
            prop_assert_eq!(open, waited_for);
        }
        world.settle();
        prop_assert_eq!(world.open(), vec![], "with an agent that answers nobody waits on");
        prop_assert!(world.dispatch.under_way.is_empty());
        for (wait, (command, _)) in &world.waits {
            let times = |of: &HashMap<CommandId, usize>| of.get(&command.id).copied().unwrap_or(0);
            if after_break(&command.action) == AfterBreak::AskFirst {
                prop_assert!(times(&world.given) <= 1, "a permit on two streams: {command:?}");
                prop_assert!(times(&world.carried_out) <= 1, "done twice: {command:?}");
            }
            if matches!(command.action, Action::Reset { .. }) && world.ended.get(wait) == Some(&Ending::NotTaken) {
                prop_assert_eq!(times(&world.carried_out), 0, "a repetition would reset twice: {:?}", command);
            }
        }
    }

    #[test]
    fn no_wait_outlives_its_deadline(ops in prop::collection::vec((0u8..23, 0usize..70), 1..60)) {
        let mut world = World::new();
        for (op, which) in ops {
            world.do_next(op, which);
        }
        world.pass(STEP_WAIT_MAX);
        world.hear_endings();
        prop_assert_eq!(world.open(), vec![]);
        prop_assert!(world.dispatch.under_way.is_empty());
    }
}

#[test]
fn what_a_question_says_of_a_permit_depends_on_the_run_that_answers_it() {
    let (first, later) = (AgentBootId::random(), AgentBootId::random());
    // The runs at the other end of the permit's stream, of the stream on which the question was put, and of the one on which it was
    // given again, when that one broke too.
    let check = |action: Action, runs: [AgentBootId; 2], again: Option<AgentBootId>, expected: Ending| {
        let (now, mut dispatch) = (Instant::now(), Dispatch::default());
        let permit = command(action);
        let begun = dispatch.begin(&rack(), &permit, Asker::Somebody, Some(stream(1, runs[0])), now).unwrap();
        let second = stream(2, runs[1]);
        assert_eq!(dispatch.handle_stream(&rack(), second).ask_after, [(permit.id, permit.server)]);
        let question = command(Action::ReadIdentity);
        let asker = Asker::AfterBreakOf(permit.id);
        let asked = dispatch.begin(&rack(), &question, asker, Some(second), now).unwrap();
        if let Some(run) = again {
            let left = dispatch.handle_stream(&rack(), stream(3, run));
            assert_eq!(left.again, std::slice::from_ref(&question));
            assert_eq!(left.ask_after, [(permit.id, permit.server)]);
        }
        let answer = done(question.id);
        dispatch.handle_result(&answer);
        let told = [(asked.wait, Ending::Result(answer)), (begun.wait, expected)];
        assert_eq!(endings(&mut dispatch), told, "{permit:?}");
    };
    check(reset(), [first, first], None, Ending::NotTaken);
    check(reset(), [first, later], None, Ending::NotKnown);
    check(reset(), [first, first], Some(first), Ending::NotTaken);
    // The run that was asked may have reset the server before it died; the later one that answers knows nothing of it.
    check(reset(), [first, first], Some(later), Ending::NotKnown);
    // To switch on what is on does nothing.
    check(on(), [first, first], Some(later), Ending::NotTaken);
    // A second NMI is another one; a light that is switched again is as it was.
    let order = Action::Order;
    check(order(BmcOrder::Interrupt), [first, later], None, Ending::NotKnown);
    check(order(BmcOrder::Interrupt), [first, first], None, Ending::NotTaken);
    check(order(BmcOrder::Light { is_on: true }), [first, later], None, Ending::NotTaken);
}

#[test]
fn nothing_follows_from_an_answer_that_did_not_wait_in_the_queue() {
    let (now, run, mut dispatch) = (Instant::now(), AgentBootId::random(), Dispatch::default());
    let permit = command(on());
    let begun = dispatch.begin(&rack(), &permit, Asker::Somebody, Some(stream(1, run)), now).unwrap();
    let question = command(Action::ReadIdentity);
    let asker = Asker::AfterBreakOf(permit.id);
    dispatch.begin(&rack(), &question, asker, Some(stream(2, run)), now).unwrap();
    let failure = Failure { kind: FailureKind::Interrupted, message: "the agent is stopping".to_owned() };
    dispatch.handle_result(&CommandResult { command: question.id, outcome: Err(failure) });
    assert_eq!(endings(&mut dispatch).len(), 1, "of the question only");
    // Its own result ends the other questions after it.
    let another = command(Action::ReadIdentity);
    let other = dispatch.begin(&rack(), &another, asker, Some(stream(2, run)), now).unwrap();
    dispatch.handle_result(&done(permit.id));
    let told = [(begun.wait, Ending::Result(done(permit.id))), (other.wait, Ending::NoMoreAsked)];
    assert_eq!(endings(&mut dispatch), told);
    let late = dispatch.begin(&rack(), &another, asker, Some(stream(2, run)), now).map(drop);
    assert_eq!(late, Err(NotBegun::Answered));
}

#[test]
fn a_permit_waits_for_no_agent_and_a_step_does() {
    let (now, mut dispatch) = (Instant::now(), Dispatch::default());
    let run = AgentBootId::random();
    for action in [on(), reset(), off(), Action::ReadIdentity, Action::EndBoot] {
        let refused = dispatch.begin(&rack(), &command(action.clone()), Asker::Somebody, None, now).map(drop);
        assert_eq!(refused, Err(NotBegun::NoAgent), "{action:?}");
    }
    let step = command(step());
    let begun = dispatch.begin(&rack(), &step, Asker::Somebody, None, now).unwrap();
    assert_eq!((begun.give, begun.deadline), (false, now + STEP_WAIT_MAX));
    let elsewhere = "rack2".parse().unwrap();
    assert!(dispatch.handle_stream(&elsewhere, stream(1, run)).again.is_empty(), "another rack's");
    assert_eq!(dispatch.handle_stream(&rack(), stream(2, run)).again, std::slice::from_ref(&step));
    assert!(dispatch.handle_stream(&rack(), stream(2, run)).again.is_empty(), "it was given on this one");
    dispatch.leave(begun.wait);
    assert!(dispatch.handle_stream(&rack(), stream(3, run)).again.is_empty(), "nobody waits for it any more");
}

#[test]
fn a_step_that_moves_on_is_waited_for_however_long_it_takes() {
    let (start, mut dispatch) = (Instant::now(), Dispatch::default());
    let step = command(step());
    let begun = dispatch.begin(&rack(), &step, Asker::Somebody, None, start).unwrap();
    let mut now = start;
    for _ in 0..5 {
        now += STEP_WAIT_MAX - Duration::from_secs(1);
        dispatch.handle_progress(step.id, now);
        dispatch.handle_progress(CommandId::random(), now);
        dispatch.handle_timeout(now);
        assert_eq!((dispatch.poll_event(), dispatch.deadline(begun.wait)), (None, Some(now + STEP_WAIT_MAX)));
    }
    dispatch.handle_timeout(now + STEP_WAIT_MAX);
    assert_eq!(dispatch.poll_event(), Some((begun.wait, Ending::TimedOut)));
    assert_eq!(dispatch.deadline(begun.wait), None);
}
