//! Decisions: which BMC is asked when.
//!
//! ```text
//!   Confirm: an answer was unexpected, is it so?   first, with slots of its own
//!   Routine: those that answer                     every interval, from question to question
//!   Probe:   those that were silent                rarely, with few slots of their own
//! ```
//!
//! What must stay true: a silent BMC never takes the slot of one that answers, and nothing goes before a confirmation. Questions
//! are begun at a bounded pace, so that a thousand answers do not arrive in the same moment.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use protocol::id::ServerId;

/// Most BMCs that are asked for a confirmation at the same time.
pub const CONFIRMS_AT_ONCE: usize = 1024;
/// Most BMCs, of those that answer, that are asked at the same time. A question that waits costs a few kilobytes and no
/// processor time; its connection is the one that is kept for that BMC anyway.
pub const POLLS_AT_ONCE: usize = 4096;
/// Most silent BMCs that are probed at the same time.
pub const PROBES_AT_ONCE: usize = 256;
/// Most questions that are begun within [`BURST`]: as many answers find room in a socket's usual buffer.
pub const BURST_MAX: usize = 128;
/// See [`BURST_MAX`]: 10,000 BMCs are asked each 2 s in half of the bursts that there are.
pub const BURST: Duration = Duration::from_millis(12);
/// Those that answer are asked at moments that are so far apart, several at each: to wake up for one question costs more than the question,
/// and nobody is asked later for it.
pub const BEAT: Duration = Duration::from_millis(25);
/// Interval while something is going on.
pub const HURRIED: Duration = Duration::from_millis(500);

/// Why a BMC is asked, and so whom it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Its last answer was unexpected.
    Confirm,
    /// Its turn has come.
    Routine,
    /// It was silent.
    Probe,
}

/// In the order in which they are served.
const ORDERS: [Order; 3] = [Order::Confirm, Order::Routine, Order::Probe];

/// Those that are asked in one order.
#[derive(Debug)]
struct Queue {
    due: BTreeSet<(Instant, ServerId)>,
    asked: usize,
    slots: usize,
}

impl Queue {
    fn new(slots: usize) -> Self {
        Self { due: BTreeSet::new(), asked: 0, slots }
    }

    /// When the next one is to be asked; none: nobody, or no slot is free.
    fn next_at(&self) -> Option<(Instant, ServerId)> {
        if self.asked < self.slots { self.due.first().copied() } else { None }
    }
}

/// Who is due when.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    confirm: Queue,
    routine: Queue,
    probe: Queue,
    planned: HashMap<ServerId, (Order, Instant)>,
    asked: HashMap<ServerId, (Order, Instant)>,
    /// The first of the moments at which those that answer are asked; none: nobody was to be asked yet.
    first_beat: Option<Instant>,
    /// When the present burst began, and how many questions it has.
    burst: Option<(Instant, usize)>,
    /// When a silent one answered last.
    sign_of_life: Option<Instant>,
    chance: u64,
}

impl Schedule {
    /// An empty one; `interval`: between two questions to one BMC that answers; `seed` starts its little chance.
    pub fn new(interval: Duration, seed: u64) -> Self {
        Self {
            interval,
            confirm: Queue::new(CONFIRMS_AT_ONCE),
            routine: Queue::new(POLLS_AT_ONCE),
            probe: Queue::new(PROBES_AT_ONCE),
            planned: HashMap::new(),
            asked: HashMap::new(),
            first_beat: None,
            burst: None,
            sign_of_life: None,
            chance: seed | 1,
        }
    }

    /// Asks this server at this time, and not at any other that was planned.
    pub fn ask_at(&mut self, server: ServerId, order: Order, at: Instant) {
        self.remove(server);
        self.queue(order).due.insert((at, server));
        self.planned.insert(server, (order, at));
    }

    /// The last moment before this one at which those that answer are asked.
    fn beat(&mut self, at: Instant) -> Instant {
        let first = *self.first_beat.get_or_insert(at);
        let since = at.saturating_duration_since(first);
        let beyond = since.as_nanos() % BEAT.as_nanos();
        at - Duration::from_nanos(u64::try_from(beyond).unwrap_or_default())
    }

    /// Asks this server one interval, or up to a tenth less, after it was `asked`; the chance keeps a rack's BMCs from being
    /// asked in one burst.
    pub fn ask_in_turn(&mut self, server: ServerId, asked: Instant, answered: Instant) {
        let part = 1.0 - self.chance() / 10.0;
        self.ask_again(server, self.interval.mul_f64(part), asked, answered);
    }

