//! Edges: what Prometheus reads of this rack's agent. Like the log there is one for the process.
//!
//! No label is a server's: every label has few values, so that the number of series does not grow with the rack.

use std::{
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use protocol::{boot::BootStage, places::Bounds};
use pxe::connections::{self, Newcomer, Terms};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{poll::debounce::Sample, rack::Breakers};

/// The text format that we write; Prometheus asks for it since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections of those who read the figures.
pub const PLACES: usize = 16;
/// Connections of one of them.
const PLACES_OF_PEER: usize = 8;
/// For how long one may keep silent.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// For how long one may last; the next is made in no time.
const DURATION_MAX: Duration = Duration::from_secs(300);

type Labels<const N: usize> = [(&'static str, &'static str); N];

struct Metrics {
    registry: Registry,
    servers: Gauge,
    polls: Family<Labels<1>, Histogram, fn() -> Histogram>,
    oldest_reading: Gauge<f64, AtomicU64>,
    breakers: Family<Labels<1>, Gauge>,
    commands: Family<Labels<1>, Counter>,
    connected: Gauge,
    spool_reports: Gauge,
    spool_bytes: Gauge,
    boot_stages: Family<Labels<2>, Counter>,
    ramdisks: Family<Labels<1>, Counter>,
    images: Family<Labels<1>, Counter>,
    image_bytes: Gauge,
}

fn poll_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 8))
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let mut metrics = Metrics {
        registry: Registry::with_prefix("bms_agent"),
        servers: Gauge::default(),
        polls: Family::new_with_constructor(poll_histogram),
        oldest_reading: Gauge::default(),
        breakers: Family::default(),
        commands: Family::default(),
        connected: Gauge::default(),
        spool_reports: Gauge::default(),
        spool_bytes: Gauge::default(),
        boot_stages: Family::default(),
        ramdisks: Family::default(),
        images: Family::default(),
        image_bytes: Gauge::default(),
    };
    let mut registry = std::mem::take(&mut metrics.registry);
    registry.register("build", "This program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    registry.register("servers", "Servers that the agent manages", metrics.servers.clone());
    let help =
        "Readings of a BMC's power: answered, silent, or not_watched: not asked, because it refuses us";
    registry.register_with_unit("bmc_poll", help, Unit::Seconds, metrics.polls.clone());
    let help = "Age of the oldest current power reading; silent BMCs are reported and not included";
    registry.register_with_unit("oldest_reading", help, Unit::Seconds, metrics.oldest_reading.clone());
    let help = "BMCs by whether they are asked in turn: closed, or open or half_open: they failed and are left in peace";
    registry.register("bmc_breakers", help, metrics.breakers.clone());
    registry.register("commands", "Finished commands of the coordinator", metrics.commands.clone());
    let help = "Whether the agent is connected to the coordinator";
    registry.register("coordinator_connected", help, metrics.connected.clone());
    let help = "Reports that the coordinator has not acknowledged";
    registry.register("spool_reports", help, metrics.spool_reports.clone());
    let help = "Bytes that those reports take";
    registry.register_with_unit("spool", help, Unit::Bytes, metrics.spool_bytes.clone());
    let help = "Stages that network boots reached; dhcp_ack is an address given";
    registry.register("boot_stages", help, metrics.boot_stages.clone());
    registry.register("ramdisks", "Ramdisks that connected and ended", metrics.ramdisks.clone());
    let help = "Images requested from the cache: hit, fetched, or failed";
    registry.register("image_requests", help, metrics.images.clone());
    registry.register_with_unit(
        "image_cache",
        "Bytes that cached images take",
        Unit::Bytes,
        metrics.image_bytes.clone(),
    );
    metrics.registry = registry;
    metrics
});

static OLDEST: Mutex<Option<Instant>> = Mutex::new(None);

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// So many servers are looked after.
pub fn servers(count: usize) {
    METRICS.servers.set(size(count));
}

/// A BMC was asked for the power.
pub fn polled(sample: &Sample, took: Duration) {
    let outcome = match sample {
        Sample::On | Sample::Off => "answered",
        Sample::NoAnswer { .. } => "silent",
        Sample::NotWatched { .. } => "not_watched",
        Sample::Refused { .. } => "refused",
        Sample::OtherMachine { .. } => "other_machine",
    };
    METRICS.polls.get_or_create(&[("outcome", outcome)]).observe(took.as_secs_f64());
}

/// When the oldest reading that is stood by was made. Its age is reckoned when somebody asks: should the loop that sets this
/// hang, the age still grows.
pub fn oldest_reading(read_at: Option<Instant>) {
    *OLDEST.lock().unwrap_or_else(PoisonError::into_inner) = read_at;
}

