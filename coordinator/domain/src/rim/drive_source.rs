//! Values: configuration drives that Ironic names by an address instead of sending them, as a trait.

use async_trait::async_trait;

/// Where such drives are read.
#[async_trait]
pub trait DriveSource: Send + Sync {
    /// The bytes at this address, at most `bytes_max` of them.
    async fn fetch(&self, url: &str, bytes_max: usize) -> Result<Vec<u8>, DriveError>;
}

/// Why a drive could not be read. Its words show an address by [`shown_url`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriveError {
    /// The site allows no drives from there.
    #[error(
        "the configuration drive is at {url}, from where this site takes none; add the beginning of its address to \
         facade.config_drives_from in the coordinator's configuration, or unset [deploy]configdrive_use_object_store in Ironic"
    )]
    NotAllowed {
        /// Where.
        url: String,
    },
    /// No answer, or one that may be another one next time. Worth repeating.
    #[error("the configuration drive at {url} could not be read: {reason}")]
    Away {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It is not there, or unfit.
    #[error("the configuration drive at {url} cannot be used: {reason}")]
    Refused {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
}

/// An address as it may be shown: without a user and a password before its host, and without what follows its `?`, which may be a signature.
pub fn shown_url(url: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, _)) => (address, "?..."),
        None => (url, ""),
    };
    let Some((scheme, rest)) = address.split_once("://") else { return format!("{address}{query}") };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}

/// Takes drives from nowhere.
pub struct NoDrives;

#[async_trait]
impl DriveSource for NoDrives {
    async fn fetch(&self, url: &str, _: usize) -> Result<Vec<u8>, DriveError> {
        Err(DriveError::NotAllowed { url: shown_url(url) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_opens_it() {
        let check = |url: &str, expected: &str| assert_eq!(shown_url(url), expected);
        check("https://swift/v1/drive", "https://swift/v1/drive");
        check("https://swift/v1/drive?sig=s3cret", "https://swift/v1/drive?...");
        check("https://user:s3cret@swift:8080/v1/a@b?x", "https://swift:8080/v1/a@b?...");
        check("http://user:p@ss@swift", "http://swift");
        check("no address", "no address");
    }
}
