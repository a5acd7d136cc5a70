//! Decisions: when a reading is news. One odd answer is not; two equal ones, one after the other, are.
//!
//! The second one counts when its question was *asked* soon after the first answer, however long the BMC then takes: a slow BMC
//! is as good a witness as a quick one. Silence between the two says nothing, neither for nor against.

use std::time::{Duration, Instant};

use protocol::{power::PowerReading, watch::NotWatched};

/// After an answer that differs, the BMC is asked again this soon.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The confirming question must follow the doubtful answer within this time, and the time that answer took. It is the next
/// question to this BMC, before all others' turns; later than this only when something came between, such as a command.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
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
    /// It answered, and gave no reading: it refuses, or says what cannot be understood.
    Refused {
        /// What it said.
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
    /// Another machine answers there.
    OtherMachine {
        /// Which, and which was expected.
        reason: String,
    },
}

impl Sample {
    /// Whether it is a reading of the power.
    pub fn is_reading(&self) -> bool {
        match self {
            Sample::On | Sample::Off => true,
            Sample::NoAnswer { .. }
            | Sample::Refused { .. }
            | Sample::NotWatched { .. }
            | Sample::OtherMachine { .. } => false,
        }
    }
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
    doubt: Option<Doubt>,
    failures: u32,
}

/// An answer that is to be confirmed.
#[derive(Clone, Debug)]
struct Doubt {
    reading: PowerReading,
    /// The latest moment at which the confirming question may be asked.
    until: Instant,
}

impl Debounce {
    /// The reading that holds; none before the first.
    pub fn known(&self) -> Option<&PowerReading> {
        self.known.as_ref()
    }

    /// Takes an answer that nobody asked to be so. `asked`: when the question was put; `now`: when it was answered.
    pub fn observe(&mut self, sample: Sample, asked: Instant, now: Instant) -> Verdict {
        match sample {
            Sample::On => self.answer(PowerReading::On, asked, now),
            Sample::Off => self.answer(PowerReading::Off, asked, now),
            Sample::NoAnswer { reason } | Sample::Refused { reason } => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < UNREACHABLE_AFTER { Verdict::Same } else { self.unreachable(reason) }
            }
            // Nothing that another machine says is of this server; that it is another is no accident of one answer.
            Sample::NotWatched { reason, .. } | Sample::OtherMachine { reason } => {
                self.doubt = None;
                self.unreachable(reason)
            }
        }
    }

    /// The last answer is too old to stand by: what the power is now is not known.
    pub fn outdated(&mut self, reason: String) -> Verdict {
        self.unreachable(reason)
    }

    /// Takes a reading that a command has confirmed already; returns whether it is news.
    pub fn settle(&mut self, reading: PowerReading) -> bool {
        self.doubt = None;
        self.failures = 0;
        let news = self.known.as_ref() != Some(&reading);
        self.known = Some(reading);
        news
    }

    fn answer(&mut self, reading: PowerReading, asked: Instant, now: Instant) -> Verdict {
        self.failures = 0;
        if self.known.as_ref() == Some(&reading) {
            self.doubt = None;
            return Verdict::Same;
        }
        let confirms = |doubt: &Doubt| doubt.reading == reading && asked <= doubt.until;
        if self.known.is_some() && !self.doubt.as_ref().is_some_and(confirms) {
            let took = now.saturating_duration_since(asked);
            self.doubt = Some(Doubt { reading, until: now + CONFIRM_WITHIN + took });
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

    /// Answers as letters: `+` on, `-` off, `?` no answer, `!` refused, `#` another machine. A digit: the next answer takes ten times so
    /// many seconds. `.`: a minute passes. Verdicts as letters: `=` same, `~` ask again, `1` on, `0` off, `u` unreachable.
    fn check(answers: &str, expected: &str) {
        let mut now = crate::test_clock::start();
        let mut took = Duration::ZERO;
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
                '#' => Sample::OtherMachine { reason },
                '.' => {
                    now += Duration::from_secs(60);
                    continue;
                }
                digit => {
                    took = Duration::from_secs(u64::from(digit.to_digit(10).unwrap()) * 10);
                    continue;
                }
            };
            let asked = now + ASK_AGAIN_AFTER;
            now = asked + std::mem::take(&mut took);
            seen.push(match debounce.observe(sample, asked, now) {
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
        check("+-?+-", "1~==~");
        check("+-?.-", "1~=~");
        check("+??+", "1===");
        check("+???", "1==u");
        check("+?????", "1==u==");
        check("+???+", "1==u~");
        check("+???++", "1==u~1");
        check("+???--", "1==u~0");
        check("+??-??-", "1==~==0");
        check("!", "u");
        check("+!", "1u");
        check("+!!", "1u=");
        check("+#", "1u");
        check("+##-+#", "1u=~~=");
        check("+#++", "1u~1");
        check("+-!--", "1~u~0");
        check("???", "==u");
    }

    #[test]
    fn a_slow_answer_and_a_lost_one_in_between_confirm_as_well() {
        check("1+1-1-", "1~0");
        check("+9-9-", "1~0");
        check("+-?-", "1~=0");
        check("+1-1?1-", "1~=0");
        // A contrary answer between them, or a long time, and they are two odd ones.
        check("1+1-1+1-", "1~=~");
        check("+9-..9-", "1~~");
    }

    #[test]
    fn a_reading_that_is_too_old_is_not_stood_by() {
        let now = crate::test_clock::start();
        let mut debounce = Debounce::default();
        assert!(debounce.settle(PowerReading::On));
        let gone = PowerReading::Unreachable { reason: "not read".into() };
        assert_eq!(debounce.outdated("not read".into()), Verdict::Changed(gone));
        assert_eq!(debounce.outdated("not read".into()), Verdict::Same);
        assert_eq!(debounce.observe(Sample::On, now, now), Verdict::AskAgain);
        assert_eq!(debounce.observe(Sample::On, now, now), Verdict::Changed(PowerReading::On));
    }

    #[test]
    fn what_a_command_confirmed_is_news_once() {
        let now = crate::test_clock::start();
        let mut debounce = Debounce::default();
        assert!(debounce.settle(PowerReading::On));
        assert!(!debounce.settle(PowerReading::On));
        assert_eq!(debounce.observe(Sample::Off, now, now), Verdict::AskAgain);
        assert!(debounce.settle(PowerReading::Off));
        assert_eq!(debounce.observe(Sample::Off, now, now), Verdict::Same);
    }
}
