//! Decisions: START HERE. What is right for a server follows from stored facts, and from nothing else.
//!
//! ```text
//!   Ironic's node  --+
//!   power readings --+--> Facts --decide--> Decision { where its ports belong, which boot, isolate?, tell Ironic? }
//!   ports as seen  --+                          |
//!   who its tenant --+                          +--> reconcile carries it out, again and again, until it is so
//!
//!   Ironic's node as read now --permitted_boot--> PermittedBoot or Refusal --> gate
//! ```
//!
//! Ironic's provision state *is* the life cycle; there is no second machine beside it. [`role`](role::role) holds the table of
//! states, [`safety`] says what must never happen whatever the table says.
//!
//! Deliberately absent: clocks, sockets, retries, memory of the past beyond what [`Facts`] names.

pub mod admission;
pub mod decision;
pub mod in_use;
pub mod news;
pub mod orders;
pub mod outlook;
pub mod permit;
mod phase;
pub mod placement;
pub mod power;
pub mod release;
pub mod role;
pub mod safety;
pub mod state;
pub mod trouble;

#[cfg(test)]
mod tests;

pub use decision::{Confirmed, Decision, Facts, Placement, PowerFacts, Urgency, decide, isolation_is_due};
pub use in_use::in_use;
pub use news::{News, news};
pub use permit::{PermittedBoot, permitted_boot, permitted_off};
pub use state::{Node, NodePower, ProvisionState};
