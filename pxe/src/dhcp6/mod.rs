//! Decisions: DHCPv6 (RFC 8415) for machines that are about to boot, and where their files are (RFC 5970).
//!
//! There is one table of leases for both families: an interface's IPv6 address is the network's prefix with the interface's IPv4 address as its last
//! 32 bits ([`link`]). So whatever is true of a lease (kept before it is told, nobody else's, known at the HTTP port) is true of both
//! addresses. [`option`] and [`request`] read what clients and relays send; [`responder`] decides. The socket is served by
//! [`crate::dhcp::server`], as the other family's.
//!
//! Deliberately absent: temporary addresses, delegated prefixes, Rapid Commit, Reconfigure.

pub mod link;
pub mod option;
pub mod request;
pub mod responder;
#[cfg(test)]
pub(crate) mod test_message;
