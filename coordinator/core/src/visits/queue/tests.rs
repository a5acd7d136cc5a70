//! The queue's rules, held against whatever may happen.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SERVERS: u128 = 12;
const MS: u64 = 1000;

#[derive(Clone, Debug)]
enum Op {
    Ask(u128, Lane, u64),
    WentOff(u128),
    Take,
    End(usize, End),
    Wait(u64),
}

fn any_op() -> impl Strategy<Value = Op> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let end = prop_oneof![
        4 => Just(End::Done),
        1 => (0..400_u64).prop_map(|ms| End::Later(Duration::from_millis(ms))),
        2 => Just(End::Failed("Contrail is away".to_owned())),
        1 => Just(End::GaveWay),
    ];
    prop_oneof![
        4 => (0..SERVERS, lane, 0..2000_u64).prop_map(|(server, lane, ms)| Op::Ask(server, lane, ms)),
        1 => (0..SERVERS).prop_map(Op::WentOff),
        5 => Just(Op::Take),
        3 => (0..20_usize, end).prop_map(|(index, end)| Op::End(index, end)),
        2 => (0..3000_u64).prop_map(Op::Wait),
    ]
}

fn server(number: u128) -> ServerId {
    ServerId(Uuid::from_u128(number))
}

/// What the test itself remembers of an ask.
#[derive(Clone, Debug)]
struct Asked {
    ready_us: u64,
    is_paused: bool,
    failed: bool,
}

/// A queue, and beside it what should be true of it.
#[derive(Default)]
struct Run {
    queue: Queue,
    now_us: u64,
    step: u64,
    asked: HashMap<(ServerId, Lane), Asked>,
    again: HashMap<ServerId, u64>,
    /// Servers that are visited: in which lane, and whether as a retry.
    visited: Vec<(ServerId, Lane, bool)>,
    last_ask: HashMap<(ServerId, Lane), u64>,
    last_visit: HashMap<(ServerId, Lane), u64>,
}

impl Run {
    fn do_it(&mut self, op: Op) {
        self.step += 1;
        match op {
            Op::Ask(number, lane, ms) => self.ask(server(number), lane, self.now_us + ms * MS, false),
            Op::WentOff(number) => self.ask(server(number), Lane::Isolate, self.now_us, true),
            Op::Take => drop(self.take()),
            Op::End(index, how) if !self.visited.is_empty() => self.end(index % self.visited.len(), how),
            Op::End(..) => {}
            Op::Wait(ms) => self.now_us += ms * MS,
        }
        let mut in_lanes = HashMap::<Lane, (usize, usize)>::new();
        for (_, lane, is_retry) in &self.visited {
            let (visited, retried) = in_lanes.entry(*lane).or_default();
            *visited += 1;
            *retried += usize::from(*is_retry);
        }
        for (lane, (visited, retried)) in in_lanes {
            assert!(visited <= lane.slots() && retried <= lane.retry_slots(), "{lane:?}");
        }
        assert!(self.queue.servers.len() <= usize::try_from(SERVERS).unwrap());
    }

    fn visit_of(&self, id: ServerId) -> Option<Lane> {
        self.visited.iter().find(|(other, ..)| *other == id).map(|(_, lane, _)| *lane)
    }

    fn ask(&mut self, id: ServerId, lane: Lane, ready_us: u64, anew: bool) {
        let now_us = self.now_us;
        let gives_way = match anew {
            true => self.queue.isolate_anew(id, now_us),
            false => self.queue.ask(id, lane, now_us, ready_us),
        };
        let visit = self.visit_of(id);
        let cut_off = lane == Lane::Isolate && visit.is_some_and(|visit| !visit.goes_beside_isolation());
        assert_eq!(gives_way, cut_off, "what asks others than the inventory gives way to an isolation");
        self.last_ask.insert((id, lane), self.step);
        if visit == Some(lane) {
            let again = self.again.entry(id).or_insert(ready_us);
            *again = (*again).min(ready_us);
            return;
        }
        let new = Asked { ready_us, is_paused: false, failed: false };
        let asked = self.asked.entry((id, lane)).or_insert_with(|| new.clone());
        if anew {
            *asked = new;
        } else if !asked.is_paused {
            asked.ready_us = asked.ready_us.min(ready_us);
        }
    }

