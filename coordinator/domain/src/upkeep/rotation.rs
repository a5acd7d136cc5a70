//! Decisions: the change of one BMC's password, in steps of which each is stored before the next is done.
//!
//! ```text
//!   Planned --[a password is made and stored]--> Candidate --[stored: it is being told]--> Told --[a log-in proved it]--> done
//!      ^                                                                                   |  ^
//!      '---[a log-in proved the old one: this candidate is forgotten]----------------------'  '-- nobody knows: again later
//! ```
//!
//! What must stay true: a password that a BMC may have is never forgotten, the old one until the new one is proved, and the new one until
//! the old one is; so a process may end anywhere, and whoever comes next knows both. The agent tries them in the order that the stage
//! says: before anything was told the old one, afterwards the new one; one of the two is right, so one log-in fails at most. After one
//! that failed nothing is tried for [`WINDOW`].

use std::time::Duration;

use protocol::{backoff::Backoff, command::PasswordLength, secret::Secret, spec::NextPassword};

use super::password::fitting;

/// After a refused log-in, or a password that was not taken, nothing is told for so long; BMCs count refusals within such a time.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The longest such pause.
pub const WINDOW_MAX: Duration = Duration::from_secs(24 * 3600);
/// After a try of which nothing is known it is told again after so long.
pub const SOON: Duration = Duration::from_secs(60);

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is wanted.
    Planned,
    /// This is the new password, and nobody was told it.
    Candidate(Secret),
    /// The BMC was told it, or is about to be.
    Told(Secret),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How far it has come.
    pub stage: Stage,
    /// Why it is done, for people: who asked, or that it was time.
    pub why: String,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// Nothing is done before, in microseconds since 1970.
    pub not_before_us: u64,
    /// Tries that came to nothing.
    pub failures: u32,
    /// Why the last one did.
    pub trouble: Option<String>,
    /// How long the new password is to be, where the BMC has said so; none: as long as it is usually.
    pub length: Option<usize>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// Make a password and store it.
    MakeCandidate,
    /// Store that the BMC is being told, and tell it.
    Tell,
}

/// How a telling ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A log-in proved the new one.
    New,
    /// A log-in proved the old one.
    Kept {
        /// Why it did not take the new one.
        reason: String,
        /// How long a new one must be, where it was told none because of that.
        length: Option<PasswordLength>,
    },
    /// Neither is proved.
    NotKnown {
        /// Why.
        reason: String,
        /// Log-ins were refused.
        is_refused: bool,
    },
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// This is the password from now on; the old one is forgotten.
    Done(Secret),
    /// It goes on.
    GoesOn(Rotation),
}

impl Rotation {
    /// One that begins at this time.
    pub fn planned(why: impl Into<String>, now_us: u64, not_before_us: u64) -> Self {
        let why = why.into();
        Self {
            stage: Stage::Planned,
            why,
            since_us: now_us,
            not_before_us,
            failures: 0,
            trouble: None,
            length: None,
        }
    }

    /// What to do now.
    pub fn step(&self, now_us: u64) -> Step {
        match &self.stage {
            _ if now_us < self.not_before_us => Step::Wait,
            Stage::Planned => Step::MakeCandidate,
            Stage::Candidate(_) | Stage::Told(_) => Step::Tell,
        }
    }

    /// This is to be the new password. One that may have been told already stays.
    pub fn with_candidate(self, made: Secret) -> Self {
        let stage = match self.stage {
            Stage::Planned => Stage::Candidate(made),
            known @ (Stage::Candidate(_) | Stage::Told(_)) => known,
        };
        Self { stage, ..self }
    }

    /// The BMC is about to be told.
    pub fn telling(self) -> Self {
        let stage = match self.stage {
            Stage::Candidate(next) | Stage::Told(next) => Stage::Told(next),
            Stage::Planned => Stage::Planned,
        };
        Self { stage, ..self }
    }

    /// A telling ended.
    pub fn ended(self, how: Ended, now_us: u64) -> After {
        let mut length = self.length;
        let (stage, reason, pause) = match (self.stage, how) {
            (Stage::Candidate(next) | Stage::Told(next), Ended::New) => return After::Done(next),
            (Stage::Planned, Ended::New) => (Stage::Planned, "it was told nothing".to_owned(), SOON),
            (_, Ended::Kept { reason, length: Some(wanted) }) => match fitting(wanted) {
                // It was told nothing, so nothing is counted: one of that length is told at once, once.
                Ok(fits) if length != Some(fits) => {
                    length = Some(fits);
                    (Stage::Planned, reason, Duration::ZERO)
                }
                Ok(_) => (Stage::Planned, reason, pause_after(self.failures)),
                Err(why) => (Stage::Planned, why, pause_after(self.failures)),
            },
            (_, Ended::Kept { reason, length: None }) => (Stage::Planned, reason, pause_after(self.failures)),
            (stage, Ended::NotKnown { reason, is_refused: true }) => {
                (stage, reason, pause_after(self.failures))
            }
            (stage, Ended::NotKnown { reason, is_refused: false }) => (stage, reason, SOON),
        };
        let pause_us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        After::GoesOn(Self {
            stage,
            not_before_us: now_us.saturating_add(pause_us),
            failures: self.failures.saturating_add(1),
            trouble: Some(reason),
            length,
            ..self
        })
    }

