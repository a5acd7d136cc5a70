//! Decisions and edges: whose turn it is: which server is visited when and in which lane, and the one hand that each server has.
//!
//! ```text
//!   a signal, the timer --> Wake --> Queue: lanes with slots of their own --> Visit
//!   gate, reconciliation, enrollment, pools --> ServerLocks: one of them per server at a time
//! ```
//!
//! Whoever moves ports or wakes reconciliation stands on this; it stands on none of them.

mod lane;
mod lock;
mod queue;
mod wake;

pub use lane::Lane;
pub use lock::ServerLocks;
pub use queue::{End, Overdue, RETRY_FIRST};
pub use wake::{Due, Visit, Wake};
