//! Decisions: what an answer of the VNC API means: whether to ask again, and what a person is told of a refusal.

use domain::rim::FabricError;

/// Longest reason that is shown, in characters.
pub const REASON_MAX: usize = 400;

/// An answer, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body; a refusal's may be empty.
    pub text: String,
}

/// Why there is no answer to go by.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// Worth another try at once, elsewhere if there is another server.
    Soon(String),
    /// The server failed at it: it may be passing, and what lasts is its answer.
    Failing(HttpAnswer),
    /// Worth another try by the caller, later.
    Later(String),
    /// Not ours to judge.
    Failed(FabricError),
}

/// Tells answers from troubles.
pub fn judge(answer: HttpAnswer) -> Result<HttpAnswer, Trouble> {
    match answer.status {
        500 => Err(Trouble::Failing(answer)),
        502 | 503 => Err(Trouble::Soon(said(&answer))),
        504 => Err(Trouble::Later(said(&answer))),
        _ => Ok(answer),
    }
}

/// How the caller was known to the server that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By a Keystone token.
    ByToken,
    /// Not at all.
    Nameless,
}

/// The refusal of an operation, with what can be done about it.
pub fn refused(operation: String, answer: &HttpAnswer, known: Known) -> FabricError {
    let said = said(answer);
    let reason = match (answer.status, known) {
        (401, Known::Nameless) => {
            format!("{said}: it requires a Keystone token; set contrail.keystone = true")
        }
        (401, Known::ByToken) => format!(
            "{said}: a new Keystone token was refused too; check that the API server asks the Keystone of \
             openstack.auth_url, and our user there"
        ),
        (403, Known::Nameless | Known::ByToken) => format!(
            "{said}: permission denied; give our user (openstack.username) the role admin, which Contrail calls \
             cloud_admin_role, in openstack.project, or allow it by an RBAC rule (api-access-list)"
        ),
        (300..=399, Known::Nameless | Known::ByToken) => format!(
            "{said}: it redirects elsewhere, and our token is sent only to the configured server; set contrail.url to the \
             URL at which the API itself answers"
        ),
        _ => said,
    };
    FabricError::Refused { operation, reason }
}

fn said(answer: &HttpAnswer) -> String {
    let words = words(&answer.text);
    if words.is_empty() {
        return format!("status {}", answer.status);
    }
    format!("status {}: {words}", answer.status)
}

/// The words of an error body: plain text, or the one place of a page that says something.
pub fn words(text: &str) -> String {
    let inner = text.split_once("<pre>").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = match inner {
        Some((inner, _)) => inner
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#039;", "'")
            .replace("&quot;", "\"")
            .replace("&amp;", "&"),
        None => text.to_owned(),
    };
    text.trim().chars().take(REASON_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_ask_again() {
        let check = |status: u16, expected: &str| {
            let seen = match judge(HttpAnswer { status, text: "t".into() }) {
                Ok(_) => "answer",
                Err(Trouble::Soon(_)) => "soon",
                Err(Trouble::Failing(_)) => "failing",
                Err(Trouble::Later(_)) => "later",
                Err(Trouble::Failed(_)) => "failed",
            };
            assert_eq!(seen, expected, "{status}");
        };
        for status in [200, 400, 401, 403, 404, 409, 412] {
            check(status, "answer");
        }
        check(500, "failing");
        check(502, "soon");
        check(503, "soon");
        check(504, "later");
    }

    #[test]
    fn the_words_of_a_refusal_are_found() {
        let check = |text: &str, expected: &str| assert_eq!(words(text), expected);
        check(" [\"a\"] already exists \n", "[\"a\"] already exists");
        check("<html><style>p</style><pre>quota limit (3) &amp; more</pre></html>", "quota limit (3) & more");
        check("<pre>never closed", "<pre>never closed");
        check("", "");
        assert_eq!(words(&"x".repeat(9000)).len(), REASON_MAX);
    }
}
