//! Decisions and edges: servers' consoles by IPMI, for Ironic's console interface `ipmitool-socat`. This file gathers; each other says
//! its ring.
//!
//! ```text
//!   openstack baremetal node console enable --> conductor: socat, ipmitool -I lanplus ... sol activate
//!                                                             |  RMCP+ (face.rs over protocol::ipmi::bmc)
//!   serve.rs: one UDP socket for all nodes <------------------'
//!      `-- attend.rs: a watcher's place at the node's console, as the WebSocket of the REST API has --> agent --> BMC
//! ```
//!
//! One BMC with as many users as there are nodes: which node is meant is said by the user's name ([`domain::ipmi_console`]). What must
//! stay true: nothing can be done here but to be at a console. Power, boot devices and everything else of a BMC are refused, so that no
//! power-on goes past the gate. Deliberately absent: IPMI 1.5, suites without encryption, users that people name.

mod attend;
mod face;
mod guard;
mod serve;
mod words;

pub use serve::{IpmiConsole, SESSIONS_MAX};
