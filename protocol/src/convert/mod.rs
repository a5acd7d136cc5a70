//! Values: between the checked values of this crate and the generated gRPC messages.
//!
//! `From` leads onto the wire and cannot fail; `TryFrom` leads off it and names the field that is wrong. A value that
//! went over and came back is the same value; the tests hold that for every type, and hold the bytes as well.
//! Generated messages stay inside the two programs' stream code: everybody else sees checked values only.

mod bmc_facts;
mod bmc_health;
mod bmc_order;
mod bmc_settings;
mod boot;
mod command;
mod console;
mod console_record;
mod discovery;
mod erase;
mod hardware;
mod health;
mod image_cache;
mod link;
mod report;
mod spec;
mod step;
mod tunnel;
mod update;

pub use link::{Declaration, FromAgent, Hello, ToAgent};

use crate::id::ServerId;

/// A message from the other end that this program cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message field {field} {why}; check that both programs have the same version")]
pub struct InvalidMessage {
    /// Message and field as the `.proto` file names them, such as `Report.server`.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl InvalidMessage {
    /// A field that does not hold what it must.
    pub fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

/// A text that must be a value of a stricter type.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, InvalidMessage> {
    text.parse().map_err(|why: T::Err| InvalidMessage::new(field, format!("is {text:?}: {why}")))
}

/// An id that need not be there.
fn optional_id<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, InvalidMessage> {
    text.map(|text| parse(field, text)).transpose()
}

/// A duration as whole milliseconds; what is more than a number can say is said as the largest.
fn whole_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A nested message or a choice that must be there. A choice that a newer peer added arrives as none.
fn present<T>(field: &'static str, value: Option<T>) -> Result<T, InvalidMessage> {
    value.ok_or_else(|| InvalidMessage::new(field, "is missing or unknown to this version"))
}

/// An enumeration's number that this version must know. "Unspecified" is for each caller to refuse.
fn known<E: TryFrom<i32>>(field: &'static str, number: i32) -> Result<E, InvalidMessage> {
    E::try_from(number).map_err(|_| InvalidMessage::new(field, format!("has the unknown number {number}")))
}

/// The number 0 in an enumeration: the sender forgot to fill it in.
fn unspecified(field: &'static str) -> InvalidMessage {
    InvalidMessage::new(field, "is unspecified")
}

/// Every command and report belongs to a server.
fn server(field: &'static str, text: &str) -> Result<ServerId, InvalidMessage> {
    parse(field, text)
}
