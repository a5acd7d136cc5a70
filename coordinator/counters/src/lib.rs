//! The figures of this process for Prometheus: counters that our parts raise as things happen, and gauges.
//!
//! Like the log there is one set for the process, and it is below everything that counts. No label is a tenant's, a server's or a
//! user's: every label has few values (states, kinds, routes, racks), so that the number of series does not grow with the
//! number of servers.

use std::{
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

use domain::{events::EventKind, rim::RefusalKind};
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

/// Names and values of labels.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// All figures. Counters are raised by the functions beside it; gauges are set by whoever reads the inventory.
pub struct Figures {
    registry: Registry,
    /// Servers by Ironic's provision state and by power.
    pub servers: Family<Labels<2>, Gauge>,
    /// Deployed servers that are off and not yet seen on the isolated network.
    pub not_isolated: Gauge,
    /// Servers whose power nobody watches, by reason.
    pub not_watched: Family<Labels<1>, Gauge>,
    /// Servers by the health of their hardware.
    pub health: Family<Labels<1>, Gauge>,
    /// Sensors that are not well, by kind and severity.
    pub bad_sensors: Family<Labels<2>, Gauge>,
    /// Entries of event logs that nobody has dealt with, by severity.
    pub open_log_entries: Family<Labels<1>, Gauge>,
    /// Power draw of a rack's servers, as far as they measure it.
    pub power_draw: Family<Labels<1>, Gauge>,
    /// From the report that a server is off to its isolation.
    pub isolation: Histogram,
    /// Power-ons permitted and refused.
    pub gate_decisions: Family<Labels<2>, Counter>,
    /// From the request of a power-on to the decision.
    pub gate_wait: Histogram,
    /// Whether a rack's agent is connected.
    pub agents: Family<Labels<1>, Gauge>,
    /// When the certificate ends that opens a rack for longest.
    pub certificate_ends: Family<Labels<1>, Gauge>,
    /// Age of the oldest power reading of a rack.
    pub oldest_reading: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    /// Events by kind.
    pub events: Family<Labels<1>, Counter>,
    /// Requests to the REST API.
    pub requests: Family<Labels<3>, Counter>,
    /// Requests of ours to other services.
    pub asked: Family<Labels<2>, Counter>,
    /// Whether a collector knows us.
    pub sandesh_connected: Gauge,
    /// Messages to collectors.
    pub sandesh_sent: Counter,
    /// Servers that Contrail does not know as it should.
    pub unregistered: Gauge,
    /// How long the oldest isolation has waited.
    pub oldest_isolation: Gauge<f64, AtomicU64>,
    /// Age of the oldest read-back.
    pub oldest_look: Gauge<f64, AtomicU64>,
    /// Servers asked for and visited, by lane.
    pub visits: Family<Labels<2>, Gauge>,
}

static FIGURES: LazyLock<Figures> = LazyLock::new(Figures::new);

impl Figures {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("bms"),
            servers: Family::default(),
            not_isolated: Gauge::default(),
            not_watched: Family::default(),
            health: Family::default(),
            bad_sensors: Family::default(),
            open_log_entries: Family::default(),
            power_draw: Family::default(),
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
        let help = "Servers whose power is not watched, by the cause";
        registry.register("servers_not_watched", help, self.not_watched.clone());
        registry.register("servers_health", "Servers by the health of their hardware", self.health.clone());
        let help = "Sensors that are not well, by kind and severity";
        registry.register("sensors_not_well", help, self.bad_sensors.clone());
        let help = "Entries of event logs that nobody has acknowledged and that have not ended, by severity";
        registry.register("log_entries_open", help, self.open_log_entries.clone());
        let help = "Power draw of a rack's servers together, as far as they measure it";
        registry.register_with_unit(
            "rack_power_draw",
            help,
            Unit::Other("watts".to_owned()),
            self.power_draw.clone(),
        );
        let help =
            "From the report that a deployed server is off until its ports are seen on the isolated network";
        registry.register_with_unit("isolation", help, Unit::Seconds, self.isolation.clone());
        let help = "Power-ons that the gate let through or refused, and the kind of reason";
        registry.register("gate_decisions", help, self.gate_decisions.clone());
        let help = "From the request of a power-on to the gate's decision";
        registry.register_with_unit("gate_wait", help, Unit::Seconds, self.gate_wait.clone());
        registry.register("agent_connected", "Whether a rack's agent is connected", self.agents.clone());
        let help = "When the certificate of a rack that lasts longest expires, in seconds since 1970";
        let ends = self.certificate_ends.clone();
        registry.register_with_unit("agent_certificate_end_timestamp", help, Unit::Seconds, ends);
        let help = "Age of the oldest current power reading of a rack's agent, from its heartbeats";
        registry.register_with_unit("rack_oldest_reading", help, Unit::Seconds, self.oldest_reading.clone());
        registry.register("events", "Events by kind", self.events.clone());
        registry.register("api_requests", "Requests to the REST API", self.requests.clone());
        let help = "Our requests to other services: ok, refused (an answer that says no), unavailable (none)";
        registry.register("service_requests", help, self.asked.clone());
        let help = "Whether a Sandesh collector has accepted our connection";
        registry.register("sandesh_connected", help, self.sandesh_connected.clone());
        registry.register(
            "sandesh_messages",
            "Messages sent to Sandesh collectors",
            self.sandesh_sent.clone(),
        );
        let help = "Servers whose node or ports are not as they should be in the VNC API";
        registry.register("contrail_unregistered_servers", help, self.unregistered.clone());
        let help = "Age of the oldest isolation that is not finished; 0: none";
        registry.register_with_unit(
            "isolation_oldest_wait",
            help,
            Unit::Seconds,
            self.oldest_isolation.clone(),
        );
        let help = "Age of the oldest read-back of a server's ports";
        registry.register_with_unit("read_back_oldest_age", help, Unit::Seconds, self.oldest_look.clone());
        let help = "Servers by reconciliation lane: waiting, and being worked on";
        registry.register("visits", help, self.visits.clone());
    }
}

