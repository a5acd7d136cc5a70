//! A rack of a thousand BMCs in simulated time: every pulled plug is reported, and soon, whatever the other BMCs do.
//!
//! The rack is the product's own; the BMCs are three lines each: how long an answer takes, and whether there is one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use agent::{
    poll::{debounce::Sample, pulse::READING_WAIT_MAX},
    rack::{Effect, Input, READING_AGE_MAX, Rack},
    results::Results,
};
use protocol::{
    boot::BootMode,
    convert::Declaration,
    id::ServerId,
    ipmi::client::{
        Retry,
        patience::{RoundTrip, Tries},
    },
    power::PowerReading,
    report::ReportBody,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol, ServerSpec},
};

const INTERVAL: Duration = Duration::from_secs(2);
/// What four tries of a question cost when nobody answers.
const IPMI_GIVES_UP: Duration = Duration::from_millis(8100);
/// What the bounded pace of questions may add.
const SLACK: Duration = Duration::from_millis(250);

fn id(number: usize) -> ServerId {
    ServerId(uuid::Uuid::from_u128(number as u128 + 1))
}

fn spec(number: usize) -> ServerSpec {
    let bmc = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        address: "192.0.2.1".into(),
        port: 623,
        username: "admin".into(),
        password: Secret::new("p"),
        settings: Default::default(),
    };
    ServerSpec {
        id: id(number),
        name: format!("node-{number}"),
        bmc,
        macs: vec![],
        other_macs: vec![],
        boot_mode: BootMode::Bios,
        boot_loader: None,
        secure_boot: None,
        expected: Default::default(),
        next_password: None,
        tenancy: None,
    }
}

#[derive(Clone, Copy, Debug)]
struct Bmc {
    answer: Duration,
    silent: bool,
    on: bool,
    /// What its answers have taken, as an IPMI session knows it.
    round_trip: RoundTrip,
}

struct Sim {
    rack: Rack,
    now: Instant,
    bmcs: Vec<Bmc>,
    answers: BinaryHeap<Reverse<(Instant, u64)>>,
    questions: HashMap<u64, (ServerId, Sample)>,
    reported: HashMap<usize, (PowerReading, Instant)>,
    asked: HashMap<usize, Vec<Instant>>,
    /// Patience has no effect: questions hang.
    hangs: bool,
    /// Of a thousand datagrams so many are lost, in either direction.
    lost_of_1000: u64,
    chance: u64,
    /// When what was said last of each was true, and the longest time for which nobody knew better.
    known_at: HashMap<usize, Instant>,
    oldest: HashMap<usize, Duration>,
}

impl Sim {
    fn new(bmcs: Vec<Bmc>) -> Self {
        let mut sim = Self {
            rack: Rack::new(INTERVAL, 7, Results::default()),
            now: Instant::now(),
            bmcs,
            answers: BinaryHeap::new(),
            questions: HashMap::new(),
            reported: HashMap::new(),
            asked: HashMap::new(),
            hangs: false,
            lost_of_1000: 0,
            chance: 7,
            known_at: HashMap::new(),
            oldest: HashMap::new(),
        };
        let servers = (0..sim.bmcs.len()).map(spec).collect();
        sim.declare(servers);
        sim
    }

    fn declare(&mut self, servers: Vec<ServerSpec>) {
        self.happen(Input::Declare(Declaration { servers, forget: vec![], complete: true }));
    }

    fn happen(&mut self, input: Input) {
        self.rack.handle(input, self.now);
        while let Some(effect) = self.rack.poll_effect() {
            match effect {
                Effect::Poll { server, number, patience } => {
                    let index = server.0.as_u128() as usize - 1;
                    let bmc = self.bmcs[index];
                    self.asked.entry(index).or_default().push(self.now);
                    let took = self.took(index);
                    let answers = took.is_some_and(|took| took <= patience || self.hangs);
                    let after = took.filter(|_| answers).unwrap_or(IPMI_GIVES_UP.min(patience));
                    let sample = match (answers, bmc.on) {
                        (true, true) => Sample::On,
                        (true, false) => Sample::Off,
                        (false, _) => Sample::NoAnswer { reason: "no answer after 4 tries".into() },
                    };
                    self.answers.push(Reverse((self.now + after, number)));
                    self.questions.insert(number, (server, sample));
                }
                Effect::Report { server, body: ReportBody::Power { reading, .. } } => {
                    self.reported.insert(server.0.as_u128() as usize - 1, (reading, self.now));
                }
                _ => {}
            }
        }
    }

