//! The coordinator: everything that knows OpenStack or Contrail.

pub mod access;
pub mod adapter;
pub mod adoption;
pub mod agents;
pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contrail;
pub mod core;
pub mod discovery;
pub mod disks;
pub mod enrol;
pub mod events;
pub mod facade;
#[cfg(test)]
mod fakes;
pub mod gate;
pub mod identity;
pub mod images;
pub mod import;
pub mod inventory;
pub mod lifecycle;
pub mod listen;
pub mod metrics;
pub mod mover;
pub mod openstack;
pub mod pki;
pub mod pools;
pub mod port;
pub mod ramdisk_api;
pub mod reconcile;
pub mod redfish;
pub mod secret;
pub mod server;
pub mod state_dir;
pub mod survey;
pub mod tenancy;
pub mod ui;
pub mod url_text;

pub use adapter::ironic_node;