/// The figures of this process.
pub fn figures() -> &'static Figures {
    &FIGURES
}

/// The page as Prometheus reads it, in the OpenMetrics text format.
pub fn page() -> String {
    let mut page = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut page, &FIGURES.registry);
    page
}

/// An event was told.
pub fn happened(kind: EventKind) {
    FIGURES.events.get_or_create(&[("kind", kind.as_str().to_owned())]).inc();
}

/// A deployed server that went off is isolated.
pub fn isolated(took: Duration) {
    FIGURES.isolation.observe(took.as_secs_f64());
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
        RefusalKind::OffUntold => "off_untold",
        RefusalKind::Gate => "no_proof",
        RefusalKind::AgentAway => "agent_away",
        RefusalKind::Hardware => "hardware",
        RefusalKind::Interrupted => "interrupted",
    };
    gate_decided("refused", reason, took);
}

fn gate_decided(decision: &str, reason: &str, took: Duration) {
    let labels = [("decision", decision.to_owned()), ("reason", reason.to_owned())];
    FIGURES.gate_decisions.get_or_create(&labels).inc();
    FIGURES.gate_wait.observe(took.as_secs_f64());
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
    FIGURES.asked.get_or_create(&[("service", service.to_owned()), ("outcome", outcome.to_owned())]).inc();
}

/// Whether a collector knows us.
pub fn sandesh_connected(yes: bool) {
    FIGURES.sandesh_connected.set(i64::from(yes));
}

/// A message went to a collector.
pub fn sandesh_sent() {
    FIGURES.sandesh_sent.inc();
}

/// Servers that Contrail does not know as it should.
pub fn unregistered(servers: usize) {
    FIGURES.unregistered.set(i64::try_from(servers).unwrap_or(i64::MAX));
}

/// How long the oldest isolation and the oldest read-back have waited.
pub fn oldest_waits(isolation: Duration, look: Duration) {
    FIGURES.oldest_isolation.set(isolation.as_secs_f64());
    FIGURES.oldest_look.set(look.as_secs_f64());
}

/// How many servers are asked for in a lane of reconciliation, and how many of them are visited.
pub fn visits(lane: &'static str, asked: usize, visited: usize) {
    for (state, count) in [("asked", asked), ("visited", visited)] {
        let labels = [("lane", lane.to_owned()), ("state", state.to_owned())];
        FIGURES.visits.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
