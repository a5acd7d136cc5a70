//! The inventory: every fact that this coordinator owns, and the last word of every other owner, in SQLite.
//!
//! ```text
//!   servers --< ports        tenant_servers --< tenant_ports
//!           --< proofs      agents      commands      ramdisks      events
//!           --- adoptions     --< disks       contradictions   agent_certificates
//!           --< bmc_facts
//!           --- hardware      --< sensors     --< log_entries
//!   factory_passwords
//! ```
//!
//! What must stay true: each column has one writer function, so that two tasks never overwrite each other's facts; wanted
//! and observed networks are different columns of different types; passwords and tokens are sealed before they get here.
//!
//! Statements use `$1` and two column types only, so that PostgreSQL can stand in.

mod adoptions;
mod agents;
mod audit;
mod bmc;
mod bmc_facts;
mod boots;
mod broadcast;
mod certificates;
pub mod clock;
mod contradictions;
mod discoveries;
mod discovery_rules;
mod disks;
mod erase_certificates;
mod events;
mod factory_passwords;
mod firmware;
mod hardware;
mod healths;
mod links;
mod log_entries;
mod nodes;
mod pools;
mod proofs;
mod ramdisks;
mod row;
pub mod secret;
mod sensor_history;
mod servers;
mod sessions;
mod share;
pub mod state_dir;
mod stored;
mod tenant_ports;
mod tenants;
mod upkeep;
mod uploads;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use broadcast::{Broadcast, LISTENER_BACKLOG_MAX};
pub use discoveries::DISCOVERIES_MAX;
pub use domain::{events::EventFilter, records::*};
pub use factory_passwords::{FactoryImported, NotImported};
pub use firmware::UPDATES_KEPT;
pub use hardware::SensorsRead;
pub use healths::Healths;
pub use log_entries::{DealtWith, LOG_ENTRIES_MAX, LOG_KEPT_DAYS};
pub use proofs::PROOFS_MAX;
pub use sessions::StoredSessions;
pub use share::EVENTS_MAX;

use crate::{
    clock::Clock,
    secret::{Sealer, SecretError},
    state_dir::private_file,
};

/// A writer waits this long for another one.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Connections to one file: one writes, the others read.
const CONNECTIONS_MAX: u32 = 4;
/// Rows that one answer holds at most.
pub const ROWS_MAX: u32 = 10_000;

/// Why the inventory does not answer.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The database failed.
    #[error("the inventory cannot {operation}; check the database file's place, owner and free space")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error(
        "the inventory's schema cannot be brought up to date; a newer coordinator may have used this database"
    )]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A stored value is not what this program writes.
    #[error("the inventory's {column} of {row} cannot be read: {reason}")]
    Corrupt {
        /// Which column.
        column: &'static str,
        /// Which row.
        row: String,
        /// Why.
        reason: String,
    },
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Another row already has this name, BMC, MAC address or switch port.
    #[error("another server already has {what}")]
    Taken {
        /// What is taken.
        what: String,
    },
}

fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> InventoryError {
    move |source| InventoryError::Database { operation, source }
}

/// The inventory. Cheap to clone.
#[derive(Clone)]
pub struct Inventory {
    pool: SqlitePool,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    broadcast: Broadcast,
    last_event: Arc<tokio::sync::Mutex<u64>>,
}

