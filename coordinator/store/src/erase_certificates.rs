//! Edges: the certificates of erased disks, kept for ever: the database itself lets none be changed or deleted.

use protocol::id::ServerId;
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    EraseCertificate, EraseCertificateFilter, Inventory, InventoryError, ROWS_MAX, failed,
    row::{Reader, big, json},
};
use domain::disks::Erasure;

impl Inventory {
    /// Stores that every byte of a disk was erased, together with the certificate of it: both or neither.
    pub async fn note_certified_erasure(
        &self,
        erasure: &Erasure,
        certificate: &EraseCertificate,
    ) -> Result<(), InventoryError> {
        let mut connection =
            self.pool.acquire().await.map_err(failed("store an erase with its certificate"))?;
        // Before anybody is told that the disk is erased, its certificate must outlast a power failure; what else is written need not.
        sqlx::query("PRAGMA synchronous = FULL")
            .execute(&mut *connection)
            .await
            .map_err(failed("store an erase with its certificate"))?;
        let kept = keep(&mut connection, erasure, certificate).await;
        if let Err(error) = sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await {
            tracing::warn!(%error, "the inventory goes on with a slower connection");
        }
        kept
    }

    /// One certificate.
    pub async fn erase_certificate(&self, id: Uuid) -> Result<Option<EraseCertificate>, InventoryError> {
        let row = sqlx::query("SELECT * FROM erase_certificates WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a certificate of an erase"))?;
        row.as_ref().map(read).transpose()
    }

    /// The certificates that fit, the newest first.
    pub async fn erase_certificates(
        &self,
        filter: &EraseCertificateFilter,
    ) -> Result<Vec<EraseCertificate>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM erase_certificates WHERE ($1 IS NULL OR server = $1 OR server_name = $1) \
             AND ($2 IS NULL OR serial = $2) AND ($3 IS NULL OR wwn = $3) AND ($4 IS NULL OR received_us >= $4) \
             AND ($5 IS NULL OR received_us < $5) AND ($6 IS NULL OR number < $6) ORDER BY number DESC LIMIT $7",
        )
        .bind(&filter.node)
        .bind(&filter.serial)
        .bind(&filter.wwn)
        .bind(filter.since_us.map(big))
        .bind(filter.until_us.map(big))
        .bind(filter.before.map(big))
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the certificates of erases"))?;
        rows.iter().map(read).collect()
    }
}

async fn keep(
    connection: &mut SqliteConnection,
    erasure: &Erasure,
    certificate: &EraseCertificate,
) -> Result<(), InventoryError> {
    let mut change = connection.begin().await.map_err(failed("store an erase with its certificate"))?;
    sqlx::query("UPDATE disks SET erased = $3, settled = 1 WHERE server = $1 AND number = $2")
        .bind(certificate.server.to_string())
        .bind(i64::from(certificate.disk_number))
        .bind(json(erasure))
        .execute(&mut *change)
        .await
        .map_err(failed("store an erase with its certificate"))?;
    insert(&mut change, certificate).await?;
    change.commit().await.map_err(failed("store an erase with its certificate"))
}

