//! Decisions and edges: pools: rules over the inspected hardware that give every server its resource class, by which Nova's
//! flavors choose servers.
//!
//! ```text
//!   inspection --> facts --> the first pool whose conditions all hold --> stored --> Ironic's node (class, traits)
//!                               none: the class of the import file
//!   stored facts --> which servers a flavor takes --> free, used, cleaning, broken
//! ```
//!
//! What must stay true: a server is put into a pool by itself only when an inspection has found other facts than those by
//! which it was put there last; a rule that is made or deleted later changes nothing until somebody says `bmsctl pool
//! apply`. A server in use keeps its class: Nova counts by it.

mod count;
mod settle;

pub use count::{Counts, count, takes};
pub use settle::{Move, PoolingError, apply, is_due, settle};
