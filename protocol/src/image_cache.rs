//! Values: a rack's cache of image files: what is asked of it, and what is in it.

use crate::{
    id::{CacheOrderId, ServerId},
    step::ImageRef,
};

/// Most images that an answer lists.
pub const IMAGES_LISTED_MAX: usize = 1000;
/// Most servers that an image is listed with, of each kind.
pub const SERVERS_LISTED_MAX: usize = 256;

/// Something about the cache of an agent's rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOrder {
    /// By which its answer is known.
    pub id: CacheOrderId,
    /// What.
    pub verb: CacheVerb,
}

/// What is done with the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheVerb {
    /// Nothing: it is looked at.
    Look,
    /// This image is fetched, if it is not there; the answer does not wait for its end.
    Warm(ImageRef),
    /// The image with this SHA-512 is removed, unless somebody uses it. Done already is done.
    Drop(String),
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheAnswer {
    /// Which order.
    pub id: CacheOrderId,
    /// What is in the cache then, or why nothing was done.
    pub outcome: Result<CacheState, String>,
}

/// What is in a rack's cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheState {
    /// What its files may have together, in bytes.
    pub max_bytes: u64,
    /// What of that nobody has. More becomes free when another image needs it: those go that were used least recently.
    pub free_bytes: u64,
    /// The images, at most [`IMAGES_LISTED_MAX`].
    pub images: Vec<CachedImage>,
    /// How many more there are.
    pub left_out: u32,
}

/// An image in a rack's cache, or on its way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedImage {
    /// SHA-512 of its file as the image service has it, in lower-case hexadecimal.
    pub sha512: String,
    /// The image service's id, if it was asked for since the agent started.
    pub id: Option<String>,
    /// How far it is.
    pub standing: Standing,
    /// Servers that wait for it, at most [`SERVERS_LISTED_MAX`].
    pub waiting: Vec<ServerId>,
    /// Servers that it is being written to, at most so many.
    pub in_use: Vec<ServerId>,
}

/// How far an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there, and checked.
    Whole {
        /// What it takes on the agent's disk.
        bytes: u64,
        /// When it was used last, in seconds since 1970.
        used_s: u64,
        /// Whether it was compressed and is kept as the disk that was in it.
        unpacked: bool,
    },
    /// It is being fetched.
    UnderWay {
        /// Bytes that have come.
        received_bytes: u64,
        /// Bytes of the file.
        size_bytes: u64,
    },
    /// It could not be fetched when it was asked for last.
    Failed(String),
}
