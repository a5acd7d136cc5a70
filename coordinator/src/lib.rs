//! The coordinator: everything that knows OpenStack or Contrail.

pub mod api;
pub mod cli;
pub mod clock;
pub mod contrail;
pub mod events;
pub mod facade;
pub mod import;
pub mod inventory;
pub mod lifecycle;
pub mod openstack;
pub mod port;
pub mod ramdisk_api;
pub mod redfish;
pub mod secret;
