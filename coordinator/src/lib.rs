//! The coordinator: everything that knows OpenStack or Contrail.

pub mod access;
pub mod adapter;
pub mod adoption;
pub mod agents;
pub mod api;
pub mod audit;
pub mod cli;
pub mod config;
pub mod contrail;
pub mod core;
pub mod discovery;
pub mod enrol;
pub mod facade;
#[cfg(test)]
mod fakes;
pub mod gate;
pub mod identity;
pub mod images;
pub mod listen;
pub mod metrics;
pub mod mover;
pub mod openstack;
pub mod pki;
pub mod pools;
pub mod ramdisk_api;
pub mod reconcile;
pub mod redfish;
pub mod rim;
pub mod server;
pub mod survey;
pub mod tenancy;
pub mod ui;

pub use adapter::ironic_node;
pub use domain::{disks, events, import, lifecycle, rim as port, url_text};
pub use store::{self as inventory, clock, secret, state_dir};
