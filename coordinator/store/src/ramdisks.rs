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

fn record_place(session: RamdiskSessionId) -> String {
    format!("ramdisk_records.record/{session}")
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
        row.map(|row| read_ramdisk(&row)).transpose()
    }

    /// Ramdisks that run now, as far as is known.
    pub async fn running_ramdisks(&self) -> Result<Vec<Ramdisk>, InventoryError> {
        let rows = sqlx::query(
            "SELECT r.* FROM ramdisks r JOIN servers s ON s.ramdisk = r.session WHERE r.gone_us IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the ramdisks"))?;
        rows.iter().map(read_ramdisk).collect()
    }

    /// What the ramdisk facade keeps of a session.
    pub async fn session_record(&self, session: RamdiskSessionId) -> Result<Option<Secret>, InventoryError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT record FROM ramdisk_records WHERE session = $1")
            .bind(session.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a ramdisk's record"))?;
        let open = |(sealed,): (String,)| self.sealer.open(&record_place(session), &sealed);
        Ok(row.map(open).transpose()?)
    }

    /// Stores, sealed, what the ramdisk facade keeps of a session.
    pub async fn set_session_record(
        &self,
        server: ServerId,
        session: RamdiskSessionId,
        record: &Secret,
    ) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO ramdisk_records (session, server, record) VALUES ($1, $2, $3) \
             ON CONFLICT (session) DO UPDATE SET record = excluded.record",
        )
        .bind(session.to_string())
        .bind(server.to_string())
        .bind(self.sealer.seal(&record_place(session), record)?)
        .execute(&self.pool)
        .await
        .map_err(failed("store a ramdisk's record"))?;
        Ok(())
    }

    /// Forgets what the ramdisk facade kept of a session.
    pub async fn delete_session_record(&self, session: RamdiskSessionId) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM ramdisk_records WHERE session = $1")
            .bind(session.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("forget a ramdisk's record"))?;
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
}

fn read_ramdisk(row: &SqliteRow) -> Result<Ramdisk, InventoryError> {
    let read = Reader { row, name: "a ramdisk".to_owned() };
    let session: RamdiskSessionId = read.parsed("session")?;
    Ok(Ramdisk {
        session,
        server: read.parsed("server")?,
        purpose: read.json("purpose")?,
        network: read.json("network")?,
        ready_us: read.number("ready_us")?,
        gone_us: read.number_opt("gone_us")?,
    })
}
