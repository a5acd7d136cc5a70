//! Decisions and edges: what the servers print, kept at the rack for a while. This file gathers; each other says its ring.

mod entry;
mod files;
mod reader;
mod ring;
mod search;
mod transcript;

pub use entry::{Entry, TEXT_BYTES_MAX, What};
pub use files::{Recorder, read};
pub use reader::{Place, READERS_MAX, send};
pub use ring::{FILE_BYTES_MAX, KEEP_DAYS, Kept, Room, SERVER_BYTES_MAX, TOTAL_BYTES_MAX, given_up};
