//! Edges: the serial consoles of the rack's servers.
//!
//! What carries a console to its BMC is in [`crate::bmc::console`].

mod kept;

pub use kept::{AGAIN_MAX, AGAIN_MIN, keep};
