//! Edges: the agents: one gRPC stream each, reports up, commands and declarations down.
//!
//! ```text
//!   agent --Hello--> [rack in the certificate? known, not revoked? no other stream?] --Welcome, Declare(all)--> agent
//!   agent --Report n--> stored (readings, ramdisks, results) --Acknowledge n--> agent, wake reconciliation
//!   gate, ramdisk facade --run(action)--> Command --> agent --Report(CommandResult)--> whoever waits
//! ```
//!
//! What must stay true: a report is acknowledged only after it is stored, and is never stored twice; a power command lives
//! only as long as somebody waits for it, because it is a permit for this moment, and one that switches on is never given on
//! a second stream: the gate's proof is older than that; a ramdisk step outlives this process under
//! the same id; an agent speaks for the servers of its own rack only, and reads only the images that a step under way there names;
//! of two that say they are the same rack's, the first is kept.
//!
//! What is decided stands in machines without channels or clocks: `roster.rs` (who serves a rack), `dispatch.rs` (where a command is
//! given, and how each wait for it ends), `expected.rs` (the ramdisks of an agent that was restarted). `hub.rs` holds them
//! under one
//! lock, `run.rs` and `stream.rs` turn their cranks.

mod alive;
mod arrival;
mod awaited;
mod bmc_health;
mod boot;
mod command;
mod consoles;
mod dispatch;
mod entry;
mod expected;
mod hardware;
mod hub;
mod image_cache;
mod images;
mod issue;
mod orders;
mod papers;
mod ramdisks;
mod readings;
mod renewal;
mod report;
mod roster;
mod run;
mod server;
mod stream;
mod tenancy;
mod tunnels;
mod watch;

#[cfg(test)]
mod tests;

pub use arrival::Peer;
pub(crate) use arrival::time_text;
pub use consoles::{CONSOLE_WAIT_MAX, Console, ConsoleRecord, Visit};
pub use hub::{AgentHub, Hub, Progress, RamdiskSignal};
pub use image_cache::CACHE_WAIT_MAX;
pub use issue::{IssueError, IssuedAgent, Older, issue_agent};
pub use papers::{Standing, lasting, standing};
pub use renewal::{CERTIFICATE_DAYS, Issuer};
pub use server::{Service, router, until_void};
pub use tunnels::{TUNNEL_WAIT_MAX, Tunnel};
