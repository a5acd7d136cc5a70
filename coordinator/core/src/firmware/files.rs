//! Edges: files of firmware in the state directory, each under its SHA-256: a file that has its name is whole and right.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    firmware::files::{FILES_MAX, FirmwareFile, sha256_of},
    rim::{ImageError, ImageSource, ImageStream},
};
use futures::{Stream, StreamExt};
use protocol::{hex, update::IMAGE_BYTES_MAX};
use sha2::{Digest, Sha256, Sha512};
use store::{Inventory, InventoryError};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};
use tracing::warn;
use uuid::Uuid;

/// Bytes that are read from a file at once.
const PIECE_BYTES: usize = 256 << 10;
/// How a file that is being taken is called; whatever is called so at the start is left over from a broken upload.
const PART: &str = ".part";

/// Files of firmware.
pub struct FirmwareFiles {
    dir: PathBuf,
    inventory: Inventory,
    /// Where images come from that are not firmware.
    images: Option<Arc<dyn ImageSource>>,
}

/// Why a file is not taken, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk.
    #[error(
        "the coordinator cannot {operation} {path}: {source}; check its state directory's owner, mode and free space"
    )]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The file.
    #[error("{0}")]
    Refused(String),
}

impl FirmwareFiles {
    /// Those in this directory, which is made when it is first needed.
    pub fn new(dir: PathBuf, inventory: Inventory) -> Self {
        Self { dir, inventory, images: None }
    }

    /// The same files, and every other image from there: what agents ask for.
    pub fn beside(self: &Arc<Self>, images: Arc<dyn ImageSource>) -> Self {
        Self { dir: self.dir.clone(), inventory: self.inventory.clone(), images: Some(images) }
    }

    /// Takes a file. `sha256`: what it must have, where that is known.
    pub async fn take<E: std::fmt::Display>(
        &self,
        name: &str,
        sha256: Option<&str>,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<FirmwareFile, FileError> {
        let known = self.inventory.firmware_files().await?;
        if known.len() >= FILES_MAX {
            return Err(FileError::Refused(format!(
                "{FILES_MAX} files of firmware are kept already; delete one that is not needed (bmsctl firmware file delete)"
            )));
        }
        self.prepare_dir().await?;
        let part = self.dir.join(format!("{}{PART}", Uuid::new_v4()));
        let taken = self.write(&part, bytes).await;
        let file = match taken {
            Ok((_, found, _)) if sha256.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&found)) => {
                Err(FileError::Refused(format!(
                    "the file that came has the SHA-256 {found}, which is not the one that was given; check it, and upload it again"
                )))
            }
            Ok((file_bytes, sha256, sha512)) => {
                let created_us = self.inventory.clock().now_us();
                Ok(FirmwareFile { sha256, sha512, name: name.to_owned(), file_bytes, created_us })
            }
            Err(error) => Err(error),
        };
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                let _ = fs::remove_file(&part).await;
                return Err(error);
            }
        };
        let path = self.dir.join(&file.sha256);
        fs::rename(&part, &path).await.map_err(disk("name", &path))?;
        self.inventory.put_firmware_file(&file).await?;
        Ok(file)
    }

    async fn write<E: std::fmt::Display>(
        &self,
        part: &Path,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(u64, String, String), FileError> {
        let mut bytes = std::pin::pin!(bytes);
        let mut file = fs::File::create(part).await.map_err(disk("make", part))?;
        let (mut sha256, mut sha512, mut came) = (Sha256::new(), Sha512::new(), 0_u64);
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| FileError::Refused(error.to_string()))?;
            came += piece.len() as u64;
            if came > IMAGE_BYTES_MAX {
                return Err(FileError::Refused(format!(
                    "the file is longer than {} MiB, which no BMC takes",
                    IMAGE_BYTES_MAX >> 20
                )));
            }
            sha256.update(&piece);
            sha512.update(&piece);
            file.write_all(&piece).await.map_err(disk("write", part))?;
        }
        if came == 0 {
            return Err(FileError::Refused("the file is empty".to_owned()));
        }
        file.sync_all().await.map_err(disk("write", part))?;
        Ok((came, hex::encode(sha256.finalize()), hex::encode(sha512.finalize())))
    }

    async fn prepare_dir(&self) -> Result<(), FileError> {
        fs::create_dir_all(&self.dir).await.map_err(disk("make", &self.dir))
    }

    /// Removes what broken uploads have left.
    pub async fn sweep(&self) {
        let Ok(mut entries) = fs::read_dir(&self.dir).await else { return };
        while let Ok(Some(entry)) = entries.next_entry().await {
            if entry.file_name().to_string_lossy().ends_with(PART)
                && let Err(error) = fs::remove_file(entry.path()).await
            {
                warn!(file = %entry.path().display(), %error, "what a broken upload left stays");
            }
        }
    }

    /// A file by its SHA-256 or its beginning, or by its name.
    pub async fn find(&self, wanted: &str) -> Result<Option<FirmwareFile>, InventoryError> {
        let known = self.inventory.firmware_files().await?;
        let is_it = |file: &&FirmwareFile| file.name == wanted || file.sha256 == wanted.to_ascii_lowercase();
        Ok(known.iter().find(is_it).cloned())
    }

    /// Deletes a file that no update needs.
    pub async fn delete(&self, file: &FirmwareFile) -> Result<(), FileError> {
        for update in self.inventory.open_updates().await? {
            let is_it = match &update.order.image {
                protocol::update::FirmwareImage::File { id, .. } => *id == file.image_id(),
                protocol::update::FirmwareImage::Url(_) => false,
            };
            if is_it {
                return Err(FileError::Refused(format!(
                    "{} is needed by an update that is not over; delete it when that has ended",
                    file.name
                )));
            }
        }
        self.inventory.delete_firmware_file(&file.sha256).await?;
        let path = self.dir.join(&file.sha256);
        match fs::remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn open_file(&self, sha256: &str, offset: u64) -> io::Result<ImageStream> {
        let mut file = fs::File::open(self.dir.join(sha256)).await?;
        file.seek(io::SeekFrom::Start(offset)).await?;
        let id = sha256.to_owned();
        let pieces = futures::stream::unfold(Some(file), move |file| {
            let id = id.clone();
            async move {
                let mut file = file?;
                let mut piece = vec![0; PIECE_BYTES];
                match file.read(&mut piece).await {
                    Ok(0) => None,
                    Ok(count) => {
                        piece.truncate(count);
                        Some((Ok(Bytes::from(piece)), Some(file)))
                    }
                    Err(error) => {
                        Some((Err(ImageError { id, reason: error.to_string(), is_away: false }), None))
                    }
                }
            }
        });
        Ok(pieces.boxed())
    }
}

