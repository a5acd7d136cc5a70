//! Values: what kinds of things happen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:tt,)*) => {
        /// What kind of thing happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
            /// A kind that another version of this program knows, and this one does not. Nothing of this kind happens here.
            #[default]
            #[serde(rename = "other", other)]
            Other,
        }

        impl EventKind {
            /// All kinds of what happens here.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$name),*];

            /// The word used in the API, in logs and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(EventKind::$name => $text,)* EventKind::Other => "other" }
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
    /// A server's sensors are better, or its event log was cleared or dealt with. What got worse is an alarm.
    Hardware = "hardware",
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
    /// Something at a BMC was put right, or could not be: its password, or what it does after a power failure.
    Upkeep = "upkeep",
    /// An alarm that somebody should look at.
    Alarm = "alarm",
}
