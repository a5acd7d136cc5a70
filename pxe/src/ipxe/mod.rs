//! Decisions: what iPXE is told to do.

pub mod script;
