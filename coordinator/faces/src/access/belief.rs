//! Decisions: how long Keystone's word on a token is believed without asking again.
//!
//! ```text
//!   good     believed 30 s for looking, 5 s for changing, and never after the token's own end
//!   nobody's believed 5 s, so that a token that is tried again and again is one question to Keystone
//!   ended    whoever signed out here: never believed again, whatever Keystone says
//! ```
//!
//! Why not less: each question is one round trip and some 10 to 300 ms of Keystone's time, and an open page asks once a
//! second. Other services of OpenStack believe a token for five minutes by default. Why not more: a token that was
//! revoked, a role that was taken away, or a password that was changed must not change a server any more.

use std::collections::HashMap;

use domain::rim::Bearer;

/// How long a good token is believed by who only looks, in microseconds.
pub const LOOK_BELIEF_US: u64 = 30_000_000;
/// How long by who changes something, or keeps something open, in microseconds.
pub const CHANGE_BELIEF_US: u64 = 5_000_000;
/// How long a token is believed to be nobody's, in microseconds. Keystone may learn of a new token a moment late.
pub const NOBODY_BELIEF_US: u64 = 5_000_000;
/// How long a token that was ended here is remembered, in microseconds: longer than tokens live.
pub const ENDED_MEMORY_US: u64 = 48 * 3600 * 1_000_000;
/// How many tokens are remembered, of each of the three kinds.
pub const REMEMBERED_MAX: usize = 1024;

/// A token's SHA-256: no token is kept.
pub type Key = [u8; 32];

/// What the token is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To look at something.
    Look,
    /// To change something, or to keep something open.
    Change,
}

impl Use {
    fn belief_us(self) -> u64 {
        match self {
            Use::Look => LOOK_BELIEF_US,
            Use::Change => CHANGE_BELIEF_US,
        }
    }
}

/// What is known without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is this one's.
    Good(Bearer),
    /// It is nobody's, or not any more.
    Nobody,
}

/// What is remembered of tokens.
#[derive(Debug, Default)]
pub struct Beliefs {
    good: Kept<Bearer>,
    nobody: Kept<()>,
    ended: Kept<()>,
}

impl Beliefs {
    /// What is known of a token well enough for this use; none: Keystone is to be asked.
    pub fn word(&self, key: &Key, wanted: Use, now_us: u64) -> Option<Word> {
        if self.ended.get(key, ENDED_MEMORY_US, now_us).is_some() {
            return Some(Word::Nobody);
        }
        if let Some(bearer) = self.good.get(key, wanted.belief_us(), now_us) {
            return Some(if now_us < bearer.ends_us { Word::Good(bearer.clone()) } else { Word::Nobody });
        }
        self.nobody.get(key, NOBODY_BELIEF_US, now_us).map(|()| Word::Nobody)
    }

    /// Remembers what Keystone said when it was asked at this time; gives what is to be believed now.
    pub fn learn(&mut self, key: Key, said: Word, asked_us: u64, now_us: u64) -> Word {
        match said {
            // The question may have been under way when its owner signed out.
            Word::Good(_) if self.ended.get(&key, ENDED_MEMORY_US, now_us).is_some() => Word::Nobody,
            Word::Good(bearer) if now_us >= bearer.ends_us => Word::Nobody,
            Word::Good(bearer) => {
                self.nobody.forget(&key);
                self.good.put(key, bearer.clone(), asked_us, LOOK_BELIEF_US, now_us);
                Word::Good(bearer)
            }
            Word::Nobody => {
                self.good.forget(&key);
                self.nobody.put(key, (), asked_us, NOBODY_BELIEF_US, now_us);
                Word::Nobody
            }
        }
    }

    /// Its owner has ended it.
    pub fn end(&mut self, key: Key, now_us: u64) {
        self.good.forget(&key);
        self.ended.put(key, (), now_us, ENDED_MEMORY_US, now_us);
    }
}

