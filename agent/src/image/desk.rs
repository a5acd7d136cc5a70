//! Edges: the cache as people see it: what is in it, an image fetched before anybody needs it, and one removed.
//!
//! What must stay true: what is fetched beforehand and what servers fetch is one download, and an image is not removed while somebody waits for
//! it or it is being written.

use std::{fs, io, sync::Arc, time::UNIX_EPOCH};

use protocol::{
    image_cache::{CacheState, CacheVerb, CachedImage, IMAGES_LISTED_MAX, Standing},
    step::ImageRef,
};

use super::{
    board::Seen,
    cache::{Cache, is_whole},
    room::Stored,
};

impl Cache {
    /// Does what is ordered and shows what is in the cache then. An error says why nothing was done.
    pub async fn order(self: &Arc<Self>, verb: CacheVerb) -> Result<CacheState, String> {
        let dropped = match verb {
            CacheVerb::Look => None,
            CacheVerb::Warm(image) => {
                self.warm(image)?;
                None
            }
            CacheVerb::Drop(sha512) => Some(sha512),
        };
        let cache = Arc::clone(self);
        // A disk may be slow.
        let done = tokio::task::spawn_blocking(move || {
            if let Some(sha512) = dropped {
                cache.remove(&sha512)?;
            }
            cache.state().map_err(|error| format!("the cache's directory cannot be read: {error}"))
        });
        done.await.unwrap_or_else(|error| Err(format!("the order ended badly: {error}")))
    }

    /// What is in the cache.
    fn state(&self) -> io::Result<CacheState> {
        // The board first: an image that arrives in between is then shown under way and not as gone.
        let mut seen = self.board.all();
        let (stored, promised) = self.room.stored()?;
        let max_bytes = self.room.max_bytes();
        let held_bytes = stored.iter().fold(promised, |sum, file| sum.saturating_add(file.bytes));
        let mut images: Vec<_> = stored
            .into_iter()
            .map(|file| whole(seen.remove(&file.sha512).unwrap_or_default(), file))
            .collect();
        images.extend(seen.into_iter().filter_map(|(sha512, seen)| on_its_way(sha512, seen)));
        images.sort_by(|a, b| a.sha512.cmp(&b.sha512));
        let left_out = images.len().saturating_sub(IMAGES_LISTED_MAX);
        images.truncate(IMAGES_LISTED_MAX);
        Ok(CacheState {
            max_bytes,
            free_bytes: max_bytes.saturating_sub(held_bytes),
            images,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        })
    }

    /// Begins to fetch the image, unless it is there or on its way.
    fn warm(self: &Arc<Self>, image: ImageRef) -> Result<(), String> {
        let Some(warming) = self.board.warm(&image)? else { return Ok(()) };
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            match cache.get(&image).await {
                Ok(_) => tracing::info!(image = %image.id, "image is in the cache, as it was ordered"),
                Err(failure) => {
                    tracing::warn!(image = %image.id, error = %failure, "image was not fetched beforehand");
                }
            }
            drop(warming);
        });
        Ok(())
    }

    /// Removes the image, unless somebody waits for it or writes it.
    fn remove(&self, sha512: &str) -> Result<(), String> {
        let slot = self.slot(sha512);
        // Whoever fetches or opens it has the slot.
        let alone = slot.try_lock();
        let Seen { is_awaited, waiting, in_use, .. } = self.board.seen(sha512);
        if alone.is_err() || is_awaited || !in_use.is_empty() {
            return Err(match (waiting.len(), in_use.len()) {
                (0, 0) => "the image is being fetched; drop it when it has arrived".to_owned(),
                (waiting, writing) => format!(
                    "the image is needed: {waiting} servers wait for it, and it is being written to {writing}; drop it afterwards"
                ),
            });
        }
        for path in [self.room.path(sha512), self.room.disk(sha512)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("{} cannot be removed: {error}", path.display()));
                }
                Ok(()) => {
                    tracing::info!(path = %path.display(), "image removed from the cache, as it was ordered")
                }
                Err(_) => {}
            }
        }
        self.board.forget_failure(sha512);
        Ok(())
    }
}

fn whole(seen: Seen, file: Stored) -> CachedImage {
    let used = file.used.duration_since(UNIX_EPOCH).unwrap_or_default();
    // What is there and could not be had has something else in it than a disk.
    let failed = seen.standing.filter(|standing| matches!(standing, Standing::Failed(_)));
    let whole = Standing::Whole { bytes: file.bytes, used_s: used.as_secs(), unpacked: file.is_unpacked };
    CachedImage {
        sha512: file.sha512,
        id: seen.id,
        standing: failed.unwrap_or(whole),
        waiting: seen.waiting,
        in_use: seen.in_use,
    }
}

/// One of which nothing is stored; none: nobody is at it.
fn on_its_way(sha512: String, seen: Seen) -> Option<CachedImage> {
    let Seen { id, standing, waiting, in_use, .. } = seen;
    let standing = standing?;
    is_whole(&sha512).then_some(CachedImage { sha512, id, standing, waiting, in_use })
}

#[cfg(test)]
mod tests;
