//! Edges: a DHCP client (RFC 2131) for one lease, asked for once. There is no renewal: a ramdisk does not live that long.

mod client;
mod message;

pub use client::{DhcpError, acquire};
pub use message::{Answer, Lease};
