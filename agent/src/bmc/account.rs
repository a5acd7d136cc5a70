//! Decisions: whether our account of one BMC may be tried now, and what the refusals so far prove.
//!
//! A refusal is not a proof. BMCs refuse the right password while they start, while their sessions are used up, and when they
//! compute otherwise than we do; so nothing here ends for good, and a success clears everything. BMCs also lock accounts; so
//! refusals that a BMC may count have a budget, and when it is spent the account is tried seldom, for ever:
//!
//! ```text
//!   may count:  try . 5 s . try . 30 s . try (budget spent: not watched) . 5 min . try . 10 min . try . 15 min . try ...
//!   passes:     try . 1 s . try . 2 s . try . 4 s . try . 8 s . try . 16 s . try . 30 s . try ... (goes on being watched)
//! ```
//!
//! The times are in units of [`Pace`], a second in the product.

use std::time::{Duration, Instant};

use protocol::backoff::Backoff;

/// Refused log-ins that a BMC may count, within [`WINDOW`]; then the account is tried seldom.
pub const BUDGET: usize = 3;
/// Refusals further apart than so many units are not of one budget.
pub const WINDOW: u32 = 900;
/// Units from the first refusal that may count to the second try.
pub const SECOND_AFTER: u32 = 5;
/// Units from the second such refusal to the third try.
pub const THIRD_AFTER: u32 = 30;
/// Refusals that say "wrong password" prove it only when so many units lie between the first and the last.
pub const PROOF_APART: u32 = 30;
/// Units from the refusal that spent the budget to the next try; every later pause is as much longer, up to [`SLOW_MAX`].
pub const SLOW_STEP: u32 = 300;
/// Longest pause of an account whose budget is spent, in units.
pub const SLOW_MAX: u32 = 900;
/// Longest pause after a refusal that passes, in units.
pub const PASSING_MAX: u32 = 30;
/// Somebody's "try now" counts once in so many units.
pub const RETRY_EVERY: u32 = 30;
/// A call waits so many units at most for its log-in to be tried again; a longer pause is its answer.
pub const CALL_WAIT: u32 = 6;

/// How long one unit of this module's pauses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(pub Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl Pace {
    /// So many units.
    pub fn units(self, count: u32) -> Duration {
        self.0 * count
    }
}

/// What a refused log-in says of our user and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The BMC itself calls user or password wrong, in answer to one fresh log-in. Two that lie apart prove it.
    SaysWrong,
    /// Not said so, or not in answer to a fresh log-in; but a BMC may count it.
    MayCount,
    /// Nothing that a BMC counts: it has no session free, is busy, restarts, or gives less privilege.
    Passes,
}

/// What stands of the last refusal while the account waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What the last refusal said.
    pub refusal: Refusal,
    /// How long until the next try.
    pub again_in: Duration,
    /// The budget is spent: nobody would see the server go off.
    pub is_spent: bool,
    /// The refusals prove a wrong user or password.
    pub is_proved: bool,
}

/// One account of one BMC.
#[derive(Clone, Debug)]
pub struct Account {
    pace: Pace,
    /// Varies long pauses, so that a rack's BMCs are not asked all at once.
    jitter: u32,
    counted: Vec<(Instant, Refusal)>,
    passing: u32,
    slow: u32,
    is_spent: bool,
    last: Option<Refusal>,
    next: Option<Instant>,
    retried: Option<Instant>,
}

impl Account {
    /// One that was not tried yet. `jitter`: any number, another one for each BMC.
    pub fn new(pace: Pace, jitter: u32) -> Self {
        Self {
            pace,
            jitter,
            counted: Vec::new(),
            passing: 0,
            slow: 0,
            is_spent: false,
            last: None,
            next: None,
            retried: None,
        }
    }

    /// When it may be tried next; none: now.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }

    /// The longest that a call waits for its next try.
    pub fn call_wait(&self) -> Duration {
        self.pace.units(CALL_WAIT)
    }

    /// What stands while it waits; none: it may be tried now.
    pub fn pause(&self, now: Instant) -> Option<Pause> {
        let (next, refusal) = (self.next(now)?, self.last?);
        Some(Pause {
            refusal,
            again_in: next.saturating_duration_since(now),
            is_spent: self.is_spent,
            is_proved: self.is_proved(),
        })
    }

    /// It was let in: everything before is forgotten.
    pub fn accepted(&mut self) {
        *self = Self { retried: self.retried, ..Self::new(self.pace, self.jitter) };
    }

    /// It was refused.
    pub fn refused(&mut self, refusal: Refusal, now: Instant) {
        self.last = Some(refusal);
        let units = match refusal {
            Refusal::Passes => self.passed(),
            Refusal::SaysWrong | Refusal::MayCount => self.counted(refusal, now),
        };
        self.next = Some(now + units);
    }

    /// Somebody asks for a try now. At most one in [`RETRY_EVERY`] is granted; whether it is.
    pub fn try_now(&mut self, now: Instant) -> bool {
        let every = self.pace.units(RETRY_EVERY);
        if self.retried.is_some_and(|at| now.saturating_duration_since(at) < every) {
            return false;
        }
        self.retried = Some(now);
        self.next = None;
        true
    }

    /// Whether the BMC itself has called user or password wrong again and again, over some time, and nothing else.
    pub fn is_proved(&self) -> bool {
        let apart = self.pace.units(PROOF_APART);
        let all_say_so = self.counted.iter().all(|(_, refusal)| *refusal == Refusal::SaysWrong);
        match (self.counted.first(), self.counted.last()) {
            (Some((first, _)), Some((last, _))) => {
                all_say_so && last.saturating_duration_since(*first) >= apart
            }
            (None, _) | (_, None) => false,
        }
    }

