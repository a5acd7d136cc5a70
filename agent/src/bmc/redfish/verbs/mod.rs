//! Edges: what a Redfish BMC can be asked and told beside power and boot device, a file for each group of verbs.
//!
//! Each is a method of [`RedfishBmc`](super::RedfishBmc), has [`VERB_MAX`](super::VERB_MAX) in all, goes through the one table of
//! what is asked again, and reads back what it has changed where a service can show it. A service that has no such thing refuses with a sentence.

mod accounts;
mod bios;
mod certificates;
mod facts;
mod firmware;
mod inventory;
mod logs;
mod managers;
mod media;
mod media_ways;
mod orders;
mod power;
mod secure_boot;
mod sensors;
mod update;

pub use self::{
    firmware::UPLOAD_BYTES_MAX, inventory::Inventory, logs::ENTRIES_MAX, media::Medium, update::Update,
};
