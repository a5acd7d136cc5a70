//! What the coordinator knows and decides, without a clock, a socket or a database.
//!
//! Start at [`lifecycle`]: what is right for a server follows from stored facts, and from nothing else. [`records`] are those
//! facts; [`rim`] is what the outside can be asked, as traits.

pub mod adoption;
pub mod audit;
pub mod boots;
pub mod certificate;
pub mod discovery;
pub mod disks;
pub mod events;
pub mod factory_password;
pub mod firmware;
pub mod health;
pub mod identity;
pub mod images;
pub mod import;
pub mod ipmi_console;
pub mod lifecycle;
pub mod media_sources;
pub mod pools;
pub mod records;
pub mod rim;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
pub mod survey;
pub mod tenancy;
pub mod upkeep;
pub mod url_text;
