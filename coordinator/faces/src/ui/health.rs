//! Values: the health of a server's hardware, as its page shows it.

use api_types::{HardwareHealth, HealthReason, Node};
use jiff::Timestamp;

use super::view::{Pill, Tone, When};

/// The word as a pill.
pub fn pill(health: HardwareHealth) -> Pill {
    let (word, tone) = match health {
        HardwareHealth::Ok => ("hardware ok", Tone::Good),
        HardwareHealth::Warning => ("hardware warning", Tone::Warn),
        HardwareHealth::Critical => ("hardware critical", Tone::Bad),
        HardwareHealth::Unknown => ("hardware unknown", Tone::Idle),
    };
    Pill { word: word.to_owned(), tone }
}

/// Whether a list, which has little room, shows it.
pub fn stands_out(health: HardwareHealth) -> bool {
    match health {
        HardwareHealth::Warning | HardwareHealth::Critical => true,
        HardwareHealth::Ok | HardwareHealth::Unknown => false,
    }
}

/// All that is wrong, in one line.
pub fn why(node: &Node) -> String {
    let reasons = node.health_reasons.iter().map(|reason| reason.text.as_str());
    node.health_not_known.as_deref().into_iter().chain(reasons).collect::<Vec<_>>().join("; ")
}

/// A reason.
pub struct ReasonRow {
    /// How bad it is.
    pub pill: Pill,
    /// What is wrong.
    pub text: String,
    /// Number of the log entry; none: it is no log entry.
    pub entry: Option<u64>,
    /// Since when.
    pub since: Option<When>,
}

/// Why a server is not well, the worst first.
pub fn rows(reasons: &[HealthReason], now: Timestamp) -> Vec<ReasonRow> {
    let row = |reason: &HealthReason| ReasonRow {
        pill: Pill { word: reason.severity.to_string(), ..pill(reason.severity) },
        text: reason.text.clone(),
        entry: reason.entry,
        since: reason.since.as_ref().and_then(|since| When::read(since, now)),
    };
    reasons.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_stands_out_and_what_is_not_known_does_not_shout() {
        let check = |health, class: &str, out| {
            assert_eq!((pill(health).tone.class(), stands_out(health)), (class, out), "{health}");
        };
        check(HardwareHealth::Ok, "good", false);
        check(HardwareHealth::Warning, "warn", true);
        check(HardwareHealth::Critical, "bad", true);
        check(HardwareHealth::Unknown, "idle", false);
    }
}
