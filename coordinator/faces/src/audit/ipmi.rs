//! Edges: consoles that were opened by IPMI, and log-ins there that were refused.

use std::net::IpAddr;

use domain::audit::NewEntry;
use http::StatusCode;
use protocol::id::ServerId;
use uuid::Uuid;

use super::{Witness, witness::IRONIC};

/// What stands for the method and the route, of which IPMI has none.
const METHOD: &str = "IPMI";
const ACTIVATE: &str = "Activate Payload";
const LOG_IN: &str = "RAKP";

impl Witness {
    /// Somebody who has a node's password for it is at its console.
    pub async fn console_by_ipmi(&self, source: IpAddr, node: ServerId) {
        let entry = NewEntry {
            user_name: Some(IRONIC.to_owned()),
            standing: Some(IRONIC.to_owned()),
            action: Some("console".to_owned()),
            status: Some(StatusCode::SWITCHING_PROTOCOLS.as_u16()),
            ..entry(source, ACTIVATE, Some(node))
        };
        self.write(entry).await;
    }

    /// Somebody was not let in, because of this. Anybody can cause it: it is written at the pace of such.
    pub async fn console_refused_by_ipmi(&self, source: IpAddr, node: Option<ServerId>, why: &str) {
        let status = Some(StatusCode::UNAUTHORIZED.as_u16());
        let entry = NewEntry { reason: Some(why.to_owned()), status, ..entry(source, LOG_IN, node) };
        self.write(entry).await;
    }
}

fn entry(source: IpAddr, route: &str, node: Option<ServerId>) -> NewEntry {
    NewEntry {
        request_id: format!("req-{}", Uuid::new_v4()),
        source: Some(source.to_canonical()),
        method: METHOD.to_owned(),
        route: route.to_owned(),
        object: node.map(|node| node.to_string()),
        ..NewEntry::default()
    }
}
