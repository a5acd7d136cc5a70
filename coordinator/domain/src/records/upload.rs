//! Values: what is kept of an image on its way into Glance.

use uuid::Uuid;

/// An image that is or was being uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Glance's id of it.
    pub image: Uuid,
    /// Length of the whole file.
    pub file_bytes: u64,
}
