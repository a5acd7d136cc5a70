//! Edges: the agent's certificate towards ramdisks. It signs for itself and is pinned by its fingerprint, which travels in
//! the boot script; so it needs no authority, no clock and no name. It is kept, because a ramdisk that lost its agent must
//! find the same one again.

use std::sync::Arc;

use protocol::hex;
use tokio_rustls::TlsAcceptor;

use super::{config::ControlError, keep::Keep};

/// The acceptor and the certificate's SHA-256 in hex.
pub(super) fn acceptor(keep: &Keep) -> Result<(TlsAcceptor, String), ControlError> {
    let (certificate, key) = keep.certificate()?;
    let fingerprint = hex::encode(ring::digest::digest(&ring::digest::SHA256, &certificate));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), fingerprint))
}
