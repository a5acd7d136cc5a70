//! Edges: the event logs of servers in the inventory: each entry once, for a while.

use domain::health::{Acknowledged, KnownEntry, LogStanding};
use protocol::{
    health::{LogCourse, LogEntry, Severity},
    id::ServerId,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

/// Entries that are kept of one server; of more, the oldest are forgotten, open ones too.
pub const LOG_ENTRIES_MAX: u64 = 1000;
/// Entries that are not open are forgotten after so long.
pub const LOG_KEPT_DAYS: u64 = 30;
const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// Which entries an operator has dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DealtWith {
    /// All that are open.
    All,
    /// These, by their numbers.
    These(Vec<u64>),
}

impl Inventory {
    /// The newest entries of a server's log, oldest first.
    pub async fn log_entries(&self, server: ServerId, limit: u32) -> Result<Vec<KnownEntry>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM (SELECT * FROM log_entries WHERE server = $1 ORDER BY number DESC LIMIT $2) AS newest ORDER BY number",
        )
        .bind(server.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read an event log"))?;
        rows.iter().map(read_entry).collect()
    }

    /// The entries that nobody has dealt with and that have not ended, of one server or of all.
    pub async fn open_entries(
        &self,
        server: Option<ServerId>,
    ) -> Result<Vec<(ServerId, KnownEntry)>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM log_entries WHERE severity <> $1 AND is_old = 0 AND ended_us IS NULL AND acknowledged IS NULL \
             AND ($2 IS NULL OR server = $2) ORDER BY server, number",
        )
        .bind(Severity::Ok.name())
        .bind(server.map(|id| id.to_string()))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the open entries of event logs"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a log entry".to_owned() };
                Ok((read.parsed("server")?, read_entry(row)?))
            })
            .collect()
    }

    /// Stores what was told of a log, and says which entries are new. What was there before its log was read to its end for the
    /// first time is old.
    pub async fn put_log(
        &self,
        server: ServerId,
        standing: &LogStanding,
        course: LogCourse,
        entries: &[LogEntry],
    ) -> Result<Vec<KnownEntry>, InventoryError> {
        let mut work = self.pool.begin().await.map_err(failed("store an event log"))?;
        let followed: Option<(i64,)> = sqlx::query_as("SELECT log_followed FROM hardware WHERE server = $1")
            .bind(server.to_string())
            .fetch_optional(&mut *work)
            .await
            .map_err(failed("read how an event log stands"))?;
        let is_old = course == LogCourse::First && followed.is_none_or(|(followed,)| followed == 0);
        let now_us = self.clock.now_us();
        let mut new = Vec::new();
        for entry in entries {
            // One that is told again ends nothing that began after it.
            let Some(known) = put_entry(&mut work, server, entry, now_us, is_old).await? else { continue };
            if entry.ends {
                end(&mut work, server, entry, now_us).await?;
            }
            new.push(known);
        }
        trim(&mut work, server, now_us).await?;
        sqlx::query(
            "INSERT INTO hardware (server, log, log_followed) VALUES ($1, $2, $3) ON CONFLICT (server) DO UPDATE \
             SET log = excluded.log, log_followed = MAX(hardware.log_followed, excluded.log_followed)",
        )
        .bind(server.to_string())
        .bind(json(standing))
        .bind(i64::from(course != LogCourse::First))
        .execute(&mut *work)
        .await
        .map_err(failed("store how an event log stands"))?;
        work.commit().await.map_err(failed("store an event log"))?;
        Ok(new)
    }

    /// Stores that somebody has dealt with entries, and says with how many that were open.
    pub async fn acknowledge(
        &self,
        server: ServerId,
        which: &DealtWith,
        word: &Acknowledged,
    ) -> Result<u64, InventoryError> {
        let open = self.open_entries(Some(server)).await?;
        let mut count = 0;
        for (_, known) in open {
            let is_meant = match which {
                DealtWith::All => true,
                DealtWith::These(numbers) => numbers.contains(&known.number),
            };
            if is_meant {
                let done = sqlx::query(
                    "UPDATE log_entries SET acknowledged = $3 WHERE server = $1 AND number = $2 AND acknowledged IS NULL",
                )
                .bind(server.to_string())
                .bind(big(known.number))
                .bind(json(word))
                .execute(&self.pool)
                .await
                .map_err(failed("store who has dealt with a log entry"))?;
                count += done.rows_affected();
            }
        }
        Ok(count)
    }
}

