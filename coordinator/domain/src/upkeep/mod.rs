//! Decisions: what is kept right at every BMC, round by round: it leaves its server off after a power failure, and its password is
//! changed now and then without anybody being locked out, and its certificate is renewed.

pub mod certificate;
pub mod footprint;
pub mod forget;
pub mod hold;
pub mod password;
pub mod policy;
pub mod readings;
pub mod restore;
pub mod retired;
pub mod rotation;

use self::{
    certificate::BmcCertificates, footprint::Traces, restore::Restore, retired::Retired, rotation::Rotation,
};

/// What is kept right at one server's BMC, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Whether it leaves its server off after a power failure, as that was last settled; none: it was never asked.
    pub restore: Option<Restore>,
    /// The change of its password that is under way.
    pub rotation: Option<Rotation>,
    /// When its password was last changed by us, in microseconds since 1970.
    pub rotated_us: Option<u64>,
    /// When somebody last read it, in microseconds since 1970.
    pub shown_us: Option<u64>,
    /// Every how many days its password is changed; none: as the site has it.
    pub rotate_days: Option<u32>,
    /// The password that the last change replaced, as a digest.
    pub retired: Option<Retired>,
    /// What was in it before a tenancy, and what differs after it; none: it was not read yet.
    pub traces: Option<Traces>,
    /// When it was claimed by the password of its factory, in microseconds since 1970. Its user is ours alone from then on, until somebody sets a
    /// password by hand.
    pub factory_us: Option<u64>,
    /// Its certificate; none: it has not shown one.
    pub certificates: Option<BmcCertificates>,
}
