//! Decisions: whose BMC it is that answers: what is known of it, and what follows.

mod doubt;
mod judge;

pub use doubt::Doubt;
pub use judge::{Accepted, InDoubt, Judgement, accept, after_change, expected, judge, reading_in_doubt};
