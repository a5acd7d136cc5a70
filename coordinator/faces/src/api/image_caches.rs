//! Edges: the racks' image caches in the API, for administrators: what is in them, an image fetched beforehand, one dropped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use api_types::{CachedImage, CachedImageStatus, ImageCache, List, WarmImage};
use axum::{Json, extract::State, http::StatusCode};
use domain::{events::EventKind, rim};
use futures::{StreamExt, stream};
use protocol::{
    id::{RackId, ServerId},
    image_cache::{CacheState, CacheVerb, CachedImage as Held, Standing},
};
use serde::Deserialize;

use super::{
    Api,
    auth::User,
    pick::pick,
    request::{JsonBody, Path, Query},
    time,
};
use crate::problem::Problem;

/// Racks whose agents are asked at the same time.
const RACKS_AT_ONCE: usize = 64;

/// Which caches.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ImageCacheQuery {
    /// Only the cache of this rack. Absent: of every rack that has an agent.
    rack: Option<String>,
}

/// Shows the image caches of the racks, as their agents have them now.
#[utoipa::path(get, path = "/v1/image-caches", operation_id = "list_image_caches", params(ImageCacheQuery),
    responses((status = 200, body = List<ImageCache>), (status = 404, body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    user: User,
    Query(query): Query<ImageCacheQuery>,
) -> Result<Json<List<ImageCache>>, Problem> {
    let racks = api.racks(query.rack.as_deref()).await?;
    Ok(Json(List { items: api.image_caches(&user, racks, CacheVerb::Look).await? }))
}

/// Fetches an image into the image cache of a rack, or of all of them, before a server needs it.
///
/// It is answered when the download has begun. What is there or on its way is not fetched again, also when servers fetch it
/// themselves. A rack that cannot do it says why in its `problem`.
#[utoipa::path(post, path = "/v1/image-caches", operation_id = "warm_image_caches", request_body = WarmImage,
    responses((status = 202, body = List<ImageCache>), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn warm(
    State(api): State<Arc<Api>>,
    user: User,
    JsonBody(wanted): JsonBody<WarmImage>,
) -> Result<(StatusCode, Json<List<ImageCache>>), Problem> {
    let image = api.find_image(&user, &wanted.image).await?;
    let reference = image.to_ref().map_err(|why| Problem::conflict_at("image", why))?;
    let racks = api.racks(wanted.rack.as_deref()).await?;
    let caches = api.image_caches(&user, racks, CacheVerb::Warm(reference)).await?;
    let name = image.name.as_deref().unwrap_or(&image.id);
    for cache in caches.iter().filter(|cache| cache.problem.is_none()) {
        let text = format!("{} had image {name} fetched into the cache of rack {}", user.name(), cache.rack);
        api.inventory.record_event(None, cache.rack.parse().ok(), EventKind::Asked, text).await;
    }
    Ok((StatusCode::ACCEPTED, Json(List { items: caches })))
}

/// Drops an image from a rack's image cache. It is refused while a node waits for the image or the image is being written.
#[utoipa::path(delete, path = "/v1/image-caches/{rack}/{cached}", operation_id = "drop_cached_image",
    params(("rack" = String, Path, description = "rack"), ("cached" = String, Path, description = "name, id or SHA-512 of the image")),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    user: User,
    Path((rack, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let rack = api.racks(Some(&rack)).await?.pop().ok_or_else(|| Problem::not_found("rack", &rack))?;
    let state = api.agents.image_cache(&rack, CacheVerb::Look).await?;
    let shown = api.names(&user).await?.show(&rack, state);
    let is_it = |one: &CachedImage| one.sha512 == name || one.id.as_deref() == Some(&name);
    let image = pick("cached image", &name, shown.images, is_it, |one| one.name.as_deref() == Some(&name))?;
    if let Some(why) = needed(&image, &rack) {
        return Err(Problem::conflict(why));
    }
    match api.agents.image_cache(&rack, CacheVerb::Drop(image.sha512.clone())).await {
        Ok(_) => {}
        // Somebody came meanwhile.
        Err(rim::AgentError::Failed(failure)) => return Err(Problem::conflict(failure.message)),
        Err(away) => return Err(away.into()),
    }
    let named = image.name.or(image.id).unwrap_or(image.sha512);
    let text = format!("{} dropped image {named} from the cache of rack {rack}", user.name());
    api.inventory.record_event(None, Some(rack), EventKind::Asked, text).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Why an image cannot be dropped now; none: nobody uses it.
fn needed(image: &CachedImage, rack: &RackId) -> Option<String> {
    let named = image.name.as_ref().or(image.id.as_ref()).unwrap_or(&image.sha512);
    let who = match (&image.in_use[..], &image.waiting[..]) {
        ([], []) if image.status == CachedImageStatus::Fetching => "it is being fetched".to_owned(),
        ([], []) => return None,
        ([], waiting) => format!("{} wait for it", waiting.join(", ")),
        (writing, _) => format!("it is being written to {}", writing.join(", ")),
    };
    Some(format!(
        "image {named} was not dropped from the cache of rack {rack}: {who}; drop it when that is done"
    ))
}

/// What images, files and nodes are called.
struct Names {
    images: Vec<rim::Image>,
    files: HashMap<String, String>,
    nodes: HashMap<ServerId, String>,
}

impl Names {
    fn show(&self, rack: &RackId, state: CacheState) -> ImageCache {
        let CacheState { max_bytes, free_bytes, images, left_out } = state;
        let images = images.into_iter().map(|image| self.image(image)).collect();
        ImageCache { rack: rack.to_string(), problem: None, max_bytes, free_bytes, images, left_out }
    }

    fn image(&self, held: Held) -> CachedImage {
        let hash = |image: &&rim::Image| {
            image.os_hash_value.as_ref().is_some_and(|hash| hash.eq_ignore_ascii_case(&held.sha512))
        };
        let by_id = held.id.as_ref().and_then(|id| self.images.iter().find(|image| image.id == *id));
        let known = by_id.filter(hash).or_else(|| self.images.iter().find(hash));
        let file = self.files.get(&held.sha512).filter(|_| known.is_none());
        let named = |servers: Vec<ServerId>| {
            let name = |id: ServerId| self.nodes.get(&id).cloned().unwrap_or_else(|| id.to_string());
            servers.into_iter().map(name).collect()
        };
        let size_bytes = known.and_then(|image| image.size);
        let shown = CachedImage {
            name: known.and_then(|image| image.name.clone()).or_else(|| file.cloned()),
            id: known.map(|image| image.id.clone()).or(held.id.filter(|_| file.is_none())),
            sha512: held.sha512,
            status: CachedImageStatus::Cached,
            bytes: 0,
            size_bytes,
            unpacked: false,
            last_used: None,
            problem: None,
            waiting: named(held.waiting),
            in_use: named(held.in_use),
        };
        match held.standing {
            Standing::Whole { bytes, used_s, unpacked } => {
                let used = Duration::from_secs(used_s).as_micros();
                let last_used = u64::try_from(used).ok().and_then(time);
                CachedImage { bytes, unpacked, last_used, ..shown }
            }
            Standing::UnderWay { received_bytes, size_bytes } => {
                let size_bytes = Some(size_bytes);
                CachedImage {
                    status: CachedImageStatus::Fetching,
                    bytes: received_bytes,
                    size_bytes,
                    ..shown
                }
            }
            Standing::Failed(why) => {
                CachedImage { status: CachedImageStatus::Failed, problem: Some(why), ..shown }
            }
        }
    }
}

impl Api {
    /// The racks that are meant: this one, or all that have or had an agent or have nodes.
    async fn racks(&self, only: Option<&str>) -> Result<Vec<RackId>, Problem> {
        let agents = self.inventory.agents().await?.into_iter().map(|agent| agent.rack);
        let nodes = self.inventory.servers(None).await?.into_iter().map(|server| server.rack);
        let mut racks: Vec<RackId> = agents.chain(nodes).collect();
        racks.sort();
        racks.dedup();
        if let Some(only) = only {
            racks.retain(|rack| rack.as_str() == only);
            if racks.is_empty() {
                return Err(Problem::not_found("rack", only));
            }
        }
        Ok(racks)
    }

    /// Has the agents of these racks do something with their caches, and shows what is in them then.
    async fn image_caches(
        &self,
        user: &User,
        racks: Vec<RackId>,
        verb: CacheVerb,
    ) -> Result<Vec<ImageCache>, Problem> {
        let names = self.names(user).await?;
        let ask = |rack: RackId| {
            let (names, verb) = (&names, verb.clone());
            async move {
                match self.agents.image_cache(&rack, verb).await {
                    Ok(state) => names.show(&rack, state),
                    Err(error) => ImageCache {
                        problem: Some(error.to_string()),
                        ..names.show(&rack, CacheState::default())
                    },
                }
            }
        };
        Ok(stream::iter(racks).map(ask).buffered(RACKS_AT_ONCE).collect().await)
    }

    async fn names(&self, user: &User) -> Result<Names, Problem> {
        // Without Glance the ids and hashes are shown alone.
        let images = self.glance.list_images(user.caller()).await.unwrap_or_default();
        let files = self.inventory.firmware_files().await?;
        let nodes = self.inventory.servers(None).await?;
        Ok(Names {
            images,
            files: files.into_iter().map(|file| (file.sha512, file.name)).collect(),
            nodes: nodes.into_iter().map(|node| (node.id, node.name)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(digit: char, standing: Standing) -> Held {
        let sha512 = digit.to_string().repeat(128);
        Held { sha512, id: None, standing, waiting: Vec::new(), in_use: Vec::new() }
    }

    #[test]
    fn what_is_cached_is_called_as_people_know_it() {
        let node = ServerId::random();
        let image = serde_json::json!({ "id": "i1", "name": "debian", "status": "active", "disk_format": "raw",
            "container_format": "bare", "size": 7, "virtual_size": null, "os_hash_algo": "sha512",
            "os_hash_value": "A".repeat(128), "owner": null, "created_at": null, "hw_firmware_type": null });
        let names = Names {
            images: vec![serde_json::from_value(image).unwrap()],
            files: HashMap::from([("b".repeat(128), "bmc.bin".to_owned())]),
            nodes: HashMap::from([(node, "n1".to_owned())]),
        };
        let rack: RackId = "r1".parse().unwrap();
        let shown = names.image(held('a', Standing::Whole { bytes: 5, used_s: 0, unpacked: true }));
        assert_eq!((shown.name.as_deref(), shown.id.as_deref()), (Some("debian"), Some("i1")));
        assert_eq!(
            (shown.size_bytes, shown.last_used.as_deref()),
            (Some(7), Some("1970-01-01T00:00:00.000Z"))
        );
        assert_eq!(needed(&shown, &rack), None);
        let file = names.image(held('b', Standing::Whole { bytes: 5, used_s: 0, unpacked: false }));
        assert_eq!((file.name.as_deref(), file.id), (Some("bmc.bin"), None));
        let coming = Held {
            waiting: vec![node],
            ..held('c', Standing::UnderWay { received_bytes: 1, size_bytes: 2 })
        };
        let coming = names.image(coming);
        assert_eq!((coming.status, coming.name.clone()), (CachedImageStatus::Fetching, None));
        assert!(needed(&coming, &rack).is_some_and(|why| why.contains("n1 wait for it")));
        let written = Held { in_use: vec![node], ..held('a', Standing::Failed("no".into())) };
        let why = needed(&names.image(written), &rack).unwrap();
        assert!(why.contains("image debian was not dropped") && why.contains("written to n1"), "{why}");
    }
}