/// Enters an entry, unless it is there.
async fn put_entry(
    work: &mut SqliteConnection,
    server: ServerId,
    entry: &LogEntry,
    seen_us: u64,
    is_old: bool,
) -> Result<Option<KnownEntry>, InventoryError> {
    let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(number) FROM log_entries WHERE server = $1")
        .bind(server.to_string())
        .fetch_one(&mut *work)
        .await
        .map_err(failed("number a log entry"))?;
    let number = u64::try_from(last.unwrap_or(0)).unwrap_or(0) + 1;
    let done = sqlx::query(
        "INSERT INTO log_entries (server, number, id, fingerprint, entry, severity, condition, seen_us, is_old) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (server, id, fingerprint) DO NOTHING",
    )
    .bind(server.to_string())
    .bind(big(number))
    .bind(&entry.id)
    .bind(&entry.fingerprint)
    .bind(json(entry))
    .bind(entry.severity.name())
    .bind(&entry.condition)
    .bind(big(seen_us))
    .bind(i64::from(is_old))
    .execute(work)
    .await
    .map_err(failed("store a log entry"))?;
    let entry = entry.clone();
    let known = KnownEntry { number, entry, seen_us, is_old, ended_us: None, acknowledged: None };
    Ok((done.rows_affected() > 0).then_some(known))
}

/// What an entry says has ended.
async fn end(
    work: &mut SqliteConnection,
    server: ServerId,
    entry: &LogEntry,
    now_us: u64,
) -> Result<(), InventoryError> {
    sqlx::query(
        "UPDATE log_entries SET ended_us = $3 WHERE server = $1 AND condition = $2 AND condition <> '' AND severity <> $4 \
         AND ended_us IS NULL",
    )
    .bind(server.to_string())
    .bind(&entry.condition)
    .bind(big(now_us))
    .bind(Severity::Ok.name())
    .execute(work)
    .await
    .map_err(failed("store that a log entry ended"))?;
    Ok(())
}

async fn trim(work: &mut SqliteConnection, server: ServerId, now_us: u64) -> Result<(), InventoryError> {
    sqlx::query(
        "DELETE FROM log_entries WHERE server = $1 AND (number <= (SELECT MAX(number) FROM log_entries WHERE server = $1) - $2 \
         OR (seen_us < $3 AND (severity = $4 OR is_old = 1 OR ended_us IS NOT NULL OR acknowledged IS NOT NULL)))",
    )
    .bind(server.to_string())
    .bind(big(LOG_ENTRIES_MAX))
    .bind(big(now_us.saturating_sub(LOG_KEPT_DAYS * DAY_US)))
    .bind(Severity::Ok.name())
    .execute(work)
    .await
    .map_err(failed("forget old log entries"))?;
    Ok(())
}

