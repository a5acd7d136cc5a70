//! Edges: who is at which image of the cache: who waits for it, who writes it, how much of it has come, and why it could not be
//! fetched.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use protocol::{
    id::ServerId,
    image_cache::{SERVERS_LISTED_MAX, Standing},
    step::ImageRef,
};

use super::source::CachedImage;

/// Most images that are remembered; beyond, those are forgotten at which nobody is.
const IMAGES_MAX: usize = 1000;
/// Most images that are fetched at once because somebody ordered it beforehand.
pub(super) const WARMS_MAX: usize = 16;

/// Everybody at the images, by SHA-512.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<HashMap<String, Seat>>);

#[derive(Debug, Default)]
struct Seat {
    /// The image service's id.
    id: String,
    /// Each call that waits, for a server or for none.
    waiting: Vec<Option<ServerId>>,
    writing: Vec<(ServerId, Weak<CachedImage>)>,
    coming: Option<Coming>,
    failed: Option<String>,
    is_warmed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Coming {
    received_bytes: u64,
    size_bytes: u64,
}

/// What is known of an image beside its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub id: Option<String>,
    /// Under way or failed; none: neither.
    pub standing: Option<Standing>,
    /// Whether anybody waits or will, for a server or for none.
    pub is_awaited: bool,
    pub waiting: Vec<ServerId>,
    pub in_use: Vec<ServerId>,
}

impl Seat {
    fn is_empty(&self) -> bool {
        !self.is_warmed
            && self.waiting.is_empty()
            && self.coming.is_none()
            && self.writing.iter().all(is_over)
    }

    fn seen(&self) -> Seen {
        let standing = match (self.coming, &self.failed) {
            (Some(Coming { received_bytes, size_bytes }), _) => {
                Some(Standing::UnderWay { received_bytes, size_bytes })
            }
            (None, Some(why)) => Some(Standing::Failed(why.clone())),
            (None, None) => None,
        };
        let writing = self.writing.iter().filter(|one| !is_over(one)).map(|one| one.0);
        Seen {
            id: (!self.id.is_empty()).then(|| self.id.clone()),
            standing,
            is_awaited: self.is_warmed || !self.waiting.is_empty(),
            waiting: self.waiting.iter().flatten().take(SERVERS_LISTED_MAX).copied().collect(),
            in_use: writing.take(SERVERS_LISTED_MAX).collect(),
        }
    }
}

fn is_over((_, image): &(ServerId, Weak<CachedImage>)) -> bool {
    image.strong_count() == 0
}

impl Board {
    /// Somebody waits for this image until what is returned is dropped.
    pub(super) fn wait(self: &Arc<Self>, image: &ImageRef, server: Option<ServerId>) -> Waiting {
        self.with(image, |seat| seat.waiting.push(server));
        Waiting { board: Arc::clone(self), sha512: image.sha512.clone(), server }
    }

    /// It is being written to a server, for as long as somebody holds it.
    pub(super) fn write(&self, image: &ImageRef, server: ServerId, held: &Arc<CachedImage>) {
        self.with(image, |seat| {
            seat.writing.retain(|one| !is_over(one));
            seat.writing.push((server, Arc::downgrade(held)));
        });
    }

    /// It is being fetched until what is returned is dropped.
    pub(super) fn fetch(self: &Arc<Self>, image: &ImageRef) -> Fetching {
        self.with(image, |seat| {
            seat.failed = None;
            seat.coming = Some(Coming { received_bytes: 0, size_bytes: image.size_bytes });
        });
        Fetching { board: Arc::clone(self), sha512: image.sha512.clone() }
    }

    /// It could not be fetched.
    pub(super) fn fail(&self, image: &ImageRef, why: String) {
        self.with(image, |seat| seat.failed = Some(why));
    }

    /// It is about to be fetched beforehand, until what is returned is dropped. None: it is already. An error: too many are.
    pub(super) fn warm(self: &Arc<Self>, image: &ImageRef) -> Result<Option<Warming>, String> {
        let mut seats = self.locked();
        if seats.get(&image.sha512).is_some_and(|seat| seat.is_warmed) {
            return Ok(None);
        }
        if seats.values().filter(|seat| seat.is_warmed).count() >= WARMS_MAX {
            return Err(format!(
                "{WARMS_MAX} images are being fetched into the rack's cache beforehand; repeat the request when one of them has arrived"
            ));
        }
        let seat = seat_of(&mut seats, image);
        seat.is_warmed = true;
        if seat.coming.is_none() {
            seat.coming = Some(Coming { received_bytes: 0, size_bytes: image.size_bytes });
        }
        Ok(Some(Warming { board: Arc::clone(self), sha512: image.sha512.clone() }))
    }

    /// It was removed: why it could not be fetched before is of no interest any more.
    pub(super) fn forget_failure(&self, sha512: &str) {
        if let Some(seat) = self.locked().get_mut(sha512) {
            seat.failed = None;
        }
    }

    /// What is known of one image.
    pub(super) fn seen(&self, sha512: &str) -> Seen {
        self.locked().get(sha512).map(Seat::seen).unwrap_or_default()
    }

    /// What is known of all.
    pub(super) fn all(&self) -> HashMap<String, Seen> {
        self.locked().iter().map(|(sha512, seat)| (sha512.clone(), seat.seen())).collect()
    }

    fn with(&self, image: &ImageRef, change: impl FnOnce(&mut Seat)) {
        change(seat_of(&mut self.locked(), image));
    }

    fn change(&self, sha512: &str, change: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.locked().get_mut(sha512) {
            change(seat);
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Seat>> {
        // The map holds no invariant across a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seat_of<'a>(seats: &'a mut HashMap<String, Seat>, image: &ImageRef) -> &'a mut Seat {
    if seats.len() >= IMAGES_MAX && !seats.contains_key(&image.sha512) {
        seats.retain(|_, seat| !seat.is_empty());
    }
    let seat = seats.entry(image.sha512.clone()).or_default();
    seat.id.clone_from(&image.id);
    seat
}

/// Somebody who waits.
#[must_use]
pub(super) struct Waiting {
    board: Arc<Board>,
    sha512: String,
    server: Option<ServerId>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.board.change(&self.sha512, |seat| {
            if let Some(at) = seat.waiting.iter().position(|one| *one == self.server) {
                seat.waiting.swap_remove(at);
            }
        });
    }
}

/// A download.
#[must_use]
pub(super) struct Fetching {
    board: Arc<Board>,
    sha512: String,
}

impl Fetching {
    /// So many bytes have come in all.
    pub(super) fn received(&self, bytes: u64) {
        self.board.change(&self.sha512, |seat| {
            if let Some(coming) = &mut seat.coming {
                coming.received_bytes = bytes;
            }
        });
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.board.change(&self.sha512, |seat| seat.coming = None);
    }
}

/// A download that was ordered beforehand.
#[must_use]
pub(super) struct Warming {
    board: Arc<Board>,
    sha512: String,
}

impl Drop for Warming {
    fn drop(&mut self) {
        self.board.change(&self.sha512, |seat| {
            seat.is_warmed = false;
            if seat.waiting.is_empty() {
                seat.coming = None;
            }
        });
    }
}
