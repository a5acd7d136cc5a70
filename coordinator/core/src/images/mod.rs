//! Decisions and edges: image files on their way to Glance: what they are, read from their bytes as they pass, and whom
//! they fit.
//!
//! ```text
//!   bmsctl -- bytes --> head: raw or qcow2? --> sieve: tables, length, SHA-512 --> Glance
//!                          | refused: Glance is never asked        | refused: the upload is cut off and the image deleted
//! ```
//!
//! What must stay true: an image of ours is active in Glance only if every check of it passed. Its id is stored before
//! Glance hears of it, so that what a crash leaves there is found and deleted.
//!
//! A file that comes too slowly, for too long, or from somebody who may not any more is cut off, and its place is free.
//!
//! Deliberately absent: reading an image again once it is in Glance. The rack's agent checks each file that it fetches.

mod pace;
mod upload;

pub use pace::{Cut, LEAST_BYTES, LEAST_TIME, Pace, UPLOAD_TIME_MAX};
pub use upload::{FileBytes, NewUpload, UploadError, Uploads};
