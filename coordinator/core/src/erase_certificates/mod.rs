//! Decisions and edges: an agent's statement about an erased disk comes in: it is compared with what was ordered and reported,
//! countersigned, and kept for ever. Where that fails, the disk counts as not erased.

mod judge;
mod notary;
#[cfg(test)]
mod tests;

pub use notary::{NotKept, Notary};
