//! Edges: sensors and the hardware as a whole in the inventory; the event log is in `log_entries.rs`.

use std::collections::{BTreeMap, HashMap};

use domain::health::{Hardware, KnownSensor};
use protocol::{health::Severity, id::ServerId};
use sqlx::{Executor, Sqlite, sqlite::SqliteRow};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

/// What a report of sensors says of the hardware as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorsRead {
    /// The sensors are all that there are; others are forgotten.
    pub complete: bool,
    /// Power draw in W; none: as it was.
    pub draw_w: Option<u32>,
    /// Sensors beyond those that are told; kept where they are complete.
    pub left_out: u32,
}

impl Inventory {
    /// What is known of a server's hardware as a whole.
    pub async fn hardware(&self, server: ServerId) -> Result<Option<Hardware>, InventoryError> {
        let row = sqlx::query("SELECT * FROM hardware WHERE server = $1")
            .bind(server.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read what is known of the hardware"))?;
        row.as_ref().map(read_hardware).transpose()
    }

    /// The same of every server of which something is known.
    pub async fn all_hardware(&self) -> Result<HashMap<ServerId, Hardware>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM hardware")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read what is known of the hardware"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a server's hardware".to_owned() };
                Ok((read.parsed("server")?, read_hardware(row)?))
            })
            .collect()
    }

    /// A server's sensors, by key.
    pub async fn sensors(&self, server: ServerId) -> Result<BTreeMap<String, KnownSensor>, InventoryError> {
        sensors_of(&self.pool, server).await
    }

    /// The sensors that say that something is wrong, of one server or of all.
    pub async fn bad_sensors(
        &self,
        server: Option<ServerId>,
    ) -> Result<Vec<(ServerId, KnownSensor)>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM sensors WHERE severity <> $1 AND ($2 IS NULL OR server = $2)")
            .bind(Severity::Ok.name())
            .bind(server.map(|id| id.to_string()))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the sensors that are not well"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a sensor".to_owned() };
                Ok((read.parsed("server")?, read_sensor(row)?))
            })
            .collect()
    }

    /// Stores sensors as they were told.
    pub async fn put_sensors(
        &self,
        server: ServerId,
        sensors: &[KnownSensor],
        read: SensorsRead,
    ) -> Result<(), InventoryError> {
        let mut work = self.pool.begin().await.map_err(failed("store sensors"))?;
        if read.complete {
            sqlx::query("DELETE FROM sensors WHERE server = $1")
                .bind(server.to_string())
                .execute(&mut *work)
                .await
                .map_err(failed("store sensors"))?;
        }
        for known in sensors {
            put_sensor(&mut *work, server, known).await?;
        }
        let left_out = if read.complete { Some(i64::from(read.left_out)) } else { None };
        sqlx::query(
            "INSERT INTO hardware (server, read_us, unread, draw_w, left_out) VALUES ($1, $2, NULL, $3, COALESCE($4, 0)) \
             ON CONFLICT (server) DO UPDATE SET read_us = excluded.read_us, unread = NULL, \
             draw_w = COALESCE(excluded.draw_w, hardware.draw_w), left_out = COALESCE($4, hardware.left_out)",
        )
        .bind(server.to_string())
        .bind(big(self.clock.now_us()))
        .bind(read.draw_w.map(i64::from))
        .bind(left_out)
        .execute(&mut *work)
        .await
        .map_err(failed("store sensors"))?;
        work.commit().await.map_err(failed("store sensors"))
    }

    /// Stores why nothing of a server's hardware can be read.
    pub async fn set_hardware_unread(&self, server: ServerId, why: &str) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO hardware (server, unread) VALUES ($1, $2) ON CONFLICT (server) DO UPDATE SET unread = excluded.unread",
        )
        .bind(server.to_string())
        .bind(why)
        .execute(&self.pool)
        .await
        .map_err(failed("store that sensors cannot be read"))?;
        Ok(())
    }
}