/// How old the oldest reading is that is stood by; none: there is none.
pub fn oldest_reading_age() -> Option<Duration> {
    OLDEST.lock().unwrap_or_else(PoisonError::into_inner).map(|read_at| read_at.elapsed())
}

/// So many BMCs are in each state.
pub fn breakers(count: Breakers) {
    let Breakers { closed, open, half_open } = count;
    for (state, count) in [("closed", closed), ("open", open), ("half_open", half_open)] {
        METRICS.breakers.get_or_create(&[("state", state)]).set(size(count));
    }
}

/// A command has ended.
pub fn command_ended(done: bool) {
    METRICS.commands.get_or_create(&[("outcome", if done { "done" } else { "failed" })]).inc();
}

/// Whether the agent is connected to the coordinator.
pub fn connected(yes: bool) {
    METRICS.connected.set(i64::from(yes));
}

/// What waits for the coordinator.
pub fn spool(reports: usize, bytes: usize) {
    METRICS.spool_reports.set(size(reports));
    METRICS.spool_bytes.set(size(bytes));
}

/// A network boot has come so far.
pub fn boot_stage(stage: BootStage, network: &'static str) {
    METRICS.boot_stages.get_or_create(&[("stage", stage.as_str()), ("network", network)]).inc();
}

/// A network boot was asked for and not answered.
pub fn boot_refused(network: &'static str) {
    METRICS.boot_stages.get_or_create(&[("stage", "refused"), ("network", network)]).inc();
}

/// A ramdisk came, or went.
pub fn ramdisk(came: bool) {
    METRICS.ramdisks.get_or_create(&[("event", if came { "ready" } else { "gone" })]).inc();
}

/// How the cache answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageAnswer {
    /// It had the image.
    Hit,
    /// It fetched the image.
    Fetched,
    /// It has no image to give.
    Failed,
}

/// The cache was asked for an image.
pub fn image(answer: ImageAnswer) {
    let answer = match answer {
        ImageAnswer::Hit => "hit",
        ImageAnswer::Fetched => "fetched",
        ImageAnswer::Failed => "failed",
    };
    METRICS.images.get_or_create(&[("result", answer)]).inc();
}

/// The whole page. `images`: the cache's directory.
pub fn page(images: &std::path::Path) -> String {
    let files = std::fs::read_dir(images).into_iter().flatten().flatten();
    // A disk with holes takes less than its length.
    let takes = |meta: std::fs::Metadata| meta.len().min(meta.blocks().saturating_mul(512));
    let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(takes).sum();
    METRICS.image_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    METRICS.oldest_reading.set(oldest_reading_age().map_or(0.0, |age| age.as_secs_f64()));
    let mut page = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut page, &METRICS.registry);
    page
}

/// Answers `GET /metrics` until told to stop. Plain HTTP: the page holds no secret.
pub async fn serve(listener: TcpListener, images: PathBuf, stop: CancellationToken) {
    let router = Router::new().route("/metrics", get(answer)).with_state(images);
    let terms = Terms {
        name: "metrics",
        places: Bounds { total: PLACES, per_peer: PLACES_OF_PEER, trusted: Vec::new() },
        idle: IDLE_MAX,
        duration: DURATION_MAX,
    };
    connections::serve(listener, router, terms, |_| Newcomer::Anybody, stop).await;
}

async fn answer(State(images): State<PathBuf>) -> Response {
    match tokio::task::spawn_blocking(move || page(&images)).await {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(_) => axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_happened() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("image"), [0; 500]).unwrap();
        servers(3);
        polled(&Sample::On, Duration::from_millis(2));
        polled(&Sample::NoAnswer { reason: "a secret place".into() }, Duration::from_secs(4));
        boot_stage(BootStage::DhcpAck, "provisioning");
        spool(7, 900);
        breakers(Breakers { closed: 3, open: 2, half_open: 0 });
        let page = page(dir.path());
        for line in [
            "bms_agent_servers 3",
            "bms_agent_bmc_poll_seconds_count{outcome=\"answered\"} 1",
            "bms_agent_bmc_poll_seconds_count{outcome=\"silent\"} 1",
            "bms_agent_boot_stages_total{stage=\"dhcp_ack\",network=\"provisioning\"} 1",
            "bms_agent_spool_reports 7",
            "bms_agent_bmc_breakers{state=\"open\"} 2",
            "bms_agent_bmc_breakers{state=\"half_open\"} 0",
            "bms_agent_spool_bytes 900",
            "bms_agent_image_cache_bytes 500",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("secret"), "{page}");
    }
}