async fn insert(
    change: &mut Transaction<'_, Sqlite>,
    certificate: &EraseCertificate,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO erase_certificates (number, id, server, server_name, rack, disk_number, disk, serial, wwn, method, \
         ended_us, received_us, tenancy, project_id, file) \
         SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 \
         FROM erase_certificates",
    )
    .bind(certificate.id.to_string())
    .bind(certificate.server.to_string())
    .bind(&certificate.server_name)
    .bind(certificate.rack.as_str())
    .bind(i64::from(certificate.disk_number))
    .bind(json(&certificate.disk))
    .bind(&certificate.disk.serial)
    .bind(&certificate.disk.wwn)
    .bind(&certificate.method)
    .bind(big(certificate.ended_us))
    .bind(big(certificate.received_us))
    .bind(certificate.tenancy.map(|id| id.to_string()))
    .bind(&certificate.project_id)
    .bind(&certificate.file)
    .execute(&mut **change)
    .await
    .map_err(failed("keep a certificate of an erase"))?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<EraseCertificate, InventoryError> {
    let read = Reader { row, name: "a certificate of an erase".to_owned() };
    Ok(EraseCertificate {
        number: read.number("number")?,
        id: read.parsed("id")?,
        server: read.parsed::<ServerId>("server")?,
        server_name: read.text("server_name")?,
        rack: read.parsed("rack")?,
        disk_number: u32::try_from(read.number("disk_number")?).unwrap_or(u32::MAX),
        disk: read.json("disk")?,
        method: read.text("method")?,
        ended_us: read.number("ended_us")?,
        received_us: read.number("received_us")?,
        tenancy: read.parsed_opt("tenancy")?,
        project_id: read.text_opt("project_id")?,
        file: read.text("file")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::samples;
    use protocol::hardware::Disk;

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    fn certificate(number: u128, server: ServerId, serial: &str) -> EraseCertificate {
        let disk =
            Disk { serial: serial.into(), wwn: format!("w{serial}"), size_bytes: 8, ..Disk::default() };
        EraseCertificate {
            number: 0,
            id: Uuid::from_u128(number),
            server,
            server_name: "n1".into(),
            rack: "rack1".parse().unwrap(),
            disk_number: 1,
            disk,
            method: "zeroes".into(),
            ended_us: 10,
            received_us: u64::try_from(number).unwrap() * 100,
            tenancy: None,
            project_id: None,
            file: "{}".into(),
        }
    }

    fn erasure() -> Erasure {
        Erasure { at_us: 1, method: "zeroes".into(), erased_bytes: 8, verified_bytes: 8 }
    }

    async fn inventory() -> (Inventory, ServerId) {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let id = inventory.put_server(&samples::new_server()).await.unwrap().id;
        inventory.inspect_disks(id, &[certificate(1, id, "a").disk]).await.unwrap();
        (inventory, id)
    }

    #[tokio::test]
    async fn a_certificate_stays_whatever_becomes_of_its_server() {
        let (inventory, id) = inventory().await;
        let one = certificate(1, id, "a");
        inventory.note_certified_erasure(&erasure(), &one).await.unwrap();
        assert!(inventory.disks(id).await.unwrap()[0].settled);
        inventory.delete_server(id).await.unwrap();
        let kept = EraseCertificate { number: 1, ..one };
        assert_eq!(inventory.erase_certificate(kept.id).await.unwrap(), Some(kept));
        for change in ["DELETE FROM erase_certificates", "UPDATE erase_certificates SET file = 'x'"] {
            let refused =
                sqlx::query(sqlx::AssertSqlSafe(change)).execute(&inventory.pool).await.unwrap_err();
            assert!(refused.to_string().contains("certificate of an erase"), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_erase_whose_certificate_is_not_kept_is_not_noted() {
        let (inventory, id) = inventory().await;
        inventory.note_certified_erasure(&erasure(), &certificate(1, id, "a")).await.unwrap();
        inventory.give_disks(id).await.unwrap();
        // The same one once more.
        inventory.note_certified_erasure(&erasure(), &certificate(1, id, "a")).await.unwrap_err();
        assert!(!inventory.disks(id).await.unwrap()[0].settled);
    }

    #[tokio::test]
    async fn certificates_are_found_by_server_disk_and_time_page_by_page() {
        let (inventory, id) = inventory().await;
        let other = ServerId(Uuid::from_u128(99));
        for (number, server, serial) in [(1, id, "a"), (2, id, "b"), (3, other, "a"), (4, id, "a")] {
            inventory.note_certified_erasure(&erasure(), &certificate(number, server, serial)).await.unwrap();
        }
        let check = async |filter: EraseCertificateFilter, expected: &[u64]| {
            let found = inventory.erase_certificates(&filter).await.unwrap();
            let numbers: Vec<_> = found.iter().map(|found| found.number).collect();
            assert_eq!(numbers, expected, "{filter:?}");
        };
        let all = EraseCertificateFilter::default;
        check(all(), &[4, 3, 2, 1]).await;
        check(EraseCertificateFilter { node: Some(other.to_string()), ..all() }, &[3]).await;
        check(EraseCertificateFilter { node: Some("n1".into()), ..all() }, &[4, 3, 2, 1]).await;
        check(EraseCertificateFilter { serial: Some("b".into()), ..all() }, &[2]).await;
        check(EraseCertificateFilter { wwn: Some("wa".into()), before: Some(4), ..all() }, &[3, 1]).await;
        check(EraseCertificateFilter { since_us: Some(200), until_us: Some(400), ..all() }, &[3, 2]).await;
        check(EraseCertificateFilter { limit: Some(2), ..all() }, &[4, 3]).await;
    }
}
