//! Edges: updates of firmware, and the files for them, in the inventory.

use domain::firmware::{files::FirmwareFile, update::Update};
use protocol::id::ServerId;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

/// So many updates of each server that are over are kept.
pub const UPDATES_KEPT: u32 = 20;

impl Inventory {
    /// Stores a new update. An error `Taken`: the server has one that is not over.
    pub async fn add_update(&self, update: &Update) -> Result<(), InventoryError> {
        let added = sqlx::query(
            "INSERT INTO firmware_updates (id, server, wanted, stage, attempt, asked_us, since_us, not_before_us, versions, \
             is_over) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
        )
        .bind(update.id.to_string())
        .bind(update.server.to_string())
        .bind(json(&update.order))
        .bind(json(&update.stage))
        .bind(i64::from(update.attempt))
        .bind(big(update.asked_us))
        .bind(big(update.since_us))
        .bind(big(update.not_before_us))
        .bind(json(&update.before))
        .execute(&self.pool)
        .await;
        match added {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(InventoryError::Taken { what: "an update of firmware under way".to_owned() })
            }
            Err(error) => Err(failed("store an update of firmware")(error)),
        }
    }

    /// Stores how far an update has come. It is on the disk when this returns: after a power failure nobody gives it a second time.
    pub async fn set_update(&self, update: &Update) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE firmware_updates SET stage = $2, attempt = $3, since_us = $4, not_before_us = $5, trouble = $6, versions = $7, \
             is_over = $8 WHERE id = $1",
        )
        .bind(update.id.to_string())
        .bind(json(&update.stage))
        .bind(i64::from(update.attempt))
        .bind(big(update.since_us))
        .bind(big(update.not_before_us))
        .bind(&update.trouble)
        .bind(json(&update.before))
        .bind(i64::from(update.is_over()))
        .execute(&self.pool)
        .await
        .map_err(failed("store how far an update of firmware is"))?;
        sqlx::query("PRAGMA wal_checkpoint(FULL)")
            .execute(&self.pool)
            .await
            .map_err(failed("write an update of firmware to the disk"))?;
        Ok(())
    }

    /// Forgets updates that have long been over.
    pub async fn forget_updates(&self, server: ServerId) -> Result<(), InventoryError> {
        sqlx::query(
            "DELETE FROM firmware_updates WHERE server = $1 AND is_over = 1 AND id NOT IN (SELECT id FROM firmware_updates WHERE \
             server = $1 AND is_over = 1 ORDER BY asked_us DESC LIMIT $2)",
        )
        .bind(server.to_string())
        .bind(i64::from(UPDATES_KEPT))
        .execute(&self.pool)
        .await
        .map_err(failed("forget updates of firmware"))?;
        Ok(())
    }

    /// The update of a server that is not over.
    pub async fn open_update(&self, server: ServerId) -> Result<Option<Update>, InventoryError> {
        let row = sqlx::query("SELECT * FROM firmware_updates WHERE server = $1 AND is_over = 0")
            .bind(server.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read an update of firmware"))?;
        row.as_ref().map(read_update).transpose()
    }

    /// One update.
    pub async fn update(&self, id: Uuid) -> Result<Option<Update>, InventoryError> {
        let row = sqlx::query("SELECT * FROM firmware_updates WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read an update of firmware"))?;
        row.as_ref().map(read_update).transpose()
    }

    /// All updates that are not over, the oldest first.
    pub async fn open_updates(&self) -> Result<Vec<Update>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM firmware_updates WHERE is_over = 0 ORDER BY asked_us, id")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the updates of firmware"))?;
        rows.iter().map(read_update).collect()
    }

    /// The updates of a server, the newest first.
    pub async fn updates_of(&self, server: ServerId) -> Result<Vec<Update>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM firmware_updates WHERE server = $1 ORDER BY asked_us DESC, id")
            .bind(server.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the updates of a server's firmware"))?;
        rows.iter().map(read_update).collect()
    }

    /// Forgets what was in a server's BMC before a tenancy, unless a tenancy is to be compared with it: after an update it is read anew.
    pub async fn forget_traces(&self, server: ServerId) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE servers SET traces = NULL WHERE id = $1 AND json_extract(traces, '$.had_by') IS NULL AND \
             json_extract(traces, '$.found') IS NULL",
        )
        .bind(server.to_string())
        .execute(&self.pool)
        .await
        .map_err(failed("forget what is in a BMC"))?;
        Ok(())
    }

    /// Stores that a file of firmware is there; one of these bytes that is known gets its new name.
    pub async fn put_firmware_file(&self, file: &FirmwareFile) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO firmware_files (sha256, sha512, name, file_bytes, created_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (sha256) DO UPDATE SET name = excluded.name",
        )
        .bind(&file.sha256)
        .bind(&file.sha512)
        .bind(&file.name)
        .bind(big(file.file_bytes))
        .bind(big(file.created_us))
        .execute(&self.pool)
        .await
        .map_err(failed("store a file of firmware"))?;
        Ok(())
    }

    /// All files of firmware, the newest first.
    pub async fn firmware_files(&self) -> Result<Vec<FirmwareFile>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM firmware_files ORDER BY created_us DESC, sha256")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the files of firmware"))?;
        rows.iter().map(read_file).collect()
    }

    /// Forgets a file of firmware.
    pub async fn delete_firmware_file(&self, sha256: &str) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM firmware_files WHERE sha256 = $1")
            .bind(sha256)
            .execute(&self.pool)
            .await
            .map_err(failed("forget a file of firmware"))?;
        Ok(())
    }
}

