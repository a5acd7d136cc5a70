//! Decisions: what Ironic, Nova, Contrail and what was seen of servers say that cannot all be true.

pub mod episode;
pub mod finding;
pub mod findings;
pub mod picture;
pub mod tenancies;

pub use finding::{Finding, FindingKind, NotSeen, Severity};
