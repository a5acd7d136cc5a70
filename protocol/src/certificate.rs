//! Decisions: how long a certificate is good, as it says itself, and when it is to be renewed. Agent and coordinator decide by the
//! same rule: an agent for its own certificate, the coordinator for its listeners'.
//!
//! Times are seconds since 1970; the caller brings "now".

use std::time::Duration;

use crate::der::{Element, GENERALIZED_TIME, SEQUENCE, UTC_TIME, behind_version};

/// What stands between a certificate's version and its validity: serial number, signature, issuer.
const BEFORE_VALIDITY: usize = 3;
/// A certificate that lasts longer than what is given now by more than this was made under other rules, and is renewed.
pub const LIFE_SLACK: Duration = Duration::from_secs(24 * 3600);
/// Length of a point of the curve P-256, written out (SEC 1, section 2.3.3).
pub const POINT_BYTES: usize = 65;
/// First byte of a point that is written out.
const POINT_UNCOMPRESSED: u8 = 4;

/// From when until when a certificate is good (RFC 5280, section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Validity {
    /// The first second.
    pub begins_s: u64,
    /// The last second.
    pub ends_s: u64,
}

impl Validity {
    /// What a certificate (DER) says; none: it is none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let mut rest = behind_version(certificate)?;
        for _ in 0..BEFORE_VALIDITY {
            rest = Element::read(rest)?.rest;
        }
        let begins = Element::read(Element::tagged(rest, SEQUENCE)?.content)?;
        let ends = Element::read(begins.rest)?;
        Some(Self { begins_s: seconds(begins)?, ends_s: seconds(ends)? })
    }

    /// From its begin to its end.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.ends_s.saturating_sub(self.begins_s))
    }

    /// How much is left of it; none: it has ended.
    pub fn left(&self, now_s: u64) -> Option<Duration> {
        self.ends_s.checked_sub(now_s).map(Duration::from_secs)
    }

    /// Whether it is to be renewed: a third of its life is left, or less; or it lasts longer than what is `given` now, as those of
    /// earlier versions do.
    pub fn is_to_be_renewed(&self, given: Duration, now_s: u64) -> bool {
        let life = self.life();
        self.left(now_s).is_none_or(|left| left <= life / 3) || life > given.saturating_add(LIFE_SLACK)
    }
}

/// The seconds of a UTCTime (`YYMMDDHHMMSSZ`) or a GeneralizedTime (`YYYYMMDDHHMMSSZ`); certificates have no others.
fn seconds(time: Element<'_>) -> Option<u64> {
    let text = std::str::from_utf8(time.content).ok()?.strip_suffix('Z')?;
    let (century, digits) = match (time.tag, text.len()) {
        (UTC_TIME, 12) => (None, text),
        (GENERALIZED_TIME, 14) => (Some(text.get(..2)?), text.get(2..)?),
        _ => return None,
    };
    let mut pairs = [0u64; 6];
    for (pair, at) in pairs.iter_mut().zip((0..12).step_by(2)) {
        let two = digits.get(at..at + 2).filter(|two| two.bytes().all(|digit| digit.is_ascii_digit()))?;
        *pair = two.parse().ok()?;
    }
    let [year, month, day, hour, minute, second] = pairs;
    let year = match century {
        Some(century) => century.parse::<u64>().ok()? * 100 + year,
        // RFC 5280, section 4.1.2.5.1: 50 and above are of the 20th century.
        None if year >= 50 => 1900 + year,
        None => 2000 + year,
    };
    let days = days_since_1970(year, month, day)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days of the Gregorian calendar; none: before 1970, or no date.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let before_month = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = (1970..year).filter(|year| is_leap(*year)).count() as u64;
    let this_leap_day = u64::from(month > 2 && is_leap(year));
    let in_year = before_month.get(usize::try_from(month).ok()? - 1)? + this_leap_day + day - 1;
    Some((year - 1970) * 365 + leap_days + in_year)
}

/// A public key of an agent, for which it wants a certificate: a point of P-256, written out. Whoever asks needs no other proof that
/// it has the private key than the stream on which it asks, which is the rack's.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; POINT_BYTES]);

impl PublicKey {
    /// The point's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

/// Why bytes are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a point of P-256, written out as {POINT_BYTES} bytes that begin with {POINT_UNCOMPRESSED}")]
pub struct InvalidPublicKey;

impl TryFrom<&[u8]> for PublicKey {
    type Error = InvalidPublicKey;
    fn try_from(bytes: &[u8]) -> Result<Self, InvalidPublicKey> {
        let point = <[u8; POINT_BYTES]>::try_from(bytes).map_err(|_| InvalidPublicKey)?;
        if point[0] == POINT_UNCOMPRESSED { Ok(Self(point)) } else { Err(InvalidPublicKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn times_of_certificates_are_read() {
        let check = |tag, text: &str, expected| {
            let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
            assert_eq!(Element::read(&bytes).and_then(seconds), expected, "{text}");
        };
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "240101000000Z", Some(1_704_067_200));
        check(UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        // A leap day, and the day after it.
        check(UTC_TIME, "240229120000Z", Some(1_709_208_000));
        check(UTC_TIME, "240301120000Z", Some(1_709_294_400));
        check(GENERALIZED_TIME, "21000301000000Z", Some(4_107_542_400));
        for nonsense in
            ["", "Z", "2401010000Z", "24+101000000Z", "241301000000Z", "240100000000Z", "690101000000Z"]
        {
            check(UTC_TIME, nonsense, None);
        }
        check(0x13, "240101000000Z", None);
    }

    #[test]
    fn a_certificate_is_renewed_in_its_last_third_or_when_it_lasts_too_long() {
        let given = Duration::from_secs(90 * DAY);
        let validity = |days: u64| Validity { begins_s: 1000 * DAY, ends_s: (1000 + days) * DAY };
        let check = |days: u64, day: u64, expected: bool| {
            let is = validity(days).is_to_be_renewed(given, (1000 + day) * DAY);
            assert_eq!(is, expected, "day {day} of {days}");
        };
        check(90, 0, false);
        check(90, 59, false);
        check(90, 60, true);
        check(90, 89, true);
        check(90, 120, true);
        check(9, 5, false);
        check(9, 6, true);
        // Given for 25 years by an earlier version; and one whose site gives less by now, within the slack and beyond it.
        check(9496, 1, true);
        check(91, 1, false);
        check(92, 1, true);
        // A clock that stands before its begin renews nothing.
        assert!(!validity(90).is_to_be_renewed(given, 0));
    }

    #[test]
    fn only_a_point_is_a_key() {
        let mut point = [7; POINT_BYTES];
        assert_eq!(PublicKey::try_from(&point[..]).err(), Some(InvalidPublicKey));
        point[0] = POINT_UNCOMPRESSED;
        assert_eq!(PublicKey::try_from(&point[..]).unwrap().as_bytes(), point);
        assert!(PublicKey::try_from(&point[1..]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = Validity::of(&bytes);
            let _ = Element::read(&bytes).and_then(seconds);
        }
    }
}
