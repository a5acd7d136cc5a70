//! Values: who logs in to OpenStack, and for what.

use protocol::secret::Secret;

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole cloud. Ironic shows nodes without an owner only to this.
    System,
    /// One project.
    Project {
        /// Its name.
        name: String,
        /// Name of its domain, usually `Default`.
        domain: String,
    },
}

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Keystone's URL, with or without `/v3`.
    pub auth_url: String,
    /// User.
    pub username: String,
    /// Name of the user's domain, usually `Default`.
    pub user_domain: String,
    /// Password.
    pub password: Secret,
    /// What the token is to be good for.
    pub scope: Scope,
    /// Region whose endpoints are used; none: the first in the catalogue.
    pub region: Option<String>,
    /// Which endpoints are used: `public`, `internal` or `admin`.
    pub interface: String,
}
