//! Decisions: what follows when a BMC shows a certificate.

use protocol::{shown_certificate::ShownCertificate, spec::BmcProtocol};

use super::{
    kept::{BmcCertificates, Der, Question, REPLACED_MAX},
    rules::{RenewalRules, Rule, Verdict, judge},
};
use crate::{certificate::Fingerprint, records::Server};

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Nothing that is not known.
    Nothing,
    /// It shows the pinned one, of which this is kept.
    Known {
        /// What is kept.
        kept: BmcCertificates,
        /// It had shown another one before.
        is_back: bool,
    },
    /// A rule has accepted another one: it is pinned from now on.
    Accepted {
        /// What is kept.
        kept: BmcCertificates,
        /// Its SHA-256.
        pin: String,
        /// By which rule.
        by: Rule,
    },
    /// Somebody is asked.
    Asked {
        /// What is kept.
        kept: BmcCertificates,
    },
}

impl Server {
    /// The SHA-256 of the certificate that its BMC must show; none: it is not pinned.
    pub fn pinned_certificate(&self) -> Option<Fingerprint> {
        match &self.bmc.protocol {
            BmcProtocol::Redfish { certificate_sha256, http: false, .. } => {
                certificate_sha256.as_ref().and_then(|text| text.parse().ok())
            }
            BmcProtocol::Redfish { .. } | BmcProtocol::Ipmi { .. } => None,
        }
    }

    /// The certificate that its BMC shows instead of the pinned one, while that is so.
    pub fn certificate_question(&self) -> Option<&Question> {
        let pinned = self.pinned_certificate()?.to_string();
        let question = self.upkeep.certificates.as_ref()?.question.as_ref()?;
        Some(question).filter(|question| question.instead_of == pinned)
    }

    /// The same for a person.
    pub fn certificate_words(&self) -> Option<String> {
        self.certificate_question().map(|question| question.words(&self.name, &self.bmc.place()))
    }
}

impl BmcCertificates {
    /// This one is pinned from now on, in place of another one.
    pub fn renewed(self, shown: Der, replaced: Fingerprint) -> Self {
        let now = Fingerprint::of(&shown.0).to_string();
        let (replaced, mut before) = (replaced.to_string(), self.replaced);
        before.retain(|one| *one != now && *one != replaced);
        before.push(replaced);
        let too_many = before.len().saturating_sub(REPLACED_MAX);
        before.drain(..too_many);
        Self { known: Some(shown), question: None, replaced: before }
    }
}

/// What follows when the BMC of a server shows a certificate. See [`judge`] for what is given beside it.
pub fn heard(
    server: &Server,
    shown: &ShownCertificate,
    rules: &RenewalRules,
    is_vouched_for: bool,
    now_us: u64,
) -> Course {
    let Some(pinned) = server.pinned_certificate() else { return Course::Nothing };
    let kept = server.upkeep.certificates.clone().unwrap_or_default();
    let own = Der(shown.own().to_vec());
    let found = Fingerprint::of(&own.0);
    // What is kept of one that is not pinned any more says nothing of the pinned one.
    let known = kept.known.clone().filter(|known| Fingerprint::of(&known.0) == pinned);
    if found == pinned {
        let is_back = server.certificate_question().is_some();
        let now = BmcCertificates { known: Some(own), question: None, ..kept.clone() };
        return if now == kept { Course::Nothing } else { Course::Known { kept: now, is_back } };
    }
    if server.certificate_question().is_some_and(|question| question.fingerprint() == found) {
        return Course::Nothing;
    }
    match judge(rules, known.as_ref().map(|known| &known.0[..]), &own.0, is_vouched_for, now_us / SECOND_US) {
        Verdict::Accepted(by) => {
            Course::Accepted { kept: kept.renewed(own, pinned), pin: found.to_string(), by }
        }
        Verdict::Ask { why } => {
            let instead_of = pinned.to_string();
            let question = Question { shown: own, instead_of, since_us: now_us, why, refused_by: None };
            Course::Asked { kept: BmcCertificates { known, question: Some(question), ..kept } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::server;

    fn pinned(der: &[u8]) -> Server {
        let mut server = server();
        let certificate_sha256 = Some(Fingerprint::of(der).to_string());
        server.bmc.protocol = BmcProtocol::Redfish { system: None, certificate_sha256, http: false };
        server
    }

    fn shown(der: &[u8]) -> ShownCertificate {
        ShownCertificate::new(vec![der.to_vec()], false).unwrap()
    }

    fn hear(server: &Server, der: &[u8]) -> Course {
        heard(server, &shown(der), &RenewalRules::default(), false, 5)
    }

    #[test]
    fn the_pinned_one_is_learned_once_and_another_one_is_asked_about_once() {
        let mut server = pinned(b"one");
        let Course::Known { kept, is_back: false } = hear(&server, b"one") else { panic!("it is learned") };
        server.upkeep.certificates = Some(kept);
        assert_eq!(hear(&server, b"one"), Course::Nothing);
        let Course::Asked { kept } = hear(&server, b"two") else { panic!("it is asked about") };
        server.upkeep.certificates = Some(kept);
        assert!(
            server.certificate_words().is_some_and(|words| words.contains("bmsctl bmc certificate show n1"))
        );
        assert_eq!(hear(&server, b"two"), Course::Nothing, "it is told once");
        assert!(matches!(hear(&server, b"three"), Course::Asked { .. }), "a third one is another question");
        // Refused, it is not asked about again.
        let kept = server.upkeep.certificates.as_mut().unwrap();
        kept.question.as_mut().unwrap().refused_by = Some("ada".to_owned());
        assert_eq!(hear(&server, b"two"), Course::Nothing);
        assert!(server.certificate_words().is_some_and(|words| words.contains("ada has refused")));
        assert!(matches!(hear(&server, b"one"), Course::Known { is_back: true, .. }));
        // Pinned by an import, it is no question any more.
        server.bmc = pinned(b"two").bmc;
        assert_eq!(server.certificate_question(), None);
        assert!(matches!(hear(&server, b"two"), Course::Known { is_back: false, .. }));
    }

    #[test]
    fn those_of_before_are_remembered_within_a_bound_and_the_pinned_one_is_none_of_them() {
        let name = |number: usize| Fingerprint::of(&[u8::try_from(number).unwrap()]);
        let renew = |kept: BmcCertificates, from: usize, to: usize| {
            kept.renewed(Der(vec![u8::try_from(to).unwrap()]), name(from))
        };
        let mut kept = BmcCertificates::default();
        for number in 0..REPLACED_MAX + 2 {
            kept = renew(kept, number, number + 1);
        }
        assert_eq!(kept.replaced.len(), REPLACED_MAX);
        assert!(!kept.replaced.contains(&name(1).to_string()), "the oldest is forgotten");
        // Back again: it is pinned, and a file that says so is right.
        let back = renew(kept, REPLACED_MAX + 2, REPLACED_MAX);
        assert!(!back.replaced.contains(&name(REPLACED_MAX).to_string()));
        assert!(back.replaced.contains(&name(REPLACED_MAX + 2).to_string()));
    }

    #[test]
    fn nothing_is_concluded_from_one_that_is_not_pinned() {
        for protocol in [
            BmcProtocol::Ipmi { cipher_suite: None },
            BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false },
            BmcProtocol::Redfish { system: None, certificate_sha256: Some("ab".repeat(32)), http: true },
        ] {
            let mut server = server();
            server.bmc.protocol = protocol;
            assert_eq!(hear(&server, b"one"), Course::Nothing);
        }
    }
}
