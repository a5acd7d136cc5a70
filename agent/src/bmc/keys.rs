//! Decisions: which of a BMC's two passwords is tried while one is being changed for the other.
//!
//! A BMC that was told a new password may have either: the telling was cut off, or its answer was. Which one is tried first is
//! declared; a refusal turns to the other one at once, once, and from then on one is tried at a time, as the account's pauses allow
//! (see [`super::account`]). So whoever knows one right password of the two fails to log in once at most.

use protocol::{command::PasswordLength, secret::Secret, spec::NextPassword};

use super::account::Refusal;

/// The passwords of one user.
#[derive(Clone, Debug)]
pub struct Keys {
    present: Secret,
    next: Option<Secret>,
    /// The next one is tried now.
    by_next: bool,
    /// Both were tried since one was let in.
    has_turned: bool,
}

impl Keys {
    /// The password, and the one that is to follow it.
    pub fn new(present: Secret, next: Option<&NextPassword>) -> Self {
        let by_next = next.is_some_and(|next| next.is_first);
        let next = next.map(|next| next.password.clone());
        Self { present, next, by_next, has_turned: false }
    }

    /// The one to log in with now.
    pub fn current(&self) -> &Secret {
        match &self.next {
            Some(next) if self.by_next => next,
            Some(_) | None => &self.present,
        }
    }

    /// The one that is to follow; none: it is not being changed.
    pub fn next(&self) -> Option<&Secret> {
        self.next.as_ref()
    }

    /// Whether the one that is to follow is in use.
    pub fn is_by_next(&self) -> bool {
        self.by_next
    }

    /// The next log-in begins with this one: it is likelier by now.
    pub fn prefer(&mut self, next: bool) {
        self.by_next = next && self.next.is_some();
    }

    /// It was let in.
    pub fn accepted(&mut self) {
        self.has_turned = false;
    }

    /// It was refused. Whether the other one is to be tried at once.
    pub fn refused(&mut self, refusal: Refusal) -> bool {
        match refusal {
            // It says nothing of the password.
            Refusal::Passes => false,
            Refusal::SaysWrong | Refusal::MayCount => {
                if self.next.is_none() {
                    return false;
                }
                self.by_next = !self.by_next;
                !std::mem::replace(&mut self.has_turned, true)
            }
        }
    }
}

/// What a BMC made of a new password, proved by a log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It has the new one.
    New,
    /// It has the old one.
    Kept {
        /// Why it did not take the new one.
        reason: String,
        /// How long a new one must be, where this one was not told because of its length.
        length: Option<PasswordLength>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(is_first: bool) -> Keys {
        Keys::new(Secret::new("old"), Some(&NextPassword { password: Secret::new("new"), is_first }))
    }

    #[test]
    fn a_refusal_turns_to_the_other_password_at_once_and_once() {
        let check = |is_first: bool, expected: [&str; 4]| {
            let mut keys = keys(is_first);
            assert_eq!(keys.current().reveal(), expected[0]);
            assert!(keys.refused(Refusal::SaysWrong), "the other one is tried at once");
            assert_eq!(keys.current().reveal(), expected[1]);
            assert!(!keys.refused(Refusal::MayCount), "both were refused: the account's pauses count");
            assert_eq!(keys.current().reveal(), expected[2]);
            keys.accepted();
            assert!(keys.refused(Refusal::SaysWrong));
            assert_eq!(keys.current().reveal(), expected[3]);
        };
        check(false, ["old", "new", "old", "new"]);
        check(true, ["new", "old", "new", "old"]);
    }

    #[test]
    fn what_says_nothing_of_the_password_turns_nothing() {
        let mut both = keys(false);
        assert!(!both.refused(Refusal::Passes) && both.current().reveal() == "old");
        let mut one = Keys::new(Secret::new("old"), None);
        for refusal in [Refusal::SaysWrong, Refusal::MayCount, Refusal::Passes] {
            assert!(!one.refused(refusal) && one.current().reveal() == "old");
        }
        one.prefer(true);
        assert!(!one.is_by_next(), "there is no other one");
    }
}
