//! Values: who somebody is, and Keystone, which knows it, as a trait.

use async_trait::async_trait;
use protocol::secret::Secret;

use super::ServiceError;

/// Who somebody is, according to Keystone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User's id.
    pub user_id: String,
    /// User's name.
    pub user_name: String,
    /// What the token is good for.
    pub scope: TokenScope,
    /// Names of the roles in that scope. They mean nothing outside it.
    pub roles: Vec<String>,
}

impl Identity {
    /// Id of the project that the token is good for.
    pub fn project_id(&self) -> Option<&str> {
        match &self.scope {
            TokenScope::Project { id, .. } => Some(id),
            TokenScope::System | TokenScope::Domain { .. } | TokenScope::Nothing => None,
        }
    }

    /// That project's name.
    pub fn project_name(&self) -> Option<&str> {
        match &self.scope {
            TokenScope::Project { name, .. } => Some(name),
            TokenScope::System | TokenScope::Domain { .. } | TokenScope::Nothing => None,
        }
    }
}

/// What a token is good for (Keystone's API v3, "Authentication and token management").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// The whole cloud.
    System,
    /// One project.
    Project {
        /// Its id, 32 hex digits.
        id: String,
        /// Its name, which other domains may use, too.
        name: String,
    },
    /// A domain, that is, its users and projects.
    Domain {
        /// Its name.
        name: String,
    },
    /// Nothing: an unscoped token.
    Nothing,
}

/// Whose a token is, by Keystone's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Who it is.
    pub identity: Identity,
    /// When the token ends, in microseconds since 1970.
    pub ends_us: u64,
}

/// Somebody who signs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// Project; none: the whole system.
    pub project: Option<String>,
    /// Domain of user and project.
    pub domain: String,
}

/// Somebody who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The token that Keystone issued.
    pub token: Secret,
    /// Whose it is, and until when.
    pub bearer: Bearer,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Keystone, as those need it who let people in.
#[async_trait]
pub trait IdentityService: Send + Sync {
    /// Asks whose token this is; none: nobody's, or not any more.
    async fn whose(&self, token: &Secret) -> Result<Option<Bearer>, ServiceError>;
    /// Signs somebody in. [`ServiceError::Unauthorized`]: not with these.
    async fn sign_in(&self, wanted: &SignIn) -> Result<SignedIn, ServiceError>;
    /// Ends a token before its time. Done already is done.
    async fn revoke(&self, token: &Secret) -> Result<(), ServiceError>;
    /// Finds a project by its name or its id. [`ServiceError::NotFound`]: there is none.
    async fn find_project(&self, name_or_id: &str) -> Result<Project, ServiceError>;
    /// Id of the project in which our own user works; none: it works in none.
    async fn own_project(&self) -> Result<Option<String>, ServiceError>;
}
