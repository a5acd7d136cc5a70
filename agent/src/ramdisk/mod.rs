//! Edges: control of the ramdisks that our servers have booted.
//!
//! ```text
//!   issue(server, plan) -> token -> boot script -> kernel command line -> ramdisk -> Hello{token} on plan.network
//!   Event::Ready{session} -> run_step(session, step) ... -> revoke(server), or lost for too long -> Event::Gone
//!        ^------ the connection is lost, or we are killed: Resume{session, secret} on plan.network
//! ```
//!
//! What must stay true: a token opens one session, on the network it was issued for, and a server has one session at
//! most; a session is taken up again by its own secret only, on its network, and not after its boot was cancelled or its
//! server went off; a step is never given to another boot than the one it was meant for; steps of one session run one by one.
//!
//! What is decided stands in machines without sockets or clocks: `register.rs` (who is let in, and by what), `conversation.rs` (what is
//! said to one ramdisk, what its words mean, when it is given up). `control.rs`, `listen.rs` and `session.rs` turn their cranks.

pub mod config;
mod connection;
mod control;
mod conversation;
mod keep;
mod listen;
mod live;
mod payload;
mod register;
mod session;
mod steps;
mod tls;
mod tokens;
mod words;

pub use config::{ControlConfig, ControlError, Event, Listener, STEP_SILENCE_MAX};
pub use control::Control;
pub use listen::PLACES;
pub use live::Live;
