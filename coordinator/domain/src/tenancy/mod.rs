//! Decisions: tenancies: how one ends, when it is looked at again, which interfaces it needs, and its reasons in the tenant's words.

pub mod ending;
pub mod network_data;
pub mod nics;
pub mod pace;
mod ports;
pub mod reasons;

pub use ports::port_of;
