//! Decisions: the health of a server's hardware: what is known of its sensors and its event log, what a site thinks of it, and what
//! is wrong, in one word with its reasons.

pub mod history;
pub mod judge;
pub mod limits;
mod news;
mod record;

pub use judge::{Health, Reason, Source, Word, health, of_entry, of_sensor};
pub use limits::{LimitRule, SiteLimits};
pub use news::{LogNews, SensorNews};
pub use record::{Acknowledged, Hardware, KnownEntry, KnownSensor, LogStanding};
