//! Edges: the changes that were asked for, in the inventory. They have a table of their own: events cannot push them out.

use sqlx::sqlite::SqliteRow;

use super::{
    Inventory, InventoryError, ROWS_MAX, failed,
    row::{Reader, big},
};
use domain::audit::{AGE_MAX_US, AuditFilter, BUCKET_ROWS_MAX, Entry, NewEntry};

/// Old rows are deleted once in so many.
const TRIM_EVERY: u64 = 100;

impl Inventory {
    /// Stores a change that was asked for.
    pub async fn put_audit(&self, entry: &NewEntry) -> Result<(), InventoryError> {
        let at_us = self.clock.now_us();
        // Ids rise with time and never repeat, without a sequence in the database.
        sqlx::query(
            "INSERT INTO audit (id, at_us, bucket, request_id, source, user_id, user_name, project_id, standing, method, route, \
             via, action, object, status, project_name, reason) \
             SELECT CASE WHEN COALESCE(MAX(id), 0) >= $1 THEN MAX(id) + 1 ELSE $1 END, \
             $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM audit",
        )
        .bind(big(at_us))
        .bind(entry.bucket())
        .bind(&entry.request_id)
        .bind(entry.source.map(|source| source.to_string()))
        .bind(&entry.user_id)
        .bind(&entry.user_name)
        .bind(&entry.project_id)
        .bind(&entry.standing)
        .bind(&entry.method)
        .bind(&entry.route)
        .bind(&entry.via)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(entry.status.map(i64::from))
        .bind(&entry.project_name)
        .bind(&entry.reason)
        .execute(&self.pool)
        .await
        .map_err(failed("store a change that was asked for"))?;
        if at_us.is_multiple_of(TRIM_EVERY) {
            self.trim_audit(entry.bucket(), BUCKET_ROWS_MAX).await?;
        }
        Ok(())
    }

    /// Deletes what is too old, and of one bucket the oldest rows beyond so many.
    pub(super) async fn trim_audit(&self, bucket: &str, keep: u64) -> Result<(), InventoryError> {
        sqlx::query(
            "DELETE FROM audit WHERE at_us < $1 OR (bucket = $2 AND id <= \
             (SELECT id FROM audit WHERE bucket = $2 ORDER BY id DESC LIMIT 1 OFFSET $3))",
        )
        .bind(big(self.clock.now_us().saturating_sub(AGE_MAX_US)))
        .bind(bucket)
        .bind(big(keep))
        .execute(&self.pool)
        .await
        .map_err(failed("forget old changes"))?;
        Ok(())
    }

    /// The newest changes that fit, oldest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<Entry>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM (SELECT * FROM audit WHERE ($1 IS NULL OR user_id = $1 OR user_name = $1) \
             AND ($2 IS NULL OR project_id = $2 OR project_name = $2) AND ($3 IS NULL OR object = $3) \
             AND ($4 IS NULL OR at_us >= $4) AND ($5 IS NULL OR id < $5) ORDER BY id DESC LIMIT $6) AS newest ORDER BY id",
        )
        .bind(&filter.user)
        .bind(&filter.project)
        .bind(&filter.object)
        .bind(filter.since_us.map(big))
        .bind(filter.before.map(big))
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the changes that were asked for"))?;
        rows.iter().map(read_entry).collect()
    }
}

fn read_entry(row: &SqliteRow) -> Result<Entry, InventoryError> {
    let read = Reader { row, name: "a change that was asked for".to_owned() };
    let status = read.number_opt("status")?;
    Ok(Entry {
        id: read.number("id")?,
        at_us: read.number("at_us")?,
        what: NewEntry {
            request_id: read.text("request_id")?,
            source: read.parsed_opt("source")?,
            user_id: read.text_opt("user_id")?,
            user_name: read.text_opt("user_name")?,
            project_id: read.text_opt("project_id")?,
            project_name: read.text_opt("project_name")?,
            standing: read.text_opt("standing")?,
            method: read.text("method")?,
            route: read.text("route")?,
            via: read.text_opt("via")?,
            action: read.text_opt("action")?,
            reason: read.text_opt("reason")?,
            object: read.text_opt("object")?,
            status: status.map(|status| u16::try_from(status).unwrap_or_default()),
        },
    })
}
