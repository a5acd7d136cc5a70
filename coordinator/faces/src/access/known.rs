//! Values: somebody whose token is good.

use domain::rim::Identity;

use super::standing::Standing;

/// Somebody whose token is good and gives something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who it is.
    pub identity: Identity,
    /// What that makes of it.
    pub standing: Standing,
    /// When the token ends, in microseconds since 1970.
    pub ends_us: u64,
}

impl Known {
    /// Whether it is the same one with the same rights.
    pub fn is_as(&self, other: &Known) -> bool {
        (&self.identity, self.standing) == (&other.identity, other.standing)
    }
}
