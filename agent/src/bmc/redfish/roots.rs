//! Edges: TLS to a BMC whose certificate is not pinned goes by the system's authorities. They are read once for the process: for each
//! BMC anew they would cost milliseconds and memory, a thousand times.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::{ClientConfig, Error, SupportedProtocolVersion, client::Resumption, crypto::CryptoProvider};
use rustls_platform_verifier::Verifier;

use super::resumed::LastSession;

static SYSTEM: Mutex<Option<Arc<Verifier>>> = Mutex::new(None);

/// Who knows the system's authorities. A failure is not kept: somebody may install them.
fn verifier() -> Result<Arc<Verifier>, Error> {
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = &*system {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Arc::new(Verifier::new(provider())?);
    Ok(Arc::clone(system.insert(verifier)))
}

/// TLS that trusts the system's authorities. `is_old`: TLS 1.2 alone.
pub(super) fn system(is_old: bool) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(is_old))?
        .dangerous()
        .with_custom_certificate_verifier(verifier()?)
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(LastSession::default()));
    Ok(config)
}

/// The versions that are spoken to a BMC.
pub(super) fn versions(is_old: bool) -> &'static [&'static SupportedProtocolVersion] {
    static OLD: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
    if is_old { &OLD } else { rustls::ALL_VERSIONS }
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
        match (verifier(), verifier()) {
            (Ok(first), Ok(second)) => assert!(Arc::ptr_eq(&first, &second)),
            (first, second) => assert!(first.is_err() && second.is_err()),
        }
    }
}
