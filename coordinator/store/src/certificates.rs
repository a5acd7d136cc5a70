//! Edges: agents' certificates in the inventory: which were given, and what became of each.

use protocol::id::RackId;
use sqlx::{Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    AgentCertificate, Inventory, InventoryError, failed,
    row::{Reader, big},
};
use domain::certificate::Fingerprint;

/// Renewed certificates of a rack that nobody has used yet; an older one is forgotten. An agent that was killed between the answer and
/// its disk asks again.
const UNUSED_MAX: u32 = 3;
/// Certificates that ended longer ago than this are forgotten.
const KEPT_US: u64 = 365 * 24 * 3600 * 1_000_000;

impl Inventory {
    /// Stores a certificate before it is handed out.
    pub async fn put_certificate(&self, certificate: &AgentCertificate) -> Result<(), InventoryError> {
        let mut change = self.pool.begin().await.map_err(failed("store a certificate"))?;
        insert(&mut change, certificate).await?;
        sqlx::query("DELETE FROM agent_certificates WHERE ends_us < $1")
            .bind(big(self.clock.now_us().saturating_sub(KEPT_US)))
            .execute(&mut *change)
            .await
            .map_err(failed("forget old certificates"))?;
        sqlx::query(
            "DELETE FROM agent_certificates WHERE fingerprint IN (SELECT fingerprint FROM agent_certificates \
             WHERE rack = $1 AND origin = 'renewed' AND used_us IS NULL AND revoked_us IS NULL \
             ORDER BY given_us DESC LIMIT -1 OFFSET $2)",
        )
        .bind(certificate.rack.as_str())
        .bind(i64::from(UNUSED_MAX))
        .execute(&mut *change)
        .await
        .map_err(failed("forget certificates that nobody used"))?;
        change.commit().await.map_err(failed("store a certificate"))
    }

    /// Stores a certificate of before they were stored, if its rack has none. Says whether it did.
    pub async fn take_certificate_up(&self, certificate: &AgentCertificate) -> Result<bool, InventoryError> {
        let mut change = self.pool.begin().await.map_err(failed("take a certificate up"))?;
        // The first statement writes, so that of two that come at once the other one waits here and then finds a row.
        let touched = sqlx::query("UPDATE agent_certificates SET rack = rack WHERE rack = $1")
            .bind(certificate.rack.as_str())
            .execute(&mut *change)
            .await
            .map_err(failed("look for a rack's certificates"))?;
        let has_none = touched.rows_affected() == 0;
        if has_none {
            insert(&mut change, certificate).await?;
        }
        change.commit().await.map_err(failed("take a certificate up"))?;
        Ok(has_none)
    }

    /// One certificate.
    pub async fn certificate(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<AgentCertificate>, InventoryError> {
        let row = sqlx::query("SELECT * FROM agent_certificates WHERE fingerprint = $1")
            .bind(fingerprint.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a certificate"))?;
        row.as_ref().map(read_certificate).transpose()
    }

    /// The certificates of a rack, or of all, newest first.
    pub async fn certificates(&self, rack: Option<&RackId>) -> Result<Vec<AgentCertificate>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM agent_certificates WHERE $1 IS NULL OR rack = $1 ORDER BY rack, given_us DESC",
        )
        .bind(rack.map(RackId::as_str))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read certificates"))?;
        rows.iter().map(read_certificate).collect()
    }

    /// Notes that a certificate was used; the one that it follows is good no more from then on. Says whether it was the first time.
    pub async fn use_certificate(&self, certificate: &AgentCertificate) -> Result<bool, InventoryError> {
        if certificate.used_us.is_some() {
            return Ok(false);
        }
        let now = big(self.clock.now_us());
        let mut change = self.pool.begin().await.map_err(failed("note a certificate's use"))?;
        let first = sqlx::query(
            "UPDATE agent_certificates SET used_us = $2 WHERE fingerprint = $1 AND used_us IS NULL",
        )
        .bind(certificate.fingerprint.to_string())
        .bind(now)
        .execute(&mut *change)
        .await
        .map_err(failed("note a certificate's use"))?;
        sqlx::query(
            "UPDATE agent_certificates SET replaced_us = $2 WHERE fingerprint = $1 AND replaced_us IS NULL",
        )
        .bind(certificate.renewed_from.map(|from| from.to_string()))
        .bind(now)
        .execute(&mut *change)
        .await
        .map_err(failed("note that a certificate was replaced"))?;
        change.commit().await.map_err(failed("note a certificate's use"))?;
        Ok(first.rows_affected() > 0)
    }

    /// Revokes a rack's certificates, or one of them. Gives those that were not revoked before.
    pub async fn revoke_certificates(
        &self,
        rack: &RackId,
        only: Option<&Fingerprint>,
    ) -> Result<Vec<Fingerprint>, InventoryError> {
        let rows = sqlx::query(
            "UPDATE agent_certificates SET revoked_us = $3 WHERE rack = $1 AND ($2 IS NULL OR fingerprint = $2) \
             AND revoked_us IS NULL RETURNING fingerprint",
        )
        .bind(rack.as_str())
        .bind(only.map(|fingerprint| fingerprint.to_string()))
        .bind(big(self.clock.now_us()))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("revoke certificates"))?;
        let read = |row| Reader { row, name: "a certificate".to_owned() }.parsed("fingerprint");
        rows.iter().map(read).collect()
    }
}

