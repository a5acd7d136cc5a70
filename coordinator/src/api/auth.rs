//! Edges: who asks: the Keystone token of a request.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use protocol::secret::Secret;

use super::{Api, types::Problem};
use crate::openstack::{error::Error as OpenStackError, keystone::Identity};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8192;

/// Whoever showed a valid token.
pub struct User {
    /// Who it is.
    pub identity: Identity,
    /// The token, for what is done in the user's name.
    pub token: Secret,
}

/// A user with the role admin.
pub struct Admin(pub User);

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
    /// The project whose things this user sees; none: everybody's, for administrators.
    pub fn sees(&self) -> Result<Option<&str>, Problem> {
        match (&self.identity.project_id, self.identity.is_admin) {
            (_, true) => Ok(None),
            (Some(project), false) => Ok(Some(project)),
            (None, false) => {
                Err(Problem::bad("the token belongs to no project; ask Keystone for one with a project"))
            }
        }
    }
}

impl FromRequestParts<Arc<Api>> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let refuse = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        let header = parts
            .headers
            .get("x-auth-token")
            .ok_or_else(|| refuse("show a Keystone token in X-Auth-Token"))?;
        let text = header.to_str().map_err(|_| refuse("the token has characters that no token has"))?;
        if text.is_empty() || text.len() > TOKEN_BYTES_MAX {
            return Err(refuse("the token is empty or too long"));
        }
        let token = Secret::new(text);
        match api.keystone.validate_token(&token).await {
            Ok(identity) => Ok(User { identity, token }),
            Err(OpenStackError::NotFound { .. } | OpenStackError::Unauthorized { .. }) => {
                Err(refuse("Keystone does not accept the token (any more); log in again"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl FromRequestParts<Arc<Api>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let user = User::from_request_parts(parts, api).await?;
        if user.identity.is_admin { Ok(Admin(user)) } else { Err(Problem::forbidden()) }
    }
}

impl FromRequestParts<Arc<Api>> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let user = User::from_request_parts(parts, api).await?;
        let (Some(project_id), Some(project_name)) =
            (user.identity.project_id.clone(), user.identity.project_name.clone())
        else {
            return Err(Problem::bad("the token belongs to no project; ask Keystone for one with a project"));
        };
        Ok(Tenant { user, project_id, project_name })
    }
}
