//! Edges: the HTTP client: which certificates it trusts, and what to say of a server that it does not trust.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::error_chain;
use reqwest::Certificate;
use rustls::CertificateError;

/// Longest wait for one answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of trusted certificates cannot be read.
    #[error("contrail.ca_file {path} cannot be read; check the file's name and rights")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no certificate, or a damaged one.
    #[error("contrail.ca_file {path} has no certificate; put the authorities' certificates there, as PEM")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The file has something that is no certificate where one should be.
    #[error(
        "contrail.ca_file {path} has an invalid certificate; put the authorities' certificates there, as PEM"
    )]
    Bad {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: reqwest::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS towards Contrail")]
    Tls(#[from] reqwest::Error),
}

/// A client that trusts the certificates of this file; none: the system's.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    let _ = rustls::crypto::ring::default_provider().install_default(); // an error means: there is one already
    // The token goes to the server that the site named and to no other: neither where an answer leads, nor through a proxy that
    // a variable of the environment names.
    let mut builder = reqwest::Client::builder()
        .timeout(CALL_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(path) = ca_file {
        builder = builder.tls_certs_only(certificates(path)?);
    }
    Ok(builder.build()?)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let named = || path.to_owned();
    let pem = std::fs::read(path).map_err(|source| ClientError::Read { path: named(), source })?;
    let found =
        Certificate::from_pem_bundle(&pem).map_err(|source| ClientError::Bad { path: named(), source })?;
    if found.is_empty() { Err(ClientError::Empty { path: named() }) } else { Ok(found) }
}

/// What to do about a server whose certificate is not trusted; none: it is not that.
pub fn distrust(error: &reqwest::Error) -> Option<&'static str> {
    match error_chain::find(error)? {
        rustls::Error::InvalidCertificate(found) => Some(remedy(found)),
        _ => None,
    }
}

fn remedy(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it there, or correct this host's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; set contrail.url to a name that is in it"
        }
        _ => {
            "its certificate was not issued by an authority that we trust; put that authority's certificate (PEM) into the \
             file that contrail.ca_file names"
        }
    }
}
