//! Edges: what is known of a request under way: its id, where it came from, who asks, and for what.
//!
//! It travels with the request: the layer in front makes it, the authenticator says whose token was shown, a handler says which of its
//! actions is meant, and the pages hand it on to the API, which they ask in the visitor's name.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use domain::rim::Identity;
use http::{HeaderMap, request::Parts};
use protocol::text::bounded;
use uuid::Uuid;

use crate::access::{Known, Standing};

/// The header by which OpenStack's services hand a request's id on.
pub const REQUEST_ID: &str = "x-request-id";
/// So much is kept of a name that somebody claims.
const CLAIM_CHARS_MAX: usize = 255;
/// So much is kept of an action's name.
const ACTION_CHARS_MAX: usize = 64;

/// So much is kept of a reason.
const REASON_CHARS_MAX: usize = 255;

/// A request under way. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Asked(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_id: String,
    source: Option<IpAddr>,
    route: String,
    /// The page's request that caused this one.
    page: Option<Asked>,
    said: Mutex<Said>,
}

/// What is learned while it is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Whose token was shown.
    pub identity: Option<Identity>,
    /// What that gives; none: nothing.
    pub standing: Option<Standing>,
    /// The name that somebody gave who showed none.
    pub claimed: Option<String>,
    /// It is Ironic, by the credentials of a server.
    pub is_ironic: bool,
    /// Which action is meant.
    pub action: Option<String>,
    /// Why it is asked for.
    pub reason: Option<String>,
    /// A row was written for what it caused.
    pub written: bool,
}

impl Asked {
    /// A request that arrives at a route; one that a page makes belongs to the page's own.
    pub fn of(request: &Request, route: &str) -> Self {
        let page = request.extensions().get::<Asked>().cloned();
        let peer =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        let (request_id, source) = match &page {
            Some(page) => (page.0.request_id.clone(), page.0.source),
            None => (request_id(request.headers()), peer),
        };
        Self(Arc::new(Inner { request_id, source, route: route.to_owned(), page, said: Mutex::default() }))
    }

    /// Its id.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// It shows this one's token, whatever that gives.
    pub fn is_of(&self, identity: &Identity) {
        self.said().identity = Some(identity.clone());
    }

    /// It shows this one's token, which gives something.
    pub fn is_by(&self, known: &Known) {
        self.is_of(&known.identity);
        self.said().standing = Some(known.standing);
    }

    /// It shows no token, and whoever asks claims this name.
    pub fn is_claimed_by(&self, name: &str) {
        self.said().claimed = Some(bounded(name, CLAIM_CHARS_MAX).into_owned());
    }

    /// It is Ironic's: it showed the credentials of the server that it is about.
    pub fn is_ironics(&self) {
        self.said().is_ironic = true;
    }

    /// Of the route's actions this one is meant.
    pub fn does(&self, action: &str) {
        self.said().action = Some(bounded(action, ACTION_CHARS_MAX).into_owned());
    }

    /// It is asked for because of this, which is to be kept.
    pub fn because(&self, reason: &str) {
        self.said().reason = Some(bounded(reason, REASON_CHARS_MAX).into_owned());
    }

    pub(super) fn source(&self) -> Option<IpAddr> {
        self.0.source
    }

    pub(super) fn route(&self) -> &str {
        &self.0.route
    }

    pub(super) fn page(&self) -> Option<&Asked> {
        self.0.page.as_ref()
    }

    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = parts.extensions.get::<Asked>().cloned();
        // Without the layer in front, as in a handler's own test, nobody reads it.
        Ok(asked.unwrap_or_else(|| Asked::of(&Request::default(), "")))
    }
}

/// The id that was handed on, if it is one; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let uuid = given.and_then(|text| text.strip_prefix("req-")).filter(|text| text.len() == 36);
    let uuid = uuid.and_then(|text| text.parse().ok()).unwrap_or_else(Uuid::new_v4);
    format!("req-{uuid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_request_id_is_taken_over_and_any_other_replaced() {
        let check = |given: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, given.parse().unwrap());
            let id = request_id(&headers);
            assert_eq!(id == given, kept, "{given} became {id}");
            assert_eq!(id.len(), 40);
        };
        check("req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab", true);
        check("6ae0a1b2-c3d4-45e6-8f70-0123456789ab", false);
        check("req-6ae0a1b2c3d445e68f700123456789ab", false);
        check("req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab x", false);
        check("req-user=root", false);
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
