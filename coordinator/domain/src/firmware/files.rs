//! Values: files of firmware that the coordinator keeps for updates.

/// Most files that are kept; the oldest are to be deleted by whoever needs room.
pub const FILES_MAX: usize = 64;
/// Under which agents ask for them: this, and then the SHA-256.
const PREFIX: &str = "firmware/";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareFile {
    /// SHA-256 of the file, lower-case hexadecimal; its id.
    pub sha256: String,
    /// SHA-512 of the file, lower-case hexadecimal, by which agents know it.
    pub sha512: String,
    /// Its name, which some BMCs look at.
    pub name: String,
    /// Its size in bytes.
    pub file_bytes: u64,
    /// When it was uploaded, in microseconds since 1970.
    pub created_us: u64,
}

impl FirmwareFile {
    /// Under which an agent asks for it.
    pub fn image_id(&self) -> String {
        format!("{PREFIX}{}", self.sha256)
    }
}

/// The SHA-256 of the file that an agent asks for under this id; none: it is an image of the image service's.
pub fn sha256_of(image_id: &str) -> Option<&str> {
    image_id.strip_prefix(PREFIX)
}
