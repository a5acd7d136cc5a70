//! Values: a tenant's image on its way from the image service to a disk.
//!
//! ```text
//!   upstream --fetch once--> hash, unpack --> cache (a file, SHA-512 checked) --windows--> extents that are not zero --> ramdisk
//! ```
//!
//! What must stay true: no byte reaches a disk before the whole file has been found to be the one the image service
//! promised, and no number inside an image file is believed before it is checked against the file's size.

mod board;
mod cache;
mod desk;
mod eviction;
mod extents;
mod intake;
mod qcow2;
mod room;
mod source;

pub use cache::{Cache, CacheError, ImageStream, Upstream, UpstreamError};
pub use extents::{Extent, Extents};
pub use source::{CachedImage, ImageError};

#[cfg(test)]
mod tests;
