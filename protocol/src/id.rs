//! Values: the names things go by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new random one.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_newtype! {
    /// One physical server. It is also the uuid of its Ironic node and the id of its Redfish system on the facade,
    /// so that a person can follow one name through every log.
    ServerId
}
uuid_newtype! {
    /// One command to an agent. A repeated command with the same id is answered from memory, never done twice.
    CommandId
}
uuid_newtype! {
    /// One run of an agent process. A new one means that the agent lost what it held in memory.
    AgentBootId
}
uuid_newtype! {
    /// One run of a ramdisk on one server: from its first hello until its power goes off.
    RamdiskSessionId
}

uuid_newtype! {
    /// One watcher's place at one serial console.
    ConsoleId
}
uuid_newtype! {
    /// One connection to a booted server, through its rack's agent.
    TunnelId
}
uuid_newtype! {
    /// One order for a rack's image cache.
    CacheOrderId
}
uuid_newtype! {
    /// One tenancy of one server: the `instance_uuid` under which Ironic's node carries it.
    TenancyId
}

/// A rack, and so the one agent that serves it. 1-63 characters, letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RackId(String);

/// Why a text is not a rack's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("rack name {0:?} must have 1 to 63 of the characters a-z A-Z 0-9 - _ .")]
pub struct InvalidRackId(pub String);

impl RackId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RackId {
    type Err = InvalidRackId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidRackId(text.to_owned())) }
    }
}

impl TryFrom<String> for RackId {
    type Error = InvalidRackId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RackId> for String {
    fn from(rack: RackId) -> String {
        rack.0
    }
}

impl fmt::Display for RackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
