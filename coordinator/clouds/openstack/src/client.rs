//! Edges: the HTTP clients that sessions share, and how patient they are.

use std::{path::Path, time::Duration};

/// Time to connect to a service.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Time for one request and its whole answer; streams of image bytes are bounded by [`SILENCE_MAX`] instead.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest silence inside an answer.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Makes the HTTP client that sessions share. `ca_file` holds the certificates (PEM) to trust instead of the system's.
pub fn http_client(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    client(ca_file, Some(SILENCE_MAX))
}

/// The same for uploads: to the client the time in which a body is sent is silence, so whoever sends one has to watch
/// that it moves.
pub fn upload_client(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    client(ca_file, None)
}

fn client(ca_file: Option<&Path>, silence_max: Option<Duration>) -> Result<reqwest::Client, ClientError> {
    // A second installation is refused and harmless: the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIME_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(silence_max) = silence_max {
        builder = builder.read_timeout(silence_max);
    }
    if let Some(path) = ca_file {
        let pem = std::fs::read(path)
            .map_err(|source| ClientError::CaFile { path: path.display().to_string(), source })?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    Ok(builder.build()?)
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of trusted certificates cannot be read.
    #[error("cannot read the certificates to trust from {path}; check the file's name and rights")]
    CaFile {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificates or the TLS set-up are not usable.
    #[error("cannot set up TLS towards OpenStack")]
    Tls(#[from] reqwest::Error),
}
