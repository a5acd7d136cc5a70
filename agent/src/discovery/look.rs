//! Edges: who is at an address, without logging in: an RMCP presence ping and the one question that every BMC answers to a
//! stranger, and a look at Redfish's root.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use protocol::{
    bmc_mark::BmcMark,
    discovery::RedfishPort,
    hex,
    ipmi::presence::{guid_answer, guid_question, is_answer, parse_pong, ping, question},
    redfish::{BODY_BYTES_MAX, ErrorBody, ROOT, ServiceRoot, dirty, origin::Origin},
};
use reqwest::{
    Response, StatusCode,
    header::{HeaderName, LOCATION},
};
use serde_json::Value;
use tokio::net::UdpSocket;
use uuid::Uuid;

use super::marks;
use crate::bmc::redfish::pin::{Fingerprint, tls_config_to_look};

/// UDP port of IPMI.
pub(super) const IPMI_PORT: u16 = 623;
/// How often an address is asked; datagrams are lost.
const PINGS: u8 = 2;
/// Wait for an answer.
const PONG_WAIT: Duration = Duration::from_millis(700);
/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for the whole answer.
const ANSWER_WAIT: Duration = Duration::from_secs(8);

/// So many redirects of the root are followed.
const REDIRECTS_MAX: u32 = 3;
/// The header that every answer of a Redfish service has (DSP0266, section 8.1).
const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

/// Whether something that speaks IPMI answers: by a pong, or, as some know none, by words.
pub(super) async fn speaks_ipmi(address: Ipv4Addr) -> bool {
    let asked = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // Only this address is heard, and an ICMP error ends the wait.
        socket.connect(SocketAddr::from((address, IPMI_PORT))).await?;
        let mut buffer = [0; 128];
        for tag in 1..=PINGS {
            socket.send(&ping(tag)).await?;
            socket.send(&question()).await?;
            match tokio::time::timeout(PONG_WAIT, socket.recv(&mut buffer)).await {
                Ok(Ok(length)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if parse_pong(datagram).is_some() || is_answer(datagram) {
                        return Ok(true);
                    }
                }
                Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Ok::<_, std::io::Error>(false)
    };
    asked.await.unwrap_or(false)
}

/// The GUID that a BMC tells strangers by IPMI; none: it tells them none.
pub(super) async fn ipmi_guid(address: Ipv4Addr) -> Option<BmcMark> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect(SocketAddr::from((address, IPMI_PORT))).await.ok()?;
    let mut buffer = [0; 128];
    for _ in 0..PINGS {
        socket.send(&guid_question()).await.ok()?;
        if let Ok(length) = tokio::time::timeout(PONG_WAIT, socket.recv(&mut buffer)).await {
            let guid = guid_answer(buffer.get(..length.ok()?)?)?;
            return BmcMark::uuid(&Uuid::from_bytes(guid).to_string());
        }
    }
    None
}

/// A Redfish service that was seen.
pub(super) struct Service {
    /// Digest of the certificate that it showed, lower-case hex; none: it speaks without TLS.
    pub certificate_sha256: Option<String>,
    /// What its root says of it.
    pub marks: Vec<BmcMark>,
}

/// Whether Redfish's root is at this port. Nothing of ours is told to it.
pub(super) async fn redfish(address: Ipv4Addr, at: RedfishPort) -> Option<Service> {
    let (client, shown) = client(at).ok()?;
    let scheme = if at.http { "http" } else { "https" };
    let origin = Origin::new(!at.http, &address.to_string(), at.port);
    let mut path = ROOT.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let request = client.get(format!("{scheme}://{address}:{}{path}", at.port));
        let response = request.send().await.ok()?;
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        match (response.status().is_redirection(), location) {
            (true, Some(location)) => path = origin.redirected(&path, location)?,
            (true, None) | (false, _) => {
                let marks = marks_of_root(response).await?;
                return Some(Service { certificate_sha256: shown.get().map(hex::encode), marks });
            }
        }
    }
    None
}

/// What Redfish's root says, if this is its answer. Anybody should be able to read it, but some services guard it too.
async fn marks_of_root(mut response: Response) -> Option<Vec<BmcMark>> {
    let status = response.status();
    let is_odata = response.headers().contains_key(ODATA_VERSION);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    let is_root = match status {
        StatusCode::UNAUTHORIZED => true,
        // Of any web server: only one of Redfish's says more.
        StatusCode::FORBIDDEN => {
            is_odata || dirty::resource::<ErrorBody>(&body).is_ok_and(|body| body.error.is_some())
        }
        _ if status.is_success() => {
            let root: ServiceRoot = dirty::resource(&body).ok()?;
            root.redfish_version.is_some() || root.systems.is_some()
        }
        _ => false,
    };
    // Of a guarded one nothing is known.
    is_root.then(|| dirty::resource::<Value>(&body).map(|root| marks::of_root(&root)).unwrap_or_default())
}

type Shown = Arc<OnceLock<Fingerprint>>;

fn client(at: RedfishPort) -> Result<(reqwest::Client, Shown), Box<dyn std::error::Error>> {
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WAIT)
        .timeout(ANSWER_WAIT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let mut shown = Shown::default();
    if !at.http {
        let (config, seen) = tls_config_to_look()?;
        shown = seen;
        builder = builder.tls_backend_preconfigured(config);
    }
    Ok((builder.build()?, shown))
}
