//! Edges: whether Redfish's root is at an address, as a stranger sees it: nothing of ours is told to it.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use protocol::{
    discovery::RedfishPort,
    hex,
    redfish::{ROOT, ServiceRoot, origin::Origin},
};

use serde_json::Value;

use super::{
    answer::Answer,
    pin::tls_config_to_look,
    request::{ODATA_VERSION, Request},
    stream::Place,
    wire::Wire,
};

/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for a whole answer.
const ANSWER_WAIT: Duration = Duration::from_secs(8);
/// So many redirects of the root are followed.
const REDIRECTS_MAX: u32 = 3;

/// A Redfish service that was seen.
pub(crate) struct Service {
    /// Digest of the certificate that it showed, lower-case hex; none: it speaks without TLS.
    pub certificate_sha256: Option<String>,
    /// Its root; null where that is guarded.
    pub root: Value,
}

/// The service whose root is at this port; none: there is none.
pub(crate) async fn service_at(address: Ipv4Addr, at: RedfishPort) -> Option<Service> {
    let (tls, shown) = match at.http {
        true => None,
        false => Some(tls_config_to_look().ok()?),
    }
    .unzip();
    let host = address.to_string();
    let origin = Origin::new(!at.http, &host, at.port);
    let wire = Wire::new(Place { host, port: at.port, tls: tls.map(Arc::new), wait: CONNECT_WAIT }).ok()?;
    let mut path = ROOT.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let request = Request::new(Method::GET, &path, ANSWER_WAIT);
        let answer = Answer::to(&mut wire.another(), &request).await.ok()?;
        match answer.redirect(&Method::GET) {
            Some(location) => path = origin.redirected(&path, location)?,
            None if is_root(&answer) => {
                let certificate_sha256 = shown.and_then(|shown| shown.get().map(hex::encode));
                let root = answer.resource(ROOT).unwrap_or_default();
                return Some(Service { certificate_sha256, root });
            }
            None => return None,
        }
    }
    None
}

/// Whether this is the answer of Redfish's root. Anybody should be able to read it, but some services guard it too.
fn is_root(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::UNAUTHORIZED => true,
        // Of any web server: only one of Redfish's says more. Each of its answers has this header (DSP0266, section 8.1).
        StatusCode::FORBIDDEN => {
            answer.header(ODATA_VERSION).is_some() || answer.error_body().error.is_some()
        }
        status if status.is_success() => answer
            .resource::<ServiceRoot>(ROOT)
            .is_ok_and(|root| root.redfish_version.is_some() || root.systems.is_some()),
        _ => false,
    }
}
