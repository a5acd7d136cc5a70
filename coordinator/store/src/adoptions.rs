//! Edges: adoptions in the inventory.

use protocol::id::ServerId;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};
use domain::adoption::{Adoption, Stage};

impl Inventory {
    /// Stores how far an adoption has come, and why not further.
    pub async fn set_adoption_stage(
        &self,
        server: ServerId,
        stage: Stage,
        reason: Option<&str>,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE adoptions SET stage = $2, reason = $3 WHERE server = $1")
            .bind(server.to_string())
            .bind(json(&stage))
            .bind(reason)
            .execute(&self.pool)
            .await
            .map_err(failed("change an adoption"))?;
        Ok(())
    }

    /// All adoptions, the oldest first.
    pub async fn adoptions(&self) -> Result<Vec<Adoption>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM adoptions ORDER BY asked_us, server")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the adoptions"))?;
        rows.iter().map(read_adoption).collect()
    }

    /// A server's adoption.
    pub async fn adoption(&self, server: ServerId) -> Result<Option<Adoption>, InventoryError> {
        let row = sqlx::query("SELECT * FROM adoptions WHERE server = $1")
            .bind(server.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read an adoption"))?;
        row.as_ref().map(read_adoption).transpose()
    }

    /// Forgets a server's adoption: its tenancy has ended.
    pub async fn delete_adoption(&self, server: ServerId) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM adoptions WHERE server = $1")
            .bind(server.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("forget an adoption"))?;
        Ok(())
    }
}

/// Stores an adoption, a new one or one that is asked for anew.
pub(super) async fn put_adoption(
    connection: &mut SqliteConnection,
    adoption: &Adoption,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO adoptions (server, tenant, wanted, stage, reason, asked_us) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (server) DO UPDATE SET tenant = excluded.tenant, wanted = excluded.wanted, \
         stage = excluded.stage, reason = excluded.reason, asked_us = excluded.asked_us",
    )
    .bind(adoption.server.to_string())
    .bind(adoption.tenant.to_string())
    .bind(json(&adoption.wanted))
    .bind(json(&adoption.stage))
    .bind(&adoption.reason)
    .bind(big(adoption.asked_us))
    .execute(connection)
    .await
    .map_err(failed("store an adoption"))?;
    Ok(())
}

fn read_adoption(row: &SqliteRow) -> Result<Adoption, InventoryError> {
    let read = Reader { row, name: "an adoption".to_owned() };
    Ok(Adoption {
        server: read.parsed("server")?,
        tenant: read.parsed("tenant")?,
        wanted: read.json("wanted")?,
        stage: read.json("stage")?,
        reason: read.text_opt("reason")?,
        asked_us: read.number("asked_us")?,
    })
}
