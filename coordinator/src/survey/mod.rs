//! Decisions and edges: the survey: what Ironic, Nova, Contrail and what was seen of servers say that cannot all be true. It
//! reads, and changes nothing.
//!
//! ```text
//!   inventory, power readings --+
//!   Ironic's nodes              +--> Picture --findings--> contradictions, each with its remedy
//!   Nova's servers              |
//!   Contrail's interfaces     --+
//! ```
//!
//! A service that does not answer is said to be not looked at; what the others say is compared all the same.

pub mod finding;
pub mod findings;
pub mod look;
pub mod picture;

pub use finding::{Finding, FindingKind, NotSeen, Severity};
pub use look::Survey;
