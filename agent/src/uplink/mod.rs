//! Edges: the agent's side of the stream to the coordinator.
//!
//! ```text
//!   rack loop -- what was seen --> spool (numbered, on disk) -- session --> client ==mTLS==> coordinator
//!   rack loop <-- commands, declared servers --- session <----------------- client <==mTLS==
//! ```
//!
//! What must stay true: a report is on the disk before it is sent, is sent in the order of its number, and is kept
//! until the coordinator has acknowledged it. A certificate and its key are on the disk together or not at all. Deliberately absent: any opinion on what a report or a command means.

pub mod cache_desk;
pub mod client;
pub mod consoles;
pub mod health;
pub mod images;
pub mod lag;
pub mod outbox;
pub mod papers;
pub mod renewal;
pub mod session;
pub mod spool;
pub mod tunnels;