fn read_entry(row: &SqliteRow) -> Result<KnownEntry, InventoryError> {
    let read = Reader { row, name: "a log entry".to_owned() };
    Ok(KnownEntry {
        number: read.number("number")?,
        entry: read.json("entry")?,
        seen_us: read.number("seen_us")?,
        is_old: read.flag("is_old")?,
        ended_us: read.number_opt("ended_us")?,
        acknowledged: read.json_opt("acknowledged")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::samples::new_server;
    use protocol::health::{BmcClock, SensorKind};

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    const STANDING: LogStanding = LogStanding { records: 1, is_full: false, clock: BmcClock::Right };

    fn entry(id: u32, condition: &str, severity: Severity, ends: bool) -> LogEntry {
        LogEntry {
            id: id.to_string(),
            fingerprint: format!("{id}/{condition}/{ends}"),
            at_s: None,
            sensor: "PSU2".into(),
            kind: SensorKind::PowerSupply,
            text: "input lost".into(),
            severity,
            condition: condition.into(),
            ends,
        }
    }

    struct Site {
        clock: Arc<TestClock>,
        inventory: Inventory,
        server: ServerId,
    }

    async fn site() -> Site {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap().id;
        Site { clock, inventory, server }
    }

    impl Site {
        async fn put(&self, course: LogCourse, entries: &[LogEntry]) -> Vec<u64> {
            let new = self.inventory.put_log(self.server, &STANDING, course, entries).await.unwrap();
            new.into_iter().map(|known| known.number).collect()
        }

        async fn open(&self) -> Vec<u64> {
            let open = self.inventory.open_entries(None).await.unwrap();
            open.into_iter().map(|(_, known)| known.number).collect()
        }
    }

    #[tokio::test]
    async fn an_entry_is_kept_once_and_is_open_until_it_ends_or_somebody_has_dealt_with_it() {
        use Severity::{Critical, Ok};
        let site = site().await;
        // What was there before we looked is no news.
        let first = [entry(1, "a", Critical, false)];
        assert_eq!(site.put(LogCourse::First, &first).await, [1]);
        assert_eq!(site.put(LogCourse::Follows, &[]).await, [0; 0]);
        assert_eq!(site.open().await, [0; 0]);
        let began =
            [entry(2, "b", Critical, false), entry(3, "c", Critical, false), entry(4, "", Critical, false)];
        assert_eq!(site.put(LogCourse::Follows, &began).await, [2, 3, 4]);
        assert_eq!(site.put(LogCourse::Follows, &[entry(5, "b", Ok, true)]).await, [5]);
        assert_eq!(site.open().await, [3, 4]);
        let again = [entry(6, "b", Critical, false)];
        assert_eq!(site.put(LogCourse::Follows, &again).await, [6]);
        // The agent was restarted and tells everything again: nothing begins twice, and nothing ends that began later.
        let all: Vec<_> = first.iter().chain(&began).cloned().collect();
        assert_eq!(site.put(LogCourse::First, &all).await, [0; 0]);
        assert_eq!(site.put(LogCourse::First, &[entry(5, "b", Ok, true)]).await, [0; 0]);
        assert_eq!(
            site.put(LogCourse::First, &[entry(7, "d", Critical, false)]).await,
            [7],
            "while it was away"
        );
        assert_eq!(site.open().await, [3, 4, 6, 7]);
        let word = Acknowledged { at_us: 9, by: "alice".into() };
        let acknowledge = async |which| site.inventory.acknowledge(site.server, &which, &word).await.unwrap();
        assert_eq!(acknowledge(DealtWith::These(vec![1, 3, 99])).await, 1, "only what is open");
        assert_eq!(site.open().await, [4, 6, 7]);
        assert_eq!(acknowledge(DealtWith::All).await, 3);
        assert_eq!(acknowledge(DealtWith::All).await, 0);
        let kept = site.inventory.log_entries(site.server, 2).await.unwrap();
        let newest: Vec<_> = kept.iter().map(|known| (known.number, known.acknowledged.is_some())).collect();
        assert_eq!(newest, [(6, true), (7, true)]);
    }

    #[tokio::test]
    async fn a_log_is_kept_for_a_while_and_within_a_bound_and_what_is_open_longer() {
        let site = site().await;
        site.put(LogCourse::First, &[]).await;
        site.put(
            LogCourse::Follows,
            &[entry(1, "a", Severity::Ok, false), entry(2, "b", Severity::Critical, false)],
        )
        .await;
        site.clock.advance_us((LOG_KEPT_DAYS + 1) * DAY_US);
        site.put(LogCourse::Follows, &[entry(3, "c", Severity::Ok, false)]).await;
        let numbers = async || {
            let kept = site.inventory.log_entries(site.server, u32::MAX).await.unwrap();
            kept.into_iter().map(|known| known.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers().await, [2, 3]);
        let many: Vec<_> =
            (10..10 + LOG_ENTRIES_MAX as u32).map(|id| entry(id, "", Severity::Ok, false)).collect();
        site.put(LogCourse::Follows, &many).await;
        let kept = numbers().await;
        assert_eq!((kept.len() as u64, kept[0]), (LOG_ENTRIES_MAX, 4));
    }
}
