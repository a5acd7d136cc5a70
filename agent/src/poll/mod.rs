//! Values: how the power of every server is watched.
//!
//! ```text
//!   schedule: who is asked when --> driver: asks the BMC --> debounce: is it news? --> a report
//!       ^                                |
//!       '------ pulse: how does it answer?
//!       '------ hints: has its BMC told that something changed? (where it tells; otherwise its turn comes as ever)
//! ```
//!
//! What must stay true: a BMC is asked one thing at a time; a silent BMC is never taken for a server that is off, and holds no
//! other one up; a change is reported whatever a reading takes; a BMC that refuses our password is not asked again, because BMCs
//! lock accounts.

pub mod debounce;
pub mod driver;
pub mod hints;
pub mod pulse;
pub mod schedule;
