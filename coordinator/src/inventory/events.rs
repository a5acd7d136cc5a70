//! Edges: events in the inventory: stored first, then told to whoever listens.

use protocol::id::{RackId, ServerId};
use sqlx::{SqlitePool, sqlite::SqliteRow};
use tracing::{info, warn};

use super::{
    EVENTS_MAX, Inventory, InventoryError, ROWS_MAX, failed,
    row::{Reader, big},
};
use crate::events::{Event, EventKind};

/// Old events are deleted once in so many.
const TRIM_EVERY: u64 = 1000;

/// Which events to read.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// After this id.
    pub after: Option<u64>,
    /// Of this server.
    pub server: Option<ServerId>,
    /// Of this project.
    pub project_id: Option<String>,
    /// At most so many of the newest; none: `ROWS_MAX`.
    pub limit: Option<u32>,
}

pub(super) async fn last_event(pool: &SqlitePool) -> Result<u64, InventoryError> {
    let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(id) FROM events")
        .fetch_one(pool)
        .await
        .map_err(failed("read the last event"))?;
    Ok(u64::try_from(last.unwrap_or(0)).unwrap_or(0))
}

impl Inventory {
    /// Records what happened to a server. A database that does not take it is logged: an event never stops its cause.
    pub async fn record(&self, server: ServerId, kind: EventKind, text: impl Into<String>) {
        let rack = self.rack_of(server).await;
        self.record_event(Some(server), rack, None, kind, text.into()).await;
    }

    /// Records what happened, for whom. `project_id`: the tenant that may see it.
    pub async fn record_event(
        &self,
        server: Option<ServerId>,
        rack: Option<RackId>,
        project_id: Option<String>,
        kind: EventKind,
        text: String,
    ) {
        let at_us = self.clock.now_us();
        let event = {
            let mut last = self.last_event.lock().await;
            // Ids rise with time and never repeat, without a sequence in the database.
            *last = at_us.max(last.saturating_add(1));
            let event = Event { id: *last, at_us, server, server_name: None, rack, project_id, kind, text };
            if let Err(error) = self.store_event(&event).await {
                warn!(error = %error, text = %event.text, "event not stored");
            }
            event
        };
        let name = event.server.map(|id| id.to_string());
        info!(server = name, kind = event.kind.as_str(), text = %event.text, "event");
        self.broadcast.tell(event);
    }

    async fn store_event(&self, event: &Event) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO events (id, at_us, server, rack, project_id, kind, text) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(big(event.id))
        .bind(big(event.at_us))
        .bind(event.server.map(|id| id.to_string()))
        .bind(event.rack.as_ref().map(RackId::as_str))
        .bind(&event.project_id)
        .bind(event.kind.as_str())
        .bind(&event.text)
        .execute(&self.pool)
        .await
        .map_err(failed("store an event"))?;
        if event.id.is_multiple_of(TRIM_EVERY) {
            self.trim_events(EVENTS_MAX).await?;
        }
        Ok(())
    }

    /// Deletes the oldest events beyond so many.
    pub(super) async fn trim_events(&self, keep: u64) -> Result<(), InventoryError> {
        sqlx::query(
            "DELETE FROM events WHERE id <= (SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET $1)",
        )
        .bind(big(keep))
        .execute(&self.pool)
        .await
        .map_err(failed("forget old events"))?;
        Ok(())
    }

    /// The oldest events that fit: read with the last one's id as `after`, page by page, nothing is left out.
    pub async fn events_from(&self, filter: &EventFilter) -> Result<Vec<Event>, InventoryError> {
        let rows = sqlx::query(
            "SELECT events.*, servers.name AS server_name FROM events LEFT JOIN servers ON servers.id = events.server \
             WHERE ($1 IS NULL OR events.id > $1) AND ($2 IS NULL OR events.server = $2) \
             AND ($3 IS NULL OR events.project_id = $3) ORDER BY events.id LIMIT $4",
        )
        .bind(filter.after.map(big))
        .bind(filter.server.map(|id| id.to_string()))
        .bind(filter.project_id.as_deref())
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read events"))?;
        rows.iter().map(read_event).collect()
    }

    /// The oldest event that is still kept; 0 with none.
    pub async fn oldest_event(&self) -> Result<u64, InventoryError> {
        let (oldest,): (Option<i64>,) = sqlx::query_as("SELECT MIN(id) FROM events")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read the oldest event"))?;
        Ok(u64::try_from(oldest.unwrap_or(0)).unwrap_or(0))
    }

    /// The newest events that fit, oldest first.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, InventoryError> {
        let rows = sqlx::query(
            "SELECT newest.*, servers.name AS server_name FROM (SELECT * FROM events \
             WHERE ($1 IS NULL OR id > $1) AND ($2 IS NULL OR server = $2) \
             AND ($3 IS NULL OR project_id = $3) ORDER BY id DESC LIMIT $4) AS newest \
             LEFT JOIN servers ON servers.id = newest.server ORDER BY newest.id",
        )
        .bind(filter.after.map(big))
        .bind(filter.server.map(|id| id.to_string()))
        .bind(filter.project_id.as_deref())
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read events"))?;
        rows.iter().map(read_event).collect()
    }
}

fn read_event(row: &SqliteRow) -> Result<Event, InventoryError> {
    let read = Reader { row, name: "an event".to_owned() };
    let kind = read.text("kind")?;
    let kind: EventKind = kind.parse().map_err(|()| InventoryError::Corrupt {
        column: "kind",
        row: "an event".to_owned(),
        reason: format!("{kind:?} is no kind of event"),
    })?;
    Ok(Event {
        id: read.number("id")?,
        at_us: read.number("at_us")?,
        server: read.parsed_opt("server")?,
        server_name: read.text_opt("server_name")?,
        rack: read.parsed_opt("rack")?,
        project_id: read.text_opt("project_id")?,
        kind,
        text: read.text("text")?,
    })
}
