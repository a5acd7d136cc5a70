//! Edges: an image file's way from a request into Glance, and the removal of what broken ways have left there.
//!
//! ```text
//!   id stored --> image made in Glance --> bytes through the sieve --> active --> id forgotten
//!                                            `-- refused, broken off --> image deleted --> id forgotten
//!   id stored, nobody at it any more (a crash, Glance away) --> the same, by `run`
//! ```

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use domain::{
    images::{Fault, HEAD_BYTES, Sieve},
    rim::{
        Caller, Image, ImageBytes, ImageService, NewImage, SECTOR_BYTES, Service, ServiceError, Unfinished,
    },
};
use futures::{StreamExt, stream, stream::BoxStream};
use protocol::{boot::BootMode, secret::Secret};
use store::{Inventory, InventoryError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::Cut;

/// Longest time without a byte that Glance takes: longer than the sender may be silent, so that who is at fault is named.
const STALL_MAX: Duration = Duration::from_secs(90);
/// How often it is looked whether one moves.
const STALL_LOOK_EVERY: Duration = Duration::from_secs(6);
/// Time for Glance to put away what has come.
const STORE_TIME_MAX: Duration = Duration::from_secs(600);
/// How often what broken uploads have left is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(20);
/// After a refusal so much is still taken and dropped: a connection that is closed while bytes are on their way loses
/// the answer, too.
const DRAIN_BYTES_MAX: u64 = 256 << 20;
/// And for so long.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// A file's bytes, for as long as they may come.
pub type FileBytes = BoxStream<'static, Result<Bytes, Cut>>;

/// An image to be made of the bytes that follow.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Its name.
    pub name: String,
    /// Whether every project may use it.
    pub public: bool,
    /// The one firmware mode by which it starts; none: by both.
    pub boot_mode: Option<BootMode>,
    /// Smallest disk in GiB; none: what it needs.
    pub min_disk_gb: Option<u64>,
    /// The file's SHA-512 in hexadecimal, when the caller knows it.
    pub sha512: Option<String>,
    /// Length of the file.
    pub file_bytes: u64,
    /// Whose image it will be.
    pub token: Secret,
}

