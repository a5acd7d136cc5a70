//! Decisions and edges: DHCPv4 (RFC 2131, 2132) for machines that are about to boot.
//!
//! [`packet`] and [`option`] turn bytes into a message and back; [`request`] checks that a message makes sense;
//! [`lease`] finds an address; [`responder`] decides; [`server`] owns the socket.

pub mod lease;
pub mod option;
pub mod packet;
pub mod request;
pub mod responder;
pub mod server;
