//! The lab: a real OpenStack and a virtual rack on one machine.

pub mod listen;
pub mod process;
pub mod rack;
pub mod relay;
pub mod step;
