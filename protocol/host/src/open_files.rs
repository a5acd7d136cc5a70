//! Edges: how many files the system lets a program open, which bounds how many connections it can have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::info;

/// Why a program may not open as many files as it needs.
#[derive(Debug, thiserror::Error)]
pub enum OpenFilesError {
    /// The hard limit is too low.
    #[error(
        "the system lets this program open {hard} files, and its connections and its own files may be {needed}; set \
         LimitNOFILE={needed} or more in its systemd unit, or `ulimit -Hn {needed}` before it is started"
    )]
    TooFew {
        /// What it may have.
        hard: u64,
        /// What it needs.
        needed: u64,
    },
    /// The limit can be neither read nor set.
    #[error("the limit of open files cannot be read or raised")]
    System(#[from] io::Error),
}

/// Raises the limit of open files as far as it goes, and checks that it suffices.
pub fn raise_limit(needed: u64) -> Result<(), OpenFilesError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(io::Error::from)?;
    enough(hard, needed)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(io::Error::from)?;
    }
    info!(before = soft, now = hard, needed, "limit of open files");
    Ok(())
}

fn enough(hard: u64, needed: u64) -> Result<(), OpenFilesError> {
    if hard < needed { Err(OpenFilesError::TooFew { hard, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told_with_the_remedy() {
        enough(4096, 3856).unwrap();
        enough(3856, 3856).unwrap();
        let told = enough(1024, 3856).unwrap_err().to_string();
        for word in ["open 1024 files", "may be 3856", "LimitNOFILE=3856", "ulimit -Hn 3856"] {
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        raise_limit(1).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        assert!(matches!(raise_limit(u64::MAX), Err(OpenFilesError::TooFew { .. })));
    }
}
