//! Edges: sensors, power draw and event logs of the rack's servers: `task.rs` reads them once in a while, the rest decides whose turn
//! it is and what is news.
//!
//! ```text
//!   rounds: whose turn is it? --> task: read, behind power and commands --> sensors, log: what is news? --> report
//! ```
//!
//! What must stay true: nothing here delays a power reading or a command by more than one request; a BMC that is silent or lets
//! nobody in is not asked; and however restless a BMC is, what is told of it in a minute has a bound.

pub mod log;
pub mod rounds;
pub mod sensors;
pub mod task;

pub use self::{rounds::Every, task::Hardware};
