//! Edges: `bmsctl image cache`.

use std::time::Duration;

use anyhow::bail;
use api_types::{CachedImage, CachedImageStatus, ImageCache, List, WarmImage};
use clap::Subcommand;
use domain::url_text::query;
use protocol::text::Shown;
use serde::Serialize;

use super::{
    args::{Output, Wait},
    client::Client,
    output::{self, Cell, Look},
    path::path,
};

/// Characters of a SHA-512 that are shown of an image without a name.
const HASH_SHOWN: usize = 12;

/// Its commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what is in the image cache of each rack.
    #[command(after_help = "Example: bmsctl image cache list --rack rack1")]
    List {
        /// Show only the cache of this rack.
        #[arg(long)]
        rack: Option<String>,
    },
    /// Fetch an image into the image cache of a rack, or of all racks, before a server needs it.
    #[command(after_help = "Example: bmsctl image cache warm debian-13 --rack rack1 --wait")]
    Warm {
        /// Name or id of the image.
        image: String,
        /// Fetch it into the cache of this rack only.
        #[arg(long)]
        rack: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Drop an image from a rack's image cache; refused while a server uses it.
    #[command(after_help = "Example: bmsctl image cache drop debian-12 --rack rack1")]
    Drop {
        /// Name, id or SHA-512 of the image.
        image: String,
        /// The rack.
        #[arg(long)]
        rack: String,
    },
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { rack } => print(output, &look(client, rack.as_deref()).await?),
        Command::Warm { image, rack, wait } => warm(client, output, WarmImage { image, rack }, wait).await,
        Command::Drop { image, rack } => {
            client.delete(&path(&["image-caches", &rack, &image])?).await?;
            output::say(output, format_args!("{image} was dropped from the cache of rack {rack}"));
            Ok(())
        }
    }
}

async fn look(client: &Client, rack: Option<&str>) -> anyhow::Result<Vec<ImageCache>> {
    let pairs: Vec<_> = rack.map(|rack| ("rack", rack)).into_iter().collect();
    let caches: List<ImageCache> = client.get(&format!("/v1/image-caches?{}", query(&pairs))).await?;
    Ok(caches.items)
}

async fn warm(client: &Client, output: Output, wanted: WarmImage, wait: Wait) -> anyhow::Result<()> {
    let begun: List<ImageCache> = client.post("/v1/image-caches", &wanted).await?;
    let racks = |caches: &[ImageCache]| -> Vec<String> {
        caches.iter().filter(|cache| cache.problem.is_none()).map(|cache| cache.rack.clone()).collect()
    };
    let (begun_in, mut caches) = (racks(&begun.items), begun.items);
    let refused: Vec<_> = caches.iter().filter_map(|cache| cache.problem.clone()).collect();
    if wait.wait && !begun_in.is_empty() {
        caches = arrived(client, &wanted, &begun_in, wait.timeout).await?;
    }
    print(output, &caches)?;
    let failed: Vec<_> = caches
        .iter()
        .filter(|cache| wait.wait && begun_in.contains(&cache.rack))
        .filter_map(|cache| missing(cache, &wanted.image))
        .collect();
    if begun_in.is_empty() || !refused.is_empty() || !failed.is_empty() {
        bail!("{}", Shown(&[refused, failed].concat().join("; ")));
    }
    Ok(())
}

/// Why the image is not in this cache although it was waited for; none: it is.
fn missing(cache: &ImageCache, image: &str) -> Option<String> {
    let rack = &cache.rack;
    match (of(cache, image), &cache.problem) {
        (Some(found), _) if found.status == CachedImageStatus::Cached => None,
        (Some(CachedImage { problem: Some(problem), .. }), _) | (None, Some(problem)) => {
            Some(problem.clone())
        }
        (Some(found), None) => Some(format!("{image} is {} in the cache of rack {rack}", found.status)),
        (None, None) | (Some(_), Some(_)) => Some(format!(
            "{image} is not in the cache of rack {rack}: another image may have needed its room; see `bmsctl image cache list`"
        )),
    }
}

fn of<'a>(cache: &'a ImageCache, image: &str) -> Option<&'a CachedImage> {
    cache.images.iter().find(|one| one.id.as_deref() == Some(image) || one.name.as_deref() == Some(image))
}

/// Looks until the image has arrived in each of these racks, or has failed there; for so long at most.
async fn arrived(
    client: &Client,
    wanted: &WarmImage,
    racks: &[String],
    limit: Duration,
) -> anyhow::Result<Vec<ImageCache>> {
    output::wait(&wanted.image, limit, async || {
        let caches = look(client, wanted.rack.as_deref()).await?;
        let coming: Vec<_> = caches
            .iter()
            .filter(|cache| racks.contains(&cache.rack))
            .filter_map(|cache| of(cache, &wanted.image))
            .filter(|image| image.status == CachedImageStatus::Fetching)
            .collect();
        let state = on_the_way(&coming);
        Ok(state.map_or(Look::Done(caches), Look::Going))
    })
    .await
}

/// How far these are, in whole percents: in a log each change is a line. None: there are none.
fn on_the_way(coming: &[&CachedImage]) -> Option<String> {
    let sum = |bytes: fn(&CachedImage) -> u64| {
        coming.iter().fold(0, |sum: u64, one| sum.saturating_add(bytes(one)))
    };
    let (fetched, whole) = (sum(|image| image.bytes), sum(|image| image.size_bytes.unwrap_or(0)));
    let how_far = match fetched.saturating_mul(100).checked_div(whole) {
        Some(percent) => format!("{} % of {} MiB", percent.min(100), mib(whole)),
        None => format!("{} MiB so far", mib(fetched)),
    };
    let racks = if coming.len() == 1 { "1 rack".to_owned() } else { format!("{} racks", coming.len()) };
    (!coming.is_empty()).then(|| format!("on its way to {racks}, {how_far}"))
}

