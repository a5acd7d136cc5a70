//! Values: how much is erased, and how thoroughly.

use protocol::erase::{ErasePolicy, ReadBack};
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

/// How thoroughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thoroughness {
    /// Which methods count for an erase of every byte.
    pub policy: ErasePolicy,
    /// How much of it is read back.
    pub read_back: ReadBack,
    /// An erase of metadata may erase every byte of a drive that does that by itself within moments.
    pub quick: bool,
}

impl Thoroughness {
    /// What is enough for both.
    pub fn and(self, other: Self) -> Self {
        Self {
            policy: self.policy.max(other.policy),
            read_back: self.read_back.max(other.read_back),
            quick: self.quick || other.quick,
        }
    }
}
