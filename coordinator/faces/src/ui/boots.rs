//! Values: the last boot over the network, as a server's page shows it.

use api_types::{BootAttempt, BootFinding, BootPurpose};
use jiff::Timestamp;

use super::view::{Tone, When};

/// An attempt.
pub struct BootShown {
    /// When it was ordered.
    pub at: Option<When>,
    /// What for.
    pub what: String,
    /// How good it is.
    pub tone: Tone,
    /// What is missing first.
    pub reason: String,
    /// What to do.
    pub remedies: Vec<String>,
    /// What was seen, each with the seconds since the order.
    pub marks: Vec<(String, String)>,
}

/// The newest of these attempts.
pub fn newest(attempts: Vec<BootAttempt>, now: Timestamp) -> Option<BootShown> {
    let BootAttempt { began, purpose, network, finding, reason, remedies, marks } =
        attempts.into_iter().next()?;
    let purpose = match purpose {
        BootPurpose::Inspect => "To inspect it",
        BootPurpose::Clean => "To clean it",
        BootPurpose::Deploy => "To deploy it",
        BootPurpose::Rescue => "To rescue it",
        BootPurpose::Unknown => "For something else",
    };
    Some(BootShown {
        at: When::read(&began, now),
        what: format!("{purpose}, on the {network} network"),
        tone: tone(finding),
        reason,
        remedies,
        marks: marks
            .into_iter()
            .map(|mark| (format!("{:.1} s", mark.after_ms as f64 / 1000.0), mark.what))
            .collect(),
    })
}

fn tone(finding: BootFinding) -> Tone {
    match finding {
        BootFinding::Complete => Tone::Good,
        BootFinding::UnderWay => Tone::Busy,
        BootFinding::Unused | BootFinding::Unknown => Tone::Warn,
        BootFinding::NoPower
        | BootFinding::NoRequest
        | BootFinding::WrongNetwork
        | BootFinding::WrongInterface
        | BootFinding::Refused
        | BootFinding::NoLease
        | BootFinding::NoLoader
        | BootFinding::LoaderNotRun
        | BootFinding::NoKernel
        | BootFinding::NoInitrd
        | BootFinding::NoHello
        | BootFinding::Loop
        | BootFinding::StepFailed => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use api_types::{BootMark, IsolatedNetwork};

    use super::*;

    #[test]
    fn the_newest_attempt_is_shown_with_what_is_missing() {
        let attempt = |finding| BootAttempt {
            began: "1970-01-01T00:00:00.000Z".to_owned(),
            purpose: BootPurpose::Inspect,
            network: IsolatedNetwork::Provisioning,
            finding,
            reason: "why".to_owned(),
            remedies: vec!["do this".to_owned()],
            marks: vec![BootMark { at: String::new(), after_ms: 1_250, what: "DHCP lease".to_owned() }],
        };
        let (first, other) = (BootFinding::LoaderNotRun, BootFinding::Complete);
        let shown = newest(vec![attempt(first), attempt(other)], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(shown.what, "To inspect it, on the provisioning network");
        assert_eq!(shown.tone.class(), Tone::Bad.class());
        assert_eq!(shown.marks, [("1.2 s".to_owned(), "DHCP lease".to_owned())]);
        assert!(newest(Vec::new(), Timestamp::UNIX_EPOCH).is_none());
    }
}
