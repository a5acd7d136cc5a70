//! Decisions and edges: adoption: a server in use, unknown to Ironic and Nova, becomes a deployed one without a touch of its power,
//! its disk or its ports.
//!
//! ```text
//!   file --import--> what runs where --judge--> the tenant's interface behind every port, or what contradicts it
//!                                                    |
//!   work:  enroll -> verify its BMC (reading only) -> judge again, read the ports back -> record of the tenant's server
//!             -> instance on Ironic's node -> Ironic adopts -> a deployed server like any other
//! ```
//!
//! What must stay true: until Ironic says `active`, nothing here moves a port, and nothing can switch the server; each step may be
//! cut off and is taken up again; a contradiction ends it with the reason, and leaves the server as it was found.
//! Deliberately absent: a server in Nova, which cannot take in what it has not made.

pub mod work;

#[cfg(test)]
mod tests;

use domain::rim::{Adopter, Instance, Interfaces};
pub use work::Adoptions;