/// Why there is no image. Nothing of it is left in Glance, or it is being removed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file is not good.
    #[error(transparent)]
    File(#[from] Fault),
    /// Glance refused, or is away.
    #[error(transparent)]
    OpenStack(#[from] ServiceError),
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// It was not taken to its end.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// Our own fault.
    #[error("the upload stopped unexpectedly; check the coordinator's log")]
    Stopped,
}

/// Images on their way into Glance.
pub struct Uploads {
    inventory: Inventory,
    glance: Arc<dyn ImageService>,
    live: Mutex<HashSet<Uuid>>,
}

impl Uploads {
    /// Joins the services.
    pub fn new(inventory: Inventory, glance: Arc<dyn ImageService>) -> Self {
        Self { inventory, glance, live: Mutex::default() }
    }

    /// Makes an image of a file, at a place that is held as long. A caller that goes away does not stop the removal of what
    /// was made.
    pub async fn take(
        self: &Arc<Self>,
        place: impl Send + 'static,
        wanted: NewUpload,
        body: FileBytes,
    ) -> Result<Image, UploadError> {
        let this = Arc::clone(self);
        let done = tokio::spawn(async move {
            let _place = place;
            this.make(wanted, body).await
        });
        done.await.unwrap_or(Err(UploadError::Stopped))
    }

    async fn make(&self, wanted: NewUpload, mut body: FileBytes) -> Result<Image, UploadError> {
        let head = match read_head(&mut body, wanted.file_bytes).await {
            Ok(head) => head,
            Err(cut) => return Err(cut),
        };
        let sieve = match Sieve::new(&head[..head.len().min(HEAD_BYTES)], wanted.file_bytes) {
            Ok(sieve) => sieve,
            Err(fault) => return Err(refuse(fault, body)),
        };
        let min_disk_gb = match sieve.min_disk_gb(wanted.min_disk_gb) {
            Ok(min_disk_gb) => min_disk_gb,
            Err(fault) => return Err(refuse(fault, body)),
        };
        let image = NewImage {
            id: Some(Uuid::new_v4()),
            name: wanted.name.clone(),
            format: sieve.format(),
            public: wanted.public,
            min_disk_gb,
            boot_mode: wanted.boot_mode,
            properties: Default::default(),
        };
        let passing = Passing {
            sieve,
            head: Some(head),
            body: Some(body),
            asked: wanted.sha512.clone(),
            seen: Arc::new(Seen::default()),
        };
        self.store(&wanted, &image, passing).await
    }

    /// Makes the image in Glance and lets the bytes pass; takes it back when anything fails.
    async fn store(
        &self,
        wanted: &NewUpload,
        image: &NewImage,
        passing: Passing,
    ) -> Result<Image, UploadError> {
        let id = image.id.unwrap_or_else(Uuid::new_v4);
        let _live = Live::begin(self, id);
        self.inventory.put_upload(id, wanted.file_bytes).await?;
        let caller = Caller::Tenant(&wanted.token);
        let done = async {
            let made = self.glance.create_image(caller, image).await?;
            let passed = self.fill(caller, &made.id, passing).await?;
            let shown = self.note_sectors(caller, &made.id, passed.sector_bytes).await?;
            let good = match (shown.os_hash_algo.as_deref(), shown.os_hash_value.as_deref()) {
                (Some("sha512"), Some(seen)) => seen.eq_ignore_ascii_case(&passed.sha512),
                (_, _) => shown.size == Some(wanted.file_bytes),
            };
            if !good || shown.status != "active" {
                return Err(UploadError::OpenStack(ServiceError::Unintelligible {
                    service: Service::Glance,
                    operation: format!("upload image {}", wanted.name),
                    message: format!("it is {} with another hash or size than the file's", shown.status),
                }));
            }
            Ok(shown)
        };
        match done.await {
            Ok(shown) => {
                self.inventory.delete_upload(id).await?;
                info!(image = %id, name = %wanted.name, bytes = wanted.file_bytes, "image taken");
                Ok(shown)
            }
            Err(error) => {
                match self.glance.delete_image(caller, &id.to_string()).await {
                    Ok(()) => self.inventory.delete_upload(id).await?,
                    Err(left) => warn!(image = %id, error = %left, "image of a broken upload stays for now"),
                }
                info!(image = %id, name = %wanted.name, %error, "image refused");
                Err(error)
            }
        }
    }

    /// The image as Glance has it, with a note of the sectors for which it was made. A site whose Glance admits no such note goes
    /// without: the ramdisk looks again before it writes.
    async fn note_sectors(
        &self,
        caller: Caller<'_>,
        id: &str,
        sector_bytes: Option<u32>,
    ) -> Result<Image, ServiceError> {
        if let Some(sector_bytes) = sector_bytes {
            let noted = self.glance.set_property(caller, id, SECTOR_BYTES, &sector_bytes.to_string()).await;
            match noted {
                Ok(image) => return Ok(image),
                Err(ServiceError::Refused { .. }) => {
                    warn!(
                        image = id,
                        sector_bytes, "Glance refuses to note for which sectors the image was made"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        self.glance.show_image(caller, id).await
    }

    /// Lets the bytes pass to Glance; gives what they have shown.
    async fn fill(&self, caller: Caller<'_>, id: &str, passing: Passing) -> Result<Passed, UploadError> {
        let seen = Arc::clone(&passing.seen);
        let upload = self.glance.upload(caller, id, pieces(passing));
        tokio::pin!(upload);
        let (mut moved, mut since) = (0, Instant::now());
        let sent = loop {
            tokio::select! {
                sent = &mut upload => break sent,
                () = tokio::time::sleep(STALL_LOOK_EVERY) => {}
            }
            let now = seen.pieces.load(Ordering::Relaxed);
            if now != moved {
                (moved, since) = (now, Instant::now());
            }
            let limit = if seen.verdict().is_some() { STORE_TIME_MAX } else { STALL_MAX };
            if since.elapsed() > limit {
                break Err(ServiceError::Unavailable {
                    service: Service::Glance,
                    operation: format!("upload image {id}"),
                    message: format!("nothing moved for {} s", limit.as_secs()),
                });
            }
        };
        // Why the bytes were cut off says more than that Glance did not get them all.
        match (seen.verdict(), sent) {
            (Some(Err(why)), _) => Err(why.into()),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(passed)), Ok(())) => Ok(passed),
            (None, Ok(())) => Err(UploadError::OpenStack(ServiceError::Unintelligible {
                service: Service::Glance,
                operation: format!("upload image {id}"),
                message: "it was said to be stored before all of it was sent".to_owned(),
            })),
        }
    }

    /// Removes what broken uploads have left in Glance, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.sweep().await {
                warn!(%error, "what broken uploads have left is not removed yet");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), UploadError> {
        for upload in self.inventory.uploads().await? {
            if self.live().contains(&upload.image) {
                continue;
            }
            let id = upload.image.to_string();
            match self.glance.show_image(Caller::Service, &id).await {
                // It was all there, and only the last note is missing.
                Ok(image) if image.status == "active" && image.size == Some(upload.file_bytes) => {}
                Ok(image) => {
                    self.glance.delete_image(Caller::Service, &id).await?;
                    info!(image = %id, status = %image.status, "image of a broken upload deleted");
                }
                Err(ServiceError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.inventory.delete_upload(upload.image).await?;
        }
        Ok(())
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, somebody is at this upload.
struct Live<'a>(&'a Uploads, Uuid);

impl<'a> Live<'a> {
    fn begin(uploads: &'a Uploads, id: Uuid) -> Self {
        uploads.live().insert(id);
        Self(uploads, id)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live().remove(&self.1);
    }
}

/// The file's beginning, in one piece.
async fn read_head(body: &mut FileBytes, file_bytes: u64) -> Result<Bytes, UploadError> {
    let mut head = BytesMut::new();
    while head.len() < HEAD_BYTES {
        match body.next().await {
            Some(Ok(piece)) => head.extend_from_slice(&piece),
            None => break,
            Some(Err(Cut::Broken)) => {
                return Err(Fault::Length { announced: file_bytes, came: head.len() as u64 }.into());
            }
            Some(Err(cut @ (Cut::Slow { .. } | Cut::Long | Cut::Gone(_)))) => return Err(cut.into()),
        }
    }
    Ok(head.freeze())
}

/// Answers with the fault while the rest of the bytes is taken and dropped.
fn refuse(fault: Fault, body: FileBytes) -> UploadError {
    tokio::spawn(drain(body));
    fault.into()
}

async fn drain(mut body: FileBytes) {
    let drained = async {
        let mut bytes = 0_u64;
        while let Some(Ok(piece)) = body.next().await {
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > DRAIN_BYTES_MAX {
                return;
            }
        }
    };
    // What is still to come after that is cut off.
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, drained).await;
}

/// What is known outside of a file that passes.
#[derive(Debug, Default)]
struct Seen {
    pieces: AtomicU64,
    verdict: Mutex<Option<Verdict>>,
}

/// What all of the file has shown, or why it did not pass.
type Verdict = Result<Passed, Refused>;

/// What a whole file has shown.
#[derive(Clone, Debug)]
struct Passed {
    /// Its SHA-512 in hexadecimal.
    sha512: String,
    /// For which sectors its disk was made; none: any, or not known.
    sector_bytes: Option<u32>,
}

/// Why a file did not pass.
#[derive(Clone, Debug)]
enum Refused {
    File(Fault),
    Cut(Cut),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Refused::File(fault)
    }
}

impl From<Refused> for UploadError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::File(fault) => fault.into(),
            Refused::Cut(cut) => cut.into(),
        }
    }
}

