//! Edges: a person has looked at a certificate that a BMC shows instead of the pinned one, and accepts or refuses it.

use domain::{
    certificate::Fingerprint,
    records::Server,
    rim::{Refusal, RefusalKind},
    upkeep::certificate::{BmcCertificates, CertificateFacts, Question},
};
use protocol::id::ServerId;
use store::InventoryError;

use crate::enroll::Enroller;

impl Enroller {
    /// The certificate in question is pinned from now on. `looked_at`: the SHA-256 of the one that was looked at, if it is said: another one is
    /// not accepted. Says in words what was accepted.
    pub async fn accept_certificate(
        &self,
        id: ServerId,
        looked_at: Option<Fingerprint>,
    ) -> Result<String, Refusal> {
        let _lock = self.parts.locks.lock(id).await;
        let (server, kept, question) = self.in_question(id, looked_at).await?;
        let replaced =
            question.instead_of.parse().map_err(|error| refuse(format!("{}: {error}", server.name)))?;
        let pin = question.fingerprint().to_string();
        let renewed = kept.renewed(question.shown.clone(), replaced);
        self.parts.inventory.pin_certificate(&server, &renewed, &pin).await.map_err(stored)?;
        self.parts.inventory.set_reason(id, None).await.map_err(stored)?;
        if let Some(now) = self.parts.inventory.server(id).await.map_err(stored)? {
            self.declarations.declare(&now).await;
        }
        self.parts.wake.wake(id);
        let (place, shown) = (server.bmc.place(), CertificateFacts::of(&question.shown.0));
        Ok(format!("the certificate that its BMC at {place} shows to be accepted: {shown}"))
    }

    /// The certificate in question is not asked about again, and its BMC stays out of reach. Says in words what was refused.
    pub async fn refuse_certificate(
        &self,
        id: ServerId,
        looked_at: Option<Fingerprint>,
        who: &str,
    ) -> Result<String, Refusal> {
        let _lock = self.parts.locks.lock(id).await;
        let (server, kept, question) = self.in_question(id, looked_at).await?;
        let words = CertificateFacts::of(&question.shown.0).to_string();
        let question = Some(Question { refused_by: Some(who.to_owned()), ..question });
        let refused = BmcCertificates { question, ..kept };
        self.parts.inventory.set_bmc_certificates(&server, &refused).await.map_err(stored)?;
        Ok(format!("the certificate that its BMC at {} shows to be refused: {words}", server.bmc.place()))
    }

    async fn in_question(
        &self,
        id: ServerId,
        looked_at: Option<Fingerprint>,
    ) -> Result<(Server, BmcCertificates, Question), Refusal> {
        let unknown =
            || Refusal { kind: RefusalKind::UnknownServer, message: format!("there is no server {id}") };
        let server = self.parts.inventory.server(id).await.map_err(stored)?.ok_or_else(unknown)?;
        let question = server.certificate_question().cloned().ok_or_else(|| {
            refuse(format!(
                "the BMC of {} shows no other certificate than the pinned one; there is nothing to decide",
                server.name
            ))
        })?;
        let shown = question.fingerprint();
        if looked_at.is_some_and(|looked_at| looked_at != shown) {
            return Err(refuse(format!(
                "the BMC of {} shows another certificate by now, with SHA-256 {shown}: look at that one (bmsctl bmc certificate show {0})",
                server.name
            )));
        }
        let kept = server.upkeep.certificates.clone().unwrap_or_default();
        Ok((server, kept, question))
    }
}

fn refuse(message: String) -> Refusal {
    Refusal { kind: RefusalKind::State, message }
}

fn stored(error: InventoryError) -> Refusal {
    refuse(error.to_string())
}
