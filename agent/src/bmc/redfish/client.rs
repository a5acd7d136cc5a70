//! Edges: where the service of one BMC is, and its TLS, made when it is first needed: whoever declares a thousand servers waits for none
//! of them.

use std::sync::Arc;

use protocol::{
    error_chain::{chain, find},
    spec::BmcEndpoint,
};

use super::{
    super::BmcOptions,
    fault::{self, Fault},
    pin, roots,
    shown::Shown,
    spki::SmallKey,
    stream::Place,
    unanswered::WireError,
    wire::Wire,
};

/// How the service is spoken to.
pub(super) struct Settings {
    /// Its name or address, as it is in the server's entry.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// TLS.
    pub(super) is_tls: bool,
    /// SHA-256 of the only certificate that is taken; none: the system's authorities say.
    pub(super) certificate_sha256: Option<String>,
    /// Which certificate it shows.
    pub(super) shown: Arc<Shown>,
    /// TLS 1.2 alone is spoken to it.
    pub(super) is_old_tls: bool,
    /// It has an RSA key so small that only TLS 1.2 is spoken to it.
    pub(super) small_key: Option<SmallKey>,
}

impl Settings {
    /// What a request has failed of. `breaks`: how often its connection broke, this time included.
    pub(super) fn fault_of(&self, error: &WireError, breaks: u32) -> Fault {
        match (self.small_key, find::<rustls::Error>(error)) {
            // What it says of TLS 1.2 is not the cause.
            (Some(small), Some(_)) => fault::of_tls(&small.into()),
            (Some(_) | None, _) => fault::of_request(error, self.is_tls, breaks),
        }
    }
}

/// Why there is no client, and never will be until the server's entry is changed.
pub(super) type NoClient = String;

/// A connection that is not made yet. The system's authorities are read on a thread of their own the first time.
pub(super) async fn build(settings: &Settings, options: BmcOptions) -> Result<Wire, NoClient> {
    let failed = |error: &dyn std::error::Error| format!("TLS cannot be set up: {}", chain(error));
    let is_old = settings.is_old_tls || settings.small_key.is_some();
    let tls = match (&settings.certificate_sha256, settings.is_tls) {
        (Some(fingerprint), true) => Some(pin::tls_config(fingerprint, is_old, Arc::clone(&settings.shown))?),
        (None, true) => {
            let made = tokio::task::spawn_blocking(move || roots::system(is_old)).await;
            Some(made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?)
        }
        (Some(_) | None, false) => None,
    };
    let place = Place {
        host: settings.host.clone(),
        port: settings.port,
        tls: tls.map(Arc::new),
        wait: options.first_wait * options.tries.max(1),
    };
    Wire::new(place)
        .map_err(|error| format!("it cannot be asked: {error}; correct the address in the server's entry"))
}

/// The service's address, as people read it.
pub(super) fn base(endpoint: &BmcEndpoint, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let host = match endpoint.address.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V4(_)) | Err(_) => endpoint.address.clone(),
    };
    format!("{scheme}://{host}:{}", endpoint.port)
}
