//! Decisions: how long ago something was, in a few letters.

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

#[cfg(test)]
mod tests {
    use super::*;

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
