//! Edges: virtual BMCs. Each owns one machine through [`chassis::Chassis`] and speaks IPMI or Redfish on a socket.
//!
//! Ours ([`ipmi`], [`redfish`]) can be slow, silent or wrong on demand; [`ipmi_sim`] was written by nobody here.

pub mod chassis;
mod der;
pub mod insider;
pub mod ipmi;
pub mod ipmi_sim;
pub mod odd;
pub mod records;
pub mod redfish;
mod redfish_system;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use protocol::secret::Secret;

/// Whom a virtual BMC lets in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password.
    pub password: Secret,
}

impl Credentials {
    /// From plain text, for tests.
    pub fn new(username: &str, password: &str) -> Self {
        Self { username: username.to_owned(), password: Secret::new(password) }
    }
}

/// How a virtual BMC misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Answers nothing at all.
    pub silent: bool,
    /// Waits so long before every answer.
    pub delay: Duration,
    /// Answers with bytes that make no sense.
    pub garbage: bool,
    /// Refuses every command to the chassis.
    pub refuse: bool,
    /// Says "done" to commands and does nothing.
    pub ignore: bool,
}

/// The faults of a running BMC, to be changed while it runs.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch(Arc<Mutex<Faults>>);

impl FaultSwitch {
    /// The faults now.
    pub fn get(&self) -> Faults {
        self.0.lock().expect("no holder panics").clone()
    }

    /// Other faults from now on.
    pub fn set(&self, faults: Faults) {
        *self.0.lock().expect("no holder panics") = faults;
    }
}
