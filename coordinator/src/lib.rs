//! The coordinator's program: its configuration file, and how its parts are put together, started and stopped.

pub mod certificate_rules;
pub mod config;
pub mod server;
pub mod tokens;
