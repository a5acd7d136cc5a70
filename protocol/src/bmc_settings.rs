//! Values: what a site says of one server's BMC beyond its address, user and password.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{hex, quirk::SaidQuirk, secret::Secret};

/// Longest key K_g, in bytes (IPMI 2.0, section 22.25).
pub const KG_BYTES_MAX: usize = 20;
/// Bounds of [`BmcSettings::answer_wait_ms`].
pub const ANSWER_WAIT_MS: std::ops::RangeInclusive<u32> = 100..=10_000;
/// Bounds of [`BmcSettings::request_gap_ms`].
pub const REQUEST_GAP_MS: std::ops::RangeInclusive<u32> = 0..=5_000;
/// Bounds of [`BmcSettings::poll_interval_ms`].
pub const POLL_INTERVAL_MS: std::ops::RangeInclusive<u32> = 1_000..=20_000;
/// Bounds of [`BmcSettings::requests_per_second`].
pub const REQUESTS_PER_SECOND: std::ops::RangeInclusive<u32> = 1..=1_000;
/// Bounds of [`BmcSettings::sessions_max`].
pub const SESSIONS_MAX: std::ops::RangeInclusive<u32> = 1..=8;

/// What a site says of one BMC; nothing said: as for every BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BmcSettings {
    /// IPMI: the privilege that its user may have; none: ADMINISTRATOR is asked for, and OPERATOR when that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privilege: Option<UserPrivilege>,
    /// IPMI: the BMC's own key; none: it has none, and the password stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k_g: Option<KgKey>,
    /// Quirks that it has or has not, whatever is known of its make; the last word on one counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<SaidQuirk>,
    /// Wait for the answer to a question's first try, in milliseconds; none: 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_wait_ms: Option<u32>,
    /// Pause between two requests, in milliseconds; none: no pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_gap_ms: Option<u32>,
    /// From one reading of the power to the next, in milliseconds; none: the agent's interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_interval_ms: Option<u32>,
    /// Most requests a second; none: the agent's usual pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// IPMI: most sessions that the agent has open at a time; none: as many as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
}

impl BmcSettings {
    /// The wait for the answer to a first try, if one is given.
    pub fn answer_wait(&self) -> Option<Duration> {
        self.answer_wait_ms.map(|ms| Duration::from_millis(ms.into()))
    }

    /// The pause between two requests, if one is given.
    pub fn request_gap(&self) -> Option<Duration> {
        self.request_gap_ms.map(|ms| Duration::from_millis(ms.into()))
    }

    /// From one reading of the power to the next, if it is given.
    pub fn poll_interval(&self) -> Option<Duration> {
        self.poll_interval_ms.map(|ms| Duration::from_millis(ms.into()))
    }
}

/// The privileges of a BMC's user that are enough to run a server (IPMI 2.0, section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserPrivilege {
    /// Switches power and sets boot flags.
    Operator,
    /// Everything.
    Administrator,
}

impl UserPrivilege {
    /// Its name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            UserPrivilege::Operator => "OPERATOR",
            UserPrivilege::Administrator => "ADMINISTRATOR",
        }
    }
}

impl fmt::Display for UserPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no such privilege.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} must be ADMINISTRATOR or OPERATOR: less is not enough to switch power")]
pub struct UnknownPrivilege(String);

impl FromStr for UserPrivilege {
    type Err = UnknownPrivilege;
    fn from_str(text: &str) -> Result<Self, UnknownPrivilege> {
        [UserPrivilege::Operator, UserPrivilege::Administrator]
            .into_iter()
            .find(|privilege| privilege.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownPrivilege(text.to_owned()))
    }
}

/// A BMC's own key K_g, as lower-case hexadecimal digits. It is as secret as a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KgKey(Secret);

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the key K_g in 2 to 40 hexadecimal digits, two for each byte, with or without 0x before them"
)]
pub struct NoKey;

impl KgKey {
    /// From digits, two a byte, as they are written: capitals or not, with `0x` before them or not.
    pub fn from_hex(digits: &str) -> Result<Self, NoKey> {
        let plain = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
        let bytes = Zeroizing::new(hex::decode(plain).ok_or(NoKey)?);
        match bytes.len() {
            1..=KG_BYTES_MAX => Ok(Self(Secret::new(hex::encode(&*bytes)))),
            _ => Err(NoKey),
        }
    }

    /// From a text of 1 to 20 bytes, as many BMCs ask for it.
    pub fn from_text(text: &str) -> Result<Self, NoKey> {
        Self::from_hex(&hex::encode(text))
    }

    /// Its digits, for the one place that has to send or seal them.
    pub fn reveal_hex(&self) -> &str {
        self.0.reveal()
    }

    /// The key itself.
    pub fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(hex::decode(self.0.reveal()).expect("it was checked when it was made"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_digits_or_text_and_never_shown() {
        let check = |text: &str, expected: Option<&[u8]>| {
            let key = KgKey::from_hex(text).ok();
            assert_eq!(key.map(|key| key.bytes().to_vec()).as_deref(), expected, "{text:?}");
        };
        check("0x736974652D6b6579", Some(b"site-key"));
        check("736974652d6b6579", Some(b"site-key"));
        check("00", Some(&[0]));
        check(&"ab".repeat(20), Some(&[0xab; 20]));
        for text in ["", "0x", "a", "site-key", "0x0", &"ab".repeat(21), "0x0x00"] {
            check(text, None);
        }
        let key = KgKey::from_text("site-key").unwrap();
        assert_eq!(Ok(&key), KgKey::from_hex(key.reveal_hex()).as_ref());
        let settings = BmcSettings { k_g: Some(key), ..BmcSettings::default() };
        assert!(!format!("{settings:?}").contains("73697465"), "{settings:?}");
        assert!(KgKey::from_text("").is_err() && KgKey::from_text(&"k".repeat(21)).is_err());
    }

    #[test]
    fn nothing_said_is_nothing_stored_and_everything_comes_back() {
        assert_eq!(serde_json::to_string(&BmcSettings::default()).unwrap(), "{}");
        let settings = BmcSettings {
            privilege: Some(UserPrivilege::Operator),
            k_g: Some(KgKey::from_text("k").unwrap()),
            quirks: vec!["no-suite-3-first".parse().unwrap()],
            answer_wait_ms: Some(2000),
            request_gap_ms: Some(0),
            poll_interval_ms: Some(10_000),
            requests_per_second: Some(5),
            sessions_max: Some(1),
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<BmcSettings>(&text).unwrap(), settings, "{text}");
        assert!(text.contains("\"OPERATOR\"") && text.contains("\"no-suite-3-first\""), "{text}");
        for text in ["operator", "OPERATOR", "Administrator"] {
            assert!(text.parse::<UserPrivilege>().is_ok(), "{text}");
        }
        assert!("USER".parse::<UserPrivilege>().unwrap_err().to_string().contains("OPERATOR"));
    }
}
