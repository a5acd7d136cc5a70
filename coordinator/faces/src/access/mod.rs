//! Decisions and edges: who may do what, and how much of it at once: the standing of whoever shows a token, the one table of
//! routes and forms with the least standing that each needs, and everybody's share of the places that all want. This
//! file gathers; each other says its ring.
//!
//! ```text
//!   token --Keystone--> identity (scope, roles) --standing.rs--> standing --may--> least standing <--routes.rs, pages.rs-- route
//! ```
//!
//! What must stay true: a role's name alone gives nothing, its scope counts; a route without a row is not served; the rows
//! are enforced by one layer in front of the REST API and one in front of the pages, and by no handler.

mod authenticator;
pub mod belief;
mod full;
mod held;
mod known;
mod pages;
mod places;
mod routes;
mod standing;
#[cfg(test)]
mod tests;

pub use authenticator::{AdminProject, Authenticator, no_project};
pub use belief::Use;
pub use held::{Held, LOOK_AGAIN_EVERY, until_gone};
pub use known::Known;
pub use pages::PAGES;
pub use places::{
    Bounds, CONSOLES, EVENT_STREAMS, Full, Holder, OPEN_PAGES, Place, Places, REQUESTS, SIGN_INS, Shares,
    UPLOADS, one_address,
};
pub use routes::{ROUTES, Row, Verb, least};
pub use standing::{Least, NoStanding, RoleNames, Standing, refusal, standing};
