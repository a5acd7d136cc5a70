//! Decisions: pools: rules over the inspected hardware that give every server its resource class.

mod condition;
pub mod facts;
mod of_server;
pub mod rule;

pub(crate) use condition::is_like;
pub use condition::{Condition, ConditionError};
pub use facts::{Facts, manufacturer_trait};
pub use of_server::traits;
pub use rule::{CONDITIONS_MAX, Decision, POOLS_MAX, Pool, PoolError, decide, may_change};
