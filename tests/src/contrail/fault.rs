//! Decisions: the stand-in's bad days, to be switched on by tests.

use serde::{Deserialize, Serialize};

/// How the stand-in treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Answers them.
    #[default]
    None,
    /// Closes every connection without a word.
    Refuse,
    /// Answers 503 to everything.
    Unavailable,
    /// Answers everything this much later.
    Slow {
        /// Delay in milliseconds.
        delay_ms: u64,
    },
    /// Answers this many requests, then 504 to the next one, which is not asked again at once, and then answers again: a
    /// client that was killed between two calls looks like this to the next one.
    CutAfter {
        /// Requests that are answered first.
        requests: u32,
        /// Whether the one that gets the 504 is nevertheless done.
        done: bool,
    },
}

/// What to do with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Do and answer.
    Answer,
    /// Close the connection.
    Drop,
    /// Answer with this status and do nothing.
    Fail(u16),
    /// Do it and answer 504.
    DoAndFail,
    /// Wait, then do and answer.
    Delay(u64),
}

impl Fault {
    /// Treats the next request, and steps on.
    pub fn treat(&mut self) -> Treatment {
        match self {
            Fault::None => Treatment::Answer,
            Fault::Refuse => Treatment::Drop,
            Fault::Unavailable => Treatment::Fail(503),
            Fault::Slow { delay_ms } => Treatment::Delay(*delay_ms),
            Fault::CutAfter { requests, done } => match requests.checked_sub(1) {
                Some(left) => {
                    *requests = left;
                    Treatment::Answer
                }
                None => {
                    let done = *done;
                    *self = Fault::None;
                    if done { Treatment::DoAndFail } else { Treatment::Fail(504) }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_hits_one_request_and_passes() {
        let mut fault = Fault::CutAfter { requests: 2, done: true };
        let seen: Vec<_> = (0..4).map(|_| fault.treat()).collect();
        use Treatment::{Answer, DoAndFail};
        assert_eq!(seen, [Answer, Answer, DoAndFail, Answer]);
        assert_eq!(fault, Fault::None);
    }
}
