//! Edges: how BMCs answer their racks' agents, in the API.

use std::{sync::Arc, time::Duration};

use api_types::{BmcAnswers, BmcBreaker, BmcFigures, BmcHealth, Page};
use axum::{Json, extract::State};
use domain::{records::Server, rim::HeardHealth};
use protocol::bmc_health::BreakerState;

use serde::Deserialize;

use super::{
    Api, node_list,
    request::{Path, Query},
    time,
};
use crate::problem::Problem;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct BmcQuery {
    /// Most items of a page, at most 1000. Absent: 1000.
    limit: Option<u32>,
    /// `next` of the page before.
    marker: Option<String>,
}

/// Lists how the BMCs of all nodes answer, by the nodes' names.
#[utoipa::path(get, path = "/v1/bmcs", operation_id = "bmcs", params(BmcQuery),
    responses((status = 200, body = Page<BmcHealth>), (status = 400, body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<BmcQuery>,
) -> Result<Json<Page<BmcHealth>>, Problem> {
    let limit = node_list::limit(query.limit)?;
    let (page, next) = cut(api.inventory.servers(None).await?, limit, query.marker.as_deref());
    Ok(Json(Page { items: page.iter().map(|server| api.health_view(server)).collect(), next }))
}

/// A page of servers behind the one with this name, and the name at which the next page begins to look. Names are unique, and a server that
/// comes or goes between two pages moves no other.
fn cut(mut servers: Vec<Server>, limit: usize, after: Option<&str>) -> (Vec<Server>, Option<String>) {
    servers.retain(|server| after.is_none_or(|after| server.name.as_str() > after));
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    let has_more = servers.len() > limit;
    servers.truncate(limit);
    let next = servers.last().filter(|_| has_more).map(|last| last.name.clone());
    (servers, next)
}

/// Shows how a node's BMC answers: whether, how fast, how often not, and why not.
///
/// Its rack's agent says so every half minute, and at once when it changes.
#[utoipa::path(get, path = "/v1/nodes/{node}/bmc", operation_id = "show_bmc", params(("node" = String, Path, description = "name or id")),
    responses((status = 200, body = BmcHealth), (status = 404, body = Problem)))]
pub async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<BmcHealth>, Problem> {
    let server = api.find_node(&name).await?;
    Ok(Json(api.health_view(&server)))
}

impl Api {
    fn health_view(&self, server: &Server) -> BmcHealth {
        let presence = &self.enroll.parts.presence;
        let heard = presence.bmc_health(&server.rack, server.id);
        let reason = || {
            let away = presence.connection(&server.rack).reason();
            away.unwrap_or_else(|| {
                format!("the agent of rack {} has not said yet; it does so every half minute", server.rack)
            })
        };
        BmcHealth {
            id: server.id.0,
            node: server.name.clone(),
            rack: server.rack.to_string(),
            bmc: server.bmc.place(),
            answers: match heard.as_ref().and_then(|heard| heard.health.answers) {
                Some(true) => BmcAnswers::Yes,
                Some(false) => BmcAnswers::No,
                None => BmcAnswers::Unknown,
            },
            reason: heard.is_none().then(reason),
            figures: heard.map(|heard| figures(&heard, self.inventory.clock().now_us())),
        }
    }
}

/// Ages become times of ours: what the agent said was so when we heard it.
fn figures(heard: &HeardHealth, now_us: u64) -> BmcFigures {
    let HeardHealth { health, ago } = heard;
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let heard_us = now_us.saturating_sub(us(*ago));
    let before = |age: Duration| time(heard_us.saturating_sub(us(age)));
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (breaker, breaker_until) = match health.breaker {
        BreakerState::Closed => (BmcBreaker::Closed, None),
        BreakerState::Open { again_in } => (BmcBreaker::Open, time(heard_us.saturating_add(us(again_in)))),
        BreakerState::HalfOpen => (BmcBreaker::HalfOpen, None),
    };
    BmcFigures {
        at: time(heard_us).unwrap_or_default(),
        asked: health.asked,
        failed: health.failed,
        median_ms: health.latency.map(|latency| ms(latency.median)),
        p95_ms: health.latency.map(|latency| ms(latency.p95)),
        sessions: health.sessions,
        breaker,
        breaker_until,
        last_error: health.last_error.as_ref().map(|error| error.text.clone()),
        last_error_at: health.last_error.as_ref().and_then(|error| before(error.ago)),
        reading_at: health.reading_age.and_then(before),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        bmc_health::{LastError, Latency},
        id::ServerId,
    };

    use super::*;

    #[test]
    fn pages_go_on_where_the_one_before_ended() {
        let named = |name: &str| Server { name: name.to_owned(), ..domain::samples::server() };
        let servers = || ["b", "d", "a", "c"].map(named).to_vec();
        let check = |limit: usize, after: Option<&str>, names: &[&str], next: Option<&str>| {
            let (page, found) = cut(servers(), limit, after);
            let page: Vec<_> = page.iter().map(|server| server.name.as_str()).collect();
            assert_eq!((&page[..], found.as_deref()), (names, next), "{limit} after {after:?}");
        };
        check(10, None, &["a", "b", "c", "d"], None);
        check(4, None, &["a", "b", "c", "d"], None);
        check(3, None, &["a", "b", "c"], Some("c"));
        check(3, Some("c"), &["d"], None);
        check(1, Some("bb"), &["c"], Some("c"));
    }

    #[test]
    fn ages_become_times() {
        let seconds = Duration::from_secs;
        let health = protocol::bmc_health::BmcHealth {
            server: ServerId::random(),
            answers: Some(false),
            asked: 10,
            failed: 4,
            latency: Some(Latency { median: Duration::from_millis(12), p95: Duration::from_millis(40) }),
            sessions: 1,
            breaker: BreakerState::Open { again_in: seconds(8) },
            last_error: Some(LastError { ago: seconds(1), text: "no answer".into() }),
            reading_age: Some(seconds(60)),
        };
        let now_us = 1_000_000 * 86_400;
        let shown = figures(&HeardHealth { health, ago: seconds(5) }, now_us);
        let at = |text: &str| Some(format!("1970-01-01T23:{text}.000Z"));
        assert_eq!(Some(shown.at), at("59:55"));
        assert_eq!((shown.median_ms, shown.p95_ms, shown.failed), (Some(12), Some(40), 4));
        assert_eq!(shown.breaker_until.as_deref(), Some("1970-01-02T00:00:03.000Z"));
        assert_eq!((shown.last_error_at, shown.reading_at), (at("59:54"), at("58:55")));
    }
}
