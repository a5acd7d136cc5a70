//! Decisions and edges: the rim towards OpenStack: what the coordinator asks of each service, as traits with values of ours. This file
//! gathers; each other says its ring.
//!
//! ```text
//!   access, ui                identity.rs        IdentityService   Keystone
//! ```
//!
//! What must stay true: nothing here knows HTTP, JSON or a session; a tenant's request goes out with the tenant's own token
//! ([`Caller::Tenant`]), so that quota, ownership and policy stay OpenStack's business; every failure is a [`ServiceError`],
//! which says who was asked, what was tried, and what the service said to people.

mod caller;
mod error;
mod identity;

pub use caller::Caller;
pub use error::{Service, ServiceError};
pub use identity::{Bearer, Identity, IdentityService, Project, SignIn, SignedIn, TokenScope};
