//! Edges: the files that servers boot, read once and held in memory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

pub use self::parts::Parts;

mod parts;

/// Longest file that is held in memory; a larger one is a mistake in a path.
pub const MAX_FILE_LEN: u64 = 1 << 30;

/// The contents of all files that a server may fetch. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub struct BootFiles {
    /// The ramdisk's kernel.
    pub kernel: Bytes,
    /// The ramdisk.
    pub initrd: Bytes,
    /// The ramdisk with the tools of a rescue system behind it; without any, the ramdisk alone.
    pub rescue_initrd: Bytes,
    /// What a ramdisk is put together of for each server; none: all are given the same.
    pub parts: Option<Arc<Parts>>,
    /// iPXE for UEFI firmware that is not iPXE itself.
    pub snponly: Bytes,
    /// iPXE for BIOS boot ROMs that are not iPXE themselves.
    pub undionly: Bytes,
}

/// Where the boot files lie.
#[derive(Clone, Debug)]
pub struct BootFilePaths {
    /// The ramdisk's kernel.
    pub kernel: PathBuf,
    /// The ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond the ramdisk; none: there is none.
    pub rescue: Option<PathBuf>,
    /// The directory with the ramdisk's parts; none: every server is given all of it.
    pub parts: Option<PathBuf>,
    /// `snponly.efi` of iPXE.
    pub snponly: PathBuf,
    /// `undionly.kpxe` of iPXE.
    pub undionly: PathBuf,
}

/// Why the boot files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFilesError {
    /// The system refused.
    #[error("cannot read the boot file {path}; install it or correct the path")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing sensible is that long, or that short.
    #[error("the boot file {path} has {len} bytes; expected 1 to {MAX_FILE_LEN}")]
    Length {
        /// Which file.
        path: PathBuf,
        /// How long it is.
        len: u64,
    },
}

impl BootFiles {
    /// Reads all files.
    pub fn read(paths: &BootFilePaths) -> Result<Self, ReadFilesError> {
        let initrd = read(&paths.initrd)?;
        let rescue_initrd = match &paths.rescue {
            Some(rescue) => joined(&initrd, &read(rescue)?),
            None => initrd.clone(),
        };
        let parts = paths.parts.as_deref().map(Parts::read).transpose()?;
        Ok(Self {
            parts: parts.map(Arc::new),
            kernel: read(&paths.kernel)?,
            initrd,
            rescue_initrd,
            snponly: read(&paths.snponly)?,
            undionly: read(&paths.undionly)?,
        })
    }
}

fn read(path: &Path) -> Result<Bytes, ReadFilesError> {
    let fault = |source| ReadFilesError::Read { path: path.to_owned(), source };
    let len = std::fs::metadata(path).map_err(fault)?.len();
    if len == 0 || len > MAX_FILE_LEN {
        return Err(ReadFilesError::Length { path: path.to_owned(), len });
    }
    std::fs::read(path).map(Bytes::from).map_err(fault)
}

/// Two archives as one initrd: the kernel unpacks them one after the other, each of which begins at a multiple of four bytes
/// (Linux `driver-api/early-userspace/buffer-format`).
fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(first.len() + second.len() + 3);
    bytes.extend_from_slice(first);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(second);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let dir = std::env::temp_dir().join(format!("pxe-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let good = dir.join("good");
        let empty = dir.join("empty");
        std::fs::write(&good, b"x").unwrap();
        std::fs::write(&empty, b"").unwrap();
        let check = |initrd: &Path, expected: &str| {
            let paths = BootFilePaths {
                kernel: good.clone(),
                initrd: initrd.to_owned(),
                rescue: Some(good.clone()),
                parts: None,
                snponly: good.clone(),
                undionly: good.clone(),
            };
            let text = BootFiles::read(&paths).map(|_| ()).map_err(|error| error.to_string());
            assert!(format!("{text:?}").contains(expected), "{text:?} lacks {expected:?}");
        };
        check(&good, "Ok");
        check(&dir.join("absent"), "absent; install it");
        check(&empty, "has 0 bytes");
        assert_eq!(&joined(b"abcde", b"fg")[..], b"abcde\0\0\0fg");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
