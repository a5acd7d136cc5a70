//! Edges: what Prometheus reads: counters that our parts raise as things happen, and gauges read from the inventory
//! when somebody asks.
//!
//! Like the log there is one for the process. No label is a tenant's, a server's or a user's: every label has few values
//! (states, kinds, routes, racks), so that the number of series does not grow with the number of servers. Nobody has to
//! prove who he is here, which is why it has a listener of its own and is off unless configured.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, atomic::AtomicU64},
    time::Duration,
};

use crate::{
    agents::lasting,
    events::EventKind,
    gate::Presence,
    inventory::{Inventory, InventoryError, Server},
    lifecycle::isolation_is_due,
    port::RefusalKind,
};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
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
use protocol::{power::PowerReading, watch::NotWatched};

/// Racks that are named; a site with more has larger worries than this page.
const RACKS_MAX: usize = 1000;
/// The text format that we write; Prometheus asks for it since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, String); N];

struct Metrics {
    registry: Registry,
    servers: Family<Labels<2>, Gauge>,
    not_isolated: Gauge,
    not_watched: Family<Labels<1>, Gauge>,
    isolation: Histogram,
    gate_decisions: Family<Labels<2>, Counter>,
    gate_wait: Histogram,
    agents: Family<Labels<1>, Gauge>,
    certificate_ends: Family<Labels<1>, Gauge>,
    oldest_reading: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    events: Family<Labels<1>, Counter>,
    requests: Family<Labels<3>, Counter>,
    asked: Family<Labels<2>, Counter>,
    sandesh_connected: Gauge,
    sandesh_sent: Counter,
    unregistered: Gauge,
    oldest_isolation: Gauge<f64, AtomicU64>,
    oldest_look: Gauge<f64, AtomicU64>,
    visits: Family<Labels<2>, Gauge>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("bms"),
            servers: Family::default(),
            not_isolated: Gauge::default(),
            not_watched: Family::default(),
            isolation: Histogram::new(exponential_buckets(0.05, 2.0, 12)),
            gate_decisions: Family::default(),
            gate_wait: Histogram::new(exponential_buckets(0.02, 2.0, 12)),
            agents: Family::default(),
            certificate_ends: Family::default(),
            oldest_reading: Family::default(),
            events: Family::default(),
            requests: Family::default(),
            asked: Family::default(),
            sandesh_connected: Gauge::default(),
            sandesh_sent: Counter::default(),
            unregistered: Gauge::default(),
            oldest_isolation: Gauge::default(),
            oldest_look: Gauge::default(),
            visits: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry, .. } = self;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "This program", build);
        registry.register(
            "servers",
            "Servers by Ironic's provision state and by power",
            self.servers.clone(),
        );
        let help = "Deployed servers that are off and not yet seen on the isolated network";
        registry.register("servers_off_not_isolated", help, self.not_isolated.clone());
        let help = "Servers whose power nobody watches, by what keeps the agent from it";
        registry.register("servers_not_watched", help, self.not_watched.clone());
        let help = "From the report that a deployed server is off to its ports seen on the isolated network";
        registry.register_with_unit("isolation", help, Unit::Seconds, self.isolation.clone());
        let help = "Power-ons that the gate let through or refused, and the kind of reason";
        registry.register("gate_decisions", help, self.gate_decisions.clone());
        let help = "From the request of a power-on to the gate's decision";
        registry.register_with_unit("gate_wait", help, Unit::Seconds, self.gate_wait.clone());
        registry.register("agent_connected", "Whether a rack's agent is connected", self.agents.clone());
        let help = "When the certificate ends that opens a rack for longest, in seconds since 1970";
        let ends = self.certificate_ends.clone();
        registry.register_with_unit("agent_certificate_end_timestamp", help, Unit::Seconds, ends);
        let help = "Age of the oldest power reading that a rack's agent stands by, by its heartbeats";
        registry.register_with_unit("rack_oldest_reading", help, Unit::Seconds, self.oldest_reading.clone());
        registry.register("events", "Events by kind", self.events.clone());
        registry.register("api_requests", "Requests to the REST API", self.requests.clone());
        let help = "Our requests to other services: ok, refused (an answer that says no), unavailable (none)";
        registry.register("service_requests", help, self.asked.clone());
        let help = "Whether a Sandesh collector knows us";
        registry.register("sandesh_connected", help, self.sandesh_connected.clone());
        registry.register(
            "sandesh_messages",
            "Messages sent to Sandesh collectors",
            self.sandesh_sent.clone(),
        );
        let help = "Servers whose node or ports are not as they should be in the VNC API";
        registry.register("contrail_unregistered_servers", help, self.unregistered.clone());
        let help = "How long ago the oldest isolation that is not done was called for; 0: none";
        registry.register_with_unit(
            "isolation_oldest_wait",
            help,
            Unit::Seconds,
            self.oldest_isolation.clone(),
        );
        let help = "Age of the oldest read-back of a server's ports";
        registry.register_with_unit("read_back_oldest_age", help, Unit::Seconds, self.oldest_look.clone());
        let help = "Servers by what is to be done for them (lane): asked for, and being visited for it";
        registry.register("visits", help, self.visits.clone());
    }
}