    fn passed(&mut self) -> Duration {
        self.passing = self.passing.saturating_add(1);
        Backoff::new(self.pace.units(1), self.pace.units(PASSING_MAX)).after(self.passing)
    }

    fn counted(&mut self, refusal: Refusal, now: Instant) -> Duration {
        let window = self.pace.units(WINDOW);
        self.counted.retain(|(at, _)| now.saturating_duration_since(*at) < window);
        if self.counted.len() >= BUDGET {
            // The first one stays: how far apart they lie is what proves.
            self.counted.remove(1);
        }
        self.counted.push((now, refusal));
        self.is_spent |= self.counted.len() >= BUDGET;
        match self.counted.len() {
            _ if self.is_spent => {
                self.slow += 1;
                let units = SLOW_STEP.saturating_mul(self.slow).min(SLOW_MAX);
                // Up to an eighth longer.
                self.pace.units(units) + self.pace.units(units) / 8 * (self.jitter % 8) / 8
            }
            0 | 1 => self.pace.units(SECOND_AFTER),
            _ => self.pace.units(THIRD_AFTER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Refusal::{MayCount, Passes, SaysWrong};

    /// Refuses every try of a day as told, and gives the seconds at which it was tried.
    fn tries(refusals: impl Fn(usize) -> Refusal, hours: u64) -> (Vec<u64>, Account) {
        let began = Instant::now();
        let mut account = Account::new(Pace::default(), 7);
        let (mut now, mut tried) = (began, Vec::new());
        while now.saturating_duration_since(began) < Duration::from_secs(hours * 3600) {
            tried.push(now.saturating_duration_since(began).as_secs());
            account.refused(refusals(tried.len()), now);
            now = account.next(now).expect("a refusal is followed by a pause");
        }
        (tried, account)
    }

    #[test]
    fn refusals_that_may_count_have_a_budget_and_never_end() {
        for refusal in [SaysWrong, MayCount] {
            let (tried, account) = tries(|_| refusal, 24);
            assert_eq!(tried[..3], [0, 5, 35], "{refusal:?}");
            assert!((335..380).contains(&tried[3]), "{tried:?}");
            let pauses: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(pauses[2..].iter().all(|pause| (300..=1020).contains(pause)), "{pauses:?}");
            assert!(tried.len() > 24 * 3, "it is tried for ever: {tried:?}");
            for from in &tried {
                let within = tried.iter().filter(|at| (*from..from + 900).contains(at)).count();
                assert!(within <= BUDGET + 2, "{within} tries from {from} s on");
            }
            assert!(account.pause(Instant::now()).is_some_and(|pause| pause.is_spent));
        }
    }

    #[test]
    fn refusals_that_pass_are_tried_on_at_once_and_then_every_half_minute() {
        let (tried, account) = tries(|_| Passes, 1);
        assert_eq!(tried[..8], [0, 1, 3, 7, 15, 31, 61, 91]);
        assert!(!account.is_spent, "its server is watched");
    }

    #[test]
    fn only_the_bmcs_own_word_over_some_time_proves() {
        let check = |refusals: &[Refusal], expected: bool| {
            let (_, account) = {
                let told = refusals.to_vec();
                let began = Instant::now();
                let mut account = Account::new(Pace::default(), 0);
                let mut now = began;
                for refusal in told {
                    account.refused(refusal, now);
                    now = account.next(now).unwrap();
                }
                (now, account)
            };
            assert_eq!(account.is_proved(), expected, "{refusals:?}");
        };
        check(&[SaysWrong], false);
        check(&[SaysWrong, SaysWrong], false);
        check(&[SaysWrong, SaysWrong, SaysWrong], true);
        check(&[SaysWrong, MayCount, SaysWrong], false);
        check(&[MayCount, MayCount, MayCount, MayCount], false);
        check(&[Passes, Passes, Passes, Passes], false);
    }

    #[test]
    fn a_success_clears_everything() {
        let now = Instant::now();
        let mut account = Account::new(Pace::default(), 0);
        for second in [0, 5, 35] {
            account.refused(SaysWrong, now + Duration::from_secs(second));
        }
        assert!(account.pause(now).is_some_and(|pause| pause.is_spent && pause.is_proved));
        account.accepted();
        assert_eq!((account.pause(now), account.next(now)), (None, None));
        account.refused(SaysWrong, now);
        assert!(account.pause(now).is_some_and(|pause| !pause.is_spent));
    }

    #[test]
    fn old_refusals_are_of_no_budget() {
        let now = Instant::now();
        let mut account = Account::new(Pace::default(), 0);
        for minutes in [0, 20, 40, 60] {
            account.refused(MayCount, now + Duration::from_secs(minutes * 60));
        }
        assert!(!account.is_spent);
    }

    #[test]
    fn trying_now_is_granted_once_in_a_while() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut account = Account::new(Pace::default(), 0);
        for second in [0, 5, 35] {
            account.refused(SaysWrong, later(second));
        }
        assert!(account.try_now(later(40)) && account.next(later(40)).is_none());
        account.refused(SaysWrong, later(40));
        assert!(!account.try_now(later(50)) && account.next(later(50)).is_some());
        assert!(account.try_now(later(71)));
    }
}
