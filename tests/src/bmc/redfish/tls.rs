//! Values: the certificates that a virtual Redfish BMC shows.

use std::sync::Arc;

use anyhow::Context;
use protocol::hex;
use rustls::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::super::{der, small_key};

/// A certificate with its key.
#[derive(Debug)]
pub struct Tls {
    /// Certificate, DER.
    pub certificate: CertificateDer<'static>,
    /// Key.
    pub key: Arc<dyn SigningKey>,
    /// The versions of TLS that are spoken.
    pub versions: &'static [&'static rustls::SupportedProtocolVersion],
}

impl Tls {
    /// A fresh certificate signed by itself, as BMCs have; of this machine too, for whoever trusts it.
    pub fn self_signed() -> anyhow::Result<Self> {
        let names = ["bmc.invalid", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        // The certificate is not read: BMCs do not look at theirs either.
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        Ok(Self { certificate: made.cert.der().clone(), key, versions: rustls::ALL_VERSIONS })
    }

    /// One with an RSA key of 1024 bits.
    pub fn with_small_key() -> Self {
        let certificate = small_key::certificate().into();
        Self { certificate, key: small_key::key(), versions: rustls::ALL_VERSIONS }
    }

    /// The same with the certificate in version 1 of X.509, as firmware of some years makes it. Its own signature is of the other
    /// version, which nobody looks at.
    pub fn self_signed_version_1() -> anyhow::Result<Self> {
        let made = Self::self_signed()?;
        let certificate = der::version_1(&made.certificate).context("the certificate's DER")?;
        Ok(Self { certificate: certificate.into(), ..made })
    }

    /// The same once more, for another service.
    pub fn again(&self) -> Self {
        Self { certificate: self.certificate.clone(), key: Arc::clone(&self.key), versions: self.versions }
    }

    /// SHA-256 of the certificate, as the agent's pin wants it.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.certificate))
    }
}

/// How it speaks TLS with this certificate.
pub(super) fn configured(tls: Tls) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = rustls::sign::CertifiedKey::new(vec![tls.certificate], tls.key);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(tls.versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    Ok(Arc::new(config))
}
