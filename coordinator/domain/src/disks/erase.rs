//! Values: how much is erased.

use serde::{Deserialize, Serialize};

/// How much is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erase {
    /// Partition tables and signatures.
    Metadata,
    /// Every byte.
    Disks,
}
