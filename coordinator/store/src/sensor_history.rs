//! Edges: the history of servers' numbers in the inventory: an hour a row, kept for a day.

use domain::health::history::{HOUR_US, HOURS_KEPT, Hour, Point};
use protocol::id::ServerId;
use sqlx::{Row, Sqlite, Transaction};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

impl Inventory {
    /// Adds numbers that were told then. What is older than is kept, or of a clock that is ahead, is left out.
    pub async fn note_history(
        &self,
        server: ServerId,
        at_us: u64,
        values: &[(String, i64)],
    ) -> Result<(), InventoryError> {
        let (hour, now) = (at_us / HOUR_US, self.clock.now_us() / HOUR_US);
        if values.is_empty() || hour > now || hour + HOURS_KEPT <= now {
            return Ok(());
        }
        let mut work = self.pool.begin().await.map_err(failed("store the history of sensors"))?;
        let mut known = hour_of(&mut work, server, hour).await?;
        known.take(at_us, values);
        sqlx::query(
            "INSERT INTO sensor_history (server, hour, series) VALUES ($1, $2, $3) \
             ON CONFLICT (server, hour) DO UPDATE SET series = excluded.series",
        )
        .bind(server.to_string())
        .bind(big(hour))
        .bind(json(&known))
        .execute(&mut *work)
        .await
        .map_err(failed("store the history of sensors"))?;
        sqlx::query("DELETE FROM sensor_history WHERE server = $1 AND hour <= $2")
            .bind(server.to_string())
            .bind(big(now.saturating_sub(HOURS_KEPT)))
            .execute(&mut *work)
            .await
            .map_err(failed("forget old history of sensors"))?;
        work.commit().await.map_err(failed("store the history of sensors"))
    }

    /// What is kept of one number, oldest first.
    pub async fn history(&self, server: ServerId, key: &str) -> Result<Vec<Point>, InventoryError> {
        let now = self.clock.now_us() / HOUR_US;
        let rows = sqlx::query("SELECT * FROM sensor_history WHERE server = $1 AND hour > $2 ORDER BY hour")
            .bind(server.to_string())
            .bind(big(now.saturating_sub(HOURS_KEPT)))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the history of sensors"))?;
        let mut points = Vec::new();
        for row in &rows {
            let mut hour: Hour = Reader { row, name: "the history of sensors".to_owned() }.json("series")?;
            points.extend(hour.0.remove(key).unwrap_or_default());
        }
        Ok(points)
    }
}

async fn hour_of(
    work: &mut Transaction<'_, Sqlite>,
    server: ServerId,
    hour: u64,
) -> Result<Hour, InventoryError> {
    let row = sqlx::query("SELECT series FROM sensor_history WHERE server = $1 AND hour = $2")
        .bind(server.to_string())
        .bind(big(hour))
        .fetch_optional(&mut **work)
        .await
        .map_err(failed("read the history of sensors"))?;
    let Some(row) = row else { return Ok(Hour::default()) };
    debug_assert_eq!(row.len(), 1);
    Reader { row: &row, name: "the history of sensors".to_owned() }.json("series")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{health::history::SPAN_US, samples};

    use super::*;
    use crate::{
        clock::{Clock, TestClock},
        secret::Sealer,
    };

    #[tokio::test]
    async fn history_is_kept_for_a_day_over_a_restart_and_no_clock_fills_it() {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
        let server = inventory.put_server(&samples::new_server()).await.unwrap().id;
        let began = 100 * HOUR_US;
        let to = |at_us: u64| clock.advance_us(at_us - clock.now_us());
        let at = async |at_us: u64, value: i64| {
            to(at_us);
            inventory.note_history(server, at_us, &[("1".to_owned(), value)]).await.unwrap();
        };
        let known = async || {
            let points = inventory.history(server, "1").await.unwrap();
            points.iter().map(|point| (point.at_us(), point.mean())).collect::<Vec<_>>()
        };
        at(began, 10).await;
        at(began + 1, 20).await;
        at(began + SPAN_US, 30).await;
        at(began + HOUR_US, 40).await;
        let first = [(began, 15), (began + SPAN_US, 30), (began + HOUR_US, 40)];
        assert_eq!(known().await, first);
        // Told late, after an outage, it stands in its own time; from the future, or too old, it is left out.
        to(began + 20 * HOUR_US);
        for (at_us, value) in
            [(began + 2 * HOUR_US, 50), (began + 21 * HOUR_US, 60), (began - 5 * HOUR_US, 70)]
        {
            inventory.note_history(server, at_us, &[("1".to_owned(), value)]).await.unwrap();
        }
        assert_eq!(known().await.last(), Some(&(began + 2 * HOUR_US, 50)));
        assert_eq!(known().await.len(), 4);
        assert!(inventory.history(server, "2").await.unwrap().is_empty());
        // A day later the first hour is forgotten, on the disk too.
        at(began + 25 * HOUR_US, 80).await;
        assert_eq!(known().await.first(), Some(&(began + HOUR_US, 40)));
        let rows = sqlx::query("SELECT * FROM sensor_history").fetch_all(&inventory.pool).await.unwrap();
        assert_eq!(rows.len(), 3);
    }
}
