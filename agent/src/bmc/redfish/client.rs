//! Edges: the HTTP client of one BMC, made when it is first needed: whoever declares a thousand servers waits for none of them.

use std::sync::Arc;

use protocol::{
    error_chain::{chain, find},
    spec::BmcEndpoint,
};
use reqwest::{
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use super::{
    super::BmcOptions,
    fault::{self, Fault},
    pin, roots,
    shown::Shown,
    spki::SmallKey,
};

/// How the service is spoken to.
pub(super) struct Settings {
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
    pub(super) fn fault_of(&self, error: reqwest::Error, breaks: u32) -> Fault {
        match (self.small_key, find::<rustls::Error>(&error)) {
            // What it says of TLS 1.2 is not the cause.
            (Some(small), Some(_)) => fault::of_tls(&small.into()),
            (Some(_) | None, _) => fault::of_request(error, self.is_tls, breaks),
        }
    }
}

/// Why there is no client, and never will be until the server's entry is changed.
pub(super) type NoClient = String;

/// Makes a client. The system's authorities are read on a thread of their own the first time.
pub(super) async fn build(settings: &Settings, options: BmcOptions) -> Result<reqwest::Client, NoClient> {
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: &dyn std::error::Error| format!("TLS cannot be set up: {}", chain(error));
    let is_old = settings.is_old_tls || settings.small_key.is_some();
    let tls = match (&settings.certificate_sha256, settings.is_tls) {
        (Some(fingerprint), true) => pin::tls_config(fingerprint, is_old, Arc::clone(&settings.shown))?,
        (None, true) => {
            let made = tokio::task::spawn_blocking(move || roots::system(is_old)).await;
            made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?
        }
        (Some(_) | None, false) => roots::none().map_err(|error| failed(&error))?,
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(options.first_wait * options.tries.max(1))
        .redirect(Policy::none())
        .default_headers(HeaderMap::from_iter([
            (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]))
        .pool_max_idle_per_host(1)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .no_proxy()
        .build()
        .map_err(|error| failed(&error))
}

/// The service's address, as it begins every URL.
pub(super) fn base(endpoint: &BmcEndpoint, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let host = match endpoint.address.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V4(_)) | Err(_) => endpoint.address.clone(),
    };
    format!("{scheme}://{host}:{}", endpoint.port)
}
