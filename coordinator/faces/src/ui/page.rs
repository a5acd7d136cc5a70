//! Edges: what every page has: its frame, its banners, its status.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{FromRequest, Request},
    http::{HeaderValue, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::{
    Ui, asset,
    form::Typed,
    session::{self, Visitor},
    view::{When, sentence},
};
use crate::problem::Problem;

/// What is around every page.
pub struct Frame {
    /// Who is signed in.
    pub who: Option<Who>,
    /// The page's own address, which its live parts are read from again; empty: it has none.
    pub url: String,
    /// Which entry of the navigation is this one.
    pub nav: &'static str,
    /// Now, in microseconds since 1970.
    pub now_us: i64,
    /// Changes with the style sheet and the script.
    pub version: &'static str,
    /// What was done just now.
    pub done: Option<String>,
    /// What was refused just now.
    pub refused: Option<Problem>,
}

/// Who is signed in, as the head of a page says it.
pub struct Who {
    /// User.
    pub user: String,
    /// Project, or the whole system.
    pub place: String,
    /// Whether it sees the hardware and everybody's things.
    pub sees_all: bool,
    /// Whether it may change anything: whoever may not is shown no forms.
    pub may_write: bool,
    /// Machines that wait to be accepted; none: nothing that this visitor is told, or not known.
    pub pending: Option<usize>,
    /// The secret in forms.
    pub csrf: String,
    /// When the session ends.
    pub ends: When,
}

impl Frame {
    /// The frame of a visitor's page.
    pub fn new(visitor: Option<&Visitor>, nav: &'static str, url: impl Into<String>) -> Self {
        let now = Timestamp::now();
        let who = visitor.map(|visitor| Who {
            user: visitor.known.identity.user_name.clone(),
            place: visitor.known.identity.project_name().unwrap_or("the whole system").to_owned(),
            sees_all: visitor.known.standing.sees_all(),
            may_write: visitor.may_write(),
            pending: visitor.pending,
            csrf: visitor.csrf.clone(),
            ends: When::at(visitor.expires_at, now),
        });
        Frame {
            who,
            url: url.into(),
            nav,
            now_us: now.as_microsecond(),
            version: asset::version(),
            done: None,
            refused: None,
        }
    }

    /// Says what was done, after the redirect that followed it.
    pub fn done(self, query: &BTreeMap<String, String>) -> Self {
        let done = query.get("done").and_then(|word| done_words(word));
        Frame { done: done.map(str::to_owned), ..self }
    }

    /// Says what was refused.
    pub fn refused(self, problem: Option<Problem>) -> Self {
        Frame { refused: problem, ..self }
    }

    /// Whether forms are shown.
    pub fn may_write(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_write)
    }

    /// The secret in forms.
    pub fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }
}

/// What a word in an address says: only these sentences, so that nobody can put words into our pages by a link.
fn done_words(word: &str) -> Option<&'static str> {
    Some(match word {
        "asked" => "Requested. Progress is shown below.",
        "created" => "The server is being created. Progress is shown below.",
        "made" => "Made.",
        "deleted" => "Deleted.",
        "given-back" => "The server is being given back. Its disks are cleaned before anyone else gets it.",
        "enrolled" => "Enrolled. Its BMC is being checked.",
        "listed" => "Imported. What becomes of each line is shown below.",
        "imported" => "Imported. The BMCs are being checked.",
        "rebuilding" => "The image is being written. The address is kept. Progress is shown below.",
        "accepted" => "Accepted. Its BMC is being checked; then the node becomes manageable automatically.",
        "ignored" => "Ignored. Ignored machines can be shown below.",
        "forgotten" => "Forgotten. It is listed again if it is found again.",
        "scanning" => "The scan has started. Results are shown below.",
        "opened" => "The discovery network is open. It closes automatically.",
        "closed" => "The discovery network is being closed.",
        "moved" => "Done. What could not be moved now is listed below with the reason.",
        "fetching" => "The image is being fetched. Progress is shown below.",
        "dropped" => "Dropped.",
        "signed-out" => "You are signed out. The token is revoked.",
        _ => return None,
    })
}

/// A page, with the status of what it says.
pub fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "page not rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown; check the coordinator's log")
                .into_response()
        }
    }
}

/// A page, with the status of the refusal that it tells of, if any.
pub fn show(frame_refused: Option<StatusCode>, page: &impl Template) -> Response {
    answer(frame_refused.unwrap_or(StatusCode::OK), page)
}

/// The status of a problem.
pub fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Back to a page after something was done.
pub fn done(page: &str, word: &str) -> Response {
    Redirect::to(&format!("{page}?done={word}")).into_response()
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    frame: Frame,
    title: String,
    detail: String,
    next: &'static str,
    /// Where the same can be tried again; empty: it would be the same.
    again: String,
}

/// The page for what cannot be shown: what, why, what next.
pub fn failure(visitor: Option<&Visitor>, problem: &Problem) -> Response {
    failure_at(visitor, problem, visitor.map_or("", |visitor| visitor.at.as_str()))
}

/// The same for a page at this address.
pub fn failure_at(visitor: Option<&Visitor>, problem: &Problem, at: &str) -> Response {
    let status = status_of(problem);
    if status == StatusCode::UNAUTHORIZED && visitor.is_some() {
        // The token ended between two requests.
        return session::ended(at, false);
    }
    let next = match status {
        StatusCode::FORBIDDEN => "",
        StatusCode::NOT_FOUND => "It may have been deleted. Go back to the list.",
        StatusCode::TOO_MANY_REQUESTS => "Nothing was changed by this page. Try again in a moment.",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            "Nothing was changed by this page. Try again in a moment; if this persists, an administrator must check the \
             service that is named."
        }
        _ => "Go back, correct what is named, and try again.",
    };
    let frame = Frame::new(visitor, "", "");
    let again = if status.is_server_error() { at.to_owned() } else { String::new() };
    let detail = sentence(&problem.detail);
    answer(status, &Failure { frame, title: problem.title.clone(), detail, next, again })
}

/// A form that one of our pages sent, in the visitor's name.
pub struct Posted {
    /// Who sent it.
    pub visitor: Visitor,
    /// What was typed.
    pub typed: Typed,
}

impl FromRequest<Arc<Ui>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, ui: &Arc<Ui>) -> Result<Self, Response> {
        use axum::extract::{Form, FromRequestParts};
        let (mut parts, body) = request.into_parts();
        session::check_origin(&parts.headers).map_err(|problem| failure(None, &problem))?;
        let visitor = <Visitor as FromRequestParts<Arc<Ui>>>::from_request_parts(&mut parts, ui).await?;
        let form = Form::<BTreeMap<String, String>>::from_request(Request::from_parts(parts, body), ui).await;
        let typed = match form {
            Ok(Form(typed)) => Typed(typed),
            Err(error) => return Err(failure(Some(&visitor), &Problem::bad(error.to_string()))),
        };
        visitor.check_csrf(typed.get("csrf")).map_err(|problem| failure(Some(&visitor), &problem))?;
        Ok(Posted { visitor, typed })
    }
}

/// A header that is the same for every answer.
pub fn fixed(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