/// An event was told.
pub fn happened(kind: EventKind) {
    METRICS.events.get_or_create(&[("kind", kind.as_str().to_owned())]).inc();
}

/// A deployed server that went off is isolated.
pub fn isolated(took: Duration) {
    METRICS.isolation.observe(took.as_secs_f64());
}

/// The gate let a power-on through.
pub fn gate_permitted(took: Duration) {
    gate_decided("permitted", "none", took);
}

/// The gate, or what comes after it, refused a power-on.
pub fn gate_refused(kind: RefusalKind, took: Duration) {
    let reason = match kind {
        RefusalKind::UnknownServer => "unknown_server",
        RefusalKind::State => "state",
        RefusalKind::Gate => "no_proof",
        RefusalKind::AgentAway => "agent_away",
        RefusalKind::Hardware => "hardware",
        RefusalKind::Interrupted => "interrupted",
    };
    gate_decided("refused", reason, took);
}

fn gate_decided(decision: &str, reason: &str, took: Duration) {
    let labels = [("decision", decision.to_owned()), ("reason", reason.to_owned())];
    METRICS.gate_decisions.get_or_create(&labels).inc();
    METRICS.gate_wait.observe(took.as_secs_f64());
}

/// How a request of ours to another service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// As wished.
    Ok,
    /// It said no.
    Refused,
    /// It said nothing, or "later".
    Unavailable,
}

/// We asked another service.
pub fn asked(service: &'static str, how: Asked) {
    let outcome = match how {
        Asked::Ok => "ok",
        Asked::Refused => "refused",
        Asked::Unavailable => "unavailable",
    };
    METRICS.asked.get_or_create(&[("service", service.to_owned()), ("outcome", outcome.to_owned())]).inc();
}

/// Whether a collector knows us.
pub fn sandesh_connected(yes: bool) {
    METRICS.sandesh_connected.set(i64::from(yes));
}

/// A message went to a collector.
pub fn sandesh_sent() {
    METRICS.sandesh_sent.inc();
}

/// Servers that Contrail does not know as it should.
pub fn unregistered(servers: usize) {
    METRICS.unregistered.set(i64::try_from(servers).unwrap_or(i64::MAX));
}

/// How long the oldest isolation and the oldest read-back have waited.
pub fn oldest_waits(isolation: Duration, look: Duration) {
    METRICS.oldest_isolation.set(isolation.as_secs_f64());
    METRICS.oldest_look.set(look.as_secs_f64());
}

/// How many servers are asked for in a lane of reconciliation, and how many of them are visited.
pub fn visits(lane: &'static str, asked: usize, visited: usize) {
    for (state, count) in [("asked", asked), ("visited", visited)] {
        let labels = [("lane", lane.to_owned()), ("state", state.to_owned())];
        METRICS.visits.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Counts a request to the REST API, by its route and not by its path: paths are without number.
pub async fn count_request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().as_str();
    // Anything may stand there: only methods that we know become labels.
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method);
    let method = if known { method.to_owned() } else { "other".to_owned() };
    let response = next.run(request).await;
    let labels = [
        ("route", route.unwrap_or_else(|| "other".to_owned())),
        ("method", method),
        ("status", response.status().as_u16().to_string()),
    ];
    METRICS.requests.get_or_create(&labels).inc();
    response
}

/// What the gauges are read from.
pub struct Sources {
    /// The inventory.
    pub inventory: Inventory,
    /// Which agents are here.
    pub presence: Arc<dyn Presence>,
    /// One page at a time: gauges are cleared before they are set.
    pub page: tokio::sync::Mutex<()>,
}

