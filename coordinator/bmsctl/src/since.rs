//! Decisions: times as people say them: how long ago something was, in a few letters, and a span before now.

use anyhow::Context;

/// The time from `at` (RFC 3339) to `now`, such as `45s`, `12m`, `3h` or `8d`; nothing for a time that is not known.
pub fn since(at: Option<&str>, now: jiff::Timestamp) -> String {
    let Some(at) = at.and_then(|text| text.parse::<jiff::Timestamp>().ok()) else { return String::new() };
    let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// A moment as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Then.
    At(jiff::Timestamp),
    /// So long before now.
    Ago(jiff::SignedDuration),
}

impl Moment {
    /// As the API takes it.
    pub fn text(self, now: jiff::Timestamp) -> String {
        match self {
            Moment::At(at) => at.to_string(),
            Moment::Ago(ago) => (now - ago).to_string(),
        }
    }
}

/// A time, or a span before now.
pub fn moment(text: &str) -> anyhow::Result<Moment> {
    if let Ok(time) = text.parse() {
        return Ok(Moment::At(time));
    }
    let ago = text.parse().ok();
    ago.map(Moment::Ago)
        .with_context(|| format!("{text:?} is not a time; write 2h, 30m or 2026-11-30T08:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_span_are_understood() {
        let check = |text: &str, expected: &str| {
            let now = "2026-11-30T10:00:00Z".parse().unwrap();
            assert_eq!(moment(text).unwrap().text(now), expected, "{text}");
        };
        check("2026-11-30T08:00:00Z", "2026-11-30T08:00:00Z");
        check("2h", "2026-11-30T08:00:00Z");
        check("1h 30m", "2026-11-30T08:30:00Z");
        assert!(moment("yesterday").unwrap_err().to_string().contains("write 2h"));
    }

    #[test]
    fn ages_are_short() {
        let check = |at: &str, expected: &str| {
            assert_eq!(since(Some(at), "2026-11-22T08:00:00Z".parse().unwrap()), expected, "{at}");
        };
        check("2026-11-22T07:59:15.5Z", "45s");
        check("2026-11-22T07:48:00Z", "12m");
        check("2026-11-22T05:00:00Z", "3h");
        check("2026-11-14T07:00:00Z", "8d");
        check("2026-11-22T09:00:00Z", "0s");
        check("noon", "");
    }
}
