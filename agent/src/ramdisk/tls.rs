//! Edges: the agent's certificate towards ramdisks. It is made anew at each start and pinned by its fingerprint, which
//! travels in the boot script; so it needs no authority, no clock and no name.

use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::control::ControlError;
use crate::image::hex;

/// The acceptor and the certificate's SHA-256 in hex.
pub(super) fn acceptor() -> Result<(TlsAcceptor, String), ControlError> {
    let made = rcgen::generate_simple_self_signed(vec!["bms-agent".to_owned()])?;
    let certificate = made.cert.der().clone();
    let fingerprint = hex(ring::digest::digest(&ring::digest::SHA256, &certificate).as_ref());
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), fingerprint))
}
