//! Contrail (Tungsten Fabric, OpenSDN) as the coordinator uses it.
//!
//! ```text
//!   rim::Fabric            fabric, detach, attach   which interface is on a switch port: detach, attach, read back
//!                          park      a tenant's interface is made again where an unbinding would leave a claim
//!   rim::TenantNetworks    networks, tenant_ports   tenants' networks, ports and addresses
//!   rim::Interfaces        interfaces   every interface there is, for adoption and survey
//!   nodes, ports           registration  our servers as objects, in the words of describe
//!   analytics              sandesh   our servers' state
//!                          setup     what a site needs of us before the first server
//!                          native_vlan  a VLAN id of its own for each network that is untagged somewhere
//!        all over          vnc       one HTTP call a method, bounded retries
//!        in the words of   site, object, observed, neighbours, members, filters, binding, parked, addresses, security, vlans (pure)
//! ```
//!
//! What must stay true: a port move is detach, then attach, then read back. Interfaces on the provisioning and cleaning
//! networks are ours, made under uuids derived from server, port and network, and deleted when done with. A tenant's
//! interface is never lost while its server lives; it is unbound, or made again under its uuid, and bound again. What is neither
//! ours nor this server's is not touched. Every method can be cut off between any two calls and repeated, and ends the same.
//! Deliberately absent: any memory of what a port is on.

pub mod addresses;
mod attach;
pub mod binding;
pub mod describe;
mod detach;
pub mod fabric;
pub mod filters;
mod interfaces;
pub mod members;
mod native_vlan;
pub mod neighbours;
pub mod networks;
pub mod object;
pub mod observed;
mod park;
pub mod parked;
pub mod registration;
pub mod sandesh;
pub mod security;
pub mod setup;
pub mod site;
mod tenant_ports;
mod turns;
mod vlan_clash;
pub mod vlans;
pub mod vnc;

pub use fabric::Contrail;
pub use site::{Config, NativeVlans};
pub use vlans::{RESERVED, VLANS, VlanRange};
pub use vnc::Tokens;
