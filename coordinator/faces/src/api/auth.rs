//! Edges: who asks: one layer in front of every route, and what it found, for the handlers.
//!
//! The layer looks the route up in [`crate::access::ROUTES`], asks whose token is shown, and lets through whose standing
//! suffices. A handler that has a [`User`] knows that it may do what the route does; whose things it does it to is the
//! handler's matter ([`User::sees`]).

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::rim::Caller;
use protocol::secret::Secret;

use super::Api;
use crate::{
    access::{Authenticator, Known, Least, ROUTES, Standing, Use, least, no_project},
    audit::Asked,
    problem::{Problem, for_tenants},
};

/// Whoever showed a token that suffices.
#[derive(Clone)]
pub struct User {
    /// Who it is, and what it may do.
    pub known: Known,
    /// The token, for what is done in the user's name.
    pub token: Secret,
}

/// A user with a project.
pub struct Tenant {
    /// Who it is.
    pub user: User,
    /// The project's id, without dashes.
    pub project_id: String,
    /// The project's name.
    pub project_name: String,
}

impl User {
    /// User's name.
    pub fn name(&self) -> &str {
        &self.known.identity.user_name
    }

    /// The project whose things this user sees; none: everybody's.
    pub fn sees(&self) -> Result<Option<&str>, Problem> {
        self.known.sees()
    }

    /// Whether this user sees everybody's things and the hardware.
    pub fn sees_all(&self) -> bool {
        self.known.standing.sees_all()
    }

    /// Whether this user may change everybody's things.
    pub fn is_administrator(&self) -> bool {
        self.known.standing == Standing::Administrator
    }

    /// In whose name Nova and Glance are asked. To them a token of the system is in no project: what administrators and
    /// auditors with such a one may do, we do.
    pub fn caller(&self) -> Caller<'_> {
        match self.known.identity.project_id() {
            Some(_) => Caller::Tenant(&self.token),
            None => Caller::Service,
        }
    }
}

/// Lets through who may; everything that is served passes here.
pub async fn admit(
    State(authenticator): State<Arc<Authenticator>>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(least) = least(ROUTES, request.method(), path.as_str()) else {
        let detail = format!("{} is not allowed on this path; see /v1/openapi.json", request.method());
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response();
    };
    if least == Least::Anybody {
        return next.run(request).await;
    }
    let asked = request.extensions().get::<Asked>().cloned();
    let user = match who(&authenticator, request.headers(), least, asked.as_ref()).await {
        Ok(user) => user,
        Err(problem) => {
            // Who has shown no good token is told no more than a tenant.
            return for_tenants(problem.into_response(), asked.as_ref().map_or("", Asked::request_id));
        }
    };
    // What is answered bit by bit, a stream of events, holds a place of its own kind instead.
    let _place = match authenticator.shares.requests.take(&user.known) {
        Ok(place) => place,
        Err(full) => return Problem::from(full).into_response(),
    };
    let sees_all = user.sees_all();
    request.extensions_mut().insert(user);
    let response = next.run(request).await;
    if sees_all {
        return response;
    }
    for_tenants(response, asked.as_ref().map_or("", Asked::request_id))
}

/// What a route with this least standing does.
fn use_of(least: Least) -> Use {
    match least {
        Least::Anybody | Least::ReadOwn | Least::ReadAll => Use::Look,
        Least::WriteOwn | Least::WriteAll | Least::ReadSecrets => Use::Change,
    }
}

async fn who(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    least: Least,
    asked: Option<&Asked>,
) -> Result<User, Problem> {
    let refuse = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let header =
        headers.get("x-auth-token").ok_or_else(|| refuse("send a Keystone token in X-Auth-Token"))?;
    let text = header
        .to_str()
        .map_err(|_| refuse("the token contains characters that are not allowed in tokens"))?;
    let token = Secret::new(text);
    let bearer = authenticator.identify(&token, use_of(least)).await?;
    if let Some(asked) = asked {
        asked.is_of(&bearer.identity);
    }
    let known = authenticator.stand(bearer).await?;
    if let Some(asked) = asked {
        asked.is_by(&known);
    }
    authenticator.check(&known, least)?;
    Ok(User { known, token })
}

impl FromRequestParts<Arc<Api>> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        parts.extensions.get::<User>().cloned().ok_or_else(|| {
            let detail =
                "this route is for anybody, and its handler asks who it is; this is a bug in this program";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "nobody", detail)
        })
    }
}

impl FromRequestParts<Arc<Api>> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let user = User::from_request_parts(parts, api).await?;
        let identity = &user.known.identity;
        let (Some(project_id), Some(project_name)) = (identity.project_id(), identity.project_name()) else {
            return Err(no_project());
        };
        let (project_id, project_name) = (project_id.to_owned(), project_name.to_owned());
        Ok(Tenant { user, project_id, project_name })
    }
}
