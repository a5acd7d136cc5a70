//! Edges: what BMCs say of themselves, in the inventory. It is kept over a restart, because it is read seldom.

use std::collections::HashMap;

use domain::firmware::KnownFacts;
use protocol::{bmc_facts::PartFacts, id::ServerId};
use sqlx::sqlite::SqliteRow;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

impl Inventory {
    /// Stores a part that was read; it takes the place of what was known of this part.
    pub async fn put_facts(
        &self,
        server: ServerId,
        part: &PartFacts,
        read_us: u64,
    ) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO bmc_facts (server, part, facts, read_us) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (server, part) DO UPDATE SET facts = excluded.facts, read_us = excluded.read_us",
        )
        .bind(server.to_string())
        .bind(part.part().name())
        .bind(json(part))
        .bind(big(read_us))
        .execute(&self.pool)
        .await
        .map_err(failed("store what a BMC says"))?;
        Ok(())
    }

    /// All that is known of a server's BMC.
    pub async fn facts(&self, server: ServerId) -> Result<KnownFacts, InventoryError> {
        let rows = sqlx::query("SELECT * FROM bmc_facts WHERE server = $1")
            .bind(server.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read what a BMC says"))?;
        let mut known = KnownFacts::default();
        for row in &rows {
            take(&mut known, row)?;
        }
        Ok(known)
    }

    /// Of every server what tells its firmware.
    pub async fn all_firmware(&self) -> Result<HashMap<ServerId, KnownFacts>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM bmc_facts WHERE part IN ('system', 'firmware')")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the firmware of all servers"))?;
        let mut all = HashMap::<ServerId, KnownFacts>::new();
        for row in &rows {
            let server = reader(row).parsed("server")?;
            take(all.entry(server).or_default(), row)?;
        }
        Ok(all)
    }
}

fn reader(row: &SqliteRow) -> Reader<'_> {
    Reader { row, name: "what a BMC says".to_owned() }
}

fn take(known: &mut KnownFacts, row: &SqliteRow) -> Result<(), InventoryError> {
    let read = reader(row);
    known.take(read.json("facts")?, read.number("read_us")?);
    Ok(())
}
