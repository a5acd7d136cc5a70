//! Edges: what a caller is told for whom there is no place.

use axum::http::StatusCode;

use super::places::Full;
use crate::problem::Problem;

/// Seconds after which somebody who holds all that it may asks again: it has to let go of something first.
const OWN_RETRY_S: u32 = 10;
/// The same when everybody together holds everything.
const ALL_RETRY_S: u32 = 5;

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        let (status, again) = match full {
            Full::Own { .. } => (StatusCode::TOO_MANY_REQUESTS, OWN_RETRY_S),
            Full::All { .. } => (StatusCode::SERVICE_UNAVAILABLE, ALL_RETRY_S),
        };
        Self::new(status, "too-many", full.to_string()).again_in(again)
    }
}
