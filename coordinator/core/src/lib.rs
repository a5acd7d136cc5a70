//! The core: what is done with servers, and when: the gate and the moves of ports, reconciliation, enrollment, the racks' agents,
//! tenancies, adoption, discovery, images on their way to Glance. It asks clouds through the rim ([`domain::rim`]) only; who asks it
//! over HTTP is above it.

pub mod adoption;
pub mod agents;
#[cfg(test)]
pub(crate) mod bench;
pub mod certificates;
pub mod core;
pub mod discovery;
pub mod enroll;
pub mod erase_certificates;
pub mod firmware;
pub mod gate;
pub mod identity;
pub mod images;
pub mod mover;
pub mod orders;
pub mod parts;
pub mod pki;
pub mod pools;
pub mod power;
pub mod reconcile;
pub mod survey;
pub mod tenancy;
pub mod upkeep;
pub mod visits;
