//! Values: the proof of isolation: what is kept of one move of a port.

use protocol::{id::ServerId, mac::MacAddr, network::BootNetwork};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rim::{ObservedNetwork, WantedNetwork};

/// Sightings that are kept with one proof.
pub const SIGHTINGS_MAX: usize = 16;

/// On whose behalf a port was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// The gate, for a power-on.
    Gate,
    /// A deployed server went off.
    Isolate,
    /// The state of the server calls for it.
    Park,
}

/// One move of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its id.
    pub id: Uuid,
    /// Whose port.
    pub server: ServerId,
    /// The port's name.
    pub port: String,
    /// Its address.
    pub mac: MacAddr,
    /// Who asked.
    pub asked_by: AskedBy,
    /// Where it was to be.
    pub wanted: WantedNetwork,
    /// Where it was read back; none: it could not be.
    pub observed: Option<ObservedNetwork>,
    /// Why it could not be moved or read back.
    pub error: Option<String>,
    /// When it was asked for; of repeated failures, the last time.
    pub at_us: u64,
    /// Milliseconds until it was read back.
    pub took_ms: u64,
    /// How often the same was tried in vain.
    pub tries: u64,
    /// When the gate read it back once more, just before the power-on.
    pub confirmed_us: Option<u64>,
    /// What was heard of the port afterwards, by whoever listens on the isolated networks.
    pub sightings: Vec<Sighting>,
}

/// Something that was heard of a port: a frame with its address arrived somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sighting {
    /// When, in microseconds since 1970, by the agent's clock.
    pub at_us: u64,
    /// Where: `provisioning` or `cleaning`.
    #[schema(value_type = String)]
    pub network: BootNetwork,
    /// What it was.
    pub what: String,
    /// Whether that is where the port was put.
    pub agrees: bool,
}

impl Proof {
    /// Whether the port was read back where it was to be.
    pub fn holds(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.is(&self.wanted))
    }
}
