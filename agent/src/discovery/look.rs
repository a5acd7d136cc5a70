//! Edges: who is at an address, without logging in: an RMCP presence ping, and a look at Redfish's root.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::{
    discovery::RedfishDoor,
    ipmi::presence::{parse_pong, ping},
    redfish::{BODY_BYTES_MAX, ROOT, ServiceRoot},
};
use ring::digest::{SHA256, digest};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::UdpSocket;

use crate::image::hex;

/// UDP port of IPMI.
pub(super) const IPMI_PORT: u16 = 623;
/// How often an address is pinged; datagrams are lost.
const PINGS: u8 = 2;
/// Wait for the answer to a ping.
const PONG_WAIT: Duration = Duration::from_millis(700);
/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for the whole answer.
const ANSWER_WAIT: Duration = Duration::from_secs(8);

/// Whether something that speaks IPMI answers.
pub(super) async fn answers_ping(address: Ipv4Addr) -> bool {
    let asked = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // Only this address is heard, and an ICMP error ends the wait.
        socket.connect(SocketAddr::from((address, IPMI_PORT))).await?;
        let mut buffer = [0; 128];
        for tag in 1..=PINGS {
            socket.send(&ping(tag)).await?;
            match tokio::time::timeout(PONG_WAIT, socket.recv(&mut buffer)).await {
                Ok(Ok(length)) if parse_pong(buffer.get(..length).unwrap_or_default()).is_some() => {
                    return Ok(true);
                }
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Ok::<_, std::io::Error>(false)
    };
    asked.await.unwrap_or(false)
}

/// A Redfish service that was seen.
pub(super) struct Service {
    /// Digest of the certificate that it showed, lower-case hex; none: it speaks without TLS.
    pub certificate_sha256: Option<String>,
}

/// Whether Redfish's root is behind this door. Nothing of ours is told to it.
pub(super) async fn redfish(address: Ipv4Addr, door: RedfishDoor) -> Option<Service> {
    let shown = Arc::new(Shown::default());
    let client = client(door, &shown).ok()?;
    let scheme = if door.http { "http" } else { "https" };
    let request = client.get(format!("{scheme}://{address}:{}{ROOT}", door.port));
    let mut response = request.send().await.ok().filter(|response| response.status().is_success())?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    let root: ServiceRoot = serde_json::from_slice(&body).ok()?;
    (root.redfish_version.is_some() || root.systems.is_some()).then_some(())?;
    let digest = shown.digest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Some(Service { certificate_sha256: digest })
}

fn client(door: RedfishDoor, shown: &Arc<Shown>) -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WAIT)
        .timeout(ANSWER_WAIT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if !door.http {
        let verifier = Arc::clone(shown);
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(config);
    }
    Ok(builder.build()?)
}

/// Takes any certificate and remembers its digest: BMCs sign for themselves. Whatever is told later is told to the one that
/// showed this certificate, and an administrator sees the digest before the server is enrolled.
#[derive(Debug)]
struct Shown {
    digest: Mutex<Option<String>>,
    provider: CryptoProvider,
}

impl Default for Shown {
    fn default() -> Self {
        Self { digest: Mutex::default(), provider: rustls::crypto::ring::default_provider() }
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest = hex(digest(&SHA256, end_entity).as_ref());
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
