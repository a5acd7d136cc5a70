//! Edges: the register of disks in the inventory.

use protocol::{hardware::Disk, id::ServerId};
use sqlx::{Executor, Sqlite, sqlite::SqliteRow};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};
use domain::disks::{Erasure, Exception, Inspected, KnownDisk, inspected};

impl Inventory {
    /// The disks that a clean of this server accounts for, by number.
    pub async fn disks(&self, server: ServerId) -> Result<Vec<KnownDisk>, InventoryError> {
        read(&self.pool, server).await
    }

    /// Enters what an inspection saw.
    pub async fn inspect_disks(&self, server: ServerId, seen: &[Disk]) -> Result<Inspected, InventoryError> {
        let mut work = self.pool.begin().await.map_err(failed("enter the inspected disks"))?;
        let known = read(&mut *work, server).await?;
        let after = inspected(known, seen, self.clock.now_us());
        sqlx::query("DELETE FROM disks WHERE server = $1")
            .bind(server.to_string())
            .execute(&mut *work)
            .await
            .map_err(failed("enter the inspected disks"))?;
        for disk in &after.disks {
            insert(&mut *work, server, disk).await?;
        }
        work.commit().await.map_err(failed("enter the inspected disks"))?;
        Ok(after)
    }

    /// A tenant may write to the server's disks from now on: what was erased before counts no more.
    pub async fn give_disks(&self, server: ServerId) -> Result<(), InventoryError> {
        sqlx::query("UPDATE disks SET settled = 0 WHERE server = $1")
            .bind(server.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("note that the disks are a tenant's"))?;
        Ok(())
    }

    /// Stores that a disk was erased; `settled`: every byte of it.
    pub async fn note_erasure(
        &self,
        server: ServerId,
        number: u32,
        erasure: &Erasure,
        settled: bool,
    ) -> Result<(), InventoryError> {
        // An erase of the ends alone takes nothing away from one of every byte.
        sqlx::query(
            "UPDATE disks SET erased = $3, settled = MAX(settled, $4) WHERE server = $1 AND number = $2",
        )
        .bind(server.to_string())
        .bind(i64::from(number))
        .bind(json(erasure))
        .bind(i64::from(settled))
        .execute(&self.pool)
        .await
        .map_err(failed("store an erase"))?;
        Ok(())
    }

    /// Stores by whose word a disk is left out; none: it is not. Whether there is such a disk.
    pub async fn set_disk_exception(
        &self,
        server: ServerId,
        number: u32,
        exception: Option<&Exception>,
    ) -> Result<bool, InventoryError> {
        let done = sqlx::query("UPDATE disks SET exception = $3 WHERE server = $1 AND number = $2")
            .bind(server.to_string())
            .bind(i64::from(number))
            .bind(exception.map(json))
            .execute(&self.pool)
            .await
            .map_err(failed("store an exception"))?;
        Ok(done.rows_affected() > 0)
    }
}

async fn read(
    from: impl Executor<'_, Database = Sqlite>,
    server: ServerId,
) -> Result<Vec<KnownDisk>, InventoryError> {
    let rows = sqlx::query("SELECT * FROM disks WHERE server = $1 ORDER BY number")
        .bind(server.to_string())
        .fetch_all(from)
        .await
        .map_err(failed("read the disks"))?;
    rows.iter().map(read_disk).collect()
}

async fn insert(
    into: impl Executor<'_, Database = Sqlite>,
    server: ServerId,
    known: &KnownDisk,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO disks (server, number, disk, first_seen_us, seen_us, present, settled, erased, exception) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(server.to_string())
    .bind(i64::from(known.number))
    .bind(json(&known.disk))
    .bind(big(known.first_seen_us))
    .bind(big(known.seen_us))
    .bind(i64::from(known.present))
    .bind(i64::from(known.settled))
    .bind(known.erased.as_ref().map(json))
    .bind(known.exception.as_ref().map(json))
    .execute(into)
    .await
    .map_err(failed("enter the inspected disks"))?;
    Ok(())
}

fn read_disk(row: &SqliteRow) -> Result<KnownDisk, InventoryError> {
    let read = Reader { row, name: "a disk".to_owned() };
    Ok(KnownDisk {
        number: u32::try_from(read.number("number")?).unwrap_or(u32::MAX),
        disk: read.json("disk")?,
        first_seen_us: read.number("first_seen_us")?,
        seen_us: read.number("seen_us")?,
        present: read.flag("present")?,
        settled: read.flag("settled")?,
        erased: read.json_opt("erased")?,
        exception: read.json_opt("exception")?,
    })
}
