//! Decisions: by which of a site's rules a BMC's certificate is the renewed one of the certificate that is pinned.
//!
//! Whoever shows a certificate has proved to have its key. The same key is therefore the same BMC. An authority of the site proves as much
//! as the site is careful with it. Equal names prove nothing against somebody who copies them: that rule is for networks on which only
//! BMCs are, and is off unless a site wants it.

use protocol::{certificate::Validity, certificate_parts::CertificateParts, id::RackId};

/// Longest time before its end in which a certificate may be followed by one with the same names, in days.
pub const NAMES_DAYS_MAX: u32 = 365;
/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// By what a renewed certificate is accepted without a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalRules {
    /// The same public key.
    pub same_key: bool,
    /// Signed by one of these authorities (DER), made out to the BMC's address, and good now.
    pub authorities: Vec<Vec<u8>>,
    /// The same owner and issuer, while the old one is in its last so many days or over; none: not by names.
    pub same_names_days: Option<u32>,
}

impl Default for RenewalRules {
    fn default() -> Self {
        Self { same_key: true, authorities: Vec::new(), same_names_days: None }
    }
}

/// The rules of some racks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RackRenewals {
    /// Which; none: all.
    pub racks: Vec<RackId>,
    /// Their rules.
    pub rules: RenewalRules,
}

/// The rules of a site: the first that are about a rack count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteRenewals(pub Vec<RackRenewals>);

impl SiteRenewals {
    /// The rules of a rack.
    pub fn of(&self, rack: &RackId) -> RenewalRules {
        let own = self.0.iter().find(|one| one.racks.is_empty() || one.racks.contains(rack));
        own.map(|one| one.rules.clone()).unwrap_or_default()
    }
}

/// A rule by which a certificate was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// [`RenewalRules::same_key`].
    SameKey,
    /// [`RenewalRules::authorities`].
    Authority,
    /// [`RenewalRules::same_names_days`].
    SameNames,
}

impl Rule {
    /// Why it was accepted, for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::SameKey => "it has the same key",
            Self::Authority => "an authority of the site has signed it for this address",
            Self::SameNames => "it has the same names, and the one before was near its end",
        }
    }
}

/// What is to be done with a certificate that is not the pinned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is pinned from now on.
    Accepted(Rule),
    /// Somebody is asked.
    Ask {
        /// Why no rule accepts it.
        why: String,
    },
}

/// Judges a certificate. `known` is the pinned one, if it was ever shown; `is_vouched_for` says whether an authority of the rules has
/// signed `shown` for the BMC's address.
pub fn judge(
    rules: &RenewalRules,
    known: Option<&[u8]>,
    shown: &[u8],
    is_vouched_for: bool,
    now_s: u64,
) -> Verdict {
    if is_vouched_for {
        return Verdict::Accepted(Rule::Authority);
    }
    let not_vouched = match rules.authorities.is_empty() {
        true => "",
        false => ", and no authority of the site has signed it for this address",
    };
    let ask = |why: &str| Verdict::Ask { why: format!("{why}{not_vouched}") };
    let Some(known) = known else {
        return ask("nothing but its SHA-256 is known of the pinned one, which it has not shown yet");
    };
    let (Some(old), Some(new)) = (CertificateParts::of(known), CertificateParts::of(shown)) else {
        return ask("it cannot be read");
    };
    let is_same_key = old.key_info == new.key_info;
    if rules.same_key && is_same_key {
        return Verdict::Accepted(Rule::SameKey);
    }
    let are_same_names = (old.subject, old.issuer) == (new.subject, new.issuer);
    match rules.same_names_days {
        Some(days) if are_same_names && follows(known, shown, days, now_s) => {
            Verdict::Accepted(Rule::SameNames)
        }
        Some(_) if are_same_names => ask("it has another key, and the pinned one is not near its end"),
        Some(_) => ask("it has another key and other names"),
        None if is_same_key => ask("it has the same key, by which the site's rules accept none"),
        None => ask("it has another key"),
    }
}

