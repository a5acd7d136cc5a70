//! Decisions and edges: a BMC whose certificate is pinned shows another one. What follows is decided in [`domain::upkeep::certificate`]; here it
//! is stored, told, and carried to the agent that takes the pinned one and no other.

mod decide;
mod take_in;
#[cfg(test)]
mod tests;
mod vouched;

pub use take_in::heard;
pub use vouched::authorities_of;
