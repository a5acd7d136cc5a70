//! Edges: what Prometheus reads: the counters of this process, and gauges read from the inventory when somebody asks. Nobody has to
//! prove who he is here, which is why it has a listener of its own and is off unless configured.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use coordinator_core::agents::lasting;
use counters::figures;
use domain::{
    health::{SiteLimits, Word},
    lifecycle::isolation_is_due,
    records::Server,
    rim::Presence,
};
use protocol::{power::PowerReading, watch::NotWatched};
use store::{Healths, Inventory, InventoryError};

/// Racks that are named; a site with more has larger worries than this page.
const RACKS_MAX: usize = 1000;
/// The text format that we write; Prometheus asks for it since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    figures().requests.get_or_create(&labels).inc();
    response
}

/// What the gauges are read from.
pub struct Sources {
    /// The inventory.
    pub inventory: Inventory,
    /// Which agents are here.
    pub presence: Arc<dyn Presence>,
    /// What the site thinks of sensors' numbers.
    pub limits: Arc<SiteLimits>,
    /// One page at a time: gauges are cleared before they are set.
    pub page: tokio::sync::Mutex<()>,
}

impl Sources {
    /// The whole page.
    pub async fn page(&self) -> Result<String, InventoryError> {
        let _alone = self.page.lock().await;
        self.look().await?;
        Ok(counters::page())
    }

    async fn look(&self) -> Result<(), InventoryError> {
        let servers = self.inventory.servers(None).await?;
        let agents = self.inventory.agents().await?;
        figures().servers.clear();
        for ((state, power), count) in self.count(&servers) {
            let labels = [("provision_state", state), ("power", power.to_owned())];
            figures().servers.get_or_create(&labels).set(count);
        }
        let waiting = servers.iter().filter(|server| isolation_is_due(&server.facts(None, true)));
        figures().not_isolated.set(i64::try_from(waiting.count()).unwrap_or(i64::MAX));
        for why in NotWatched::ALL {
            let of_kind = |server: &&Server| server.unwatched.as_ref().is_some_and(|it| it.why == why);
            let count = servers.iter().filter(of_kind).count();
            let gauge = figures().not_watched.get_or_create(&[("reason", why.as_str().to_owned())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.look_at_hardware(&servers).await?;
        figures().agents.clear();
        figures().oldest_reading.clear();
        figures().certificate_ends.clear();
        let certificates = self.inventory.certificates(None).await?;
        let now_us = self.inventory.clock().now_us();
        for agent in agents.iter().take(RACKS_MAX) {
            let here = i64::from(self.presence.connection(&agent.rack).is_connected());
            let labels = [("rack", agent.rack.to_string())];
            figures().agents.get_or_create(&labels).set(here);
            // A rack without a good certificate has no figure: its agent is not let in.
            let of_rack = certificates.iter().filter(|one| one.rack == agent.rack);
            if let Some(best) = lasting(of_rack, now_us) {
                let ends_s = i64::try_from(best.ends_us / 1_000_000).unwrap_or(i64::MAX);
                figures().certificate_ends.get_or_create(&labels).set(ends_s);
            }
            // While nobody says how old they are, there is no figure, rather than a good one.
            if let Some(age) = self.presence.oldest_reading(&agent.rack) {
                figures().oldest_reading.get_or_create(&labels).set(age.as_secs_f64());
            }
        }
        Ok(())
    }

    /// Each figure has few labels: power draw is a rack's, because servers are without number.
    async fn look_at_hardware(&self, servers: &[Server]) -> Result<(), InventoryError> {
        let healths = Healths::read(&self.inventory, &self.limits, None).await?;
        let mut words = BTreeMap::from(Word::ALL.map(|word| (word, 0)));
        for server in servers {
            let away = self.presence.connection(&server.rack).reason();
            *words.entry(healths.of(server, away.as_deref()).word).or_default() += 1;
        }
        for (word, count) in words {
            figures().health.get_or_create(&[("health", word.as_str().to_owned())]).set(count);
        }
        figures().bad_sensors.clear();
        for (_, known) in self.inventory.bad_sensors(None).await? {
            let (kind, severity) = (known.sensor.kind.as_str(), known.severity.name());
            let labels = [("kind", kind.to_owned()), ("severity", severity.to_owned())];
            figures().bad_sensors.get_or_create(&labels).inc();
        }
        figures().open_log_entries.clear();
        for (_, known) in self.inventory.open_entries(None).await? {
            let labels = [("severity", known.entry.severity.name().to_owned())];
            figures().open_log_entries.get_or_create(&labels).inc();
        }
        figures().power_draw.clear();
        let racks: BTreeSet<_> = servers.iter().map(|server| &server.rack).take(RACKS_MAX).collect();
        for server in servers.iter().filter(|server| racks.contains(&server.rack)) {
            if let Some(draw_w) = healths.draw_w(server.id) {
                let labels = [("rack", server.rack.to_string())];
                figures().power_draw.get_or_create(&labels).inc_by(draw_w.into());
            }
        }
        Ok(())
    }

    fn count(&self, servers: &[Server]) -> BTreeMap<(String, &'static str), i64> {
        let mut counts = BTreeMap::new();
        for server in servers {
            // A word that we do not know is Ironic's; there are few of them all the same.
            let state = server.node.as_ref().map_or("none", |node| node.provision_state.as_str());
            let is_known =
                server.unwatched.is_none() && self.presence.connection(&server.rack).is_connected();
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
    use std::time::Duration;

    use counters::{Asked, asked, gate_permitted, gate_refused, isolated, oldest_waits, visits};
    use domain::{
        lifecycle::{Node, ProvisionState},
        records::{Agent, AgentCertificate, Origin},
        rim::{AgentConnection, RefusalKind},
        samples::new_server,
    };
    use store::{clock::TestClock, secret::Sealer};

    use super::*;

    struct Away;

    impl Presence for Away {
        fn connection(&self, _: &protocol::id::RackId) -> AgentConnection {
            AgentConnection::Disconnected("it is away".into())
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
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap();
        let node = Node::in_state(server.id, ProvisionState::from("clean wait"));
        inventory.set_node(server.id, Some(&node)).await.unwrap();
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
        let sources = Sources {
            inventory,
            presence: Arc::new(Away),
            limits: Arc::default(),
            page: tokio::sync::Mutex::default(),
        };
        let page = sources.page().await.unwrap();
        for line in [
            "bms_servers{provision_state=\"clean wait\",power=\"unknown\"} 1",
            "bms_servers_not_watched{reason=\"credentials_refused\"} 0",
            "bms_servers_not_watched{reason=\"other_machine\"} 0",
            "bms_servers_health{health=\"critical\"} 0",
            "bms_servers_health{health=\"unknown\"} 1",
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
