//! Edges: a first certificate for the agent of a rack, or one instead of a lost or copied one: made by an administrator on our own
//! machine, also while the coordinator runs.

use std::{fmt, path::Path};

use domain::{
    events::EventKind,
    records::{AgentCertificate, Origin},
};
use protocol::id::RackId;
use store::{Inventory, InventoryError};

use super::{
    arrival::time_text,
    papers::{Standing, standing},
    renewal::Issuer,
};
use crate::pki::PkiError;

/// What becomes of the certificates that a rack has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// They stay good until they are revoked, or end.
    Keep,
    /// They are revoked.
    Revoke,
}

/// Why none was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It could not be made or written.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// It could not be stored.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// A certificate that was issued, and what became of those before it.
#[derive(Debug)]
pub struct IssuedAgent {
    given: AgentCertificate,
    older: Vec<AgentCertificate>,
    what: Older,
}

/// Writes `agent.pem`, `agent.key` and `ca.pem` for the agent of a rack to `out`. The certificate is stored before it is written.
pub async fn issue_agent(
    inventory: &Inventory,
    issuer: &Issuer,
    rack: &RackId,
    out: &Path,
    older: Older,
) -> Result<IssuedAgent, IssueError> {
    let now_us = inventory.clock().now_us();
    let known = inventory.certificates(Some(rack)).await?;
    let good = known.into_iter().filter(|one| standing(one, now_us) == Standing::Good).collect::<Vec<_>>();
    let (made, key) = issuer.authority.agent_certificate(rack, issuer.term(now_us))?;
    let given = AgentCertificate::given(rack, &made, Origin::Issued, None, now_us);
    inventory.put_certificate(&given).await?;
    issuer.authority.write_agent(&made, &key, out)?;
    if older == Older::Revoke {
        for one in &good {
            inventory.revoke_certificates(rack, Some(&one.fingerprint)).await?;
        }
    }
    let issued = IssuedAgent { given, older: good, what: older };
    inventory.record_event(None, Some(rack.clone()), EventKind::Agent, issued.to_string()).await;
    Ok(issued)
}

impl fmt::Display for IssuedAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AgentCertificate { fingerprint, rack, ends_us, .. } = &self.given;
        write!(
            f,
            "certificate {} for rack {rack} was issued, valid until {}",
            fingerprint.short(),
            time_text(*ends_us)
        )?;
        if self.older.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.older.iter().map(|one| one.fingerprint.short()).collect();
        let names = names.join(", ");
        match self.what {
            Older::Keep => write!(
                f,
                "; the rack's older ones ({names}) remain valid until they are revoked: bmsctl agent revoke {rack} \
                 --fingerprint ..., or issue with --replace"
            ),
            Older::Revoke => write!(f, "; the rack's older ones ({names}) are revoked"),
        }
    }
}