async fn sensors_of(
    from: impl Executor<'_, Database = Sqlite>,
    server: ServerId,
) -> Result<BTreeMap<String, KnownSensor>, InventoryError> {
    let rows = sqlx::query("SELECT * FROM sensors WHERE server = $1")
        .bind(server.to_string())
        .fetch_all(from)
        .await
        .map_err(failed("read sensors"))?;
    let sensors = rows.iter().map(read_sensor);
    sensors.map(|known| known.map(|known| (known.sensor.key.clone(), known))).collect()
}

async fn put_sensor(
    into: impl Executor<'_, Database = Sqlite>,
    server: ServerId,
    known: &KnownSensor,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO sensors (server, key, sensor, severity, by_site, since_us) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (server, key) DO UPDATE SET sensor = excluded.sensor, severity = excluded.severity, \
         by_site = excluded.by_site, since_us = excluded.since_us",
    )
    .bind(server.to_string())
    .bind(&known.sensor.key)
    .bind(json(&known.sensor))
    .bind(known.severity.name())
    .bind(i64::from(known.by_site))
    .bind(big(known.since_us))
    .execute(into)
    .await
    .map_err(failed("store a sensor"))?;
    Ok(())
}

fn read_sensor(row: &SqliteRow) -> Result<KnownSensor, InventoryError> {
    let read = Reader { row, name: "a sensor".to_owned() };
    Ok(KnownSensor {
        sensor: read.json("sensor")?,
        severity: severity(&read, "severity")?,
        by_site: read.flag("by_site")?,
        since_us: read.number("since_us")?,
    })
}

pub(super) fn severity(read: &Reader<'_>, column: &'static str) -> Result<Severity, InventoryError> {
    let word = read.text(column)?;
    Severity::ALL.into_iter().find(|severity| severity.name() == word).ok_or_else(|| {
        InventoryError::Corrupt { column, row: read.name.clone(), reason: format!("{word:?} is no severity") }
    })
}

fn read_hardware(row: &SqliteRow) -> Result<Hardware, InventoryError> {
    let read = Reader { row, name: "a server's hardware".to_owned() };
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Hardware {
        read_us: read.number_opt("read_us")?,
        unread: read.text_opt("unread")?,
        draw_w: read.number_opt("draw_w")?.map(small),
        left_out: small(read.number("left_out")?),
        log: read.json_opt("log")?,
        log_followed: read.flag("log_followed")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::samples::new_server;
    use protocol::health::{Says, Sensor, SensorKind};

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    #[tokio::test]
    async fn sensors_are_kept_as_they_were_told_last_and_those_that_are_gone_are_forgotten() {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap().id;
        let known = |key: &str, severity| KnownSensor {
            sensor: Sensor {
                key: key.into(),
                name: key.to_uppercase(),
                kind: SensorKind::Fan,
                severity,
                says: Says::Nothing("off".into()),
            },
            severity,
            by_site: false,
            since_us: 5,
        };
        let read = |complete, draw_w| SensorsRead { complete, draw_w, left_out: 2 };
        let both = [known("a", Severity::Ok), known("b", Severity::Warning)];
        inventory.put_sensors(server, &both, read(true, Some(212))).await.unwrap();
        inventory.put_sensors(server, &[known("a", Severity::Critical)], read(false, None)).await.unwrap();
        let hardware = inventory.hardware(server).await.unwrap().unwrap();
        assert_eq!((hardware.draw_w, hardware.left_out, hardware.unread), (Some(212), 2, None));
        let sensors = inventory.sensors(server).await.unwrap();
        assert_eq!(sensors["a"], known("a", Severity::Critical));
        assert_eq!(inventory.bad_sensors(Some(server)).await.unwrap().len(), 2);
        inventory.set_hardware_unread(server, "it has none").await.unwrap();
        assert_eq!(inventory.all_hardware().await.unwrap()[&server].unread.as_deref(), Some("it has none"));
        inventory.put_sensors(server, &[known("b", Severity::Ok)], read(true, None)).await.unwrap();
        assert_eq!(inventory.hardware(server).await.unwrap().unwrap().unread, None);
        assert_eq!(inventory.sensors(server).await.unwrap().len(), 1);
        assert!(inventory.bad_sensors(None).await.unwrap().is_empty());
    }
}
