//! Decisions and edges: IEEE 802.1Q in user space, for a lab whose kernel has neither VLAN devices nor bridges that know VLANs.
//!
//! ```text
//!   link (a tap, a veth): frames with tag T | other frames, which nobody takes
//!     packet socket -> tag (pure) -> a tap of ours: the same frames without a tag -> whatever bridge it is put on
//! ```
//!
//! The tap lives as long as the program that holds it: what is killed leaves nothing behind.

pub mod device;
pub mod ear;
pub mod packet;
pub mod tag;

pub use device::VlanDevice;
pub use ear::Ear;
