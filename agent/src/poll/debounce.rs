//! Decisions: when a reading is news. One odd answer is not; two equal ones shortly after one another are.

use std::time::{Duration, Instant};

use protocol::{power::PowerReading, watch::NotWatched};

/// After an answer that differs, the BMC is asked again this soon.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Two equal answers further apart than this do not confirm each other.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(6);
/// So many failures in a row make a BMC unreachable.
pub const UNREACHABLE_AFTER: u32 = 3;

/// One answer of a BMC, or what came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Power is on.
    On,
    /// Power is off.
    Off,
    /// No answer, or one that makes no sense.
    NoAnswer {
        /// What was tried and what came back.
        reason: String,
    },
    /// The server is not watched now: its BMC was not asked, or what answered is not it.
    NotWatched {
        /// What keeps us from it.
        why: NotWatched,
        /// The same for a person.
        reason: String,
        /// How long until it is worth asking again.
        again_in: Duration,
    },
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Same,
    /// Perhaps something new: ask again after [`ASK_AGAIN_AFTER`].
    AskAgain,
    /// This is how it is now.
    Changed(PowerReading),
}

/// What is known of one server's power.
#[derive(Clone, Debug, Default)]
pub struct Debounce {
    known: Option<PowerReading>,
    doubt: Option<(PowerReading, Instant)>,
    failures: u32,
}

impl Debounce {
    /// The reading that holds; none before the first.
    pub fn known(&self) -> Option<&PowerReading> {
        self.known.as_ref()
    }

    /// Takes an answer that nobody asked to be so.
    pub fn observe(&mut self, sample: Sample, now: Instant) -> Verdict {
        match sample {
            Sample::On => self.answer(PowerReading::On, now),
            Sample::Off => self.answer(PowerReading::Off, now),
            Sample::NoAnswer { reason } => {
                self.doubt = None;
                self.failures = self.failures.saturating_add(1);
                if self.failures < UNREACHABLE_AFTER { Verdict::Same } else { self.unreachable(reason) }
            }
            Sample::NotWatched { reason, .. } => {
                self.doubt = None;
                self.unreachable(reason)
            }
        }
    }

    /// Takes a reading that a command has confirmed already; returns whether it is news.
    pub fn settle(&mut self, reading: PowerReading) -> bool {
        self.doubt = None;
        self.failures = 0;
        let news = self.known.as_ref() != Some(&reading);
        self.known = Some(reading);
        news
    }

    fn answer(&mut self, reading: PowerReading, now: Instant) -> Verdict {
        self.failures = 0;
        if self.known.as_ref() == Some(&reading) {
            self.doubt = None;
            return Verdict::Same;
        }
        let confirmed = self.known.is_none()
            || self.doubt.as_ref().is_some_and(|(doubted, at)| {
                *doubted == reading && now.saturating_duration_since(*at) <= CONFIRM_WITHIN
            });
        if !confirmed {
            self.doubt = Some((reading, now));
            return Verdict::AskAgain;
        }
        self.doubt = None;
        self.known = Some(reading.clone());
        Verdict::Changed(reading)
    }

    fn unreachable(&mut self, reason: String) -> Verdict {
        if matches!(self.known, Some(PowerReading::Unreachable { .. })) {
            return Verdict::Same;
        }
        let reading = PowerReading::Unreachable { reason };
        self.known = Some(reading.clone());
        Verdict::Changed(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as letters: `+` on, `-` off, `?` no answer, `!` refused, `.` ten seconds pass. Verdicts as letters: `=`
    /// same, `~` ask again, `1` on, `0` off, `u` unreachable.
    fn check(answers: &str, expected: &str) {
        let mut now = crate::test_clock::start();
        let mut debounce = Debounce::default();
        let mut seen = String::new();
        for letter in answers.chars() {
            let reason = String::new();
            let sample = match letter {
                '+' => Sample::On,
                '-' => Sample::Off,
                '?' => Sample::NoAnswer { reason },
                '!' => Sample::NotWatched {
                    why: NotWatched::CredentialsRefused,
                    reason,
                    again_in: Duration::from_secs(300),
                },
                '.' => {
                    now += Duration::from_secs(10);
                    continue;
                }
                other => panic!("{other}"),
            };
            now += ASK_AGAIN_AFTER;
            seen.push(match debounce.observe(sample, now) {
                Verdict::Same => '=',
                Verdict::AskAgain => '~',
                Verdict::Changed(PowerReading::On) => '1',
                Verdict::Changed(PowerReading::Off) => '0',
                Verdict::Changed(PowerReading::Unreachable { .. }) => 'u',
            });
        }
        assert_eq!(seen, expected, "{answers}");
    }

    #[test]
    fn what_is_news() {
        check("+", "1");
        check("-", "0");
        check("++--", "1=~0");
        check("+-+-+", "1~=~=");
        check("+-.-", "1~~");
        check("+-.--", "1~~0");
        check("+-?-", "1~=~");
        check("+??+", "1===");
        check("+???", "1==u");
        check("+?????", "1==u==");
        check("+???+", "1==u~");
        check("+???++", "1==u~1");
        check("+???--", "1==u~0");
        check("+??-??", "1==~==");
        check("!", "u");
        check("+!", "1u");
        check("+!!", "1u=");
        check("???", "==u");
    }

    #[test]
    fn what_a_command_confirmed_is_news_once() {
        let mut debounce = Debounce::default();
        assert!(debounce.settle(PowerReading::On));
        assert!(!debounce.settle(PowerReading::On));
        assert_eq!(debounce.observe(Sample::Off, crate::test_clock::start()), Verdict::AskAgain);
        assert!(debounce.settle(PowerReading::Off));
        assert_eq!(debounce.observe(Sample::Off, crate::test_clock::start()), Verdict::Same);
    }
}