    fn may_begin(&self, id: ServerId, lane: Lane) -> bool {
        let isolates = self.asked.contains_key(&(id, Lane::Isolate));
        self.visit_of(id).is_none() && (!isolates || lane.goes_beside_isolation())
    }

    fn take(&mut self) -> Option<Taken> {
        let taken = self.queue.take(self.now_us);
        let Some(Taken { server: id, lane, .. }) = taken.clone() else {
            for ((id, lane), asked) in &self.asked {
                let visited = self.visited.iter().filter(|(_, other, _)| other == lane);
                let retried = visited.clone().filter(|(.., is_retry)| *is_retry).count();
                let full = visited.count() == lane.slots() || (asked.failed && retried == lane.retry_slots());
                let ready = asked.ready_us <= self.now_us && self.may_begin(*id, *lane);
                assert!(!ready || full, "{id} waits in {lane:?} beside a free slot");
            }
            return None;
        };
        assert!(self.may_begin(id, lane), "{id} is visited in {lane:?} beside {:?}", self.visit_of(id));
        let asked = self.asked.get(&(id, lane)).expect("only what was asked for is visited").clone();
        assert!(asked.ready_us <= self.now_us, "not before its time");
        for ((other, _), waiting) in self.asked.iter().filter(|((_, asked_in), _)| *asked_in == lane) {
            let passed_over = waiting.ready_us < asked.ready_us && self.may_begin(*other, lane);
            assert!(!passed_over || waiting.failed, "{other} was ready in {lane:?} before {id}");
        }
        self.asked.entry((id, lane)).and_modify(|asked| asked.is_paused = false);
        self.visited.push((id, lane, asked.failed));
        self.last_visit.insert((id, lane), self.step);
        taken
    }

    fn end(&mut self, index: usize, how: End) {
        let (id, lane, _) = self.visited.remove(index);
        self.queue.end(id, how.clone(), self.now_us);
        let again = self.again.remove(&id);
        let asked = self.asked.get_mut(&(id, lane)).unwrap();
        match how {
            End::Done => match again {
                Some(ready_us) => *asked = Asked { ready_us, is_paused: false, failed: false },
                None => drop(self.asked.remove(&(id, lane))),
            },
            End::Later(pause) => {
                (asked.ready_us, asked.is_paused) = (after(self.now_us, pause), true);
            }
            End::Failed(_) => {
                let ask = &self.queue.servers[&id].asks[&lane];
                assert!(ask.ready_us <= after(self.now_us, RETRY_MAX), "the pause is bounded");
                *asked = Asked { ready_us: ask.ready_us, is_paused: true, failed: true };
            }
            End::GaveWay => {}
        }
    }

    /// Serves whatever is left, and everything is well.
    fn drain(&mut self) {
        self.step += 1;
        while let Some(index) = self.visited.len().checked_sub(1) {
            self.end(index, End::Done);
        }
        loop {
            match self.take() {
                Some(_) => self.end(0, End::Done),
                None => match self.queue.next_us() {
                    Some(next_us) => self.now_us = self.now_us.max(next_us),
                    None => break,
                },
            }
        }
        assert!(self.queue.servers.is_empty(), "nothing is left behind: {:?}", self.queue);
    }
}

proptest! {
    #[test]
    fn no_server_is_visited_twice_or_forgotten_and_nobody_is_passed_over(
        ops in prop::collection::vec(any_op(), 1..200)
    ) {
        let mut run = Run::default();
        for op in ops {
            run.do_it(op);
            let servers: HashSet<_> = run.visited.iter().map(|(id, ..)| *id).collect();
            prop_assert_eq!(servers.len(), run.visited.len(), "one visit of a server at a time");
        }
        run.drain();
        for (asked, step) in &run.last_ask {
            prop_assert!(run.last_visit.get(asked) > Some(step), "{asked:?} was lost");
        }
    }
}

