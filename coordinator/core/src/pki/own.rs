//! Edges: our listeners' own certificate, renewed while we run: connections that are made afterwards are shown the new one.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use store::clock::Clock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Authority, Issued, PkiError, certified};

/// How often it is looked whether our certificate is to be renewed.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

/// The certificate of our listeners.
pub struct OwnCertificate {
    authority: Arc<Authority>,
    names: Vec<String>,
    issued: RwLock<(String, Arc<CertifiedKey>)>,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl OwnCertificate {
    /// Reads it, or makes it for these names and addresses. `now_us`: microseconds since 1970.
    pub fn open(authority: Arc<Authority>, names: &[String], now_us: u64) -> Result<Arc<Self>, PkiError> {
        let issued = authority.server_certificate(names, now_us)?;
        let shown = (issued.certificate.clone(), Arc::new(certified(&authority, &issued)?));
        Ok(Arc::new(Self { authority, names: names.to_vec(), issued: RwLock::new(shown) }))
    }

    /// Renews it when it is time. Says whether it was.
    pub fn renew_if_due(&self, now_us: u64) -> Result<bool, PkiError> {
        let issued: Issued = self.authority.server_certificate(&self.names, now_us)?;
        let mut shown = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        if shown.0 == issued.certificate {
            return Ok(false);
        }
        *shown = (issued.certificate.clone(), Arc::new(certified(&self.authority, &issued)?));
        Ok(true)
    }

    /// Looks every hour, until told to stop.
    pub async fn keep_renewed(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.renew_if_due(clock.now_us()) {
                Ok(true) => info!("our listeners' certificate was renewed"),
                Ok(false) => {}
                Err(error) => warn!(%error, "our listeners' certificate was not renewed"),
            }
        }
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.issued.read().unwrap_or_else(PoisonError::into_inner).1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::SERVER_LASTS;

    #[test]
    fn it_is_renewed_in_its_last_third_and_shown_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let now_us = 1_800_000_000_000_000;
        let authority = Arc::new(Authority::open_or_create(dir.path(), now_us).unwrap());
        let names = ["localhost".to_owned()];
        let own = OwnCertificate::open(Arc::clone(&authority), &names, now_us).unwrap();
        let shown = || own.issued.read().unwrap().1.cert[0].clone();
        let first = shown();
        let life_us = u64::try_from(SERVER_LASTS.as_micros()).unwrap();
        assert!(!own.renew_if_due(now_us + life_us / 2).unwrap());
        assert_eq!(shown(), first);
        assert!(own.renew_if_due(now_us + life_us / 4 * 3).unwrap());
        let second = shown();
        assert_ne!(second, first);
        // A later start shows the same.
        let again = OwnCertificate::open(authority, &names, now_us + life_us / 4 * 3).unwrap();
        assert_eq!(again.issued.read().unwrap().1.cert[0], second);
    }
}
