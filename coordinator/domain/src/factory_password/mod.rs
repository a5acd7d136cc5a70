//! Decisions: passwords that BMCs have from their factory, as a vendor lists them: one line for each BMC, known by a serial number, an
//! Ethernet address or a UUID.
//!
//! ```text
//!   imported --> Waiting --[such a BMC was found]--> Given --> Accepted --[enrolled]--> Claimed, and changed by upkeep
//!                                                      '-----> Refused
//! ```
//!
//! What must stay true: a password of the list is given to one place only; a wrong one is tried once, until a person says otherwise; what marks a
//! BMC is a claim, so a BMC whose marks contradict each other, or the list, is given nothing.

mod find;
mod give;

pub use find::{Found, find};
pub use give::{AGAIN_AFTER, Give, give};

use protocol::{bmc_mark::BmcMark, id::RackId, mac::MacAddr, secret::Secret};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most lines of one coordinator.
pub const LINES_MAX: usize = 10_000;

/// One line of a list, as a file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    /// Line of the file, counted from 1.
    pub line: usize,
    /// Whose password it is.
    pub whose: Whose,
    /// The password that its BMC has from its factory.
    pub password: Secret,
}

/// Whose password a line is. One mark at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// Only the agent of this rack is given it; none: whichever finds the BMC.
    pub rack: Option<RackId>,
    /// The server's serial number.
    pub serial: Option<String>,
    /// The BMC's Ethernet address.
    pub mac: Option<MacAddr>,
    /// A UUID of the server or of its Redfish service.
    pub uuid: Option<Uuid>,
    /// User.
    pub username: String,
}

impl Whose {
    /// The marks of the BMC, each in the form in which it is compared.
    pub fn marks(&self) -> Vec<BmcMark> {
        let mut marks = Vec::new();
        marks.extend(self.mac.map(BmcMark::Mac));
        marks.extend(self.serial.as_deref().and_then(BmcMark::serial));
        marks.extend(self.uuid.and_then(|uuid| BmcMark::uuid(&uuid.to_string())));
        marks
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks: Vec<_> = self.marks().iter().map(|mark| mark.to_string().replacen(':', " ", 1)).collect();
        f.write_str(&marks.join(", "))
    }
}

/// One line that is stored, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: Uuid,
    /// Whose password it is.
    pub whose: Whose,
    /// When it was imported, in microseconds since 1970.
    pub added_us: u64,
    /// What became of it.
    pub stage: Stage,
}

/// Where a BMC was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// By the agent of this rack.
    pub rack: RackId,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} in rack {}", self.address, self.port, self.rack)
    }
}

/// What became of a line. Times are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// No such BMC was found.
    Waiting,
    /// An agent was told to try it, and nothing is known of that yet; or it could not be tried.
    Given {
        /// Where.
        place: Place,
        /// Since when.
        at_us: u64,
        /// Under this order.
        order: Uuid,
        /// Why it could not be tried; none: it is not known yet.
        problem: Option<String>,
    },
    /// The BMC called user or password wrong.
    Refused {
        /// Which BMC.
        place: Place,
        /// When.
        at_us: u64,
        /// Its words.
        problem: String,
    },
    /// The BMC let us in, and waits to be enrolled.
    Accepted {
        /// Which BMC.
        place: Place,
        /// When.
        at_us: u64,
    },
    /// A node has it; its password is another one, or is being changed.
    Claimed {
        /// The node's name then.
        node: String,
        /// When.
        at_us: u64,
    },
}

impl Stage {
    /// The name of [`Stage::Accepted`].
    pub const ACCEPTED: &str = "accepted";

    /// Its name, for people and for the database.
    pub fn name(&self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Given { .. } => "given",
            Stage::Refused { .. } => "refused",
            Stage::Accepted { .. } => Self::ACCEPTED,
            Stage::Claimed { .. } => "claimed",
        }
    }

    /// Whether a BMC that is found may still be given it, so that nothing else is tried there.
    pub fn is_open(&self) -> bool {
        match self {
            Stage::Waiting | Stage::Given { .. } | Stage::Accepted { .. } => true,
            Stage::Refused { .. } | Stage::Claimed { .. } => false,
        }
    }
}
