//! Edges: a file that is replaced whole or not at all: whoever reads it, and whenever we are killed or the power goes, finds the
//! old one or the new one.
//!
//! The new bytes are flushed before they get the file's name, and the directory after that. Until then they have no name, where
//! the file system can do that, so a kill leaves nothing behind that could be read.

use std::{
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use atomic_write_file::{AtomicWriteFile, unix::OpenOptionsExt as _};

/// For the owner's eyes: most of these files hold keys.
const MODE: u32 = 0o600;

/// Writes a small file, which only its owner can read, whatever the mode of the one that it replaces. When this returns it is
/// on the disk. On an error the old one is still there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        AtomicWriteFile::options().mode(MODE).preserve_mode(false).preserve_owner(false).open(path)?;
    file.write_all(bytes)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        for bytes in [&b"a long first one"[..], b"short", b""] {
            write(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        }
        assert_eq!(names(dir.path()), ["secret.key"], "nothing is left beside it");
    }

    /// Who has the old file open reads it to its end: it was replaced, not written over.
    #[test]
    fn who_reads_the_old_one_reads_it_whole() {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write(&path, b"old").unwrap();
        let mut reader = fs::File::open(&path).unwrap();
        write(&path, b"newer").unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "old");
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write(&dir.path().join("missing/f"), b"x").is_err());
        // A directory is not replaced by a file.
        fs::create_dir(dir.path().join("d")).unwrap();
        assert!(write(&dir.path().join("d"), b"x").is_err());
        assert!(dir.path().join("d").is_dir());
    }
}
