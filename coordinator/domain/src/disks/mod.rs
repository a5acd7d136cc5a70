//! Decisions: which disks a server has, and whether a clean has erased all of them.
//!
//! ```text
//!   inspection --what it saw--> register ---order---> ramdisk: erases every disk that it sees
//!                                  |                     |
//!            an administrator's word                     | what became of each
//!                                  v                     v
//!                                 account: every disk of the register and every disk that was seen, one by one
//! ```
//!
//! What must stay true: silence is no success. Only an inspection adds a disk to the register; a disk leaves it only when an
//! inspection no longer sees it *and* every byte of it was erased since a tenant could write to it last, or by an
//! administrator's recorded word. A clean that meets none, fewer, other or smaller disks than the register has fails, with the
//! name of each.

mod account;
mod erase;
mod known;
mod pair;
mod register;

#[cfg(test)]
mod tests;

pub use account::{Account, Fault, account, order};
pub use erase::{Erase, Thoroughness};
pub use known::{Erasure, Exception, KnownDisk, Standing};
pub use register::{Inspected, inspected};