#[test]
fn a_pause_of_routine_delays_no_isolation_and_its_own_is_bounded() {
    let mut queue = Queue::default();
    let id = server(1);
    let fail = |queue: &mut Queue, lane, now_us| {
        assert_eq!(queue.take(now_us).unwrap().lane, lane);
        queue.end(id, End::Failed("away".to_owned()), now_us);
        queue.next_us().unwrap() - now_us
    };
    assert!(!queue.ask(id, Lane::Move, 0, 0));
    let mut now_us = 0;
    for _ in 0..10 {
        now_us += fail(&mut queue, Lane::Move, now_us);
    }
    fail(&mut queue, Lane::Move, now_us);
    assert!(queue.is_failing(id));
    assert!(!queue.ask(id, Lane::Isolate, now_us, now_us), "nothing is under way");
    let pauses: Vec<u64> = (0..8)
        .map(|_| {
            let pause = fail(&mut queue, Lane::Isolate, now_us);
            // Its report comes again: that shortens no pause.
            assert!(!queue.ask(id, Lane::Isolate, now_us, now_us));
            now_us += pause;
            pause / MS
        })
        .collect();
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    // It went on and off again: that is another isolation.
    fail(&mut queue, Lane::Isolate, now_us);
    assert!(!queue.isolate_anew(id, now_us));
    assert_eq!(queue.take(now_us).map(|taken| (taken.lane, taken.failed)), Some((Lane::Isolate, None)));
}

#[test]
fn an_isolation_has_the_place_of_its_report() {
    let mut queue = Queue::default();
    // Found by a round, in the order of its list; reported in another order.
    for (id, since_us) in [(1, 30), (2, 10), (3, 20)] {
        assert!(!queue.ask(server(id), Lane::Isolate, since_us, since_us));
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.take(100)).map(|taken| taken.server).collect();
    assert_eq!(order, [server(2), server(3), server(1)]);
}

#[test]
fn whoever_waits_for_too_long_is_told_once_with_what_it_waits_for() {
    let mut queue = Queue::default();
    let longest = Duration::from_secs(30);
    let second = 1_000_000;
    let told = |queue: &mut Queue, lane, now_us| {
        let overdue = queue.overdue(lane, longest, now_us);
        overdue
            .iter()
            .map(|one| (one.server, one.waited.as_secs(), one.waits_for.to_string()))
            .collect::<Vec<_>>()
    };
    let _ = queue.ask(server(1), Lane::Isolate, 0, 0);
    assert_eq!(queue.take(0).unwrap().server, server(1));
    assert_eq!(told(&mut queue, Lane::Isolate, 30 * second), []);
    queue.end(server(1), End::Failed("eth0: no answer".to_owned()), 30 * second);
    let said = "it is tried again; the last try failed: eth0: no answer";
    assert_eq!(told(&mut queue, Lane::Isolate, 31 * second), [(server(1), 31, said.to_owned())]);
    assert_eq!(told(&mut queue, Lane::Isolate, 99 * second), [], "once");
    assert_eq!(queue.oldest(Lane::Isolate, 99 * second), Some(Duration::from_secs(99)));
    queue.take(99 * second).unwrap();
    queue.end(server(1), End::Done, 100 * second);
    assert_eq!(queue.oldest(Lane::Isolate, 100 * second), None);
    // Another time is another episode; somebody else has the server now.
    let _ = queue.ask(server(1), Lane::Isolate, 100 * second, 100 * second);
    queue.take(100 * second).unwrap();
    queue.end(server(1), End::Later(longest), 101 * second);
    let told = told(&mut queue, Lane::Isolate, 131 * second);
    assert!(told.len() == 1 && told[0].2.contains("a power-on or another change"), "{told:?}");
}
