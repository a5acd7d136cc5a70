//! Values: the Redfish resources that we read, tolerant of what real services leave out or write wrongly.
//!
//! A missing or wrongly typed property reads as "not said"; only a body that is no JSON object at all is an error.
//! [`resource`] has what power, boot and log-in need of each reading; [`read`] has the rest, taken property by property from a [`node`].
//! Links are followed, never built from text; [`Link::path`] gives only paths, and [`origin::Origin::path`] also those behind the
//! name of the same service.

pub mod dirty;
pub mod event;
mod lenient;
pub mod node;
pub mod origin;
pub mod read;
pub mod resource;

pub use resource::{
    BootOverride, Collection, ComputerSystem, ErrorBody, Link, Manager, PowerState, ServiceRoot, Session,
    SessionService, Task,
};

/// Where every service begins (DSP0266, section 6.2).
pub const ROOT: &str = "/redfish/v1/";
/// Longest body that is read.
pub const BODY_BYTES_MAX: usize = 1 << 20;