/// Whether a certificate is good now and follows one that is in its last days, or over.
fn follows(old: &[u8], new: &[u8], days: u32, now_s: u64) -> bool {
    let (Some(old), Some(new)) = (Validity::of(old), Validity::of(new)) else { return false };
    let near_end = old.ends_s.saturating_sub(u64::from(days) * DAY_S);
    now_s >= near_end && new.begins_s <= now_s && now_s <= new.ends_s && new.begins_s >= old.begins_s
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with this tag.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// A certificate with these names and key, good from 2024-01-01 until this day of 2024.
    fn certificate(name: &[u8], key: &[u8], begins: &str, ends: &str) -> Vec<u8> {
        let time = |text: &str| element(0x17, format!("{text}000000Z").as_bytes());
        let signed = [
            element(0x02, &[7]),
            element(0x30, b"alg"),
            element(0x30, name),
            element(0x30, &[time(begins), time(ends)].concat()),
            element(0x30, name),
            element(0x30, key),
        ];
        element(0x30, &element(0x30, &signed.concat()))
    }

    /// 2024-06-01.
    const NOW_S: u64 = 1_717_200_000;

    #[test]
    fn only_what_a_rule_names_is_accepted_and_everything_else_is_asked_about() {
        let old = certificate(b"bmc1", b"one", "240101", "240620");
        let accepted = |rule| Ok(rule);
        let check = |rules: &RenewalRules, shown: &[u8], vouched: bool, expected: Result<Rule, &str>| match (
            judge(rules, Some(&old), shown, vouched, NOW_S),
            expected,
        ) {
            (Verdict::Accepted(rule), Ok(expected)) => assert_eq!(rule, expected),
            (Verdict::Ask { why }, Err(words)) => assert!(why.contains(words), "{why}"),
            (verdict, expected) => panic!("{verdict:?}, not {expected:?}"),
        };
        let usual = RenewalRules::default();
        let strict = RenewalRules { same_key: false, ..RenewalRules::default() };
        let by_names = |days| RenewalRules { same_names_days: Some(days), ..RenewalRules::default() };
        let sites = RenewalRules { authorities: vec![vec![1]], ..RenewalRules::default() };
        let same_key = certificate(b"other", b"one", "240501", "250501");
        let same_names = certificate(b"bmc1", b"two", "240501", "250501");
        let other = certificate(b"other", b"two", "240501", "250501");

        check(&usual, &same_key, false, accepted(Rule::SameKey));
        check(&strict, &same_key, false, Err("by which the site's rules accept none"));
        check(&usual, &same_names, false, Err("another key"));
        check(&usual, &other, false, Err("another key"));
        check(&by_names(30), &same_names, false, accepted(Rule::SameNames));
        check(&by_names(10), &same_names, false, Err("not near its end"));
        check(&by_names(30), &other, false, Err("other names"));
        // Not good yet, over already, or from before the one that it is to follow.
        for (begins, ends) in [("240701", "250701"), ("240201", "240501"), ("230101", "250101")] {
            check(&by_names(30), &certificate(b"bmc1", b"two", begins, ends), false, Err("not near its end"));
        }
        check(&sites, &other, true, accepted(Rule::Authority));
        check(&sites, &other, false, Err("no authority of the site"));
        check(&usual, b"nonsense", false, Err("cannot be read"));
        let unknown = judge(&usual, None, &same_key, false, NOW_S);
        assert!(
            matches!(&unknown, Verdict::Ask { why } if why.contains("nothing but its SHA-256")),
            "{unknown:?}"
        );
    }

    #[test]
    fn a_rack_may_have_rules_of_its_own() {
        let rules = |days| RenewalRules { same_names_days: Some(days), ..RenewalRules::default() };
        let racks = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let site = SiteRenewals(vec![
            RackRenewals { racks: racks(&["r1", "r2"]), rules: rules(1) },
            RackRenewals { racks: racks(&["r2"]), rules: rules(2) },
            RackRenewals { racks: racks(&[]), rules: rules(3) },
        ]);
        let check =
            |rack: &str, days: u32| assert_eq!(site.of(&rack.parse().unwrap()), rules(days), "{rack}");
        check("r1", 1);
        check("r2", 1);
        check("r3", 3);
        assert_eq!(SiteRenewals::default().of(&"r1".parse().unwrap()), RenewalRules::default());
    }
}
