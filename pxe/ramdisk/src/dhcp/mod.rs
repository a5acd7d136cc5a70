//! Edges: a DHCP client (RFC 2131) for one lease, asked for once. There is no renewal: a ramdisk does not live that long, and
//! a rescue system's address is the one that the network's IPAM has given to its server for good.

mod client;
mod message;

pub use client::{DhcpError, acquire};
pub use message::{Lease, ServerMessage, build, parse};
