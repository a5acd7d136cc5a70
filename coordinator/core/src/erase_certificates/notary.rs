//! Edges: takes a statement in: checks it, adds the receipt, keeps both.

use std::sync::Arc;

use domain::{
    certificate::Fingerprint,
    disks::{Account, Erasure},
    records::{EraseCertificate, Server, TenantServer},
};
use jiff::Timestamp;
use protocol::{
    erase_certificate::{
        CLOCKS_APART_MAX, Fault, File, InvalidKey, LeftOut, Receipt, StatedTenancy, Statement, VERSION,
        fingerprint, verify_statement,
    },
    step::ErasedDisk,
};
use store::{Inventory, InventoryError};

use super::judge::difference;
use crate::pki::{Authority, PkiError};

/// Countersigns for the authority.
pub struct Notary {
    authority: Arc<Authority>,
}

impl std::fmt::Debug for Notary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notary").finish_non_exhaustive()
    }
}

/// Why there is no certificate of an erase, so that it does not count.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The agent is too old.
    #[error("its agent has signed no statement about it; update the agent of rack {rack}")]
    NotStated {
        /// Whose agent.
        rack: String,
    },
    /// The signature does not hold.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// It was signed by a certificate that is not one of the rack's.
    #[error(
        "its statement is signed by certificate {certificate}, which {why}; `bmsctl agent show {rack}` lists those that are"
    )]
    Signer {
        /// The certificate's fingerprint, shortened.
        certificate: String,
        /// What is wrong with it.
        why: &'static str,
        /// Whose agent should have signed.
        rack: String,
    },
    /// It says something else.
    #[error("its statement does not agree with what was ordered and reported: {0}")]
    Differs(&'static str),
    /// It was stated before.
    #[error("its statement is one that was kept at an earlier erase")]
    Repeated,
    /// The key for receipts.
    #[error("the receipt for its statement cannot be signed")]
    Pki(#[from] PkiError),
    /// The same.
    #[error("the receipt for its statement cannot be signed")]
    Key(#[from] InvalidKey),
    /// The inventory.
    #[error("its certificate cannot be kept")]
    Inventory(#[from] InventoryError),
    /// This coordinator has no authority.
    #[error("this coordinator has no authority to countersign its certificate")]
    NoAuthority,
}

impl Notary {
    /// For this authority.
    pub fn new(authority: Arc<Authority>) -> Self {
        Self { authority }
    }

    /// Keeps the certificate of a disk that was erased, and with it that it was.
    pub async fn keep(
        &self,
        inventory: &Inventory,
        server: &Server,
        account: &Account,
        (number, erased): (u32, &ErasedDisk),
    ) -> Result<(), NotKept> {
        let statement = self.check(inventory, server, account, erased).await?;
        let now_us = inventory.clock().now_us();
        let tenancy = inventory.tenant_now(server.id).await?;
        let receipt = Receipt {
            version: VERSION,
            id: statement.id,
            statement_sha256: fingerprint(erased.statement.as_bytes()),
            received_at: time(now_us),
            server: server.id,
            disk_number: number,
            left_out: left_out(account),
            tenancy: tenancy.as_ref().map(stated),
            coordinator_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let signed = self.authority.receipts_key(now_us)?.sign_receipt(&receipt)?;
        let file = File::new(erased.statement.clone(), signed);
        let certificate = EraseCertificate {
            number: 0,
            id: statement.id,
            server: server.id,
            server_name: server.name.clone(),
            rack: server.rack.clone(),
            disk_number: number,
            disk: erased.disk.clone().unwrap_or_default(),
            method: erased.method.clone(),
            ended_us: u64::try_from(statement.ended_at.as_microsecond()).unwrap_or_default(),
            received_us: now_us,
            tenancy: tenancy.as_ref().map(|tenancy| tenancy.id),
            project_id: tenancy.map(|tenancy| tenancy.project_id),
            file: serde_json::to_string_pretty(&file).expect("its keys are texts, so it is JSON"),
        };
        let ErasedDisk { method, erased_bytes, verified_bytes, .. } = erased.clone();
        let erasure = Erasure { at_us: now_us, method, erased_bytes, verified_bytes };
        Ok(inventory.note_certified_erasure(&erasure, &certificate).await?)
    }

    /// A statement that the rack's agent has signed now, about this erase.
    async fn check(
        &self,
        inventory: &Inventory,
        server: &Server,
        account: &Account,
        erased: &ErasedDisk,
    ) -> Result<Statement, NotKept> {
        let rack = server.rack.to_string();
        if erased.statement.is_empty() {
            return Err(NotKept::NotStated { rack });
        }
        let signed = verify_statement(&erased.statement, &[self.authority.certificate()?])?;
        let signer: Fingerprint = signed.signer.parse().map_err(|_| NotKept::Key(InvalidKey))?;
        let known = inventory.certificate(&signer).await?;
        let why = match known {
            None => Some("is not on record"),
            Some(known) if known.revoked_us.is_some() => Some("was revoked"),
            Some(known) if known.rack != server.rack => Some("is another rack's"),
            Some(_) => None,
        };
        if let Some(why) = why {
            return Err(NotKept::Signer { certificate: signer.short(), why, rack });
        }
        let statement = signed.statement;
        if let Some(what) = difference(server, account, erased, &statement) {
            return Err(NotKept::Differs(what));
        }
        let received = time(inventory.clock().now_us());
        if statement.signed_at > received.saturating_add(CLOCKS_APART_MAX).unwrap_or(received) {
            return Err(Fault::ReceivedBefore { received, signed: statement.signed_at }.into());
        }
        match inventory.erase_certificate(statement.id).await? {
            Some(_) => Err(NotKept::Repeated),
            None => Ok(statement),
        }
    }
}

fn left_out(account: &Account) -> Vec<LeftOut> {
    let left = account.left_out.iter().map(|(known, word)| LeftOut {
        number: known.number,
        disk: known.disk.clone(),
        by: word.by.clone(),
        reason: word.reason.clone(),
        at: time(word.at_us),
    });
    left.collect()
}

fn stated(tenancy: &TenantServer) -> StatedTenancy {
    StatedTenancy {
        id: tenancy.id,
        instance: tenancy.instance,
        project_id: tenancy.project_id.clone(),
        name: tenancy.name.clone(),
        asked_at: time(tenancy.created_us),
    }
}

fn time(us: u64) -> Timestamp {
    let us = i64::try_from(us).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX)
}
