//! Edges: who looks at the pages: a session in a sealed cookie, checked anew for every request.
//!
//! The cookie holds the Keystone token, sealed under the coordinator's key, so that neither a restart nor another
//! coordinator with the same key signs anybody out, and nobody who reads the cookie has the token. Browsers send it to
//! this origin only (`__Host-`, `Secure`), never to scripts (`HttpOnly`), never with a request that another site caused
//! (`SameSite=Strict`). Every form carries a second secret of the session that only our own pages know.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Ui, page};
use crate::{
    api::types::Problem,
    openstack::{
        error::Error as OpenStackError,
        keystone::{Identity, IssuedToken},
    },
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
    /// Who it is.
    pub identity: Identity,
    /// The Keystone token, for what is done in the visitor's name.
    pub token: Secret,
    /// The secret in every form of this session.
    pub csrf: String,
    /// When the session ends.
    pub expires_at: Timestamp,
}

/// A visitor with the role admin.
pub struct AdminVisitor(pub Visitor);

impl Visitor {
    /// Refuses a form that does not come from one of our pages.
    pub fn check_csrf(&self, shown: &str) -> Result<(), Problem> {
        if bool::from(shown.as_bytes().ct_eq(self.csrf.as_bytes())) {
            return Ok(());
        }
        Err(foreign("The form does not belong to this session: it is older than the last sign-in."))
    }
}

fn foreign(why: &str) -> Problem {
    let detail = format!("{why} Nothing was done; open the page again and repeat what you wanted.");
    Problem::new(StatusCode::FORBIDDEN, "foreign-form", detail)
}

/// Makes the cookie of a new session; none when the token is larger than a cookie may be.
pub fn begin(ui: &Ui, issued: &IssuedToken) -> Option<HeaderValue> {
    let stored = Stored {
        token: issued.token.clone(),
        csrf: format!("{:032x}", rand::random::<u128>()),
        expires_at: issued.expires_at,
    };
    let text = Secret::new(serde_json::to_string(&stored).ok()?);
    let sealed = ui.sealer.seal(PLACE, &text).ok()?;
    let left = issued.expires_at.as_second().saturating_sub(Timestamp::now().as_second());
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
pub async fn visitor(ui: &Ui, headers: &HeaderMap) -> Result<Option<Visitor>, Problem> {
    let Some(Stored { token, csrf, expires_at }) = stored(ui, headers) else { return Ok(None) };
    match ui.keystone.validate_token(&token).await {
        Ok(identity) => Ok(Some(Visitor { identity, token, csrf, expires_at })),
        Err(OpenStackError::NotFound { .. } | OpenStackError::Unauthorized { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// To the sign-in page, and afterwards back to where the visitor wanted to go.
fn to_sign_in(parts: &Parts) -> Response {
    let wanted = parts.uri.path_and_query().map_or("/ui/", |path| path.as_str());
    let back = if parts.method == Method::GET { wanted } else { "/ui/" };
    Redirect::to(&format!("/ui/sign-in?to={}", super::rest::segment(back))).into_response()
}

impl FromRequestParts<Arc<Ui>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Response> {
        match visitor(ui, &parts.headers).await {
            Ok(Some(visitor)) => Ok(visitor),
            Ok(None) => Err(to_sign_in(parts)),
            Err(problem) => Err(page::failure(ui, None, &problem)),
        }
    }
}

impl OptionalFromRequestParts<Arc<Ui>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Option<Self>, Response> {
        // Without Keystone nobody is known; the pages that ask so are for anybody.
        Ok(visitor(ui, &parts.headers).await.unwrap_or(None))
    }
}

impl FromRequestParts<Arc<Ui>> for AdminVisitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Response> {
        let visitor = <Visitor as FromRequestParts<Arc<Ui>>>::from_request_parts(parts, ui).await?;
        if visitor.identity.is_admin {
            return Ok(AdminVisitor(visitor));
        }
        let detail = format!(
            "this page is for administrators; {} has not the role admin in project {}. Sign in as an administrator, or \
             go on to your servers.",
            visitor.identity.user_name,
            visitor.identity.project_name.as_deref().unwrap_or("(none)")
        );
        let problem = Problem { detail, ..Problem::forbidden() };
        Err(page::failure(ui, Some(&visitor), &problem))
    }
}
