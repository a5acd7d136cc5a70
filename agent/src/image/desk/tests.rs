//! Edges: the cache as people see it, against an upstream that gives its bytes when it is told to.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    id::ServerId,
    image_cache::{CacheState, CacheVerb, CachedImage, Standing},
    step::{ImageFormat, ImageRef},
};
use ring::digest;
use tokio::sync::Semaphore;

use super::super::{Cache, ImageStream, Upstream, UpstreamError, board::WARMS_MAX};

/// Longest wait for anything in these tests.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Of a rack.
const SERVERS: usize = 48;
const HALF_BYTES: usize = 20_000;

/// Gives each half of an image when there is a permit for it. Images whose id begins with `bad` are not there.
struct Slow {
    permits: Arc<Semaphore>,
    fetches: AtomicUsize,
}

#[async_trait]
impl Upstream for Slow {
    async fn fetch(&self, id: &str, offset: u64) -> Result<ImageStream, UpstreamError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if id.starts_with("bad") {
            return Err(UpstreamError { reason: "there is no such image".into() });
        }
        assert_eq!(offset, 0, "nothing breaks here");
        let permits = Arc::clone(&self.permits);
        let bytes = Bytes::from(content(id));
        Ok(Box::pin(futures::stream::unfold((permits, bytes), |(permits, mut rest)| async {
            if rest.is_empty() {
                return None;
            }
            permits.acquire().await.unwrap().forget();
            let half = rest.split_to(HALF_BYTES);
            Some((Ok(half), (permits, rest)))
        })))
    }
}

fn content(id: &str) -> Vec<u8> {
    let byte = id.bytes().fold(1, u8::wrapping_add);
    vec![byte; 2 * HALF_BYTES]
}

fn image(id: &str) -> ImageRef {
    let bytes = content(id);
    ImageRef {
        id: id.into(),
        format: ImageFormat::Raw,
        size_bytes: bytes.len() as u64,
        sha512: protocol::hex::encode(digest::digest(&digest::SHA512, &bytes)),
    }
}

fn cache(dir: &Path) -> (Arc<Slow>, Arc<Cache>) {
    let upstream = Arc::new(Slow { permits: Arc::new(Semaphore::new(0)), fetches: AtomicUsize::new(0) });
    let opened = Cache::open(dir, 1 << 20, Arc::clone(&upstream) as Arc<dyn Upstream>).unwrap();
    (upstream, Arc::new(opened))
}

async fn look(cache: &Arc<Cache>) -> CacheState {
    cache.order(CacheVerb::Look).await.unwrap()
}

