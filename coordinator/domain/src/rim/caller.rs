//! Values: in whose name a service is asked.

use protocol::secret::Secret;

/// In whose name a service is asked.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// The coordinator's own user.
    Service,
    /// Somebody else, by the token that was shown to us.
    Tenant(&'a Secret),
}
