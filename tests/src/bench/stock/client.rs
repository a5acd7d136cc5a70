//! Edges: the few requests to a stock Ironic that asks nobody who he is.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

/// The API version that is spoken: the first in which all that is read here has its present form.
const VERSION: &str = "1.90";
/// How long an answer may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// A client; its sockets are in the namespace of the thread that uses it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

/// What is looked at while a server lives through its cycle.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// `provision_state`, or `none`.
    pub state: String,
    /// Where Ironic is taking it.
    pub target: Option<String>,
    /// Why it failed.
    pub last_error: Option<String>,
    /// Whether the agent has looked its node up: it was given its token.
    pub looked_up: bool,
}

impl Seen {
    fn of(node: &Value) -> Self {
        let text = |name: &str| node[name].as_str().map(str::to_owned);
        Self {
            state: text("provision_state").unwrap_or_else(|| "none".to_owned()),
            target: text("target_provision_state"),
            last_error: text("last_error"),
            looked_up: node["driver_internal_info"]["agent_secret_token"].is_string(),
        }
    }

    /// Whether the server has come to rest in a state; an error when it will not.
    pub fn arrived(&self, wanted: &str) -> anyhow::Result<bool> {
        let why = self.last_error.as_deref().unwrap_or("Ironic gives no reason");
        let failed = self.state.ends_with("failed") || self.state == "error";
        // From `enroll` it fails without a state of its own.
        let fell_back = self.state == "enroll" && self.target.is_none() && self.last_error.is_some();
        ensure!(!failed && !fell_back, "stock Ironic says {}: {why}", self.state);
        Ok(self.state == wanted && self.target.is_none())
    }
}

impl Client {
    /// A client of the API at a URL.
    pub fn new(url: String) -> anyhow::Result<Self> {
        Ok(Self { http: openstack::client::http_client(None)?, url })
    }

    /// One GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Enrolls a node.
    pub async fn create_node(&self, node: &Value) -> anyhow::Result<()> {
        self.ask(Method::POST, "/v1/nodes", Some(node)).await.map(drop)
    }

    /// Gives a node a port.
    pub async fn create_port(&self, node: &str, mac: &str) -> anyhow::Result<()> {
        let found = self.get(&format!("/v1/nodes/{node}?fields=uuid")).await?;
        let port = json!({"node_uuid": found["uuid"], "address": mac, "pxe_enabled": true});
        self.ask(Method::POST, "/v1/ports", Some(&port)).await.map(drop)
    }

    /// Says what to deploy.
    pub async fn set_instance_info(&self, node: &str, info: &Value) -> anyhow::Result<()> {
        let patch = json!([{"op": "add", "path": "/instance_info", "value": info}]);
        self.ask(Method::PATCH, &format!("/v1/nodes/{node}"), Some(&patch)).await.map(drop)
    }

    /// Asks for a provision state.
    pub async fn provision(&self, node: &str, target: &str) -> anyhow::Result<()> {
        let path = format!("/v1/nodes/{node}/states/provision");
        self.ask(Method::PUT, &path, Some(&json!({"target": target}))).await.map(drop)
    }

    /// Looks at a node.
    pub async fn look(&self, node: &str) -> anyhow::Result<Seen> {
        let fields = "provision_state,target_provision_state,last_error,driver_internal_info";
        self.get(&format!("/v1/nodes/{node}?fields={fields}")).await.map(|node| Seen::of(&node))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, &url).timeout(ANSWER_WAIT_MAX);
        request = request.header("X-OpenStack-Ironic-API-Version", VERSION);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("asking {url}"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{url} answered {status}: {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("understanding {url}: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_arrived_is_on_its_way_or_has_failed() {
        let check = |node: Value, wanted: &str, expected: Option<bool>| {
            let arrived = Seen::of(&node).arrived(wanted);
            assert_eq!(arrived.ok(), expected, "{node}");
        };
        let node = |state: &str, target: Option<&str>, error: Option<&str>| json!({"provision_state": state, "target_provision_state": target, "last_error": error});
        check(node("available", None, None), "available", Some(true));
        check(node("manageable", Some("available"), None), "manageable", Some(false));
        check(node("clean wait", Some("available"), None), "available", Some(false));
        check(node("clean failed", Some("available"), Some("no disk")), "available", None);
        check(node("error", None, None), "active", None);
        check(node("enroll", None, None), "manageable", Some(false));
        check(node("enroll", None, Some("no BMC")), "manageable", None);
        check(json!({}), "available", Some(false));
        assert!(
            Seen::of(&json!({"driver_internal_info": {"agent_secret_token": "******"}})).looked_up,
            "the token says that the agent was there"
        );
    }
}
