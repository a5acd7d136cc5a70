//! Edges: control of the ramdisks that our servers have booted.
//!
//! ```text
//!   issue(server, plan) -> token -> boot script -> kernel command line -> ramdisk -> Hello{token} on plan.network
//!   Event::Ready{session} -> run_step(session, step) ... -> revoke(server) or a lost connection -> Event::Gone
//! ```
//!
//! What must stay true: a token opens one session, on the network it was issued for, and a server has one session at
//! most; a step is never given to another boot than the one it was meant for; steps of one session run one by one.

mod control;
mod session;
mod tls;
mod tokens;

pub use control::{Control, ControlConfig, ControlError, Event};
