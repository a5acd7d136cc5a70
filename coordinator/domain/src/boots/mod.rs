//! Values: a server's attempts to boot our ramdisk: what was seen of each, in the order in which it became known.
//!
//! An attempt begins when a power-on is ordered that permits a network boot, and lasts until the next. [`judge`] says of it what is missing
//! first, and what to do.

mod judge;

use protocol::{
    boot::{BootPlan, BootStage},
    mac::MacAddr,
    network::BootNetwork,
    text::bounded,
};
use serde::{Deserialize, Serialize};

pub use judge::{Finding, Known, Verdict, judge};

/// Attempts that are kept of one server; the oldest beyond them are forgotten.
pub const ATTEMPTS_MAX: u32 = 10;

/// Marks that are kept of one attempt; what comes beyond them is left out.
pub const MARKS_MAX: u32 = 100;

/// Characters that are kept of a text in a mark.
const TEXT_MAX: usize = 300;

/// Faults that are kept of a ramdisk's hello.
const FAULTS_MAX: usize = 16;

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was to be booted.
    pub plan: BootPlan,
    /// What was seen, the order itself first.
    pub marks: Vec<Mark>,
}

/// Something that was seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in microseconds since 1970, by the clock of whoever saw it.
    pub at_us: u64,
    /// What.
    pub what: What,
}

/// What can be seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The gate has permitted it, and the agent was told to switch on or to restart.
    Ordered(BootPlan),
    /// The BMC has confirmed that the power is on.
    PowerOn,
    /// The power is off.
    PowerOff,
    /// The boot service has given something, for the first time since the firmware began.
    Stage {
        /// What.
        stage: BootStage,
        /// To which interface.
        mac: MacAddr,
        /// A few words, such as the file's name and size.
        detail: String,
    },
    /// The boot service was asked and has given nothing.
    Refused {
        /// Where it was asked.
        network: BootNetwork,
        /// Where the boot is permitted, if that is elsewhere.
        planned: Option<BootNetwork>,
        /// Why.
        reason: String,
    },
    /// The server has asked by an interface by which it does not boot.
    OtherInterface {
        /// By which.
        mac: MacAddr,
        /// Where it was asked.
        network: BootNetwork,
    },
    /// The ramdisk has told what it found.
    Hello {
        /// What of the hardware stays unused, and why.
        faults: Vec<String>,
    },
    /// A step of the ramdisk has ended.
    Step {
        /// What it was.
        what: String,
        /// Why it failed; none: it did not.
        failure: Option<String>,
    },
    /// The ramdisk's session has ended.
    Gone {
        /// Why.
        reason: String,
    },
}

impl What {
    /// The same with texts as long as they are kept.
    pub fn bounded(self) -> Self {
        let text = |text: String| bounded(&text, TEXT_MAX).into_owned();
        match self {
            What::Ordered(_) | What::PowerOn | What::PowerOff | What::OtherInterface { .. } => self,
            What::Stage { stage, mac, detail } => What::Stage { stage, mac, detail: text(detail) },
            What::Refused { network, planned, reason } => {
                What::Refused { network, planned, reason: text(reason) }
            }
            What::Hello { faults } => {
                What::Hello { faults: faults.into_iter().take(FAULTS_MAX).map(text).collect() }
            }
            What::Step { what, failure } => What::Step { what: text(what), failure: failure.map(text) },
            What::Gone { reason } => What::Gone { reason: text(reason) },
        }
    }

    /// For a person.
    pub fn words(&self) -> String {
        match self {
            What::Ordered(plan) => {
                format!("boot ordered on the {} network", plan.network.as_str())
            }
            What::PowerOn => "power on, confirmed by the BMC".to_owned(),
            What::PowerOff => "power off".to_owned(),
            What::Stage { stage, mac, detail } => format!("{} ({mac}): {detail}", stage.words()),
            What::Refused { network, reason, planned: _ } => {
                format!("asked on the {} network and got no answer: {reason}", network.as_str())
            }
            What::OtherInterface { mac, network } => format!(
                "asked on the {} network by {mac}, an interface by which it does not boot",
                network.as_str()
            ),
            What::Hello { faults } if faults.is_empty() => {
                "the ramdisk has connected and told its hardware".to_owned()
            }
            What::Hello { faults } => format!("the ramdisk has connected; {}", faults.join("; ")),
            What::Step { what, failure: None } => format!("{what}: done"),
            What::Step { what, failure: Some(why) } => format!("{what}: failed: {why}"),
            What::Gone { reason } => format!("the ramdisk has ended: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_texts_are_kept_up_to_a_length_and_number() {
        let long = "ä".repeat(5000);
        let What::Hello { faults } = (What::Hello { faults: vec![long.clone(); 500] }).bounded() else {
            panic!()
        };
        assert_eq!(faults.len(), FAULTS_MAX);
        assert!(faults.iter().all(|fault| fault.chars().count() < 2 * TEXT_MAX));
        for what in [
            What::Gone { reason: long.clone() },
            What::Refused { network: BootNetwork::Cleaning, planned: None, reason: long.clone() },
            What::Step { what: "a step".to_owned(), failure: Some(long) },
        ] {
            assert!(what.bounded().words().chars().count() < 2 * TEXT_MAX);
        }
    }
}