    /// A number from 0 to 1, another one each time: xorshift64, plenty for spreading questions.
    pub fn chance(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance % 1001) as f64 / 1000.0
    }

    /// Asks this server so long after it was `asked`, but leaves one that is slow to answer in peace for half of that.
    pub fn ask_again(&mut self, server: ServerId, every: Duration, asked: Instant, answered: Instant) {
        let at = (asked + every).max(answered + every / 2);
        let at = self.beat(at).max(answered);
        self.ask_at(server, Order::Routine, at);
    }

    /// Probes this server, which was silent when it was `asked`, at this time; at once if another silent one has answered since.
    pub fn ask_silent(&mut self, server: ServerId, at: Instant, asked: Instant, now: Instant) {
        let hastened = self.sign_of_life.is_some_and(|at| asked < at);
        self.ask_at(server, Order::Probe, if hastened { now } else { at });
    }

    /// A silent one has answered: what silenced it may be over for the others too, so they are probed now.
    pub fn hasten_probes(&mut self, now: Instant) {
        self.sign_of_life = Some(now);
        let later = self.probe.due.split_off(&(now, ServerId(uuid::Uuid::nil())));
        for (_, server) in later {
            self.probe.due.insert((now, server));
            self.planned.insert(server, (Order::Probe, now));
        }
    }

    /// Does not ask this server any more.
    pub fn remove(&mut self, server: ServerId) {
        if let Some((order, at)) = self.planned.remove(&server) {
            self.queue(order).due.remove(&(at, server));
        }
    }

    /// The next server to be asked now, if there is one and not too many are being asked. [`Schedule::answered`] must
    /// follow for each.
    pub fn next_due(&mut self, now: Instant) -> Option<ServerId> {
        if self.paced().is_some_and(|until| now < until) {
            return None;
        }
        for order in ORDERS {
            let Some((_, server)) = self.queue(order).next_at().filter(|(at, _)| *at <= now) else {
                continue;
            };
            self.remove(server);
            self.queue(order).asked += 1;
            self.asked.insert(server, (order, now));
            self.burst = match self.burst {
                Some((since, begun)) if now < since + BURST => Some((since, begun + 1)),
                Some(_) | None => Some((now, 1)),
            };
            return Some(server);
        }
        None
    }

    /// When this server was asked, if its answer is still awaited.
    pub fn asked_at(&self, server: ServerId) -> Option<Instant> {
        self.asked.get(&server).map(|(_, at)| *at)
    }

    /// One that was asked has answered, or has not in time. Says when it was asked.
    pub fn answered(&mut self, server: ServerId) -> Option<Instant> {
        let (order, at) = self.asked.remove(&server)?;
        let queue = self.queue(order);
        queue.asked = queue.asked.saturating_sub(1);
        Some(at)
    }

    /// When [`Schedule::next_due`] is worth calling again; none: only after an answer or a change.
    pub fn timeout(&self) -> Option<Instant> {
        let queues = [&self.confirm, &self.routine, &self.probe];
        let next = queues.into_iter().filter_map(|queue| Some(queue.next_at()?.0)).min()?;
        Some(self.paced().map_or(next, |until| next.max(until)))
    }

    /// Until when no further question may begin.
    fn paced(&self) -> Option<Instant> {
        self.burst.filter(|(_, begun)| *begun >= BURST_MAX).map(|(since, _)| since + BURST)
    }

    fn queue(&mut self, order: Order) -> &mut Queue {
        match order {
            Order::Confirm => &mut self.confirm,
            Order::Routine => &mut self.routine,
            Order::Probe => &mut self.probe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: u128) -> Vec<ServerId> {
        (1..=count).map(|number| ServerId(uuid::Uuid::from_u128(number))).collect()
    }

    /// All that may be asked from now on until nothing more is due before `until`.
    fn ask_until(schedule: &mut Schedule, mut now: Instant, until: Instant) -> Vec<ServerId> {
        let mut asked = Vec::new();
        loop {
            asked.extend(std::iter::from_fn(|| schedule.next_due(now)));
            match schedule.timeout() {
                Some(at) if at <= until => now = at,
                Some(_) | None => return asked,
            }
        }
    }

    #[test]
    fn every_server_is_asked_about_once_an_interval_from_question_to_question() {
        let start = crate::test_clock::start();
        let interval = Duration::from_secs(2);
        // How long an answer takes, and the longest time between two questions then.
        let check = |answer_ms: u64, longest_ms: u64| {
            let mut schedule = Schedule::new(interval, 7);
            let server = servers(1)[0];
            schedule.ask_at(server, Order::Routine, start);
            let mut now = start;
            let mut asked = Vec::new();
            while now < start + Duration::from_secs(100) {
                assert_eq!(schedule.next_due(now), Some(server), "{answer_ms} ms");
                asked.push(now);
                assert_eq!(schedule.next_due(now), None, "one question at a time");
                now += Duration::from_millis(answer_ms);
                let since = schedule.answered(server).unwrap();
                schedule.ask_in_turn(server, since, now);
                now = schedule.timeout().unwrap();
            }
            let longest = asked.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(longest <= Duration::from_millis(longest_ms), "{answer_ms} ms: {longest:?}");
            assert!(longest >= Duration::from_millis(longest_ms * 9 / 10), "{answer_ms} ms: {longest:?}");
        };
        check(0, 2000);
        check(60, 2000);
        check(1000, 2000);
        check(2000, 3000);
        check(14_000, 15_000);
    }

    #[test]
    fn nothing_goes_before_a_confirmation_and_silent_ones_take_nobodys_slot() {
        let start = crate::test_clock::start();
        let later = start + Duration::from_secs(1);
        let mut schedule = Schedule::new(HURRIED, 1);
        let all = servers(10_000);
        let (silent, rest) = all.split_at(1000);
        let (routine, doubted) = rest.split_at(8000);
        silent.iter().for_each(|server| schedule.ask_at(*server, Order::Probe, start));
        routine.iter().for_each(|server| schedule.ask_at(*server, Order::Routine, start));
        // Due last, asked first.
        doubted.iter().take(20).for_each(|server| schedule.ask_at(*server, Order::Confirm, later));
        let asked = ask_until(&mut schedule, later, later + Duration::from_secs(60));
        assert_eq!(&asked[..20], &doubted[..20]);
        let count = |of: &[ServerId]| asked.iter().filter(|server| of.contains(server)).count();
        assert_eq!(count(silent), PROBES_AT_ONCE);
        assert_eq!(count(routine), POLLS_AT_ONCE);
        // With every slot taken and nobody answering, a confirmation still comes at once.
        let (last, now) = (doubted[20], later + Duration::from_secs(61));
        schedule.ask_at(last, Order::Confirm, now);
        assert_eq!((schedule.timeout(), schedule.next_due(now)), (Some(now), Some(last)));
        // A silent one that answers leaves its slot to a silent one.
        schedule.answered(asked[asked.iter().position(|server| silent.contains(server)).unwrap()]);
        assert!(silent.contains(&schedule.next_due(now).unwrap()));
        assert_eq!(schedule.next_due(now), None);
    }

    #[test]
    fn questions_are_begun_at_a_bounded_pace() {
        let start = crate::test_clock::start();
        let mut schedule = Schedule::new(HURRIED, 1);
        servers(300).into_iter().for_each(|server| schedule.ask_at(server, Order::Routine, start));
        let mut burst = |now| std::iter::from_fn(|| schedule.next_due(now)).count();
        let bursts = [burst(start), burst(start), burst(start + BURST), burst(start + 2 * BURST)];
        assert_eq!(bursts, [BURST_MAX, 0, BURST_MAX, 300 - 2 * BURST_MAX]);
    }

    #[test]
    fn the_agent_wakes_up_for_many_questions_at_once_and_asks_nobody_later_for_it() {
        let start = crate::test_clock::start();
        let interval = Duration::from_secs(2);
        let mut schedule = Schedule::new(interval, 9);
        let all = servers(1000);
        all.iter().for_each(|server| schedule.ask_at(*server, Order::Routine, start));
        let (mut now, mut wakes, mut asked) = (start, 0, HashMap::new());
        while now < start + Duration::from_secs(60) {
            wakes += 1;
            while let Some(server) = schedule.next_due(now) {
                let last = asked.insert(server, now).unwrap_or(now);
                assert!(now - last <= interval, "{:?} between two questions", now - last);
                schedule.answered(server);
                schedule.ask_in_turn(server, now, now + Duration::from_millis(3));
            }
            now = schedule.timeout().unwrap();
        }
        // Forty times a second, and in the first moments once for each burst.
        assert!(wakes < 60 * 40 + 100, "{wakes} wakes");
    }

    #[test]
    fn a_sign_of_life_brings_the_probes_forward() {
        let asked = crate::test_clock::start();
        let (now, later) = (asked + BURST, asked + Duration::from_secs(9));
        let mut schedule = Schedule::new(HURRIED, 1);
        let all = servers(4);
        schedule.ask_silent(all[0], later, asked, asked);
        schedule.ask_at(all[1], Order::Routine, now + HURRIED);
        assert_eq!(schedule.next_due(now), None);
        schedule.hasten_probes(now);
        assert_eq!(schedule.next_due(now), Some(all[0]));
        // One that was asked before it, and one that was asked after it.
        schedule.ask_silent(all[2], later, asked, now);
        schedule.ask_silent(all[3], later, now, now);
        assert_eq!(schedule.next_due(now), Some(all[2]));
        assert_eq!((schedule.next_due(now), schedule.timeout()), (None, Some(now + HURRIED)));
    }

    #[test]
    fn a_removed_server_is_not_asked() {
        let now = crate::test_clock::start();
        let mut schedule = Schedule::new(HURRIED, 1);
        let server = ServerId::random();
        for order in ORDERS {
            schedule.ask_at(server, order, now);
            schedule.remove(server);
            assert_eq!((schedule.next_due(now), schedule.timeout()), (None, None));
        }
    }
}
