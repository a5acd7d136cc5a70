//! Edges: who looks at the pages: a session in a sealed cookie, checked anew for every request.
//!
//! The cookie holds the Keystone token, sealed under the coordinator's key, so that neither a restart nor another
//! coordinator with the same key signs anybody out, and nobody who reads the cookie has the token. Browsers send it to
//! this origin only (`__Host-`, `Secure`), never to scripts (`HttpOnly`), never with a request that another site caused
//! (`SameSite=Strict`). Every form carries a second secret of the session that only our own pages know.

use std::sync::Arc;

use api_types::{Discovery, List};
use axum::{
    extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use domain::rim::SignedIn;
use jiff::Timestamp;
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Ui, page};
use crate::{
    access::{Known, Least, PAGES, Standing, Use, least},
    audit::Asked,
    problem::Problem,
};

/// The cookie. Browsers accept a name that begins so only from HTTPS, for the whole origin and no other.
const COOKIE: &str = "__Host-bms";
/// What the seal is bound to.
const PLACE: &str = "ui.session";
/// Largest cookie that browsers keep.
const COOKIE_BYTES_MAX: usize = 4000;

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    token: Secret,
    csrf: String,
    expires_at: Timestamp,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Visitor {
    /// Who it is, and what it may do.
    pub known: Known,
    /// The Keystone token, for what is done in the visitor's name.
    pub token: Secret,
    /// The secret in every form of this session.
    pub csrf: String,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// Where the visitor is: the page, or the page whose form was sent.
    pub at: String,
    /// The request by which the visitor is here; what the pages ask the API for belongs to it.
    pub asked: Option<Asked>,
    /// Machines that wait to be accepted; none: nothing that this visitor is told, or not known.
    pub pending: Option<usize>,
}

impl Visitor {
    /// Refuses a form that does not come from one of our pages.
    pub fn check_csrf(&self, shown: &str) -> Result<(), Problem> {
        if bool::from(shown.as_bytes().ct_eq(self.csrf.as_bytes())) {
            return Ok(());
        }
        Err(foreign("The form does not belong to this session: it is older than your last sign-in."))
    }

    /// Whether this visitor may change anything: what every page that it may see has forms for.
    pub fn may_write(&self) -> bool {
        match self.known.standing {
            Standing::Administrator | Standing::Member => true,
            Standing::Auditor | Standing::Reader => false,
        }
    }
}

fn foreign(why: &str) -> Problem {
    let detail = format!("{why} Nothing was done; open the page again and repeat the action.");
    Problem::new(StatusCode::FORBIDDEN, "foreign-form", detail)
}

/// Makes the cookie of a new session; none when the token is larger than a cookie may be.
pub fn begin(ui: &Ui, signed_in: &SignedIn) -> Option<HeaderValue> {
    let expires_at = Timestamp::from_microsecond(i64::try_from(signed_in.bearer.ends_us).ok()?).ok()?;
    let stored = Stored {
        token: signed_in.token.clone(),
        csrf: format!("{:032x}", rand::random::<u128>()),
        expires_at,
    };
    let text = Secret::new(serde_json::to_string(&stored).ok()?);
    let sealed = ui.sealer.seal(PLACE, &text).ok()?;
    let left = expires_at.as_second().saturating_sub(Timestamp::now().as_second());
    let cookie = format!("{COOKIE}={sealed}; Path=/; Max-Age={left}; Secure; HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&cookie).ok().filter(|_| cookie.len() <= COOKIE_BYTES_MAX)?;
    value.set_sensitive(true);
    Some(value)
}

/// The cookie that ends a session.
pub fn end() -> HeaderValue {
    HeaderValue::from_static("__Host-bms=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

/// Refuses a request that another site's page caused. Browsers say so in `Sec-Fetch-Site`; older ones name the `Origin`.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, Some(_), None) => false,
        // No browser: it sends no cookie that it was not given on purpose.
        (None, None, _) => true,
    };
    if ours { Ok(()) } else { Err(foreign("The request was made by a page of another site.")) }
}

fn stored(ui: &Ui, headers: &HeaderMap) -> Option<Stored> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let sealed = cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)?
        .1;
    let text = ui.sealer.open(PLACE, sealed).ok()?;
    serde_json::from_str(text.reveal()).ok().filter(|s: &Stored| Timestamp::now() < s.expires_at)
}

