//! Values: the file in which a certificate is given away.

use serde::{Deserialize, Serialize};

/// What [`File::format`] says.
pub const FORMAT: &str = "bms-erase-certificate/1";
/// Longest file that is read.
pub const FILE_BYTES_MAX: usize = 256 << 10;

/// A certificate as it is kept and exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// [`FORMAT`].
    pub format: String,
    /// The agent's statement, a JWS.
    pub statement: String,
    /// The authority's receipt, a JWS; none: nobody has countersigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl File {
    /// A whole one.
    pub fn new(statement: String, receipt: String) -> Self {
        Self { format: FORMAT.to_owned(), statement, receipt: Some(receipt) }
    }
}
