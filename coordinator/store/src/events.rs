//! Edges: events in the inventory: stored first, then told to whoever listens.

use std::collections::BTreeMap;

use domain::events::{Event, EventKind, TEXT_CHARS_MAX, Told};
use protocol::{
    id::{RackId, ServerId},
    text::{Shown, bounded},
};
use sqlx::{SqlitePool, sqlite::SqliteRow};
use tracing::{info, warn};

use super::{
    EventFilter, Inventory, InventoryError, ROWS_MAX, TenantServer, failed,
    row::{Reader, big},
    share::{ROOM, Room, Shelf, too_full},
};

/// Old events are deleted once in so many.
const TRIM_EVERY: u64 = 1000;

pub(super) async fn last_event(pool: &SqlitePool) -> Result<u64, InventoryError> {
    let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(id) FROM events")
        .fetch_one(pool)
        .await
        .map_err(failed("read the last event"))?;
    Ok(u64::try_from(last.unwrap_or(0)).unwrap_or(0))
}

impl Inventory {
    /// Records what happened to a server; its tenant is told what the kind alone tells. A database that does not take it is
    /// logged: an event never stops its cause.
    pub async fn record(&self, server: ServerId, kind: EventKind, text: impl Into<String>) {
        self.record_told(server, kind, text, Told::of_kind(kind)).await;
    }

    /// Records what happened to a server, and what its tenant is told, if it has one now.
    pub async fn record_told(
        &self,
        server: ServerId,
        kind: EventKind,
        text: impl Into<String>,
        told: Option<Told>,
    ) {
        let rack = self.rack_of(server).await;
        let tenant = self.tenant_now(server).await.unwrap_or_else(|error| {
            warn!(%server, %error, "an event is told to administrators only: its tenant is not read");
            None
        });
        self.store_and_tell(Some(server), rack, tenant.as_ref(), kind, &text.into(), told).await;
    }

    /// Records what happened to a tenant's server, wherever it is.
    pub async fn record_of_tenant(&self, tenant: &TenantServer, kind: EventKind, text: &str, told: Told) {
        let rack = match tenant.node {
            Some(node) => self.rack_of(node).await,
            None => None,
        };
        self.store_and_tell(tenant.node, rack, Some(tenant), kind, text, Some(told)).await;
    }

    /// Records what happened to no tenant's server.
    pub async fn record_event(
        &self,
        server: Option<ServerId>,
        rack: Option<RackId>,
        kind: EventKind,
        text: String,
    ) {
        self.store_and_tell(server, rack, None, kind, &text, None).await;
    }

