//! Edges: what is sent to servers: bytes in memory, or a file that the kernel sends by itself (sendfile).

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use nix::sys::memfd::{MFdFlags, memfd_create};
use protocol::hex;
use ring::digest::{SHA256, digest};

/// Characters of a digest that tell contents apart: 128 bits of it.
const TAG_CHARS: usize = 32;

/// Something to be sent. Clones share it.
#[derive(Clone, Debug)]
pub struct Content {
    source: Source,
    len: u64,
    /// What HTTP calls a strong validator (RFC 9110 section 8.8.3), in its quotes; none: nobody asks twice for it.
    tag: Option<Arc<str>>,
    /// When it was changed last, as far as is known.
    modified: Option<SystemTime>,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In our memory.
    Memory(Bytes),
    /// In a file that does not change, or whose change is its owner's business.
    File(Arc<File>),
}

impl Content {
    /// Copies a file's bytes into memory that has a file descriptor: changes on the disk have no effect on a download under way.
    pub fn held(bytes: &[u8], modified: Option<SystemTime>) -> Self {
        let tag = Some(tag_of(bytes));
        let source = match in_memory_file(bytes) {
            Ok(file) => Source::File(Arc::new(file)),
            Err(error) => {
                tracing::debug!(%error, "no file in memory; its bytes are copied for each download");
                Source::Memory(Bytes::copy_from_slice(bytes))
            }
        };
        Self { source, len: bytes.len() as u64, tag, modified }
    }

    /// A file that is read as it is sent.
    pub fn on_disk(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        // One that is replaced is another one, and one that is written to has another time.
        let tag = format!("\"{:x}-{:x}-{:x}-{:x}\"", meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        let modified = meta.modified().ok();
        Ok(Self { source: Source::File(Arc::new(file)), len: meta.len(), tag: Some(tag.into()), modified })
    }

    /// Something that was made for one request: it has no name by which it could be asked for again.
    pub fn made(bytes: Bytes) -> Self {
        Self { len: bytes.len() as u64, source: Source::Memory(bytes), tag: None, modified: None }
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to be sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes are.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its strong validator, in quotes.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// When it was changed last.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// All of it, copied where it is a file's.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match &self.source {
            Source::Memory(bytes) => Ok(bytes.clone()),
            Source::File(file) => {
                let mut whole = Vec::new();
                let mut file = file.try_clone()?;
                file.rewind()?;
                file.take(super::MAX_FILE_LEN).read_to_end(&mut whole)?;
                Ok(whole.into())
            }
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::made(Bytes::new())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { tag: Some(tag_of(&bytes)), ..Self::made(bytes) }
    }
}

fn tag_of(bytes: &[u8]) -> Arc<str> {
    let digest = hex::encode(digest(&SHA256, bytes));
    format!("\"{}\"", digest.get(..TAG_CHARS).unwrap_or_default()).into()
}

fn in_memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"boot file", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_have_the_same_tag_wherever_they_are() {
        let memory = Content::from(Bytes::from_static(b"kernel"));
        let held = Content::held(b"kernel", None);
        assert!(matches!(held.source(), Source::File(_)));
        assert_eq!((held.tag(), held.len()), (memory.tag(), 6));
        for content in [&memory, &held, &held] {
            assert_eq!(content.to_bytes().unwrap(), "kernel");
        }
        assert_ne!(Content::held(b"Kernel", None).tag(), held.tag());
        assert_eq!(Content::made(Bytes::from_static(b"script")).tag(), None);
    }

    #[test]
    fn a_file_that_is_written_anew_has_another_tag() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let one = Content::on_disk(&path).unwrap();
        host::whole_file::write(&path, b"two").unwrap();
        assert_ne!(Content::on_disk(&path).unwrap().tag(), one.tag());
        assert_eq!(one.to_bytes().unwrap(), "one", "who has begun gets the rest of it");
        assert!(Content::on_disk(dir.path()).is_err());
    }
}
