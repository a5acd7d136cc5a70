//! Decisions: what a certificate of an agent is worth now, and what its agent is told when that is nothing.

use std::time::Duration;

use domain::{certificate::Fingerprint, records::AgentCertificate};
use protocol::id::RackId;

use super::arrival::time_text;

/// Nobody has renewed a certificate that has less than this left: an alarm.
pub const LEFT_MIN: Duration = Duration::from_secs(14 * 24 * 3600);
/// And where certificates are given for less than that, when only this part of its life is left: renewal began at a third.
const LEFT_MIN_PART: u32 = 6;

/// What a certificate is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It opens the rack.
    Good,
    /// The one that follows it was used at this time (microseconds since 1970).
    Replaced(u64),
    /// It was revoked at this time.
    Revoked(u64),
    /// It ended at this time.
    Ended(u64),
}

/// What this certificate is worth now.
pub fn standing(certificate: &AgentCertificate, now_us: u64) -> Standing {
    if let Some(at_us) = certificate.revoked_us {
        Standing::Revoked(at_us)
    } else if certificate.ends_us < now_us {
        Standing::Ended(certificate.ends_us)
    } else if let Some(at_us) = certificate.replaced_us {
        Standing::Replaced(at_us)
    } else {
        Standing::Good
    }
}

impl Standing {
    /// Why it opens nothing; none: it does.
    pub fn fault(self, fingerprint: &Fingerprint) -> Option<String> {
        let name = fingerprint.short();
        match self {
            Standing::Good => None,
            Standing::Replaced(at_us) => Some(format!(
                "certificate {name} was replaced at {}, when its successor was first used",
                time_text(at_us)
            )),
            Standing::Revoked(at_us) => {
                Some(format!("certificate {name} was revoked at {}", time_text(at_us)))
            }
            Standing::Ended(at_us) => Some(format!("certificate {name} expired at {}", time_text(at_us))),
        }
    }
}

/// What is to be done about a certificate that opens nothing.
pub fn remedy(rack: &RackId) -> String {
    format!(
        "if this is the rack's agent, issue a new one with `bms-coordinator issue-agent --rack {rack} --out DIR` and \
         replace its files"
    )
}

/// The certificate that opens a rack for longest.
pub fn lasting<'a>(
    certificates: impl IntoIterator<Item = &'a AgentCertificate>,
    now_us: u64,
) -> Option<&'a AgentCertificate> {
    let good = certificates.into_iter().filter(|one| standing(one, now_us) == Standing::Good);
    good.max_by_key(|one| one.ends_us)
}

/// Whether a certificate should long have been renewed.
pub fn is_ending(certificate: &AgentCertificate, now_us: u64) -> bool {
    let life = Duration::from_micros(certificate.ends_us.saturating_sub(certificate.begins_us));
    let left = Duration::from_micros(certificate.ends_us.saturating_sub(now_us));
    left < LEFT_MIN.min(life / LEFT_MIN_PART)
}

#[cfg(test)]
mod tests {
    use domain::records::Origin;
    use rustls_pki_types::CertificateDer;

    use super::*;

    const DAY_US: u64 = 86_400_000_000;

    fn lasts(days: u64) -> AgentCertificate {
        AgentCertificate {
            fingerprint: Fingerprint::of(&CertificateDer::from(days.to_le_bytes().to_vec())),
            rack: "rack1".parse().unwrap(),
            origin: Origin::Issued,
            renewed_from: None,
            given_us: 0,
            begins_us: 1000 * DAY_US,
            ends_us: (1000 + days) * DAY_US,
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        }
    }

    #[test]
    fn what_is_revoked_replaced_or_over_opens_nothing_and_says_so() {
        let now = 1010 * DAY_US;
        let check = |certificate: AgentCertificate, expected: Standing| {
            let is = standing(&certificate, now);
            assert_eq!(is, expected);
            let fault = is.fault(&certificate.fingerprint);
            assert_eq!(fault.is_none(), expected == Standing::Good, "{fault:?}");
            assert!(fault.is_none_or(|text| text.contains(&certificate.fingerprint.short())));
        };
        check(lasts(90), Standing::Good);
        check(lasts(9), Standing::Ended(1009 * DAY_US));
        check(AgentCertificate { replaced_us: Some(7), ..lasts(90) }, Standing::Replaced(7));
        check(
            AgentCertificate { replaced_us: Some(7), revoked_us: Some(8), ..lasts(90) },
            Standing::Revoked(8),
        );
        check(AgentCertificate { revoked_us: Some(8), ..lasts(9) }, Standing::Revoked(8));
    }

    #[test]
    fn the_alarm_comes_after_a_renewal_was_due_and_before_the_end() {
        let check = |days: u64, day: u64, expected: bool| {
            assert_eq!(is_ending(&lasts(days), (1000 + day) * DAY_US), expected, "day {day} of {days}");
        };
        check(90, 60, false);
        check(90, 76, false);
        check(90, 77, true);
        check(90, 100, true);
        check(365, 350, false);
        check(365, 352, true);
        // Where they last less, a renewal that is due is no alarm yet.
        check(12, 8, false);
        check(12, 11, true);
        let revoked = AgentCertificate { revoked_us: Some(1), ..lasts(365) };
        let all = [lasts(90), lasts(30), revoked];
        assert_eq!(lasting(&all, 1001 * DAY_US), Some(&all[0]));
        assert_eq!(lasting(&all, 1100 * DAY_US), None);
    }
}