async fn insert(
    change: &mut Transaction<'_, Sqlite>,
    certificate: &AgentCertificate,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO agent_certificates (fingerprint, rack, origin, renewed_from, given_us, begins_us, ends_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(certificate.fingerprint.to_string())
    .bind(certificate.rack.as_str())
    .bind(certificate.origin.as_str())
    .bind(certificate.renewed_from.map(|from| from.to_string()))
    .bind(big(certificate.given_us))
    .bind(big(certificate.begins_us))
    .bind(big(certificate.ends_us))
    .execute(&mut **change)
    .await
    .map_err(failed("store a certificate"))?;
    Ok(())
}

fn read_certificate(row: &SqliteRow) -> Result<AgentCertificate, InventoryError> {
    let read = Reader { row, name: "a certificate".to_owned() };
    Ok(AgentCertificate {
        fingerprint: read.parsed("fingerprint")?,
        rack: read.parsed("rack")?,
        origin: read.parsed("origin")?,
        renewed_from: read.parsed_opt("renewed_from")?,
        given_us: read.number("given_us")?,
        begins_us: read.number("begins_us")?,
        ends_us: read.number("ends_us")?,
        used_us: read.number_opt("used_us")?,
        replaced_us: read.number_opt("replaced_us")?,
        revoked_us: read.number_opt("revoked_us")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Origin, clock::TestClock, secret::Sealer};

    fn rack() -> RackId {
        "rack1".parse().unwrap()
    }

    fn given(number: u8, from: Option<u8>) -> AgentCertificate {
        let fingerprint = |number: u8| Fingerprint::of(&[number]);
        AgentCertificate {
            fingerprint: fingerprint(number),
            rack: rack(),
            origin: if from.is_some() { Origin::Renewed } else { Origin::Issued },
            renewed_from: from.map(fingerprint),
            given_us: u64::from(number),
            begins_us: 1,
            ends_us: 1000,
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        }
    }

    async fn inventory() -> (Inventory, Arc<TestClock>) {
        let clock = Arc::new(TestClock::default());
        clock.advance_us(5);
        (Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap(), clock)
    }

    #[tokio::test]
    async fn the_use_of_a_renewed_certificate_ends_the_one_before_and_unused_ones_are_few() {
        let (inventory, _) = inventory().await;
        inventory.put_certificate(&given(1, None)).await.unwrap();
        assert!(inventory.use_certificate(&given(1, None)).await.unwrap());
        assert!(!inventory.use_certificate(&given(1, None)).await.unwrap(), "it was used before");
        for number in 2..7 {
            inventory.put_certificate(&given(number, Some(1))).await.unwrap();
        }
        let known = inventory.certificates(Some(&rack())).await.unwrap();
        let numbers: Vec<_> = known.iter().map(|known| known.given_us).collect();
        assert_eq!(numbers, [6, 5, 4, 1], "those that nobody used are forgotten, the oldest first");
        assert!(known.iter().all(|known| known.replaced_us.is_none()));
        inventory.use_certificate(&known[0]).await.unwrap();
        let first = inventory.certificate(&given(1, None).fingerprint).await.unwrap().unwrap();
        assert_eq!((first.used_us, first.replaced_us), (Some(5), Some(5)));
        assert_eq!(inventory.certificate(&given(2, Some(1)).fingerprint).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_revoked_stays_so_and_what_ended_long_ago_is_forgotten() {
        let (inventory, clock) = inventory().await;
        for number in [1, 2] {
            inventory.put_certificate(&given(number, None)).await.unwrap();
        }
        let one = given(1, None).fingerprint;
        assert_eq!(inventory.revoke_certificates(&rack(), Some(&one)).await.unwrap(), [one]);
        assert_eq!(inventory.revoke_certificates(&rack(), Some(&one)).await.unwrap(), []);
        let elsewhere = "rack2".parse().unwrap();
        assert_eq!(inventory.revoke_certificates(&elsewhere, None).await.unwrap(), []);
        let two = given(2, None).fingerprint;
        assert_eq!(inventory.revoke_certificates(&rack(), None).await.unwrap(), [two]);
        clock.advance_us(KEPT_US + 2000);
        let new = AgentCertificate { ends_us: u64::MAX >> 1, ..given(3, None) };
        inventory.put_certificate(&new).await.unwrap();
        assert_eq!(inventory.certificates(None).await.unwrap(), [new]);
    }

    #[tokio::test]
    async fn a_certificate_is_taken_up_only_where_there_is_none() {
        let (inventory, _) = inventory().await;
        let old = |number| AgentCertificate { origin: Origin::TakenUp, ..given(number, None) };
        assert!(inventory.take_certificate_up(&old(1)).await.unwrap());
        assert!(!inventory.take_certificate_up(&old(2)).await.unwrap());
        inventory.revoke_certificates(&rack(), None).await.unwrap();
        assert!(!inventory.take_certificate_up(&old(2)).await.unwrap(), "a revoked one is one");
        let elsewhere = AgentCertificate { rack: "rack2".parse().unwrap(), ..old(3) };
        assert!(inventory.take_certificate_up(&elsewhere).await.unwrap());
    }
}
