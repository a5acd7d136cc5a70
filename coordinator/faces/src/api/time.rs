//! Values: moments as the API says them.

use jiff::Timestamp;

use crate::problem::Problem;

/// A time of a request, in microseconds since 1970; what cannot be read is refused with its field.
pub fn moment_us(field: &'static str, text: &str) -> Result<u64, Problem> {
    let time: Option<Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_microsecond()).ok()).ok_or_else(|| {
        Problem::bad_at(field, format!("{text:?} is not a time; write one such as 2026-11-30T08:00:00Z"))
    })
}

/// A time for people and programs (RFC 3339).
pub fn time(us: u64) -> Option<String> {
    let time = Timestamp::from_microsecond(i64::try_from(us).ok()?).ok()?;
    Some(format!("{time:.3}"))
}
