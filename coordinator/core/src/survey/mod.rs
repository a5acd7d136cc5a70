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
//! What contradicts about a tenancy is looked for by itself too, a few times a minute, and is an alarm when it stays
//! ([`domain::survey::episode`]).
//!
//! A service that does not answer is said to be not looked at; what the others say is compared all the same.

pub mod look;

pub use look::Survey;