/// Looks until the only image of the cache is as it should be.
async fn until(cache: &Arc<Cache>, is_so: impl Fn(&CachedImage) -> bool) -> CachedImage {
    let mut last = CacheState::default();
    let waited = tokio::time::timeout(WAIT_MAX, async {
        loop {
            last = look(cache).await;
            if let [one] = &last.images[..]
                && is_so(one)
            {
                return one.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let found = waited.await;
    found.unwrap_or_else(|_| panic!("the cache stayed {last:?}"))
}

fn is_whole(image: &CachedImage) -> bool {
    matches!(image.standing, Standing::Whole { .. })
}

#[tokio::test]
async fn what_is_fetched_beforehand_and_what_a_rack_of_servers_fetches_is_one_download() {
    let dir = tempfile::tempdir().unwrap();
    let (upstream, cache) = cache(dir.path());
    let image = image("debian");
    let size_bytes = image.size_bytes;
    for _ in 0..2 {
        let begun = cache.order(CacheVerb::Warm(image.clone())).await.unwrap();
        assert_eq!(begun.images[0].standing, Standing::UnderWay { received_bytes: 0, size_bytes });
        assert_eq!(begun.images[0].id.as_deref(), Some("debian"));
    }
    let servers: Vec<_> = (0..SERVERS).map(|_| ServerId::random()).collect();
    let fetch = |server| {
        let (cache, image) = (Arc::clone(&cache), image.clone());
        tokio::spawn(async move { cache.get_for(server, &image).await.unwrap() })
    };
    let fetching: Vec<_> = servers.iter().copied().map(fetch).collect();
    upstream.permits.add_permits(1);
    let half = Standing::UnderWay { received_bytes: HALF_BYTES as u64, size_bytes };
    let seen = until(&cache, |one| one.standing == half && one.waiting.len() == SERVERS).await;
    assert!(servers.iter().all(|server| seen.waiting.contains(server)) && seen.in_use.is_empty());
    let refused = cache.order(CacheVerb::Drop(image.sha512.clone())).await.unwrap_err();
    assert!(refused.contains("48 servers wait for it"), "{refused}");

    upstream.permits.add_permits(1);
    let held = futures::future::join_all(fetching).await;
    let seen = until(&cache, |one| is_whole(one) && one.waiting.is_empty()).await;
    assert!(servers.iter().all(|server| seen.in_use.contains(server)));
    assert_eq!(upstream.fetches.load(Ordering::SeqCst), 1);
    let refused = cache.order(CacheVerb::Drop(image.sha512.clone())).await.unwrap_err();
    assert!(refused.contains("being written to 48"), "{refused}");

    drop(held);
    let seen = until(&cache, |one| one.in_use.is_empty()).await;
    let Standing::Whole { bytes, used_s, unpacked: false } = seen.standing else { panic!("{seen:?}") };
    assert!(bytes > 0 && used_s > 0);
    // There already: nothing is fetched.
    cache.order(CacheVerb::Warm(image.clone())).await.unwrap();
    until(&cache, is_whole).await;
    let dropped = tokio::time::timeout(WAIT_MAX, async {
        // The order before it may still be at the file.
        loop {
            match cache.order(CacheVerb::Drop(image.sha512.clone())).await {
                Ok(state) => return state,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    let state = dropped.await.unwrap();
    assert_eq!((state.images.len(), state.free_bytes), (0, state.max_bytes));
    assert_eq!(upstream.fetches.load(Ordering::SeqCst), 1);
    // Done already is done.
    cache.order(CacheVerb::Drop(image.sha512.clone())).await.unwrap();
}

#[tokio::test]
async fn why_an_image_could_not_be_fetched_is_shown_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (upstream, cache) = cache(dir.path());
    let image = image("bad");
    cache.order(CacheVerb::Warm(image.clone())).await.unwrap();
    let seen = until(&cache, |one| matches!(one.standing, Standing::Failed(_))).await;
    let Standing::Failed(why) = seen.standing else { panic!() };
    assert!(why.contains("there is no such image"), "{why}");
    let tries = upstream.fetches.load(Ordering::SeqCst);
    // It is tried again when it is ordered again.
    let again = tokio::time::timeout(WAIT_MAX, async {
        while upstream.fetches.load(Ordering::SeqCst) == tries {
            cache.order(CacheVerb::Warm(image.clone())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    again.await.expect("it is tried again");
    until(&cache, |one| matches!(one.standing, Standing::Failed(_))).await;
    let gone = tokio::time::timeout(WAIT_MAX, async {
        while cache.order(CacheVerb::Drop(image.sha512.clone())).await.map_or(1, |state| state.images.len())
            > 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    gone.await.expect("it is not listed any more");
}

#[tokio::test]
async fn so_many_images_are_fetched_beforehand_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (upstream, cache) = cache(dir.path());
    for number in 0..WARMS_MAX {
        cache.order(CacheVerb::Warm(image(&number.to_string()))).await.unwrap();
    }
    let refused = cache.order(CacheVerb::Warm(image("more"))).await.unwrap_err();
    assert!(refused.contains("repeat the request when one of them has arrived"), "{refused}");
    upstream.permits.add_permits(2 * WARMS_MAX);
    let taken = tokio::time::timeout(WAIT_MAX, async {
        while cache.order(CacheVerb::Warm(image("more"))).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    taken.await.expect("there is room for another one");
}
