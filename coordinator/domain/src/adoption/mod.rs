//! Decisions: whether what an administrator says runs on a server agrees with what Contrail has.

pub mod found;
pub mod judge;
pub mod wanted;

pub use found::FoundInterface;
pub use wanted::{Adoption, Stage, WantedInstance, WantedNetworkOf};
