//! Edges: rules that accept machines without a person: in the API, and at work.

use std::{collections::HashMap, sync::Arc, time::Duration};

use api_types::{DiscoveryRule, List, NewDiscoveryRule};
use axum::{Json, extract::State, http::StatusCode};
use domain::{
    discovery::{Entry, RULES_MAX, Rule},
    events::EventKind,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    Api,
    auth::User,
    discovery::{LOGIN, check_login},
    request::{JsonBody, Path},
};
use crate::problem::Problem;

/// How often machines are looked at when nothing is heard: not everything that completes one is an event.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Lists the discovery rules, in the order in which they are tried.
#[utoipa::path(get, path = "/v1/discovery-rules", operation_id = "list_discovery_rules", responses((status = 200, body = List<DiscoveryRule>)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<DiscoveryRule>>, Problem> {
    let rules = api.inventory.discovery_rules().await?;
    Ok(Json(List { items: rules.into_iter().map(view).collect() }))
}

/// Creates a discovery rule, to be tried after all others.
///
/// It also enrolls machines that are already waiting.
#[utoipa::path(post, path = "/v1/discovery-rules", operation_id = "create_discovery_rule", request_body = NewDiscoveryRule,
    responses((status = 201, body = DiscoveryRule), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    user: User,
    JsonBody(wanted): JsonBody<NewDiscoveryRule>,
) -> Result<(StatusCode, Json<DiscoveryRule>), Problem> {
    let rule = rule(wanted)?;
    let rules = api.inventory.discovery_rules().await?;
    if rules.iter().any(|known| known.name == rule.name) {
        return Err(Problem::conflict_at(
            "name",
            format!("there is already a rule {:?}; delete it first", rule.name),
        ));
    }
    if rules.len() >= RULES_MAX {
        return Err(Problem::conflict(format!("there are {RULES_MAX} rules already; delete one first")));
    }
    api.inventory.add_discovery_rule(&rule).await?;
    let text = format!("{} made the discovery rule {}", user.name(), rule.name);
    api.inventory.record_event(None, rule.rack.clone(), EventKind::Asked, text).await;
    Ok((StatusCode::CREATED, Json(view(rule))))
}

/// Deletes a discovery rule.
///
/// Nodes that were enrolled by it stay.
#[utoipa::path(delete, path = "/v1/discovery-rules/{rule}", operation_id = "delete_discovery_rule", params(("rule" = String, Path, description = "name")), responses((status = 204)))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    if !api.inventory.delete_discovery_rule(&name).await? {
        return Err(Problem::not_found("rule", &name));
    }
    let text = format!("{} deleted the discovery rule {name}", user.name());
    api.inventory.record_event(None, None, EventKind::Asked, text).await;
    Ok(StatusCode::NO_CONTENT)
}

fn rule(wanted: NewDiscoveryRule) -> Result<Rule, Problem> {
    let rack = wanted.rack.map(|rack| rack.parse()).transpose();
    let rack = rack.map_err(|error| Problem::bad_at("rack", error))?;
    let rule = Rule {
        name: wanted.name,
        rack,
        ranges: wanted.ranges,
        manufacturer: wanted.manufacturer,
        product: wanted.product,
        switch_ports: wanted.switch_ports,
        node_name: wanted.node_name.unwrap_or_else(|| "{rack}-{serial}".to_owned()),
        resource_class: wanted.resource_class.unwrap_or_else(|| "baremetal".to_owned()),
        username: wanted.bmc_username,
        password: wanted.bmc_password,
    };
    if let (Some(username), Some(password)) = (&rule.username, &rule.password) {
        check_login(LOGIN, username, password)?;
    }
    rule.check().map_err(|error| Problem::bad_at_each(error.fields, &error.why))?;
    Ok(rule)
}

fn view(rule: Rule) -> DiscoveryRule {
    DiscoveryRule {
        name: rule.name,
        rack: rule.rack.map(|rack| rack.to_string()),
        ranges: rule.ranges,
        manufacturer: rule.manufacturer,
        product: rule.product,
        switch_ports: rule.switch_ports,
        node_name: rule.node_name,
        resource_class: rule.resource_class,
        bmc_username: rule.username,
    }
}

/// What was tried and did not go: the machine as it was then. It is tried again when more is known of it, or when the rules
/// are others.
#[derive(Default)]
struct Tried {
    rules: Vec<Rule>,
    machines: HashMap<Uuid, u64>,
}

impl Api {
    /// Accepts by rules until the coordinator stops, and before that has BMCs tried by the factory passwords that are listed for them.
    pub async fn accept_by_rules(self: Arc<Self>, stop: CancellationToken) {
        let (mut events, mut tried) = (self.inventory.broadcast().listen(), Tried::default());
        loop {
            if let Err(error) = self.discovery.claim_round().await {
                warn!(%error, "factory passwords are not tried");
            }
            if let Err(problem) = self.accept_round(&mut tried).await {
                warn!(problem = %problem.detail, "rules of discovery not applied");
            }
            let heard = async {
                // Anything heard is reason enough to look; nothing heard is, too, after a while.
                let _ = timeout(LOOK_EVERY, events.recv()).await;
                while events.try_recv().is_ok() {}
                // A busy coordinator is not asked for each event.
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            tokio::select! {
                () = heard => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn accept_round(self: &Arc<Self>, tried: &mut Tried) -> Result<(), Problem> {
        let rules = self.inventory.discovery_rules().await?;
        if rules.is_empty() {
            return Ok(());
        }
        let entries = self.discovery.entries().await?;
        if tried.rules != rules {
            *tried = Tried { rules, machines: HashMap::new() };
        }
        tried.machines.retain(|id, _| entries.iter().any(|entry| &entry.id == id));
        for entry in entries.into_iter().filter(|entry| !entry.ignored) {
            if tried.machines.get(&entry.id) == Some(&entry.last_us) {
                continue;
            }
            let Some(rule) = tried.rules.iter().find(|rule| rule.takes(&entry)) else { continue };
            let (id, last_us) = (entry.id, entry.last_us);
            self.accept_one(rule, entry).await;
            tried.machines.insert(id, last_us);
        }
        Ok(())
    }

    async fn accept_one(self: &Arc<Self>, rule: &Rule, entry: Entry) {
        let id = entry.id;
        // What is not complete yet waits in silence: the rest of it may still be found.
        let Some(wish) = rule.wish(&entry) else { return };
        let Ok(node) = domain::discovery::accept::node(&entry, &wish) else { return };
        if let Some(doubt) = rule.doubt(&entry, &node.ports) {
            return self.not_accepted(rule, &entry, &doubt).await;
        }
        let by = format!("rule {}", rule.name);
        match self.enroll_found(entry.clone(), wish, rule.resource_class.clone(), &by).await {
            Ok(node) => {
                info!(machine = %id, name = %node.name, rule = %rule.name, "machine accepted by a rule")
            }
            Err(problem) => self.not_accepted(rule, &entry, &problem.detail).await,
        }
    }

    async fn not_accepted(&self, rule: &Rule, entry: &Entry, why: &str) {
        let text = format!("rule {} did not accept the machine found as {}: {why}", rule.name, entry.id);
        self.inventory.record_event(None, Some(entry.rack.clone()), EventKind::Alarm, text).await;
    }
}
