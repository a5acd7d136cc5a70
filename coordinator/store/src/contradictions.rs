//! Edges: contradictions that are seen now, in the inventory, so that a new process tells none of them twice.

use sqlx::sqlite::SqliteRow;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};
use domain::survey::episode::Episode;

impl Inventory {
    /// All that are seen now.
    pub async fn contradictions(&self) -> Result<Vec<Episode>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM contradictions ORDER BY server, what")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the contradictions"))?;
        let one = |row: &SqliteRow| {
            let read = Reader { row, name: "a contradiction".to_owned() };
            Ok(Episode {
                server: read.text("server")?,
                what: read.json("what")?,
                since_us: read.number("since_us")?,
                told: read.number("told")? != 0,
            })
        };
        rows.iter().map(one).collect()
    }

    /// Stores one: a new one, or that it was told.
    pub async fn put_contradiction(&self, episode: &Episode) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO contradictions (server, what, since_us, told) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (server, what) DO UPDATE SET told = excluded.told",
        )
        .bind(&episode.server)
        .bind(json(&episode.what))
        .bind(big(episode.since_us))
        .bind(i64::from(episode.told))
        .execute(&self.pool)
        .await
        .map_err(failed("store a contradiction"))?;
        Ok(())
    }

    /// Forgets one that is over.
    pub async fn delete_contradiction(&self, episode: &Episode) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM contradictions WHERE server = $1 AND what = $2")
            .bind(&episode.server)
            .bind(json(&episode.what))
            .execute(&self.pool)
            .await
            .map_err(failed("forget a contradiction"))?;
        Ok(())
    }
}
