//! Decisions: what is asked of a Redfish service once more, after which pause, and how often: the one table, and the one deadline.
//!
//! What must stay true: nothing is sent again that may have switched something already, and no pause ends after the call's deadline.
//! The pauses of the table are in units of [`Pace`], a second in the product; what a service asks for is in its own seconds.

use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};
use protocol::{backoff::Backoff, redfish::ErrorBody};

use super::super::account::Pace;

/// From a call's beginning to the last time that something is asked again for it. A power-on has
/// [`ON_COMMAND_MAX`](protocol::power_budget::ON_COMMAND_MAX) in all.
pub(super) const CALL_MAX: Duration = Duration::from_secs(24);

/// The same of a mere reading, which is asked for again soon in any case: its answer says at once what keeps it.
pub(super) const READING_MAX: Duration = Duration::from_millis(1500);

/// What came in place of the answer that was wanted, and may be different next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection broke: some services close it when it is used again, and some under load.
    Broken,
    /// It had forgotten our session: we log in anew, and look who answers before anything is written.
    SessionLost,
    /// It has no room for us: it is overloaded, starting, or out of sessions.
    Busy,
    /// It failed by its own fault, in something that does no harm when it is done twice.
    Faulty,
    /// What was to be written is in use.
    InUse,
    /// The server is in no state for this power command; for some seconds after a power-off that is usual.
    NotInThisState,
}

impl Trouble {
    /// Whether nothing has been done yet. Otherwise only a reading tells, and of a restart none does.
    pub(super) fn has_not_begun(self) -> bool {
        match self {
            Trouble::SessionLost | Trouble::Busy | Trouble::InUse | Trouble::NotInThisState => true,
            Trouble::Broken | Trouble::Faulty => false,
        }
    }
}

/// How often something is asked again, and after which pauses: the first, then each twice as long, up to the longest.
struct Row {
    trouble: Trouble,
    first: u32,
    longest: u32,
    repeats: u32,
}

const TABLE: [Row; 6] = [
    Row { trouble: Trouble::SessionLost, first: 0, longest: 0, repeats: 1 },
    Row { trouble: Trouble::Broken, first: 0, longest: 0, repeats: 2 },
    Row { trouble: Trouble::Busy, first: 1, longest: 4, repeats: 5 },
    Row { trouble: Trouble::Faulty, first: 1, longest: 2, repeats: 2 },
    Row { trouble: Trouble::InUse, first: 1, longest: 2, repeats: 3 },
    // An iDRAC refuses a power-on for 20 s after a power-off.
    Row { trouble: Trouble::NotInThisState, first: 1, longest: 3, repeats: 8 },
];

/// Kinds of message (of the registries `Base` and of makers) that say "not now" whatever status comes with them.
const PASSING_KINDS: [&str; 12] = [
    "ServiceTemporarilyUnavailable",
    "ServiceShuttingDown",
    "ServiceInUnknownState",
    "ResourceInUse",
    "ResourceInStandby",
    "ResourceExhaustion",
    "SessionLimitExceeded",
    "OperationTimeout",
    "ResetInProgress",
    // Dell: a job or the Lifecycle Controller is busy.
    "SYS518",
    "SYS413",
    "RAC0679",
];
/// Kinds of message that say of a 403 that our session is over.
const NO_SESSION_KINDS: [&str; 2] = ["NoValidSession", "SessionTerminated"];
/// Words by which makers say the same in sentences of their own, in lower-case letters.
const PASSING_WORDS: [&str; 8] = [
    "try again",
    "retry",
    "busy",
    "in progress",
    "not ready",
    "still starting",
    "in this state",
    "being reset",
];

/// Time that a call has left, and the length of a unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) pace: Pace,
    pub(super) time: Duration,
}

impl Left {
    /// The pause before something is asked again that was asked again so many times already; none: it is not asked again. `wish`: how
    /// long the service asks us to wait.
    pub(super) fn pause(&self, trouble: Trouble, repeats: u32, wish: Option<Duration>) -> Option<Duration> {
        let row = TABLE.iter().find(|row| row.trouble == trouble)?;
        let growing = Backoff::new(self.pace.units(row.first), self.pace.units(row.longest));
        let pause = wish.unwrap_or(growing.after(repeats.saturating_add(1)));
        (repeats < row.repeats && pause <= self.time).then_some(pause)
    }
}

