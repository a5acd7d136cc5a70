//! Values: what stands in a BMC, and in the firmware's settings behind it, that whoever had the server could have changed.

use serde::{Deserialize, Serialize};

/// Most entries of one part.
pub const ENTRIES_MAX: usize = 64;

/// What was read. Entries are texts for people, compared letter by letter; a part that could not be read is named, and not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Users of the BMC, each with what it may do.
    pub users: Vec<String>,
    /// The order in which the firmware tries boot devices.
    pub boot_order: Vec<String>,
    /// Whether Secure Boot is on; none: not read.
    pub secure_boot: Option<bool>,
    /// Firmware with its versions.
    pub firmware: Vec<String>,
    /// Parts that were not read.
    pub unread: Vec<Part>,
}

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// [`Footprint::users`].
    Users,
    /// [`Footprint::boot_order`].
    BootOrder,
    /// [`Footprint::secure_boot`].
    SecureBoot,
    /// [`Footprint::firmware`].
    Firmware,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Users, Self::BootOrder, Self::SecureBoot, Self::Firmware];

    /// Its word, as messages carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::BootOrder => "boot_order",
            Self::SecureBoot => "secure_boot",
            Self::Firmware => "firmware",
        }
    }

    /// By its word; none: another version knows more parts.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == word)
    }
}
