//! Decisions: the first bytes of an image file, and what they say of it.

mod fit;
mod head;
mod packed;
mod qcow2;
mod sieve;

pub use fit::{Machine, refuse_unfit};
pub use head::{Fault, GIB, HEAD_BYTES};
pub use sieve::Sieve;