    async fn store_and_tell(
        &self,
        server: Option<ServerId>,
        rack: Option<RackId>,
        tenant: Option<&TenantServer>,
        kind: EventKind,
        text: &str,
        told: Option<Told>,
    ) {
        let at_us = self.clock.now_us();
        let event = {
            let mut last = self.last_event.lock().await;
            // Ids rise with time and never repeat, without a sequence in the database.
            *last = at_us.max(last.saturating_add(1));
            let event = Event {
                id: *last,
                at_us,
                server,
                server_name: None,
                rack,
                project_id: tenant.map(|tenant| tenant.project_id.clone()),
                tenant: tenant.map(|tenant| tenant.id),
                tenant_name: tenant.map(|tenant| tenant.name.clone()),
                told: told.filter(|_| tenant.is_some()).map(|told| told.words().to_owned()),
                kind,
                other_kind: None,
                text: Shown(bounded(text, TEXT_CHARS_MAX)).to_string(),
            };
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
            "INSERT INTO events (id, at_us, server, rack, project_id, kind, text, tenant, tenant_name, told) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(big(event.id))
        .bind(big(event.at_us))
        .bind(event.server.map(|id| id.to_string()))
        .bind(event.rack.as_ref().map(RackId::as_str))
        .bind(&event.project_id)
        .bind(event.kind.as_str())
        .bind(&event.text)
        .bind(event.tenant.map(|id| id.to_string()))
        .bind(&event.tenant_name)
        .bind(&event.told)
        .execute(&self.pool)
        .await
        .map_err(failed("store an event"))?;
        if event.id.is_multiple_of(TRIM_EVERY) {
            self.trim_events(ROOM).await?;
        }
        Ok(())
    }

    /// Deletes the oldest events of every shelf that holds too much.
    pub(super) async fn trim_events(&self, room: Room) -> Result<(), InventoryError> {
        for (shelf, keep) in too_full(&self.held_events().await?, room) {
            let (is_trail, project_id) = match shelf {
                Shelf::Trail => (true, None),
                Shelf::Site => (false, None),
                Shelf::Project(id) => (false, Some(id)),
            };
            // A project's events are one shelf, whatever their kind.
            sqlx::query(
                "DELETE FROM events WHERE ((project_id = $1) OR ($1 IS NULL AND project_id IS NULL AND (kind = $2) = $3)) \
                 AND id <= (SELECT id FROM events WHERE (project_id = $1) \
                 OR ($1 IS NULL AND project_id IS NULL AND (kind = $2) = $3) ORDER BY id DESC LIMIT 1 OFFSET $4)",
            )
            .bind(project_id)
            .bind(EventKind::Asked.as_str())
            .bind(is_trail)
            .bind(big(keep))
            .execute(&self.pool)
            .await
            .map_err(failed("forget old events"))?;
        }
        Ok(())
    }

    async fn held_events(&self) -> Result<BTreeMap<Shelf, u64>, InventoryError> {
        let rows: Vec<(Option<String>, bool, i64)> = sqlx::query_as(
            "SELECT project_id, project_id IS NULL AND kind = $1 AS is_trail, COUNT(*) FROM events \
             GROUP BY project_id, is_trail",
        )
        .bind(EventKind::Asked.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("count events"))?;
        let shelf = |project_id: Option<String>, is_trail: bool| match project_id {
            Some(id) => Shelf::Project(id),
            None if is_trail => Shelf::Trail,
            None => Shelf::Site,
        };
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(rows.into_iter().map(|(id, is_trail, held)| (shelf(id, is_trail), count(held))).collect())
    }

    /// The oldest events that fit: read with the last one's id as `after`, page by page, nothing is left out.
    pub async fn events_from(&self, filter: &EventFilter) -> Result<Vec<Event>, InventoryError> {
        let rows = sqlx::query(
            "SELECT events.*, servers.name AS server_name FROM events LEFT JOIN servers ON servers.id = events.server \
             WHERE ($1 IS NULL OR events.id > $1) AND ($2 IS NULL OR events.server = $2) \
             AND ($3 IS NULL OR (events.project_id = $3 AND events.told IS NOT NULL)) \
             AND ($4 IS NULL OR events.tenant = $4) ORDER BY events.id LIMIT $5",
        )
        .bind(filter.after.map(big))
        .bind(filter.server.map(|id| id.to_string()))
        .bind(filter.project_id.as_deref())
        .bind(filter.tenant.map(|id| id.to_string()))
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read events"))?;
        rows.iter().map(read_event).collect()
    }

    /// The oldest event that is still kept, of those that a filter lets through; 0 with none.
    pub async fn oldest_event(&self, filter: &EventFilter) -> Result<u64, InventoryError> {
        let oldest = EventFilter { after: None, limit: Some(1), ..filter.clone() };
        Ok(self.events_from(&oldest).await?.first().map_or(0, |event| event.id))
    }

    /// The newest events that fit, oldest first.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, InventoryError> {
        let rows = sqlx::query(
            "SELECT newest.*, servers.name AS server_name FROM (SELECT * FROM events \
             WHERE ($1 IS NULL OR id > $1) AND ($2 IS NULL OR server = $2) \
             AND ($3 IS NULL OR (project_id = $3 AND told IS NOT NULL)) \
             AND ($4 IS NULL OR tenant = $4) ORDER BY id DESC LIMIT $5) AS newest \
             LEFT JOIN servers ON servers.id = newest.server ORDER BY newest.id",
        )
        .bind(filter.after.map(big))
        .bind(filter.server.map(|id| id.to_string()))
        .bind(filter.project_id.as_deref())
        .bind(filter.tenant.map(|id| id.to_string()))
        .bind(i64::from(filter.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read events"))?;
        rows.iter().map(read_event).collect()
    }
}

fn read_event(row: &SqliteRow) -> Result<Event, InventoryError> {
    let read = Reader { row, name: "an event".to_owned() };
    // Another version may have known kinds that this one does not: what happened is shown all the same.
    let word = read.text("kind")?;
    let (kind, other_kind) = match word.parse() {
        Ok(kind) => (kind, None),
        Err(()) => (EventKind::Other, Some(word)),
    };
    Ok(Event {
        id: read.number("id")?,
        at_us: read.number("at_us")?,
        server: read.parsed_opt("server")?,
        server_name: read.text_opt("server_name")?,
        rack: read.parsed_opt("rack")?,
        project_id: read.text_opt("project_id")?,
        tenant: read.parsed_opt("tenant")?,
        tenant_name: read.text_opt("tenant_name")?,
        told: read.text_opt("told")?,
        kind,
        other_kind,
        text: read.text("text")?,
    })
}