/// Who asks; nobody when there is no good session.
async fn visitor(ui: &Ui, parts: &Parts) -> Result<Option<Visitor>, Problem> {
    let Some(Stored { token, csrf, expires_at }) = stored(ui, &parts.headers) else { return Ok(None) };
    let wanted = if parts.method == Method::GET { Use::Look } else { Use::Change };
    let known = match ui.authenticator.know(&token, wanted).await {
        Ok(known) => known,
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let asked = parts.extensions.get::<Asked>().cloned();
    if let Some(asked) = &asked {
        asked.is_by(&known);
    }
    let mut visitor = Visitor { known, token, csrf, expires_at, at: place(parts), asked, pending: None };
    if visitor.known.standing.sees_all() {
        // What is not known is not counted; the page of discoveries says why.
        let found = ui.rest.get::<List<Discovery>>(&visitor, "/v1/discoveries").await;
        visitor.pending = found.ok().map(|found| found.items.len());
    }
    Ok(Some(visitor))
}

/// Where somebody is: the page, or the page whose form was sent.
fn place(parts: &Parts) -> String {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if parts.method == Method::GET {
        return parts.uri.path_and_query().map_or("/ui/", |path| path.as_str()).to_owned();
    }
    let from = text("referer").and_then(|from| from.split_once("://")).zip(text("host"));
    let path = from.and_then(|((_, from), host)| from.strip_prefix(host)).unwrap_or_default();
    if path.starts_with("/ui/") { path.to_owned() } else { "/ui/".to_owned() }
}

/// To the sign-in page, and afterwards back to where the visitor was.
fn to_sign_in(parts: &Parts) -> Response {
    let sent = parts.method != Method::GET;
    if parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .any(|value| value.as_bytes().starts_with(COOKIE.as_bytes()))
    {
        return ended(&place(parts), sent);
    }
    let to = domain::url_text::segment(&place(parts));
    let lost = if sent { "&why=lost" } else { "" };
    Redirect::to(&format!("/ui/sign-in?to={to}{lost}")).into_response()
}

/// Ends a session that is over, and says so; `sent`: a form was sent, and nothing was done.
pub fn ended(at: &str, sent: bool) -> Response {
    let why = if sent { "lost" } else { "ended" };
    let to = domain::url_text::segment(at);
    let mut response = Redirect::to(&format!("/ui/sign-in?to={to}&why={why}")).into_response();
    response.headers_mut().insert(header::SET_COOKIE, end());
    response
}

/// Lets through who may see the page or send the form; everything under `/ui/` passes here.
pub async fn admit(State(ui): State<Arc<Ui>>, path: MatchedPath, request: Request, next: Next) -> Response {
    let Some(least) = least(PAGES, request.method(), path.as_str()) else {
        let detail = format!("{} is not allowed on this page", request.method());
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        return page::failure(None, &problem);
    };
    if least == Least::Anybody {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let visitor = match visitor(&ui, &parts).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return to_sign_in(&parts),
        Err(problem) => {
            // It is not known whose session this is, so no more is told than a tenant would be.
            let asked = parts.extensions.get::<Asked>();
            let problem = problem.for_tenants(asked.map_or("", Asked::request_id));
            return page::failure_at(None, &problem, &place(&parts));
        }
    };
    if let Err(problem) = ui.authenticator.check(&visitor.known, least) {
        return page::failure(Some(&visitor), &problem);
    }
    parts.extensions.insert(visitor);
    next.run(Request::from_parts(parts, body)).await
}

impl FromRequestParts<Arc<Ui>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Ui>) -> Result<Self, Response> {
        // Only a page for anybody has none, and such a page asks for an optional one.
        parts.extensions.get::<Visitor>().cloned().ok_or_else(|| to_sign_in(parts))
    }
}

impl OptionalFromRequestParts<Arc<Ui>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Option<Self>, Response> {
        // Without Keystone nobody is known; the pages that ask so are for anybody.
        Ok(visitor(ui, parts).await.unwrap_or(None))
    }
}