    /// How long this BMC's next answer takes, with what is lost on the way; none: it does not come.
    fn took(&mut self, index: usize) -> Option<Duration> {
        let bmc = self.bmcs[index];
        if bmc.silent {
            return None;
        }
        let retry = Retry::default();
        let mut tries = Tries::begin(retry, bmc.round_trip.first_wait(retry), self.now);
        let mut sent = self.now;
        while self.is_lost() || self.is_lost() {
            sent = tries.deadline();
            tries = tries.next(sent)?;
        }
        let answered = sent + bmc.answer;
        if let Some(took) = tries.took(answered) {
            self.bmcs[index].round_trip.took(took);
        }
        Some(answered - self.now)
    }

    fn is_lost(&mut self) -> bool {
        // Knuth's linear congruential generator; its upper bits are good enough.
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) % 1000 < self.lost_of_1000
    }

    fn note_known(&mut self, index: usize) {
        let true_at = self.now - self.bmcs[index].answer;
        if let Some(before) = self.known_at.insert(index, true_at) {
            let age = self.now - before;
            let oldest = self.oldest.entry(index).or_default();
            *oldest = age.max(*oldest);
        }
    }

    /// The oldest that what is known of any of these has become within this time.
    fn oldest_within(&mut self, servers: &[usize], time: Duration) -> Duration {
        self.oldest.clear();
        self.pass(time);
        let age = |server: &usize| {
            let last = self.now - self.known_at[server];
            last.max(self.oldest.get(server).copied().unwrap_or_default())
        };
        servers.iter().map(age).max().unwrap_or_default()
    }

    /// Lets the next thing happen; false when that would be later than `until`.
    fn step(&mut self, until: Instant) -> bool {
        let timer = self.rack.timeout();
        let answer = self.answers.peek().map(|Reverse((at, ..))| *at);
        let Some(at) = timer.into_iter().chain(answer).min().filter(|at| *at <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(at);
        if answer.is_some_and(|due| due <= self.now) {
            let Some(Reverse((_, number))) = self.answers.pop() else { return true };
            let Some((server, sample)) = self.questions.remove(&number) else { return true };
            if matches!(sample, Sample::On | Sample::Off) {
                self.note_known(server.0.as_u128() as usize - 1);
            }
            self.happen(Input::Answered { server, number, sample });
        } else {
            self.happen(Input::Timer);
        }
        true
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Pulls these plugs; gives the longest time until one of them was reported, none: not all within ten minutes.
    fn pull(&mut self, plugs: &[usize]) -> Option<Duration> {
        let pulled = self.now;
        plugs.iter().for_each(|plug| self.bmcs[*plug].on = false);
        self.until_reported(plugs, &PowerReading::Off).map(|at| at - pulled)
    }

    /// When the last of these was reported so.
    fn until_reported(&mut self, servers: &[usize], wanted: &PowerReading) -> Option<Instant> {
        let until = self.now + Duration::from_secs(600);
        let missing = |sim: &Self| {
            servers.iter().any(|server| sim.reported.get(server).is_none_or(|(reading, _)| reading != wanted))
        };
        while missing(self) {
            if !self.step(until) {
                return None;
            }
        }
        servers.iter().map(|server| self.reported[server].1).max()
    }

    /// The longest time between two questions to one of these, in the last `time`.
    fn longest_gap(&self, servers: &[usize], time: Duration) -> Duration {
        let since = self.now - time;
        let gap = |server: &usize| {
            let recent = self.asked[server].iter().copied().filter(|at| *at >= since);
            let times: Vec<_> = [since].into_iter().chain(recent).chain([self.now]).collect();
            times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(time)
        };
        servers.iter().map(gap).max().unwrap_or_default()
    }

    fn set_silent(&mut self, silent: bool) {
        self.bmcs.iter_mut().for_each(|bmc| bmc.silent = silent);
    }
}

/// So many BMCs that answer in so many milliseconds; none: never.
type Kind = (usize, Option<u64>);

fn bmcs(kinds: &[Kind]) -> Vec<Bmc> {
    let bmc = |ms: &Option<u64>| Bmc {
        answer: Duration::from_millis(ms.unwrap_or_default()),
        silent: ms.is_none(),
        on: true,
        round_trip: RoundTrip::default(),
    };
    kinds.iter().flat_map(|(count, ms)| std::iter::repeat_n(bmc(ms), *count)).collect()
}

/// How soon a plug is to be reported when a reading takes so long.
fn bound(answer: Duration) -> Duration {
    Duration::from_secs(5).max(3 * answer + INTERVAL)
}

/// Of the first kind 20 plugs are pulled, again and again; each is reported in time, and its BMC is asked every interval.
fn check(kinds: &[Kind]) {
    let mut sim = Sim::new(bmcs(kinds));
    let answer = sim.bmcs[0].answer;
    let count = kinds[0].0;
    let watched: Vec<_> = (0..count).collect();
    sim.pass(Duration::from_secs(90));
    let gap = sim.longest_gap(&watched, Duration::from_secs(45));
    let rest = INTERVAL / 2;
    assert!(gap <= INTERVAL.max(answer + rest) + SLACK, "{kinds:?}: asked after {gap:?}");
    for round in 0..5 {
        let plugs: Vec<_> = (0..20).map(|n| (n * 49 + round) % count).collect();
        let took = sim.pull(&plugs);
        assert!(took.is_some_and(|took| took <= bound(answer)), "{kinds:?}: reported after {took:?}");
        plugs.iter().for_each(|plug| sim.bmcs[*plug].on = true);
        assert!(sim.until_reported(&plugs, &PowerReading::On).is_some(), "{kinds:?}: back on");
        // Not always at the same place of the interval.
        sim.pass(Duration::from_millis(370));
    }
}

#[test]
fn a_pulled_plug_is_reported_whatever_a_reading_takes() {
    for ms in [5, 60, 250, 500, 1000, 2000, 5900, 7000, 14_000, 14_900] {
        check(&[(1, Some(ms))]);
        check(&[(1000, Some(ms))]);
    }
    check(&[(4000, Some(60))]);
}

#[test]
fn a_pulled_plug_is_reported_whatever_other_bmcs_do() {
    for silent in [50, 100, 200, 300, 900] {
        check(&[(1000 - silent, Some(60)), (silent, None)]);
    }
    // Hanging ones: they would answer, but after we have given up.
    check(&[(900, Some(60)), (100, Some(60_000))]);
    check(&[(500, Some(60)), (400, Some(7000)), (100, None)]);
    check(&[(300, Some(7000)), (400, Some(60)), (300, None)]);
    check(&[(300, Some(2000)), (700, Some(14_000))]);
}

/// Longest that what is known of a healthy server's power may be behind what is.
const FRESH: Duration = Duration::from_secs(5);

/// The power of every BMC of the first kind is known to within [`FRESH`], whatever the others do and however many datagrams are lost.
fn check_fresh(kinds: &[Kind], lost_of_1000: u64) {
    let mut sim = Sim::new(bmcs(kinds));
    sim.lost_of_1000 = lost_of_1000;
    let watched: Vec<_> = (0..kinds[0].0).collect();
    sim.pass(Duration::from_secs(30));
    let age = sim.oldest_within(&watched, Duration::from_secs(60));
    assert!(age <= FRESH, "{kinds:?} with {lost_of_1000} of 1000 lost: {age:?}");
}

#[test]
fn the_power_of_every_healthy_server_is_known_to_within_five_seconds() {
    check_fresh(&[(800, Some(60)), (200, None)], 0);
    check_fresh(&[(800, Some(60)), (200, None)], 10);
    check_fresh(&[(700, Some(60)), (300, None)], 0);
    check_fresh(&[(1000, Some(2000))], 0);
}

#[test]
fn ten_thousand_are_fresh_though_every_hundredth_datagram_is_lost() {
    check_fresh(&[(10_000, Some(50))], 10);
}

#[test]
fn all_plugs_at_once_are_reported_as_soon_as_one() {
    for ms in [60, 1000, 14_000] {
        let mut sim = Sim::new(bmcs(&[(1000, Some(ms))]));
        sim.pass(Duration::from_secs(60));
        let took = sim.pull(&(0..1000).collect::<Vec<_>>());
        assert!(took.is_some_and(|took| took <= bound(Duration::from_millis(ms))), "{ms} ms: {took:?}");
    }
}

#[test]
fn all_are_read_again_soon_after_their_switch_is_back() {
    for away in [5, 60, 600] {
        let mut sim = Sim::new(bmcs(&[(1000, Some(60))]));
        sim.pass(Duration::from_secs(30));
        sim.set_silent(true);
        sim.pass(Duration::from_secs(away));
        // What happened meanwhile is seen as soon as somebody can see it.
        let plugs: Vec<_> = (0..1000).step_by(50).collect();
        plugs.iter().for_each(|plug| sim.bmcs[*plug].on = false);
        sim.set_silent(false);
        let back = sim.now;
        let off = sim.until_reported(&plugs, &PowerReading::Off).unwrap();
        let rest: Vec<_> = (0..1000).filter(|server| !plugs.contains(server)).collect();
        let on = sim.until_reported(&rest, &PowerReading::On).unwrap();
        let last = off.max(on).max(back) - back;
        assert!(last <= READING_WAIT_MAX + bound(sim.bmcs[0].answer), "{away} s away: {last:?}");
        sim.pass(Duration::from_secs(30));
        let all: Vec<_> = (0..1000).collect();
        assert!(sim.longest_gap(&all, Duration::from_secs(20)) <= INTERVAL + SLACK);
    }
}

/// A site that says how often a BMC may be asked is obeyed; its neighbour is asked as before.
#[test]
fn a_bmc_with_an_interval_of_its_own_is_asked_that_often() {
    let mut sim = Sim::new(bmcs(&[(2, Some(60))]));
    let mut gentle = spec(0);
    gentle.bmc.settings.poll_interval_ms = Some(10_000);
    sim.declare(vec![gentle, spec(1)]);
    sim.pass(Duration::from_secs(60));
    let before = [0, 1].map(|server| sim.asked[&server].len());
    sim.pass(Duration::from_secs(600));
    let [own, usual] = [0, 1].map(|server| sim.asked[&server].len() - before[server]);
    assert!((59..=61).contains(&own) && (300..=340).contains(&usual), "{own} and {usual} questions");
    assert!(sim.pull(&[0]).is_some_and(|after| after < Duration::from_secs(13)));
}

#[test]
fn a_silent_bmc_is_reported_and_left_in_peace() {
    let mut sim = Sim::new(bmcs(&[(1, None)]));
    sim.pass(Duration::from_secs(3600));
    assert!(matches!(sim.reported[&0].0, PowerReading::Unreachable { .. }));
    let per_minute = sim.asked[&0].len() / 60;
    assert!((2..=4).contains(&per_minute), "{per_minute} questions a minute");
}

/// What stands between a server and its next reading, and what is said of it.
#[test]
fn a_reading_that_is_too_old_is_reported_as_not_known() {
    let mut sim = Sim::new(bmcs(&[(2, Some(60))]));
    sim.pass(Duration::from_secs(10));
    // The answer to the question that is under way never comes, as if its task had hung.
    sim.bmcs[0].answer = Duration::from_secs(3600);
    sim.hangs = true;
    sim.pass(READING_AGE_MAX - INTERVAL);
    let oldest = sim.rack.oldest_reading().unwrap();
    assert_eq!((oldest.server, sim.reported[&0].0.clone()), (id(0), PowerReading::On));
    sim.pass(2 * INTERVAL);
    let PowerReading::Unreachable { reason } = &sim.reported[&0].0 else { panic!("{:?}", sim.reported) };
    assert!(reason.contains("has not been read for") && reason.contains("check the agent's log"), "{reason}");
    assert_eq!(sim.reported[&1].0, PowerReading::On);
    let oldest = sim.rack.oldest_reading().unwrap();
    assert!(oldest.server == id(1) && sim.now - oldest.read_at <= 2 * INTERVAL, "{oldest:?}");
    sim.bmcs[0].answer = Duration::from_millis(60);
    sim.pass(Duration::from_secs(3700));
    assert!(sim.until_reported(&[0], &PowerReading::On).is_some(), "and read again");
}
