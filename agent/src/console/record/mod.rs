//! Decisions and edges: what the servers print, kept at the rack for a while. This file gathers; each other says its ring.

mod entry;
mod files;
mod ring;

pub use entry::{Entry, TEXT_BYTES_MAX, What};
pub use files::{Recorder, read};
pub use ring::{FILE_BYTES_MAX, Kept, Room, SERVER_BYTES_MAX, TOTAL_BYTES_MAX, given_up};
