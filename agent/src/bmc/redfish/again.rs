//! Decisions: what is sent once more to a Redfish service: what it was too busy to answer, what came with a session that it has
//! forgotten, and what a broken connection has swallowed.
//!
//! What must stay true: nothing is sent again that may have switched something already; a busy service is asked so often and no more.

use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::login::is_overloaded;

/// A request is sent so often again to a service that asks us to come back soon.
const REPEATS_MAX: u32 = 2;
/// The longest `Retry-After` that a call waits for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// The pause before a request that was answered 503 without `Retry-After` is sent again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What a request showed of who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A session that was there before.
    Session,
    /// User and password, in it or right before it.
    Credentials,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterAnswer {
    /// User and password were refused.
    LogInRefused,
    /// The service has forgotten the session: the same request, after a new log-in.
    LogInAgain,
    /// The service asks us to come back: the same request, after this pause.
    Repeat(Duration),
    /// It is the answer.
    Take,
}

/// What follows from an answer with this status and this `Retry-After`, to a request that was sent again `repeats` times already.
pub(super) fn after_answer(
    status: StatusCode,
    retry_after: Option<&str>,
    shown: Shown,
    repeats: u32,
) -> AfterAnswer {
    match (status, shown) {
        (StatusCode::UNAUTHORIZED, Shown::Credentials) => AfterAnswer::LogInRefused,
        (StatusCode::UNAUTHORIZED, Shown::Session) => AfterAnswer::LogInAgain,
        (_, Shown::Credentials | Shown::Session) => match pause_asked(status, retry_after) {
            Some(pause) if repeats < REPEATS_MAX => AfterAnswer::Repeat(pause),
            Some(_) | None => AfterAnswer::Take,
        },
    }
}

/// Whether a request whose connection broke before an answer came may be sent again on a new one. What is posted before a log-in is the
/// log-in itself; afterwards it may have switched something.
pub(super) fn may_repeat_after_break(method: &Method, is_logged_in: bool) -> bool {
    !(*method == Method::POST && is_logged_in)
}

/// How long the service asks us to wait before we send the same again; none: it does not, or for too long.
fn pause_asked(status: StatusCode, retry_after: Option<&str>) -> Option<Duration> {
    if status == StatusCode::INTERNAL_SERVER_ERROR || !is_overloaded(status) {
        return None;
    }
    let seconds = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Some(seconds.unwrap_or(RETRY_PAUSE)).filter(|pause| *pause <= RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_service_is_asked_again_as_it_wishes_and_so_often() {
        let repeat = |seconds| AfterAnswer::Repeat(Duration::from_secs(seconds));
        let check = |status: u16, retry_after: Option<&str>, repeats, expected| {
            let status = StatusCode::from_u16(status).unwrap();
            for shown in [Shown::Session, Shown::Credentials] {
                let next = after_answer(status, retry_after, shown, repeats);
                assert_eq!(next, expected, "{status} {retry_after:?} {repeats} {shown:?}");
            }
        };
        check(200, None, 0, AfterAnswer::Take);
        check(503, None, 0, repeat(1));
        check(503, Some(" 10 "), 1, repeat(10));
        check(503, Some("11"), 0, AfterAnswer::Take);
        check(503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), 0, repeat(1));
        check(503, Some("1"), REPEATS_MAX, AfterAnswer::Take);
        check(429, Some("3"), 0, repeat(3));
        // What it cannot do it says so.
        check(500, Some("1"), 0, AfterAnswer::Take);
        check(404, Some("1"), 0, AfterAnswer::Take);
    }

    #[test]
    fn only_a_forgotten_session_is_logged_in_again() {
        let status = StatusCode::UNAUTHORIZED;
        assert_eq!(after_answer(status, None, Shown::Session, 9), AfterAnswer::LogInAgain);
        assert_eq!(after_answer(status, Some("1"), Shown::Credentials, 0), AfterAnswer::LogInRefused);
    }

    #[test]
    fn nothing_is_switched_twice_by_a_broken_connection() {
        for (method, is_logged_in, expected) in [
            (Method::GET, true, true),
            (Method::PATCH, true, true),
            (Method::POST, true, false),
            (Method::POST, false, true),
        ] {
            assert_eq!(may_repeat_after_break(&method, is_logged_in), expected, "{method} {is_logged_in}");
        }
    }
}
