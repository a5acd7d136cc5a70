//! Edges: the state directory, held by one coordinator at a time.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It cannot be made, or nothing can be written in it.
    #[error("the state directory {path} cannot be used; make it writable for this user")]
    Unusable {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another coordinator holds it.
    #[error(
        "another coordinator runs on the state directory {path}; stop it, or give this one a state_dir of its own"
    )]
    Held {
        /// Which directory.
        path: PathBuf,
    },
}

/// The directory, ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateDir {
    _lock: File,
}

impl StateDir {
    /// Makes the directory when it is missing, and takes it.
    pub fn hold(path: &Path) -> Result<Self, StateDirError> {
        let unusable = |source| StateDirError::Unusable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateDirError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_coordinator_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let held = StateDir::hold(&path).unwrap();
        let refused = StateDir::hold(&path).unwrap_err();
        assert!(matches!(refused, StateDirError::Held { .. }), "{refused}");
        drop(held);
        StateDir::hold(&path).unwrap();
    }
}