impl Seen {
    fn verdict(&self) -> Option<Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }
}

/// A file on its way through the sieve.
struct Passing {
    sieve: Sieve,
    head: Option<Bytes>,
    body: Option<FileBytes>,
    asked: Option<String>,
    seen: Arc<Seen>,
}

impl Passing {
    /// The next piece, checked; none after the last one of a good file.
    async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        let piece = match (self.head.take(), &mut self.body) {
            (Some(head), _) => Some(Ok(head)),
            (None, Some(body)) => body.next().await,
            (None, None) => None,
        };
        self.seen.pieces.fetch_add(1, Ordering::Relaxed);
        match piece {
            Some(Ok(piece)) => {
                self.sieve.pass(&piece)?;
                Ok(Some(piece))
            }
            Some(Err(cut @ (Cut::Slow { .. } | Cut::Long | Cut::Gone(_)))) => Err(Refused::Cut(cut)),
            // Too little has come, or as much as was announced: both are the sieve's to say.
            Some(Err(Cut::Broken)) | None => {
                self.body = None;
                let sha512 = self.sieve.finish(self.asked.as_deref())?;
                self.seen.set(Ok(Passed { sha512, sector_bytes: self.sieve.sector_bytes() }));
                Ok(None)
            }
        }
    }
}

/// Whoever sends the file is answered however early its way ends.
impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(drain(body));
        }
    }
}

fn pieces(passing: Passing) -> ImageBytes {
    let pieces = stream::unfold(Some(passing), |passing| async move {
        let mut passing = passing?;
        match passing.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(passing))),
            Ok(None) => None,
            Err(refused) => {
                passing.seen.set(Err(refused));
                Some((Err(Unfinished), None))
            }
        }
    });
    pieces.boxed()
}