/// A line of the list: a rack and one of its images, or none.
#[derive(Serialize)]
struct Line<'a> {
    cache: &'a ImageCache,
    image: Option<&'a CachedImage>,
}

fn print(output: Output, caches: &[ImageCache]) -> anyhow::Result<()> {
    if output == Output::Json {
        return output::json(&caches);
    }
    let lines: Vec<_> = caches.iter().flat_map(lines).collect();
    let header = ["rack", "image", "id", "status", "mib", "last used", "waiting", "in use by"];
    output::list(output, &lines, &header, cells)?;
    for cache in caches.iter().filter(|cache| cache.problem.is_none()) {
        let ImageCache { rack, free_bytes, max_bytes, left_out, .. } = cache;
        let more = if *left_out > 0 { format!("; {left_out} images are not listed") } else { String::new() };
        output::say(
            output,
            format_args!("rack {rack}: {} of {} MiB are free{more}", mib(*free_bytes), mib(*max_bytes)),
        );
    }
    Ok(())
}

fn lines(cache: &ImageCache) -> Vec<Line<'_>> {
    match &cache.images[..] {
        [] => vec![Line { cache, image: None }],
        images => images.iter().map(|image| Line { cache, image: Some(image) }).collect(),
    }
}

fn cells(line: &Line<'_>) -> Vec<Cell> {
    let rack = line.cache.rack.clone();
    let Some(image) = line.image else {
        let problem = line.cache.problem.clone().unwrap_or_else(|| "empty".to_owned());
        return [rack, String::new(), String::new(), problem].map(Cell::from).into();
    };
    let hash = || format!("sha512 {}...", image.sha512.get(..HASH_SHOWN).unwrap_or_default());
    let status = match (&image.problem, image.size_bytes) {
        (Some(problem), _) => format!("{}: {problem}", image.status),
        (None, Some(size)) if image.status == CachedImageStatus::Fetching => {
            format!("{} {} %", image.status, image.bytes.saturating_mul(100) / size.max(1))
        }
        (None, _) if image.unpacked => format!("{}, unpacked", image.status),
        (None, _) => image.status.to_string(),
    };
    vec![
        rack.into(),
        image.name.clone().unwrap_or_else(hash).into(),
        image.id.clone().unwrap_or_default().into(),
        status.into(),
        mib(image.bytes).into(),
        image.last_used.clone().unwrap_or_default().into(),
        Cell::lines(image.waiting.iter().cloned()),
        Cell::lines(image.in_use.iter().cloned()),
    ]
}

fn mib(bytes: u64) -> String {
    (bytes >> 20).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(status: CachedImageStatus, problem: Option<&str>) -> CachedImage {
        CachedImage {
            name: Some("debian".into()),
            id: None,
            sha512: "0".repeat(128),
            status,
            bytes: 1,
            size_bytes: None,
            unpacked: false,
            last_used: None,
            problem: problem.map(str::to_owned),
            waiting: vec![],
            in_use: vec![],
        }
    }

    #[test]
    fn only_what_is_there_has_arrived() {
        let check = |images: Vec<CachedImage>, problem: Option<&str>, expected: Option<&str>| {
            let problem = problem.map(str::to_owned);
            let cache =
                ImageCache { rack: "r1".into(), problem, max_bytes: 1, free_bytes: 1, images, left_out: 0 };
            let why = missing(&cache, "debian");
            assert_eq!(why.is_some(), expected.is_some(), "{why:?}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()));
        };
        check(vec![image(CachedImageStatus::Cached, None)], None, None);
        check(vec![image(CachedImageStatus::Failed, Some("no such image"))], None, Some("no such image"));
        check(vec![], Some("the agent of rack r1 has been disconnected"), Some("disconnected"));
        check(vec![], None, Some("not in the cache of rack r1"));
    }

    #[test]
    fn what_is_on_its_way_is_told_in_percent() {
        let check = |sizes: &[(u64, Option<u64>)], expected: Option<&str>| {
            let coming: Vec<_> = sizes
                .iter()
                .map(|(bytes, size)| CachedImage {
                    bytes: *bytes,
                    size_bytes: *size,
                    ..image(CachedImageStatus::Fetching, None)
                })
                .collect();
            assert_eq!(on_the_way(&coming.iter().collect::<Vec<_>>()).as_deref(), expected);
        };
        check(&[], None);
        check(&[(1 << 20, Some(4 << 20))], Some("on its way to 1 rack, 25 % of 4 MiB"));
        check(&[(0, None), (1 << 20, Some(4 << 20))], Some("on its way to 2 racks, 25 % of 4 MiB"));
        check(&[(5 << 20, None)], Some("on its way to 1 rack, 5 MiB so far"));
        check(&[(9 << 20, Some(4 << 20))], Some("on its way to 1 rack, 100 % of 4 MiB"));
        check(
            &[(u64::MAX, Some(u64::MAX)), (u64::MAX, Some(u64::MAX))],
            Some("on its way to 2 racks, 1 % of 17592186044415 MiB"),
        );
    }
}
