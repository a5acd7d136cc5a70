//! Decisions and edges: DHCPv4 (RFC 2131, 2132) for machines that are about to boot.
//!
//! The crate dhcproto reads and writes the bytes. [`packet`] and [`option`] refuse what it lets pass and send what it would
//! send otherwise; [`request`] checks that a message makes sense; [`lease`] finds an address; [`responder`] decides;
//! [`server`] owns the socket.

pub mod lease;
pub mod option;
pub mod packet;
pub mod request;
pub mod responder;
pub mod server;
#[cfg(test)]
mod test_request;