/// Facts with the time of each, bounded: the oldest makes room.
#[derive(Debug)]
struct Kept<T>(HashMap<Key, (T, u64)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Whether something is so fresh. What was learned after now was learned before the clock was set back: it proves nothing.
fn is_fresh(at_us: u64, most_us: u64, now_us: u64) -> bool {
    now_us.checked_sub(at_us).is_some_and(|age_us| age_us < most_us)
}

impl<T> Kept<T> {
    fn get(&self, key: &Key, most_us: u64, now_us: u64) -> Option<&T> {
        self.0.get(key).filter(|(_, at_us)| is_fresh(*at_us, most_us, now_us)).map(|(fact, _)| fact)
    }

    fn put(&mut self, key: Key, fact: T, at_us: u64, most_us: u64, now_us: u64) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, (_, at_us)| is_fresh(*at_us, most_us, now_us));
        }
        if self.0.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, at_us))| *at_us).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, (fact, at_us));
    }

    fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rim::{Identity, TokenScope};

    const S: u64 = 1_000_000;
    const T0: u64 = 1_000 * S;

    fn key(number: u64) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn good(ends_us: u64) -> Word {
        let identity = Identity {
            user_id: "u".into(),
            user_name: "eve".into(),
            scope: TokenScope::System,
            roles: Vec::new(),
        };
        Word::Good(Bearer { identity, ends_us })
    }

    #[test]
    fn a_word_is_believed_for_its_time_and_no_longer() {
        let far = T0 + 3600 * S;
        let check = |said: Word, wanted: Use, age_us: u64, expected: Option<Word>| {
            let mut beliefs = Beliefs::default();
            beliefs.learn(key(1), said.clone(), T0, T0);
            assert_eq!(beliefs.word(&key(1), wanted, T0 + age_us), expected, "{said:?} {wanted:?} {age_us}");
        };
        check(good(far), Use::Look, 0, Some(good(far)));
        check(good(far), Use::Look, LOOK_BELIEF_US - 1, Some(good(far)));
        check(good(far), Use::Look, LOOK_BELIEF_US, None);
        check(good(far), Use::Change, CHANGE_BELIEF_US - 1, Some(good(far)));
        check(good(far), Use::Change, CHANGE_BELIEF_US, None);
        // Its own end is heeded to the microsecond.
        check(good(T0 + 3 * S), Use::Look, 3 * S - 1, Some(good(T0 + 3 * S)));
        check(good(T0 + 3 * S), Use::Look, 3 * S, Some(Word::Nobody));
        check(good(T0 + 3 * S), Use::Change, 3 * S, Some(Word::Nobody));
        check(good(T0), Use::Look, 0, None);
        check(Word::Nobody, Use::Look, NOBODY_BELIEF_US - 1, Some(Word::Nobody));
        check(Word::Nobody, Use::Change, NOBODY_BELIEF_US, None);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_younger() {
        let mut beliefs = Beliefs::default();
        beliefs.learn(key(1), good(T0 * 9), T0, T0);
        assert_eq!(beliefs.word(&key(1), Use::Look, T0 - 1), None);
    }

    #[test]
    fn age_counts_from_the_question_and_not_from_the_answer() {
        let mut beliefs = Beliefs::default();
        beliefs.learn(key(1), good(T0 * 9), T0, T0 + 4 * S);
        assert_eq!(beliefs.word(&key(1), Use::Change, T0 + CHANGE_BELIEF_US), None);
    }

    #[test]
    fn what_was_ended_here_is_good_for_nothing_whatever_keystone_says() {
        let mut beliefs = Beliefs::default();
        beliefs.learn(key(1), good(T0 * 900), T0, T0);
        beliefs.end(key(1), T0);
        assert_eq!(beliefs.word(&key(1), Use::Look, T0), Some(Word::Nobody));
        // The answer to a question that was under way.
        assert_eq!(beliefs.learn(key(1), good(T0 * 900), T0, T0), Word::Nobody);
        assert_eq!(beliefs.word(&key(1), Use::Look, T0 + 3600 * S), Some(Word::Nobody));
    }

    #[test]
    fn a_newer_word_takes_the_older_ones_place() {
        let mut beliefs = Beliefs::default();
        beliefs.learn(key(1), Word::Nobody, T0, T0);
        beliefs.learn(key(1), good(T0 * 9), T0, T0);
        assert_eq!(beliefs.word(&key(1), Use::Look, T0), Some(good(T0 * 9)));
        beliefs.learn(key(1), Word::Nobody, T0, T0);
        assert_eq!(beliefs.word(&key(1), Use::Look, T0), Some(Word::Nobody));
        assert_eq!(beliefs.word(&key(1), Use::Look, T0 + NOBODY_BELIEF_US), None);
    }

    #[test]
    fn strangers_tokens_push_no_good_one_out_and_memory_is_bounded() {
        let mut beliefs = Beliefs::default();
        beliefs.learn(key(0), good(T0 * 9), T0, T0);
        for number in 1..=3 * REMEMBERED_MAX as u64 {
            beliefs.learn(key(number), Word::Nobody, T0 + number, T0 + number);
        }
        assert!(beliefs.nobody.0.len() <= REMEMBERED_MAX);
        let now = T0 + 3 * REMEMBERED_MAX as u64;
        assert_eq!(beliefs.word(&key(0), Use::Look, now), Some(good(T0 * 9)));
        for number in 1..=2 * REMEMBERED_MAX as u64 {
            beliefs.learn(key(number), good(T0 * 9), T0 + number, T0 + number);
            beliefs.end(key(number), T0 + number);
        }
        assert!(beliefs.good.0.len() <= REMEMBERED_MAX && beliefs.ended.0.len() <= REMEMBERED_MAX);
    }
}
