//! Thin clients of the OpenStack services that the coordinator needs, and no more of each than it needs.
//!
//! ```text
//!   Session (token, catalogue, one retry on 401)
//!      |-- Keystone   whose token is this?
//!      |-- Ironic     nodes, ports, provision and power states, the ramdisk's side of its API
//!      |-- Glance     images, their bytes by offset
//!      |-- Nova       flavors, key pairs, servers
//!      `-- Placement  what Nova's scheduler would find
//! ```
//!
//! What must stay true: a tenant's request goes out with the tenant's own token ([`domain::rim::Caller::Tenant`]), so that quota,
//! ownership and policy stay OpenStack's business; every answer is bounded in bytes and in time; every error carries
//! the sentence that the service meant for people. Waiting and repeating are the caller's: nothing here loops.

mod answer;
mod call;
pub mod client;
pub mod credentials;
pub mod drives;
pub mod error;
pub mod glance;
pub mod ironic;
pub mod keystone;
pub mod login;
pub mod nova;
pub mod placement;
mod provisioner;
mod ramdisk;
mod services;
pub mod session;
mod token;

pub use credentials::{Credentials, Scope};
pub use domain::rim::{Caller, Service};
pub use error::Error;
pub use provisioner::{GlanceImages, IronicProvisioner, ironic_node};
pub use session::Session;
