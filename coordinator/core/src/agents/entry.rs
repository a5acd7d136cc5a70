//! Edges: who is let in: each certificate is looked up, for a signature of our authority alone cannot be taken back.
//!
//! What has no row in the inventory opens nothing, with one exception: certificates that were made before they were stored. Those
//! have no row because nobody wrote one, and their agents must go on over the update. So the first such certificate that a rack
//! shows is taken up, once, and told of; a second one of the rack (an older key that was never taken back) is refused. A certificate
//! of today without a row was signed behind the inventory's back, or the inventory is an old copy: neither is believed.

use std::time::Duration;

use domain::{
    certificate::Fingerprint,
    events::EventKind,
    records::{AgentCertificate, Origin},
};
use protocol::{certificate::Validity, id::RackId};
use rustls_pki_types::CertificateDer;
use store::InventoryError;
use tonic::Status;
use tracing::warn;

use super::{
    arrival::{Peer, time_text},
    hub::AgentHub,
    papers::{Standing, remedy, standing},
};
use crate::pki::{certificate_is_of_rack, is_of_before};

/// A connection's certificate is looked up this often: it may have ended, or have been revoked by another process.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What a connection showed in its handshake.
#[derive(Clone)]
pub(super) struct Shown {
    pub certificate: CertificateDer<'static>,
    pub peer: Peer,
}

/// Why nobody is let in.
pub(super) enum Refused {
    /// For good, until somebody does something.
    Papers(String),
    /// It could not be looked up.
    Inventory(InventoryError),
}

impl From<InventoryError> for Refused {
    fn from(error: InventoryError) -> Self {
        Self::Inventory(error)
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Papers(reason) => Status::permission_denied(reason),
            Refused::Inventory(error) => Status::unavailable(error.to_string()),
        }
    }
}

impl AgentHub {
    /// Lets the agent of a rack in, or says why not.
    pub(super) async fn admit(&self, shown: &Shown, rack: &RackId) -> Result<AgentCertificate, Refused> {
        if !certificate_is_of_rack(&shown.certificate, rack) {
            return Err(
                self.refused(shown, format!("the certificate is not of rack {rack}; {}", remedy(rack)))
            );
        }
        let known = match self.inventory.certificate(&shown.peer.fingerprint).await? {
            Some(known) => Some(known),
            None => self.take_up(shown, rack).await?,
        };
        let known = known.ok_or_else(|| self.unknown(shown, rack))?;
        if let Some(fault) = standing(&known, self.now_us()).fault(&known.fingerprint) {
            return Err(self.refused(shown, format!("{fault}; {}", remedy(rack))));
        }
        if self.inventory.use_certificate(&known).await? && known.renewed_from.is_some() {
            let text = format!(
                "the agent of rack {rack} uses its renewed certificate {}, valid until {}; the previous one is no longer valid",
                known.fingerprint.short(),
                time_text(known.ends_us)
            );
            self.inventory.record_event(None, Some(rack.clone()), EventKind::Agent, text).await;
        }
        Ok(known)
    }

    /// The rack of whoever shows this certificate; it must have been let in before.
    pub(super) async fn rack_of(&self, shown: &Shown) -> Result<RackId, Refused> {
        let Some(known) = self.inventory.certificate(&shown.peer.fingerprint).await? else {
            return Err(self.refused(shown, "the certificate belongs to no known rack".to_owned()));
        };
        match standing(&known, self.now_us()).fault(&known.fingerprint) {
            None => Ok(known.rack),
            Some(fault) => Err(self.refused(shown, format!("{fault}; {}", remedy(&known.rack)))),
        }
    }

    async fn take_up(&self, shown: &Shown, rack: &RackId) -> Result<Option<AgentCertificate>, Refused> {
        let Some(validity) = Validity::of(&shown.certificate).filter(|validity| is_of_before(*validity))
        else {
            return Ok(None);
        };
        let certificate = AgentCertificate {
            fingerprint: shown.peer.fingerprint,
            rack: rack.clone(),
            origin: Origin::TakenUp,
            renewed_from: None,
            given_us: self.now_us(),
            begins_us: validity.begins_s.saturating_mul(1_000_000),
            ends_us: validity.ends_s.saturating_mul(1_000_000),
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        };
        if !self.inventory.take_certificate_up(&certificate).await? {
            return Ok(None);
        }
        let text = format!(
            "certificate {} of rack {rack} was issued before certificates were recorded, and was recorded when it was used \
             from {}; the rack's agent renews it once it runs this version; other certificates of the rack that are as old \
             are no longer accepted",
            certificate.fingerprint.short(),
            shown.peer.address
        );
        self.inventory.record_event(None, Some(rack.clone()), EventKind::Agent, text).await;
        Ok(Some(certificate))
    }

    fn unknown(&self, shown: &Shown, rack: &RackId) -> Refused {
        let name = shown.peer.fingerprint.short();
        self.refused(shown, format!("certificate {name} of rack {rack} is not known here; {}", remedy(rack)))
    }

    fn refused(&self, shown: &Shown, reason: String) -> Refused {
        warn!(from = %shown.peer.address, fingerprint = %shown.peer.fingerprint, reason, "agent refused");
        Refused::Papers(reason)
    }

    /// Waits until a certificate opens nothing any more, and says why. One that was replaced keeps the streams that it opened.
    pub(super) async fn until_void(&self, fingerprint: &Fingerprint) -> String {
        let mut changes = self.certificates_changed.subscribe();
        loop {
            tokio::select! {
                // The sender is ours, so it is there.
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let known = match self.inventory.certificate(fingerprint).await {
                Ok(known) => known,
                Err(error) => {
                    warn!(%fingerprint, %error, "certificate not looked up");
                    continue;
                }
            };
            let is = known.map_or(Standing::Good, |known| standing(&known, self.now_us()));
            match is {
                Standing::Good | Standing::Replaced(_) => {}
                Standing::Revoked(_) | Standing::Ended(_) => {
                    return is.fault(fingerprint).unwrap_or_default();
                }
            }
        }
    }

    /// Revokes a rack's certificates, or one of them, and ends what they have open. Gives those that were not revoked before.
    pub async fn revoke(
        &self,
        rack: &RackId,
        only: Option<&Fingerprint>,
    ) -> Result<Vec<Fingerprint>, InventoryError> {
        let revoked = self.inventory.revoke_certificates(rack, only).await?;
        self.end_streams_of(rack, &revoked);
        self.certificates_changed.send_modify(|changes| *changes += 1);
        Ok(revoked)
    }

    pub(super) fn now_us(&self) -> u64 {
        self.inventory.clock().now_us()
    }
}