impl Sources {
    /// The whole page.
    pub async fn page(&self) -> Result<String, InventoryError> {
        let _alone = self.page.lock().await;
        self.look().await?;
        let mut page = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut page, &METRICS.registry);
        Ok(page)
    }

    async fn look(&self) -> Result<(), InventoryError> {
        let servers = self.inventory.servers(None).await?;
        let agents = self.inventory.agents().await?;
        METRICS.servers.clear();
        for ((state, power), count) in self.count(&servers) {
            let labels = [("provision_state", state), ("power", power.to_owned())];
            METRICS.servers.get_or_create(&labels).set(count);
        }
        let waiting = servers.iter().filter(|server| isolation_is_due(&server.facts(None, true)));
        METRICS.not_isolated.set(i64::try_from(waiting.count()).unwrap_or(i64::MAX));
        for why in NotWatched::ALL {
            let of_kind = |server: &&Server| server.unwatched.as_ref().is_some_and(|it| it.why == why);
            let count = servers.iter().filter(of_kind).count();
            let gauge = METRICS.not_watched.get_or_create(&[("reason", why.as_str().to_owned())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        METRICS.agents.clear();
        METRICS.oldest_reading.clear();
        METRICS.certificate_ends.clear();
        let certificates = self.inventory.certificates(None).await?;
        let now_us = self.inventory.clock().now_us();
        for agent in agents.iter().take(RACKS_MAX) {
            let here = i64::from(self.presence.away(&agent.rack).is_none());
            let labels = [("rack", agent.rack.to_string())];
            METRICS.agents.get_or_create(&labels).set(here);
            // A rack without a good certificate has no figure: its agent is not let in.
            let of_rack = certificates.iter().filter(|one| one.rack == agent.rack);
            if let Some(best) = lasting(of_rack, now_us) {
                let ends_s = i64::try_from(best.ends_us / 1_000_000).unwrap_or(i64::MAX);
                METRICS.certificate_ends.get_or_create(&labels).set(ends_s);
            }
            // While nobody says how old they are, there is no figure, rather than a good one.
            if let Some(age) = self.presence.oldest_reading(&agent.rack) {
                METRICS.oldest_reading.get_or_create(&labels).set(age.as_secs_f64());
            }
        }
        Ok(())
    }

    fn count(&self, servers: &[Server]) -> BTreeMap<(String, &'static str), i64> {
        let mut counts = BTreeMap::new();
        for server in servers {
            // A word that we do not know is Ironic's; there are few of them all the same.
            let state = server.node.as_ref().map_or("none", |node| node.provision_state.as_str());
            let is_known = server.unwatched.is_none() && self.presence.away(&server.rack).is_none();
            let power = server.power.as_ref().filter(|_| is_known);
            let power = match power.map(|seen| &seen.reading) {
                Some(PowerReading::On) => "on",
                Some(PowerReading::Off) => "off",
                Some(PowerReading::Unreachable { .. }) | None => "unknown",
            };
            *counts.entry((state.to_owned(), power)).or_default() += 1;
        }
        counts
    }
}

/// Answers `GET /metrics`. It may be asked in the clear: the page holds no secret and no name of a tenant.
pub fn router(sources: Sources) -> Router {
    Router::new().route("/metrics", get(page)).with_state(Arc::new(sources))
}

async fn page(State(sources): State<Arc<Sources>>) -> Response {
    match sources.page().await {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fakes::Bench,
        inventory::{Agent, AgentCertificate, Origin},
    };

    struct Away;

    impl Presence for Away {
        fn away(&self, _: &protocol::id::RackId) -> Option<String> {
            Some("it is away".into())
        }
        fn oldest_reading(&self, _: &protocol::id::RackId) -> Option<Duration> {
            Some(Duration::from_millis(2500))
        }
    }

    fn certificate(rack: &protocol::id::RackId) -> AgentCertificate {
        AgentCertificate {
            fingerprint: "ab".repeat(32).parse().unwrap(),
            rack: rack.clone(),
            origin: Origin::Issued,
            renewed_from: None,
            given_us: 0,
            begins_us: 0,
            ends_us: 1_900_000_000_000_000,
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        }
    }

    #[tokio::test]
    async fn the_page_counts_servers_and_names_none() {
        let inventory = Bench::new("clean wait", None).await.inventory;
        let agent = Agent {
            rack: "rack1".parse().unwrap(),
            boot_id: uuid::Uuid::from_u128(1),
            version: "1".into(),
            acknowledged: 0,
            seen_us: 0,
        };
        inventory.put_agent(&agent).await.unwrap();
        inventory.put_certificate(&certificate(&agent.rack)).await.unwrap();
        gate_permitted(Duration::from_millis(30));
        gate_refused(RefusalKind::Gate, Duration::from_secs(41));
        isolated(Duration::from_millis(300));
        asked("contrail", Asked::Unavailable);
        oldest_waits(Duration::from_millis(1500), Duration::from_secs(61));
        visits("isolate", 3, 2);
        let sources = Sources { inventory, presence: Arc::new(Away), page: tokio::sync::Mutex::default() };
        let page = sources.page().await.unwrap();
        for line in [
            "bms_servers{provision_state=\"clean wait\",power=\"unknown\"} 1",
            "bms_servers_not_watched{reason=\"credentials_refused\"} 0",
            "bms_servers_not_watched{reason=\"other_machine\"} 0",
            "bms_gate_decisions_total{decision=\"permitted\",reason=\"none\"} 1",
            "bms_gate_decisions_total{decision=\"refused\",reason=\"no_proof\"} 1",
            "bms_rack_oldest_reading_seconds{rack=\"rack1\"} 2.5",
            "bms_agent_certificate_end_timestamp_seconds{rack=\"rack1\"} 1900000000",
            "bms_gate_wait_seconds_bucket{le=\"+Inf\"} 2",
            "bms_isolation_seconds_count 1",
            "bms_isolation_oldest_wait_seconds 1.5",
            "bms_read_back_oldest_age_seconds 61.0",
            "bms_visits{lane=\"isolate\",state=\"asked\"} 3",
            "bms_service_requests_total{service=\"contrail\",outcome=\"unavailable\"} 1",
            "# EOF",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        for word in ["n1", "web", "hunter2", "52:54", "198.51.100"] {
            assert!(!page.contains(word), "{word} is in\n{page}");
        }
    }
}
