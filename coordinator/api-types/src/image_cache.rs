//! Values: the racks' image caches in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::word::words;

/// The image cache of a rack, as its agent shows it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageCache {
    /// The rack.
    pub rack: String,
    /// Why the cache cannot be shown now, or why nothing was done, as a sentence. Absent: it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What all its files may take together, in bytes (`image_cache.size_mib` of the agent).
    pub max_bytes: u64,
    /// What is free of that without removing an image. Images that were used least recently are removed when another one needs room.
    pub free_bytes: u64,
    /// The images in it and on their way to it.
    pub images: Vec<CachedImage>,
    /// Number of images that are not listed.
    #[serde(default)]
    pub left_out: u32,
}

/// An image in a rack's image cache, or on its way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CachedImage {
    /// Its name in Glance, or the name of a firmware file. Absent: neither has it any more.
    #[serde(default)]
    pub name: Option<String>,
    /// Its id in Glance. Absent: it is not there any more, or it is a firmware file.
    #[serde(default)]
    pub id: Option<String>,
    /// SHA-512 of its file, in hexadecimal.
    pub sha512: String,
    /// Whether it is there.
    pub status: CachedImageStatus,
    /// What it takes on the agent's disk, in bytes; of one that is being fetched, what has arrived of its file.
    pub bytes: u64,
    /// Size of its file in bytes. Absent: it is not being fetched, and Glance has it not.
    #[serde(default)]
    pub size_bytes: Option<u64>,
    /// Whether its file was compressed and is kept unpacked.
    #[serde(default)]
    pub unpacked: bool,
    /// When it was used last (RFC 3339). Absent: it is not there yet.
    #[serde(default)]
    pub last_used: Option<String>,
    /// Why it could not be fetched, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Nodes that wait for it.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Nodes that it is being written to.
    #[serde(default)]
    pub in_use: Vec<String>,
}

words! {
    /// Whether an image is in a rack's image cache.
    CachedImageStatus {
        /// It is there, and its hash was checked.
        Cached = "cached",
        /// It is being fetched.
        Fetching = "fetching",
        /// It could not be fetched, or is not a disk.
        Failed = "failed";
        /// A newer coordinator has another word for it.
        else Unknown = "unknown"
    }
}

/// A request to fetch an image into image caches before a server needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmImage {
    /// Name or id of the image.
    pub image: String,
    /// The rack. Absent: every rack that has an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
}
