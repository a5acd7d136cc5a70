//! The coordinator: everything that knows OpenStack or Contrail.

pub mod access;
pub mod adoption;
pub mod agents;
pub mod api;
pub mod audit;
pub mod config;
pub mod core;
pub mod discovery;
pub mod enrol;
pub mod facade;
#[cfg(test)]
pub(crate) mod fakes;
pub mod gate;
pub mod identity;
pub mod images;
pub mod listen;
pub mod metrics;
pub mod mover;
pub mod pki;
pub mod pools;
pub mod power;
pub mod problem;
pub mod ramdisk_api;
pub mod reconcile;
pub mod redfish;
pub mod server;
pub mod survey;
pub mod tenancy;
pub mod tokens;
pub mod ui;
pub mod visits;

pub use ::contrail;
pub use ::openstack;
pub use domain::{disks, events, import, lifecycle, rim, rim as port, url_text};
pub use store::{self as inventory, clock, secret, state_dir};
