//! Decisions and edges: who asked for which change, from where, and what came of it: one row for each change that is asked for,
//! by REST, by the forms of the pages and by Ironic at the Redfish facade. This file gathers; each other says its ring.
//!
//! ```text
//!   request --> witness.rs (one layer in front of every route) --> authenticator, handler
//!                  |  asked.rs: request id, source, who, what         |
//!                  +------------- status ------<----------------------+
//!                  +--> a line of the log, and a row of the table `audit` (inventory/audit.rs)
//! ```
//!
//! What must stay true: a route that changes something leaves a row whatever its handler does, also when the client hangs up;
//! a row holds no part of a request's body but the name of what was asked for; no tenant can push another one's rows out, or
//! the administrators' ones.

mod asked;
mod ipmi;
mod pace;
mod within;
mod witness;

pub use asked::Asked;
pub use witness::{Open, Witness, changes, witness};
