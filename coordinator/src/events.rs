//! Edges: what happened, for people: stored, bounded, and told at once to whoever listens. What of it a tenant is told: `told.rs`.

use protocol::id::{RackId, ServerId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use uuid::Uuid;

mod told;

pub use told::Told;

/// So much of an event's text is kept, in characters: BMCs and other services say what they like.
pub const TEXT_CHARS_MAX: usize = 2000;
/// Listeners that fall further behind than this lose the oldest; they find them in the inventory.
pub const LISTENER_BACKLOG_MAX: usize = 1024;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of thing happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$name),*];

            /// The word used in the API, in logs and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(EventKind::$name => $text,)* }
            }
        }

        impl std::str::FromStr for EventKind {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($text => Ok(EventKind::$name),)* _ => Err(()) }
            }
        }
    };
}

event_kinds! {
    /// A server was enrolled.
    Enrolled = "enrolled",
    /// A server was forgotten.
    Forgotten = "forgotten",
    /// A power reading changed.
    Power = "power",
    /// Ironic's provision state changed.
    State = "state",
    /// A server is in maintenance, or is not any more, whoever said so.
    Maintenance = "maintenance",
    /// A port was moved.
    PortMoved = "port_moved",
    /// A deployed server that is off was taken off its tenant's network.
    Isolated = "isolated",
    /// The gate let a power-on through.
    Permitted = "permitted",
    /// A power-on was refused.
    Refused = "refused",
    /// Something waits, with the reason.
    Waiting = "waiting",
    /// A network boot moved on.
    Boot = "boot",
    /// A network boot was asked for and not answered.
    BootRefused = "boot_refused",
    /// A ramdisk is ready.
    RamdiskReady = "ramdisk_ready",
    /// A ramdisk is gone.
    RamdiskGone = "ramdisk_gone",
    /// A ramdisk's step began, moved on or ended.
    Step = "step",
    /// A rack's agent connected or went away.
    Agent = "agent",
    /// A server was put into a pool.
    Pool = "pool",
    /// A tenant's server changed.
    TenantServer = "tenant_server",
    /// A machine that nobody has enrolled was found, or the search for some moved on.
    Discovery = "discovery",
    /// An administrator asked for something.
    Asked = "asked",
    /// An alarm that somebody should look at.
    Alarm = "alarm",
}

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
    /// In words, for administrators.
    pub text: String,
}

/// Tells events to listeners. Storing them is the inventory's part.
#[derive(Clone, Debug)]
pub struct Broadcast(broadcast::Sender<Event>);

impl Default for Broadcast {
    fn default() -> Self {
        Self(broadcast::channel(LISTENER_BACKLOG_MAX).0)
    }
}

impl Broadcast {
    /// Tells everybody who listens.
    pub fn tell(&self, event: Event) {
        crate::metrics::happened(event.kind);
        // Nobody listening is no fault.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
