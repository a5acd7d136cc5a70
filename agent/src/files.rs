//! Edges: how many files the system lets us open, which bounds how many connections we can have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pxe::http::MAX_CONNECTIONS;

use crate::{metrics, ramdisk};

/// Networks on which we listen: provisioning, cleaning, discovery.
const NETWORKS: usize = 3;
/// Files beside the listeners' connections: two connections to each of a thousand BMCs, the uplink, the spool, images.
const OWN_FILES: usize = 2300;
/// Files that we may need in all; below the hard limit of old shells, 4096.
pub const FILES_NEEDED: usize = NETWORKS * (ramdisk::PLACES + MAX_CONNECTIONS) + metrics::PLACES + OWN_FILES;

/// Why we may not open as many files as we need.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The hard limit is too low.
    #[error(
        "the system lets this program open {hard} files, and its connections and its own files may be {needed}; set \
         LimitNOFILE={needed} or more in its systemd unit, or `ulimit -Hn {needed}` before it is started"
    )]
    TooFew {
        /// What we may have.
        hard: u64,
        /// What we need.
        needed: u64,
    },
    /// The limit can be neither read nor set.
    #[error("the limit of open files cannot be read or raised")]
    System(#[from] io::Error),
}

/// Raises the limit of open files as far as it goes, and checks that it suffices.
pub fn raise_limit(needed: u64) -> Result<(), FilesError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(io::Error::from)?;
    if hard < needed {
        return Err(FilesError::TooFew { hard, needed });
    }
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(io::Error::from)?;
    }
    tracing::info!(before = soft, now = hard, needed, "limit of open files");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_told_when_it_is_too_low() {
        const { assert!(FILES_NEEDED <= 4096) };
        raise_limit(1).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        let told = raise_limit(hard + 1).unwrap_err().to_string();
        for word in [format!("open {hard} files"), format!("LimitNOFILE={}", hard + 1)] {
            assert!(told.contains(&word), "{told}");
        }
    }
}
