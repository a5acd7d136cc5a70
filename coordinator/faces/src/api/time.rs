//! Values: moments as the API says them.

use jiff::Timestamp;

/// A time for people and programs (RFC 3339).
pub fn time(us: u64) -> Option<String> {
    let time = Timestamp::from_microsecond(i64::try_from(us).ok()?).ok()?;
    Some(format!("{time:.3}"))
}
