//! Edges: the state directory, held by one coordinator at a time, and closed to everybody else on this machine.
//!
//! The database in it names tenants, networks and hardware; the keys beside it open the rest. Other users of the machine have
//! no business there, whatever umask we were started with and whoever made the directory.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use tracing::warn;

/// Mode of a directory that its owner alone may enter.
const DIRECTORY_MODE: u32 = 0o700;
/// Mode of a file that its owner alone may read.
const FILE_MODE: u32 = 0o600;
/// What a mode gives to others.
const OTHERS: u32 = 0o077;
/// Directories within directories that are looked into: what we make there is one level deep.
const DEPTH_MAX: u32 = 2;

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
        "another coordinator uses the state directory {path}; stop it, or give this one its own state_dir"
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
    /// Makes the directory when it is missing, takes it, and closes what is in it to everybody else.
    pub fn hold(path: &Path) -> Result<Self, StateDirError> {
        let unusable = |source| StateDirError::Unusable { path: path.to_owned(), source };
        make_private_dir(path).map_err(unusable)?;
        let lock = private_file(&path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {
                close_to_others(path, DEPTH_MAX).map_err(unusable)?;
                Ok(Self { _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(StateDirError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

/// Makes a directory, with those above it, that its owner alone may enter; one that is there stays as it is.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

/// Opens a file for writing, and makes it for its owner alone when it is missing.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)
}

/// Takes from others what they may do with this and with what is in it. What is not ours is told and left: whoever made it so may
/// have meant it.
fn close_to_others(path: &Path, depth: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let mode = meta.mode() & 0o7777;
    if !meta.is_symlink() && mode & OTHERS != 0 {
        if meta.uid() == geteuid().as_raw() {
            fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))?;
            warn!(path = %path.display(), mode = format!("{mode:o}"), "others could open this; now its owner alone can");
        } else {
            let owner = meta.uid();
            warn!(path = %path.display(), mode = format!("{mode:o}"), owner, "others can open this, and it is not ours to close: make it its owner's alone");
        }
    }
    if meta.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            close_to_others(&entry?.path(), depth - 1)?;
        }
    }
    Ok(())
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

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn nobody_else_opens_what_is_made_and_what_was_open_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/state");
        drop(StateDir::hold(&path).unwrap());
        assert_eq!((mode(&path), mode(&path.join("lock"))), (0o700, 0o600));
        // One of an earlier version, or made by hand.
        let old = dir.path().join("old");
        fs::create_dir_all(old.join("pki")).unwrap();
        fs::write(old.join("inventory.sqlite"), b"").unwrap();
        fs::write(old.join("pki/ca.pem"), b"").unwrap();
        let open = [("", 0o755), ("pki", 0o777), ("inventory.sqlite", 0o644), ("pki/ca.pem", 0o664)];
        for (name, mode) in open {
            fs::set_permissions(old.join(name), Permissions::from_mode(mode)).unwrap();
        }
        drop(StateDir::hold(&old).unwrap());
        for (name, _) in open {
            assert_eq!(mode(&old.join(name)) & OTHERS, 0, "{name}");
        }
        assert_eq!((mode(&old), mode(&old.join("inventory.sqlite"))), (0o700, 0o600));
    }

    /// What we do not know is not followed out of the directory.
    #[test]
    fn a_link_in_it_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (state, other) = (dir.path().join("state"), dir.path().join("other"));
        fs::create_dir(&state).unwrap();
        fs::write(&other, b"").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&other, state.join("link")).unwrap();
        drop(StateDir::hold(&state).unwrap());
        assert_eq!(mode(&other), 0o644);
    }
}
