//! Edges: ramdisk sessions in the inventory.

use protocol::{
    id::{RamdiskSessionId, ServerId},
    secret::Secret,
};
use sqlx::sqlite::SqliteRow;

use super::{
    Inventory, InventoryError, Ramdisk, failed,
    row::{Reader, big, json},
};

fn token_place(session: RamdiskSessionId) -> String {
    format!("ramdisks.ipa_token/{session}")
}

impl Inventory {
    /// Stores that a ramdisk is ready and that it is the one that runs on its server. A repeat changes nothing.
    pub async fn put_ramdisk(&self, ramdisk: &Ramdisk) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO ramdisks (session, server, purpose, network, ready_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (session) DO NOTHING",
        )
        .bind(ramdisk.session.to_string())
        .bind(ramdisk.server.to_string())
        .bind(json(&ramdisk.purpose))
        .bind(json(&ramdisk.network))
        .bind(big(ramdisk.ready_us))
        .execute(&self.pool)
        .await
        .map_err(failed("store a ramdisk"))?;
        self.set_ramdisk(ramdisk.server, Some(ramdisk.session)).await
    }

    /// One ramdisk.
    pub async fn ramdisk(&self, session: RamdiskSessionId) -> Result<Option<Ramdisk>, InventoryError> {
        let row = sqlx::query("SELECT * FROM ramdisks WHERE session = $1")
            .bind(session.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a ramdisk"))?;
        row.map(|row| self.read_ramdisk(&row)).transpose()
    }

    /// Ramdisks that run now, as far as is known.
    pub async fn running_ramdisks(&self) -> Result<Vec<Ramdisk>, InventoryError> {
        let rows = sqlx::query(
            "SELECT r.* FROM ramdisks r JOIN servers s ON s.ramdisk = r.session WHERE r.gone_us IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the ramdisks"))?;
        rows.iter().map(|row| self.read_ramdisk(row)).collect()
    }

    /// Stores, sealed, the token that Ironic gave for a ramdisk.
    pub async fn set_ramdisk_token(
        &self,
        session: RamdiskSessionId,
        token: &Secret,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE ramdisks SET ipa_token = $2 WHERE session = $1")
            .bind(session.to_string())
            .bind(self.sealer.seal(&token_place(session), token)?)
            .execute(&self.pool)
            .await
            .map_err(failed("store a ramdisk's token"))?;
        Ok(())
    }

    /// Stores that a ramdisk is gone; a newer one on the same server stays.
    pub async fn end_ramdisk(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE ramdisks SET gone_us = $2 WHERE session = $1 AND gone_us IS NULL")
            .bind(session.to_string())
            .bind(big(self.clock.now_us()))
            .execute(&self.pool)
            .await
            .map_err(failed("store the end of a ramdisk"))?;
        sqlx::query("UPDATE servers SET ramdisk = NULL WHERE id = $1 AND ramdisk = $2")
            .bind(server.to_string())
            .bind(session.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("store the end of a ramdisk"))?;
        Ok(())
    }

    fn read_ramdisk(&self, row: &SqliteRow) -> Result<Ramdisk, InventoryError> {
        let read = Reader { row, name: "a ramdisk".to_owned() };
        let session: RamdiskSessionId = read.parsed("session")?;
        let sealed = read.text_opt("ipa_token")?;
        let ipa_token = sealed.map(|text| self.sealer.open(&token_place(session), &text)).transpose()?;
        Ok(Ramdisk {
            session,
            server: read.parsed("server")?,
            purpose: read.json("purpose")?,
            network: read.json("network")?,
            ready_us: read.number("ready_us")?,
            gone_us: read.number_opt("gone_us")?,
            ipa_token,
        })
    }
}