impl Inventory {
    /// Opens the database file, making it and its tables when needed.
    pub async fn open(path: &Path, sealer: Sealer, clock: Arc<dyn Clock>) -> Result<Self, InventoryError> {
        // What the database makes beside its file gets the mode of the file.
        private_file(path).map_err(|source| failed("make its database")(sqlx::Error::Io(source)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_WAIT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        let pool = pool.connect_with(options).await.map_err(failed("open its database"))?;
        Self::with_pool(pool, sealer, clock).await
    }

    /// An inventory in memory, for tests.
    pub async fn in_memory(sealer: Sealer, clock: Arc<dyn Clock>) -> Result<Self, InventoryError> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // One connection that never ends: a second one would see another, empty database.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(failed("open its database in memory"))?;
        Self::with_pool(pool, sealer, clock).await
    }

    async fn with_pool(
        pool: SqlitePool,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InventoryError> {
        migrator().run(&pool).await.map_err(InventoryError::Migrate)?;
        links::fill_in(&pool).await?;
        let last = events::last_event(&pool).await?;
        let last_event = Arc::new(tokio::sync::Mutex::new(last));
        Ok(Self { pool, sealer, clock, broadcast: Broadcast::default(), last_event })
    }

    /// The clock by which rows are stamped.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Where events are told as they are stored.
    pub fn broadcast(&self) -> &Broadcast {
        &self.broadcast
    }

    /// Closes the database cleanly.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn migrator() -> Migrator {
    let one = |number, name: &'static str, sql: &'static str| {
        Migration::new(number, name.into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(sql), false)
    };
    Migrator::with_migrations(vec![
        one(1, "inventory", include_str!("../migrations/0001_inventory.sql")),
        one(2, "pools", include_str!("../migrations/0002_pools.sql")),
        one(3, "since", include_str!("../migrations/0003_inventory.sql")),
        one(4, "tenant ports and proofs", include_str!("../migrations/0004_tenant_ports_and_proofs.sql")),
        one(5, "tenant failures", include_str!("../migrations/0005_tenant_failures.sql")),
        one(6, "discovery", include_str!("../migrations/0006_discovery.sql")),
        one(7, "adoptions", include_str!("../migrations/0007_adoptions.sql")),
        one(8, "discovery rules", include_str!("../migrations/0008_discovery_rules.sql")),
        one(9, "not watched", include_str!("../migrations/0009_not_watched.sql")),
        one(10, "bmc identity", include_str!("../migrations/0010_bmc_identity.sql")),
        one(11, "disks", include_str!("../migrations/0011_disks.sql")),
        one(12, "contradictions", include_str!("../migrations/0012_contradictions.sql")),
        one(
            23,
            "one server per switch port",
            include_str!("../migrations/0023_one_server_per_switch_port.sql"),
        ),
        one(24, "adopted for", include_str!("../migrations/0024_adopted_for.sql")),
        one(26, "agent certificates", include_str!("../migrations/0026_agent_certificates.sql")),
        one(30, "tenants' events", include_str!("../migrations/0030_tenants_events.sql")),
        one(31, "audit", include_str!("../migrations/0031_audit.sql")),
        one(32, "projects' names", include_str!("../migrations/0032_audit_project_names.sql")),
        one(33, "BMCs' keys", include_str!("../migrations/0033_bmc_key.sql")),
        one(36, "kinds of reasons", include_str!("../migrations/0036_kinds_of_reasons.sql")),
        one(37, "kinds of tenants' reasons", include_str!("../migrations/0037_kinds_of_tenants_reasons.sql")),
        one(40, "history of sensors", include_str!("../migrations/0040_sensor_history.sql")),
        one(42, "hardware", include_str!("../migrations/0042_hardware.sql")),
        one(44, "upkeep", include_str!("../migrations/0044_upkeep.sql")),
        one(45, "reasons of changes", include_str!("../migrations/0045_audit_reasons.sql")),
        one(46, "footprints", include_str!("../migrations/0046_footprints.sql")),
        one(47, "certificates of BMCs", include_str!("../migrations/0047_bmc_certificates.sql")),
        one(48, "what BMCs say", include_str!("../migrations/0048_bmc_facts.sql")),
        one(49, "factory passwords", include_str!("../migrations/0049_factory_passwords.sql")),
        one(50, "firmware updates", include_str!("../migrations/0050_firmware_updates.sql")),
        one(53, "certificates of erases", include_str!("../migrations/0053_erase_certificates.sql")),
        one(61, "secure boot", include_str!("../migrations/0061_secure_boot.sql")),
        one(62, "boot marks", include_str!("../migrations/0062_boot_marks.sql")),
    ])
}
