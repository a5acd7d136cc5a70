//! Values: what happens, as events: their kinds, what is kept of one, and what of it a tenant is told.

mod kind;
mod told;

use protocol::id::{RackId, ServerId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use kind::EventKind;
pub use told::Told;

/// So much of an event's text is kept, in characters: BMCs and other services say what they like.
pub const TEXT_CHARS_MAX: usize = 2000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Rises with time; the place to go on from.
    pub id: u64,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// To which server.
    pub server: Option<ServerId>,
    /// That server's name, when the event was read and the server is still known.
    pub server_name: Option<String>,
    /// In which rack.
    pub rack: Option<RackId>,
    /// The project whose server it was about when it happened; none: nobody's.
    pub project_id: Option<String>,
    /// That server of a tenant, by our id.
    pub tenant: Option<Uuid>,
    /// Its name then.
    pub tenant_name: Option<String>,
    /// What its tenant is told, and that project's members may see; none: administrators only.
    pub told: Option<String>,
    /// What kind.
    pub kind: EventKind,
    /// The word of a kind that is stored and that this version does not know: then the kind is [`EventKind::Other`].
    pub other_kind: Option<String>,
    /// In words, for administrators.
    pub text: String,
}

/// Which events to read.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// After this id.
    pub after: Option<u64>,
    /// Of this server.
    pub server: Option<ServerId>,
    /// What members of this project may see.
    pub project_id: Option<String>,
    /// Of this tenant's server.
    pub tenant: Option<Uuid>,
    /// At most so many of the newest; none: `ROWS_MAX`.
    pub limit: Option<u32>,
}
