//! Edges: TLS to a BMC whose certificate is not pinned goes by the system's authorities. They are read once for the process: for each
//! BMC anew they would cost milliseconds and memory, a thousand times.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::{ClientConfig, Error, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt;

static SYSTEM: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);

/// TLS that trusts the system's authorities. A failure is not kept: somebody may install them.
pub(super) fn system() -> Result<Arc<ClientConfig>, Error> {
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = &*system {
        return Ok(Arc::clone(config));
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(Arc::clone(system.insert(Arc::new(config))))
}

/// TLS that trusts nobody, for a BMC that is spoken to without: it needs no authorities.
pub(super) fn none() -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// What all of them compute with.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_are_read_once_for_all_bmcs() {
        // A machine without authorities cannot reach such a BMC, and says so each time.
        match (system(), system()) {
            (Ok(first), Ok(second)) => assert!(Arc::ptr_eq(&first, &second)),
            (first, second) => assert!(first.is_err() && second.is_err()),
        }
        assert!(none().is_ok());
    }
}
