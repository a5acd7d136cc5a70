//! Decisions and edges: ICMPv6 router advertisements (RFC 4861) that say "no router here".
//!
//! iPXE configures IPv6 beside DHCPv4 and waits 14 s for a router before it goes on. An advertisement with router
//! lifetime 0 ends its wait and gives nobody a route. Where DHCPv6 is served, it also says that.

pub mod message;
pub mod server;