    /// What the agent is told of it.
    pub fn next_password(&self) -> Option<NextPassword> {
        match &self.stage {
            Stage::Planned => None,
            Stage::Candidate(next) => Some(NextPassword { password: next.clone(), is_first: false }),
            Stage::Told(next) => Some(NextPassword { password: next.clone(), is_first: true }),
        }
    }

    /// Whether the BMC may have been told: then it is brought to its end before another one begins.
    pub fn is_under_way(&self) -> bool {
        match self.stage {
            Stage::Planned | Stage::Candidate(_) => false,
            Stage::Told(_) => true,
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    Backoff::new(WINDOW, WINDOW_MAX).after(failures.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: u64 = 60_000_000;

    fn at(stage: Stage) -> Rotation {
        Rotation { stage, ..Rotation::planned("it was time", 0, 0) }
    }

    fn secret() -> Secret {
        Secret::new("new")
    }

    #[test]
    fn each_stage_has_one_next_step() {
        let check = |stage: Stage, expected: Step| assert_eq!(at(stage).step(5), expected);
        check(Stage::Planned, Step::MakeCandidate);
        check(Stage::Candidate(secret()), Step::Tell);
        check(Stage::Told(secret()), Step::Tell);
        assert_eq!(Rotation::planned("later", 0, 6).step(5), Step::Wait);
    }

    #[test]
    fn a_password_that_a_bmc_may_have_is_never_forgotten() {
        let told = at(Stage::Told(secret()));
        assert_eq!(told.clone().with_candidate(Secret::new("another")).stage, Stage::Told(secret()));
        let not_known = |is_refused| Ended::NotKnown { reason: "silent".to_owned(), is_refused };
        for is_refused in [false, true] {
            let After::GoesOn(after) = told.clone().ended(not_known(is_refused), 0) else {
                panic!("it is done")
            };
            assert_eq!(after.stage, Stage::Told(secret()));
        }
        // Only a proof of the old one ends it.
        let After::GoesOn(after) =
            told.clone().ended(Ended::Kept { reason: "no".to_owned(), length: None }, 0)
        else {
            panic!("it is done")
        };
        assert_eq!((after.stage, after.trouble.as_deref()), (Stage::Planned, Some("no")));
        assert_eq!(told.ended(Ended::New, 0), After::Done(secret()));
    }

    #[test]
    fn the_order_of_trying_follows_the_stage() {
        let check = |stage: Stage, expected: Option<bool>| {
            assert_eq!(at(stage).next_password().map(|next| next.is_first), expected);
        };
        check(Stage::Planned, None);
        check(Stage::Candidate(secret()), Some(false));
        check(Stage::Told(secret()), Some(true));
    }

    #[test]
    fn after_a_refusal_nothing_is_tried_for_a_window_and_longer_each_time() {
        let check = |how: Ended, expected_minutes: [u64; 3]| {
            let mut rotation = at(Stage::Told(secret()));
            for expected in expected_minutes {
                let from = rotation.not_before_us;
                let After::GoesOn(after) = rotation.ended(how.clone(), from) else { panic!("it is done") };
                assert_eq!((after.not_before_us - from) / MINUTE_US, expected, "{how:?}");
                assert_eq!(after.step(after.not_before_us - 1), Step::Wait);
                rotation = after;
            }
        };
        check(Ended::Kept { reason: String::new(), length: None }, [15, 30, 60]);
        check(Ended::NotKnown { reason: String::new(), is_refused: true }, [15, 30, 60]);
        check(Ended::NotKnown { reason: String::new(), is_refused: false }, [1, 1, 1]);
    }

    #[test]
    fn one_of_the_wrong_length_is_made_anew_at_once_and_once() {
        let kept = |min, max| {
            let length = Some(PasswordLength { min, max });
            Ended::Kept { reason: "too short".to_owned(), length }
        };
        let check = |rotation: Rotation, how: Ended, length: Option<usize>, minutes: u64| {
            let After::GoesOn(after) = rotation.ended(how.clone(), 0) else { panic!("it is done") };
            let found = (after.length, after.not_before_us / MINUTE_US, after.stage.clone());
            assert_eq!(found, (length, minutes, Stage::Planned), "{how:?}");
            after
        };
        let told = at(Stage::Told(secret()));
        let longer = check(told.clone(), kept(20, 40), Some(20), 0);
        let again = Rotation { stage: Stage::Told(secret()), failures: 0, ..longer };
        check(again, kept(20, 40), Some(20), 15);
        check(told, kept(0, 8), None, 15);
    }
}
