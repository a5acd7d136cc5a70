//! Values: what we take of each kind of Redfish resource (DSP2046), read leniently from a [`Node`](super::node::Node).
//!
//! Each value says in its field what the service said, and nothing where it said nothing. Paths are links as they came: whoever follows
//! one checks that it stays on the service.

pub mod account;
pub mod bios;
pub mod certificate;
pub mod expand;
pub mod firmware;
pub mod hardware;
pub mod log;
pub mod manager;
pub mod media;
pub mod network;
pub mod power;
pub mod secure_boot;
pub mod sensor;
mod status;

pub use status::{Health, Status};
