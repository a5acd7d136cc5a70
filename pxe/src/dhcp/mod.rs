//! Decisions and edges: DHCPv4 (RFC 2131, 2132) for machines that are about to boot.
//!
//! The crate dhcproto reads and writes the bytes. [`packet`] and [`option`] read what imperfect clients send and write what
//! choosy ones take; [`request`] checks that a message makes sense; [`lease`] finds an address; [`responder`] decides;
//! [`proxy`] decides where another server gives addresses; `probe` looks whether an address is free, `kept` keeps leases over a restart; [`server`] owns the socket.

pub(crate) mod kept;
pub mod lease;
pub mod option;
pub mod packet;
pub mod place;
pub(crate) mod probe;
pub mod proxy;
pub mod request;
pub mod responder;
pub mod server;
#[cfg(test)]
mod test_request;