#[async_trait]
impl ImageSource for FirmwareFiles {
    async fn open(&self, id: &str, offset: u64) -> Result<ImageStream, ImageError> {
        let not_here = |reason: String| ImageError { id: id.to_owned(), reason, is_away: false };
        match (sha256_of(id), &self.images) {
            (Some(sha256), _) if hex::is_lower_digits(sha256, 64) => self
                .open_file(sha256, offset)
                .await
                .map_err(|error| not_here(format!("the file of firmware is not here: {error}"))),
            (Some(_), _) => Err(not_here("it is no file of firmware".to_owned())),
            (None, Some(images)) => images.open(id, offset).await,
            (None, None) => Err(not_here("only firmware is here".to_owned())),
        }
    }
}

fn disk<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Disk { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use store::{clock::TestClock, secret::Sealer};

    use super::*;

    async fn files(dir: &Path) -> FirmwareFiles {
        let inventory =
            Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        FirmwareFiles::new(dir.to_owned(), inventory)
    }

    fn body(text: &'static str) -> impl Stream<Item = Result<Bytes, String>> {
        let (head, tail) = text.split_at(text.len() / 2);
        futures::stream::iter([Ok(Bytes::from(head)), Ok(Bytes::from(tail))])
    }

    #[tokio::test]
    async fn a_file_is_kept_whole_and_read_from_any_place() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path()).await;
        let kept = files.take("bmc.bin", None, body("new firmware")).await.unwrap();
        assert_eq!(kept.file_bytes, 12);
        assert_eq!(files.find("bmc.bin").await.unwrap(), Some(kept.clone()));
        let read = files.open(&kept.image_id(), 4).await.unwrap();
        let read: Vec<Bytes> = read.try_collect().await.unwrap();
        assert_eq!(read.concat(), b"firmware");
        files.delete(&kept).await.unwrap();
        assert!(files.open(&kept.image_id(), 0).await.is_err());
        assert!(files.open("firmware/../../key", 0).await.is_err());
    }

    #[tokio::test]
    async fn what_is_broken_or_another_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path()).await;
        let check = async |sha256: Option<&str>, pieces: Vec<Result<Bytes, String>>, words: &str| {
            let refused = files.take("a", sha256, futures::stream::iter(pieces)).await.unwrap_err();
            assert!(refused.to_string().contains(words), "{refused}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{words}");
        };
        check(None, vec![], "is empty").await;
        check(None, vec![Ok(Bytes::from("a")), Err("cut off".to_owned())], "cut off").await;
        check(Some(&"0".repeat(64)), vec![Ok(Bytes::from("a"))], "not the one that was given").await;
    }
}