/// What is wrong that may pass, by the answer to a request; none: it is the answer.
pub(super) fn trouble(method: &Method, status: StatusCode, body: &ErrorBody) -> Option<Trouble> {
    let in_use = if *method == Method::POST { Trouble::NotInThisState } else { Trouble::InUse };
    match status {
        StatusCode::UNAUTHORIZED => Some(Trouble::SessionLost),
        StatusCode::FORBIDDEN if body.kinds().any(|kind| NO_SESSION_KINDS.contains(&kind)) => {
            Some(Trouble::SessionLost)
        }
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::LOCKED
        | StatusCode::TOO_EARLY => Some(Trouble::Busy),
        StatusCode::CONFLICT => Some(in_use),
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Some(if passes(body) { in_use } else { Trouble::Faulty })
        }
        _ if status.is_client_error() && passes(body) => Some(in_use),
        _ => None,
    }
}

fn passes(body: &ErrorBody) -> bool {
    let text = body.text().unwrap_or_default().to_ascii_lowercase();
    body.kinds().any(|kind| PASSING_KINDS.contains(&kind))
        || PASSING_WORDS.iter().any(|word| text.contains(word))
}

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
    /// The service has forgotten the session: a reading is asked for again after a new log-in; what writes begins with one.
    LogInAgain,
    /// The same request, after this pause.
    Repeat(Duration),
    /// It is the answer.
    Take,
}

/// What follows from an answer to a request that was sent again `repeats` times already. A POST is repeated by whoever knows what it
/// does: the power is read in between.
pub(super) fn after_answer(
    asked: (&Method, Shown, u32),
    status: StatusCode,
    trouble: Option<Trouble>,
    wish: Option<Duration>,
    left: Left,
) -> AfterAnswer {
    let (method, shown, repeats) = asked;
    match (status, trouble, shown) {
        (StatusCode::UNAUTHORIZED, _, Shown::Credentials) => AfterAnswer::LogInRefused,
        (StatusCode::UNAUTHORIZED, _, Shown::Session) | (_, Some(Trouble::SessionLost), Shown::Session) => {
            AfterAnswer::LogInAgain
        }
        (_, _, Shown::Credentials | Shown::Session) => {
            let may_pass = |trouble: &Trouble| *method != Method::POST && *trouble != Trouble::SessionLost;
            let pause = trouble.filter(may_pass);
            match pause.and_then(|trouble| left.pause(trouble, repeats, wish)) {
                Some(pause) => AfterAnswer::Repeat(pause),
                None => AfterAnswer::Take,
            }
        }
    }
}

/// Whether a request whose connection broke before an answer came may be sent again on a new one. What is posted before a log-in is the
/// log-in itself; afterwards it may have switched something.
pub(super) fn may_repeat_after_break(method: &Method, is_logged_in: bool) -> bool {
    !(*method == Method::POST && is_logged_in)
}

