//! Decisions and edges: what Contrail's analytics is told of every server, by Sandesh.
//!
//! ```text
//!   inventory -> node (a server as fields) -> session (what is new to the collector) -> message (bytes) -> client (TCP)
//! ```
//!
//! What must stay true: no BMC password is in a field that `node` knows; the collector gets the latest state of each
//! server, not its history, so that nothing grows while it is away; a new connection gets everything again.
//! Deliberately absent: TLS, requests of the collector, and everything that Sandesh has beside state (logs, flows, traces).

pub mod client;
pub mod message;
pub mod node;
pub mod read;
pub mod session;
