//! Edges: many virtual BMCs in one process, described by a file, as bad as real ones.
//!
//! ```text
//!   file (TOML) -- describe --> groups of BMCs -- running --> sockets (bmc::ipmi, bmc::redfish) before state machines
//!                                                    ^
//!   file, HTTP control address, or a test -- faults -'   effect: what a fault means for power, datagrams and answers
//! ```
//!
//! Every fault that field reports tell of has a name ([`Fault`]), and so has the deviation behind every quirk that our client knows.
//! A BMC's faults can be changed while it runs. Deliberately absent: other machines than a state machine; the lab has those.

pub mod control;
pub mod describe;
mod effect;
pub mod fault;
pub mod machine;
pub mod running;
pub mod server;

pub use describe::Farm;
pub use fault::Fault;
pub use running::{Running, VirtualBmc};