/// How long `Retry-After` asks us to wait: seconds, or a date (RFC 9110, section 10.2.3). A date is compared with the service's own
/// clock, as `Date` tells it, because BMCs' clocks are wrong; with ours where it tells none.
pub(super) fn wish(retry_after: Option<&str>, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let text = retry_after?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LEFT: Left = Left { pace: Pace(Duration::from_secs(1)), time: CALL_MAX };

    fn body(body: Value) -> ErrorBody {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let says = |text: &str| body(json!({"error": {"code": "Base.1.8.GeneralError", "message": text}}));
        let kind = |id: &str| body(json!({"error": {"@Message.ExtendedInfo": [{"MessageId": id}]}}));
        let silent = ErrorBody::default;
        let check = |method: Method, status: u16, said: ErrorBody, expected: Option<Trouble>| {
            let found = trouble(&method, StatusCode::from_u16(status).unwrap(), &said);
            assert_eq!(found, expected, "{method} {status} {said:?}");
        };
        check(Method::GET, 200, silent(), None);
        check(Method::GET, 503, silent(), Some(Trouble::Busy));
        check(Method::POST, 429, silent(), Some(Trouble::Busy));
        check(Method::GET, 500, silent(), Some(Trouble::Faulty));
        check(Method::GET, 501, silent(), None);
        check(Method::GET, 404, silent(), None);
        check(Method::POST, 409, silent(), Some(Trouble::NotInThisState));
        check(Method::PATCH, 409, silent(), Some(Trouble::InUse));
        check(Method::POST, 400, silent(), None);
        check(Method::POST, 400, says("The property is unknown."), None);
        check(
            Method::POST,
            400,
            says("Retry the operation after 30 seconds."),
            Some(Trouble::NotInThisState),
        );
        check(Method::POST, 400, kind("IDRAC.2.8.SYS518"), Some(Trouble::NotInThisState));
        check(Method::PATCH, 400, kind("Base.1.12.ResourceInUse"), Some(Trouble::InUse));
        check(Method::POST, 500, says("The BMC is busy."), Some(Trouble::NotInThisState));
        check(Method::PATCH, 412, silent(), None);
        check(Method::GET, 408, silent(), Some(Trouble::Busy));
        check(Method::GET, 403, silent(), None);
        check(Method::GET, 403, kind("Base.1.8.NoValidSession"), Some(Trouble::SessionLost));
        check(Method::GET, 403, kind("Base.1.8.InsufficientPrivilege"), None);
    }

    #[test]
    fn each_trouble_is_tried_so_often_and_never_past_the_deadline() {
        let check = |trouble, expected: &[u64]| {
            let (mut left, mut pauses) = (LEFT, Vec::new());
            while let Some(pause) = left.pause(trouble, pauses.len() as u32, None) {
                left.time -= pause;
                pauses.push(pause.as_secs());
            }
            assert_eq!(pauses, expected, "{trouble:?}");
        };
        check(Trouble::SessionLost, &[0]);
        check(Trouble::Broken, &[0, 0]);
        check(Trouble::Busy, &[1, 2, 4, 4, 4]);
        check(Trouble::Faulty, &[1, 2]);
        check(Trouble::InUse, &[1, 2, 2]);
        check(Trouble::NotInThisState, &[1, 2, 3, 3, 3, 3, 3, 3]);
        let late = Left { time: Duration::from_secs(2), ..LEFT };
        assert_eq!(late.pause(Trouble::NotInThisState, 2, None), None);
        assert_eq!(late.pause(Trouble::Busy, 0, Some(Duration::from_secs(3))), None);
        assert_eq!(late.pause(Trouble::Busy, 0, Some(Duration::from_secs(2))), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_busy_service_is_asked_again_as_it_wishes_and_so_often() {
        let repeat = |seconds| AfterAnswer::Repeat(Duration::from_secs(seconds));
        let check = |method: Method, status: u16, wish: Option<u64>, repeats, expected| {
            let status = StatusCode::from_u16(status).unwrap();
            let trouble = trouble(&method, status, &ErrorBody::default());
            let wish = wish.map(Duration::from_secs);
            for shown in [Shown::Session, Shown::Credentials] {
                let next = after_answer((&method, shown, repeats), status, trouble, wish, LEFT);
                assert_eq!(next, expected, "{method} {status} {wish:?} {repeats} {shown:?}");
            }
        };
        check(Method::GET, 200, None, 0, AfterAnswer::Take);
        check(Method::GET, 503, None, 0, repeat(1));
        check(Method::PATCH, 503, Some(10), 1, repeat(10));
        check(Method::GET, 503, Some(25), 0, AfterAnswer::Take);
        check(Method::GET, 503, Some(1), 5, AfterAnswer::Take);
        check(Method::GET, 429, Some(3), 0, repeat(3));
        check(Method::GET, 404, Some(1), 0, AfterAnswer::Take);
        // The power is read before it is posted again.
        check(Method::POST, 503, Some(1), 0, AfterAnswer::Take);
    }

    #[test]
    fn only_a_forgotten_session_is_logged_in_again() {
        let check = |shown, expected| {
            let asked = (&Method::GET, shown, 9);
            assert_eq!(after_answer(asked, StatusCode::UNAUTHORIZED, None, None, LEFT), expected);
        };
        check(Shown::Session, AfterAnswer::LogInAgain);
        check(Shown::Credentials, AfterAnswer::LogInRefused);
        // What says so with another status is believed of a session only: a log-in that was refused is counted by its status.
        let lost = Some(Trouble::SessionLost);
        for (shown, expected) in
            [(Shown::Session, AfterAnswer::LogInAgain), (Shown::Credentials, AfterAnswer::Take)]
        {
            let next = after_answer((&Method::GET, shown, 0), StatusCode::FORBIDDEN, lost, None, LEFT);
            assert_eq!(next, expected, "{shown:?}");
        }
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

    #[test]
    fn a_wish_is_seconds_or_a_date_by_the_services_own_clock() {
        let at = |text: &str| httpdate::parse_http_date(text).unwrap();
        let now = at("Wed, 21 Oct 2026 07:28:00 GMT");
        let check = |retry_after: &str, date: Option<&str>, expected: Option<u64>| {
            let found = wish(Some(retry_after), date, now);
            assert_eq!(found, expected.map(Duration::from_secs), "{retry_after} {date:?}");
        };
        check(" 10 ", None, Some(10));
        check("Wed, 21 Oct 2026 07:28:05 GMT", None, Some(5));
        check("Thu, 01 Jan 1970 00:01:07 GMT", Some("Thu, 01 Jan 1970 00:01:00 GMT"), Some(7));
        check("Wed, 21 Oct 2026 07:27:00 GMT", None, Some(0));
        check("soon", None, None);
        assert_eq!(wish(None, None, now), None);
    }
}
