//! Edges: what our programs ask of the system that they run on.
//!
//! It stands apart from `protocol`, which opens nothing, and the ramdisk, whose system is its own, is built without it.

pub mod dumps;
pub mod escape;
pub mod log;
pub mod open_files;
pub mod terminal;
pub mod whole_file;
