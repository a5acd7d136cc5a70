//! Edges: a directory from which machines fetch files by their names, as from any TFTP or HTTP server. Nothing outside of it is reached, by
//! whatever name or link.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;

use super::{Content, MAX_FILE_LEN};

/// Longest name.
const NAME_MAX: usize = 512;

/// Most files that are remembered while somebody fetches them by TFTP.
const SHARED_MAX: usize = 64;

/// The directory. Clones are one.
#[derive(Clone, Debug)]
pub struct Root {
    dir: PathBuf,
    shared: Arc<Mutex<Vec<Shared>>>,
}

/// A file that somebody fetches: whoever else wants it gets the same bytes.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    tag: Option<String>,
    bytes: Weak<Bytes>,
}

impl Root {
    /// Takes a directory.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.canonicalize()?;
        match dir.is_dir() {
            true => Ok(Self { dir, shared: Arc::default() }),
            false => Err(io::Error::from(ErrorKind::NotADirectory)),
        }
    }

    /// Where a plain file of this name lies; none: there is none within the directory.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        if name.len() > NAME_MAX {
            return None;
        }
        // Boot ROMs write paths as their makers' systems do.
        let name = name.replace('\\', "/");
        let mut path = self.dir.clone();
        for part in name.split('/') {
            match part {
                "" | "." => {}
                ".." => return None,
                part => path.push(part),
            }
        }
        let path = path.canonicalize().ok()?;
        (path.starts_with(&self.dir) && path.is_file()).then_some(path)
    }

    /// A file, to be sent as it is read.
    pub fn content(&self, name: &str) -> io::Result<Content> {
        Content::on_disk(&self.find(name).ok_or(ErrorKind::NotFound)?)
    }

    /// A file's bytes, shared by all who fetch it at a time.
    pub fn bytes(&self, name: &str) -> io::Result<Arc<Bytes>> {
        let path = self.find(name).ok_or(ErrorKind::NotFound)?;
        let content = Content::on_disk(&path)?;
        if content.len() > MAX_FILE_LEN {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let tag = content.tag().map(str::to_owned);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|one| one.bytes.strong_count() > 0);
        let same = shared.iter().find(|one| one.path == path && one.tag == tag);
        if let Some(bytes) = same.and_then(|one| one.bytes.upgrade()) {
            return Ok(bytes);
        }
        let bytes = Arc::new(content.to_bytes()?);
        if shared.len() < SHARED_MAX {
            shared.push(Shared { path, tag, bytes: Arc::downgrade(&bytes) });
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reached_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("root");
        std::fs::create_dir_all(inside.join("debian")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        std::fs::write(inside.join("debian/linux"), "kernel").unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        std::os::unix::fs::symlink("debian/linux", inside.join("good")).unwrap();
        let root = Root::open(&inside).unwrap();
        let check = |name: &str, expected: Option<&str>| {
            let found = root.bytes(name).ok();
            assert_eq!(found.as_deref().map(|bytes| &bytes[..]), expected.map(str::as_bytes), "{name}");
        };
        for name in ["debian/linux", "/debian//./linux", "\\debian\\linux", "good"] {
            check(name, Some("kernel"));
        }
        for name in ["../secret", "debian/../../secret", "link", "debian", "", "absent", "..\\secret", "a\0b"]
        {
            check(name, None);
        }
        assert!(Root::open(&inside.join("absent")).is_err());
        assert!(Root::open(&inside.join("good")).is_err());
    }

    #[test]
    fn who_fetches_a_file_at_the_same_time_shares_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "one").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let (first, second) = (root.bytes("file").unwrap(), root.bytes("./file").unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        host::whole_file::write(&dir.path().join("file"), b"two!").unwrap();
        assert_eq!(root.bytes("file").unwrap().as_ref(), "two!");
        assert_eq!(first.as_ref(), "one");
    }
}
