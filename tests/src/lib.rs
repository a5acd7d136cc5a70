//! Virtual BMCs, the virtual rack, the lab and the end-to-end stories.

pub mod accelerator;
pub mod bench;
pub mod bmc;
pub mod browser;
pub mod contrail;
pub mod failure;
pub mod fake_hardware;
pub mod farm;
pub mod fuzz;
pub mod image;
pub mod lab;
pub mod netns;
pub mod openstack;
pub mod power_event;
pub mod qemu;
pub mod vlan;
