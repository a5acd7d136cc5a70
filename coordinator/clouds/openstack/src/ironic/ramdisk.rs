//! Edges: the ramdisk's side of Ironic's API, spoken by the facade for our ramdisk.
//!
//! None of these requests carries a Keystone token: a ramdisk has none. What protects them is the agent token, which
//! Ironic gives in clear exactly once, at the first lookup of a boot.

use http::Method;
use protocol::{id::ServerId, mac::MacAddr, secret::Secret};
use serde::Deserialize;
use serde_json::json;

use super::Ironic;
use crate::{Service, error::Error};
pub use domain::rim::InspectionReport;
use domain::url_text::query;

/// What Ironic shows in place of a token that it has given already.
const MASKED: &str = "******";

/// Ironic's answer to a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Which node it is.
    pub node: ServerId,
    /// The token for heartbeats and commands; none: it was given to somebody before us.
    pub agent_token: Option<Secret>,
    /// After this many seconds without a heartbeat Ironic gives up.
    pub heartbeat_timeout_s: u64,
}

#[derive(Deserialize)]
struct WireLookup {
    node: WireNode,
    config: WireConfig,
}

#[derive(Deserialize)]
struct WireNode {
    uuid: ServerId,
}

#[derive(Deserialize)]
struct WireConfig {
    agent_token: Option<Secret>,
    #[serde(default)]
    heartbeat_timeout: u64,
}

impl From<WireLookup> for LookedUp {
    fn from(wire: WireLookup) -> Self {
        LookedUp {
            node: wire.node.uuid,
            agent_token: wire.config.agent_token.filter(|token| token.reveal() != MASKED),
            heartbeat_timeout_s: wire.config.heartbeat_timeout,
        }
    }
}

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where Ironic sends commands.
    pub callback_url: String,
    /// Version of the agent that we claim to be.
    pub agent_version: String,
    /// The token of the lookup.
    pub agent_token: Secret,
    /// Certificate (PEM) of the callback URL; none: Ironic's own roots.
    pub agent_verify_ca: Option<String>,
}

impl Ironic {
    /// Which node has these interfaces, or this id. [`Error::Locked`] is normal for 2 to 4 s after a power-on;
    /// [`Error::NotFound`] also means that the node is in no state in which a ramdisk is expected.
    pub async fn lookup(&self, macs: &[MacAddr], node: Option<ServerId>) -> Result<LookedUp, Error> {
        let addresses = macs.iter().map(MacAddr::to_string).collect::<Vec<_>>().join(",");
        let node = node.map(|id| id.to_string());
        let mut pairs = vec![("addresses", addresses.as_str())];
        if let Some(id) = &node {
            pairs.push(("node_uuid", id));
        }
        let path = format!("/v1/lookup?{}", query(&pairs));
        let operation = format!("look up the node with {addresses}");
        let call = self.call(Method::GET, path, operation).without_token();
        let wire: WireLookup = self.session.json(call).await?;
        Ok(wire.into())
    }

    /// Says that the ramdisk is there. Ironic answers before it acts; a step's end is noticed only by a heartbeat.
    pub async fn heartbeat(&self, node: ServerId, heartbeat: &Heartbeat) -> Result<(), Error> {
        let mut body = json!({
            "callback_url": heartbeat.callback_url,
            "agent_version": heartbeat.agent_version,
            "agent_token": heartbeat.agent_token.reveal(),
        });
        if let Some(pem) = &heartbeat.agent_verify_ca {
            body["agent_verify_ca"] = json!(pem);
        }
        let path = format!("/v1/heartbeat/{node}");
        let operation = format!("send a heartbeat of node {node}");
        let call = self.call(Method::POST, path, operation).without_token().body(body);
        self.session.send(call).await.map(drop)
    }

    /// Hands in what an inspection found. [`Error::NotFound`] until the node is in `inspect wait` and unlocked: repeat.
    pub async fn continue_inspection(
        &self,
        node: ServerId,
        report: &InspectionReport,
    ) -> Result<LookedUp, Error> {
        let operation = format!("hand in the inspection of node {node}");
        let body = serde_json::to_value(report).map_err(|e| Error::Unintelligible {
            service: Service::Ironic,
            operation: operation.clone(),
            message: e.to_string(),
        })?;
        let path = format!("/v1/continue_inspection?node_uuid={node}");
        let call = self.call(Method::POST, path, operation).without_token().body(body);
        let wire: WireLookup = self.session.json(call).await?;
        Ok(wire.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_masked_token_is_none() {
        let check = |token: Value, expected: Option<&str>| {
            let wire: WireLookup = serde_json::from_value(json!({
                "node": {"uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "extra": {}},
                "config": {"heartbeat_timeout": 300, "agent_token": token, "metrics": {}},
            }))
            .unwrap();
            assert_eq!(LookedUp::from(wire).agent_token.as_ref().map(Secret::reveal), expected);
        };
        check(json!("abc"), Some("abc"));
        check(json!("******"), None);
        check(json!(null), None);
    }
}