fn read_update(row: &SqliteRow) -> Result<Update, InventoryError> {
    let read = Reader { row, name: "an update of firmware".to_owned() };
    let attempt = read.number("attempt")?;
    Ok(Update {
        id: read.parsed("id")?,
        server: read.parsed("server")?,
        order: read.json("wanted")?,
        stage: read.json("stage")?,
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        asked_us: read.number("asked_us")?,
        since_us: read.number("since_us")?,
        not_before_us: read.number("not_before_us")?,
        trouble: read.text_opt("trouble")?,
        before: read.json("versions")?,
    })
}

fn read_file(row: &SqliteRow) -> Result<FirmwareFile, InventoryError> {
    let read = Reader { row, name: "a file of firmware".to_owned() };
    Ok(FirmwareFile {
        sha256: read.text("sha256")?,
        sha512: read.text("sha512")?,
        name: read.text("name")?,
        file_bytes: read.number("file_bytes")?,
        created_us: read.number("created_us")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{
        firmware::update::{By, Given, Order, Stage},
        samples::new_server,
    };
    use protocol::update::FirmwareImage;

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    fn update(server: ServerId, now_us: u64) -> Update {
        let image = FirmwareImage::Url("https://images.example/bmc.bin".to_owned());
        let by = By::Person("ada".to_owned());
        let order = Order { component: "BMC".to_owned(), image, version: Some("2.0".to_owned()), by };
        Update::asked(Uuid::new_v4(), server, order, Vec::new(), now_us)
    }

    #[tokio::test]
    async fn a_server_has_one_update_at_a_time_and_few_that_are_over() {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap().id;
        for number in 0..u64::from(UPDATES_KEPT) + 3 {
            let one = update(server, number);
            inventory.add_update(&one).await.unwrap();
            let refused = inventory.add_update(&update(server, number)).await;
            assert!(matches!(refused, Err(InventoryError::Taken { .. })), "{refused:?}");
            let given = one.giving(Vec::new(), 1).given(Given::NotGiven("away".to_owned()), 2);
            inventory.set_update(&given).await.unwrap();
            assert_eq!(inventory.open_update(server).await.unwrap(), Some(given.clone()));
            let over = given.failed("no".to_owned(), 3);
            inventory.set_update(&over).await.unwrap();
            assert_eq!(inventory.open_update(server).await.unwrap(), None);
            assert_eq!(inventory.update(over.id).await.unwrap(), Some(over));
        }
        inventory.forget_updates(server).await.unwrap();
        let kept = inventory.updates_of(server).await.unwrap();
        assert_eq!(kept.len(), UPDATES_KEPT as usize);
        assert_eq!(kept[0].asked_us, u64::from(UPDATES_KEPT) + 2, "the newest stay");
        assert!(kept.iter().all(|update| matches!(update.stage, Stage::Failed { .. })));
    }
}
