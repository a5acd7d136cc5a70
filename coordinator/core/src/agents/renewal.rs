//! Edges: certificates that are renewed on an agent's stream, and an alarm for those that nobody renews.

use std::{collections::HashSet, num::NonZeroU32, sync::Arc, time::Duration};

use domain::{
    certificate::Fingerprint,
    events::EventKind,
    records::{AgentCertificate, Origin},
};
use protocol::certificate::PublicKey;
use store::InventoryError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    arrival::time_text,
    hub::AgentHub,
    papers::{is_ending, lasting, standing},
};
use crate::pki::{Authority, Term};

/// For how many days an agent's certificate is given, unless a site says otherwise.
pub const CERTIFICATE_DAYS: NonZeroU32 = NonZeroU32::new(90).expect("ninety is not zero");
/// How often it is looked for certificates that nobody renews.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// An authority that ends within this time is an alarm: to follow it means a visit to every rack.
const AUTHORITY_LEFT_MIN: Duration = Duration::from_secs(365 * 24 * 3600);

/// Signs agents' certificates.
pub struct Issuer {
    /// Our authority.
    pub authority: Arc<Authority>,
    /// For how many days a certificate is given.
    pub days: NonZeroU32,
}

impl Issuer {
    /// A certificate from now on.
    pub fn term(&self, now_us: u64) -> Term {
        Term { now_us, lasts: Duration::from_secs(u64::from(self.days.get()) * 24 * 3600) }
    }
}

impl AgentHub {
    /// A new certificate for the agent that spoke by the old one, as PEM; or why not. It is stored before it is sent.
    pub(super) async fn renew(
        &self,
        issuer: &Issuer,
        old: &AgentCertificate,
        key: &PublicKey,
    ) -> Result<String, String> {
        let rack = &old.rack;
        let tried = async {
            let known =
                self.inventory.certificate(&old.fingerprint).await.map_err(|error| error.to_string())?;
            let known = known.ok_or("the previous certificate is no longer known")?;
            if let Some(fault) = standing(&known, self.now_us()).fault(&known.fingerprint) {
                return Err(fault);
            }
            let now_us = self.now_us();
            let made = issuer.authority.renewed_certificate(rack, key, issuer.term(now_us));
            let made = made.map_err(|error| error.to_string())?;
            let given = AgentCertificate::given(rack, &made, Origin::Renewed, Some(old.fingerprint), now_us);
            self.inventory.put_certificate(&given).await.map_err(|error| error.to_string())?;
            Ok((made.pem, given))
        };
        let (pem, given) =
            tried.await.inspect_err(|reason: &String| warn!(%rack, reason, "certificate not renewed"))?;
        let text = format!(
            "a new certificate {}, valid until {}, was issued to the agent of rack {rack}; {} remains valid until the new \
             one is used",
            given.fingerprint.short(),
            time_text(given.ends_us),
            old.fingerprint.short()
        );
        self.inventory.record_event(None, Some(rack.clone()), EventKind::Agent, text).await;
        Ok(pem)
    }

    /// Looks for certificates that nobody renews, and tells each once, until told to stop.
    pub async fn watch_certificates(self: Arc<Self>, authority: Arc<Authority>, stop: CancellationToken) {
        let mut told = HashSet::new();
        self.tell_authority(&authority).await;
        loop {
            if let Err(error) = self.tell_ending(&mut told).await {
                warn!(%error, "certificates not looked through");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Tells of racks whose last certificate ends soon.
    pub(super) async fn tell_ending(&self, told: &mut HashSet<Fingerprint>) -> Result<(), InventoryError> {
        let now_us = self.now_us();
        let all = self.inventory.certificates(None).await?;
        told.retain(|fingerprint| all.iter().any(|one| one.fingerprint == *fingerprint));
        for of_rack in all.chunk_by(|one, other| one.rack == other.rack) {
            let Some(last) = lasting(of_rack, now_us).filter(|last| is_ending(last, now_us)) else {
                continue;
            };
            if !told.insert(last.fingerprint) {
                continue;
            }
            let rack = &last.rack;
            let text = format!(
                "the certificate of rack {rack} expires at {} and has not been renewed: its agent is disconnected, runs an \
                 earlier version, or cannot write its state directory; start it, check its log, or issue a new one \
                 (bms-coordinator issue-agent --rack {rack}); if the rack no longer exists, revoke it (bmsctl agent revoke \
                 {rack})",
                time_text(last.ends_us)
            );
            self.inventory.record_event(None, Some(rack.clone()), EventKind::Alarm, text).await;
        }
        Ok(())
    }

    async fn tell_authority(&self, authority: &Authority) {
        let ends_s = authority.validity().ends_s;
        let left = Duration::from_secs(ends_s.saturating_sub(self.now_us() / 1_000_000));
        if left < AUTHORITY_LEFT_MIN {
            let text = format!(
                "our certificate authority expires at {}: before that, move pki/ca.pem and pki/ca.key away, restart this \
                 coordinator, issue every agent a new certificate, and replace the old pki/ca.pem everywhere by the new \
                 one",
                time_text(ends_s.saturating_mul(1_000_000))
            );
            self.inventory.record_event(None, None, EventKind::Alarm, text).await;
        }
    }
}
