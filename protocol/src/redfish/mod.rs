//! Values: the Redfish resources that we read, tolerant of what real services leave out or write wrongly.
//!
//! A missing or wrongly typed property reads as "not said"; only a body that is no JSON object at all is an error.
//! Links are followed, never built from text; [`Link::path`] gives only paths, and [`origin::Origin::path`] also those behind the
//! name of the same service.

pub mod dirty;
mod lenient;
pub mod origin;
pub mod resource;

pub use resource::{
    BootOverride, Collection, ComputerSystem, ErrorBody, Link, Manager, PowerState, ServiceRoot, Session,
    SessionService, Task,
};

/// Where every service begins (DSP0266, section 6.2).
pub const ROOT: &str = "/redfish/v1/";
/// Longest body that is read.
pub const BODY_BYTES_MAX: usize = 1 << 20;
