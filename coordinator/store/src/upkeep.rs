//! Edges: what is kept right at BMCs: their restore policy, and the changes of their passwords.

use domain::{
    records::{NewServer, Server},
    upkeep::{
        Upkeep,
        footprint::Traces,
        password::LENGTH,
        restore::Restore,
        retired::Retired,
        rotation::{Rotation, Stage},
    },
};
use protocol::{id::ServerId, secret::Secret};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
    secret::random_bytes,
    servers::bmc_place,
};

/// A rotation as stored: everything but the password.
#[derive(Serialize, Deserialize)]
struct StoredRotation {
    stage: StoredStage,
    why: String,
    since_us: u64,
    not_before_us: u64,
    failures: u32,
    trouble: Option<String>,
    #[serde(default)]
    length: Option<usize>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStage {
    Planned,
    Candidate,
    Told,
}

fn next_place(id: ServerId) -> String {
    format!("servers.bmc_next_password/{id}")
}

fn retired_place(id: ServerId) -> String {
    format!("servers.bmc_retired/{id}")
}

impl Inventory {
    /// Stores how it was settled that a server stays off after a power failure.
    pub async fn set_restore(&self, id: ServerId, restore: &Restore) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET restore_policy = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(json(restore))
            .execute(&self.pool)
            .await
            .map_err(failed("store a BMC's restore policy"))?;
        Ok(())
    }

    /// Stores what is known of what a tenancy could have left in a BMC.
    pub async fn set_traces(&self, id: ServerId, traces: &Traces) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET traces = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(json(traces))
            .execute(&self.pool)
            .await
            .map_err(failed("store what is in a BMC"))?;
        Ok(())
    }

    /// A new password for a BMC, of so many characters; none: as many as is usual.
    pub fn make_bmc_password(&self, length: Option<usize>) -> Secret {
        domain::upkeep::password::password(&random_bytes(), length.unwrap_or(LENGTH))
    }

    /// Stores how far the change of a BMC's password has come; none: none is wanted any more.
    pub async fn set_rotation(
        &self,
        id: ServerId,
        rotation: Option<&Rotation>,
    ) -> Result<(), InventoryError> {
        let next = match rotation.map(|rotation| &rotation.stage) {
            Some(Stage::Candidate(next) | Stage::Told(next)) => {
                Some(self.sealer.seal(&next_place(id), next)?)
            }
            Some(Stage::Planned) | None => None,
        };
        sqlx::query("UPDATE servers SET bmc_rotation = $2, bmc_next_password = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(rotation.map(stored_rotation))
            .bind(next)
            .execute(&self.pool)
            .await
            .map_err(failed("store the change of a BMC's password"))?;
        Ok(())
    }

    /// Stores every how many days a BMC's password is changed; none: as the site has it.
    pub async fn set_rotate_days(&self, id: ServerId, days: Option<u32>) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET bmc_rotate_days = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(days.map(i64::from))
            .execute(&self.pool)
            .await
            .map_err(failed("store how often a BMC's password is changed"))?;
        Ok(())
    }

    /// Stores that somebody reads a BMC's password.
    pub async fn set_bmc_shown(&self, id: ServerId, at_us: u64) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET bmc_shown_us = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(big(at_us))
            .execute(&self.pool)
            .await
            .map_err(failed("store that a BMC's password is read"))?;
        Ok(())
    }

    /// A BMC was proved to have its new password: it is the server's from now on, and the old one is known by its digest only. All of it,
    /// or nothing.
    pub async fn finish_rotation(&self, server: &Server, proved: &Secret) -> Result<(), InventoryError> {
        let id = server.id;
        let retired = Secret::new(Retired::of(id, &server.bmc.password).digest());
        sqlx::query(
            "UPDATE servers SET bmc_password = $2, bmc_rotation = NULL, bmc_next_password = NULL, bmc_rotated_us = $3, \
             bmc_retired = $4 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(self.sealer.seal(&bmc_place(id), proved)?)
        .bind(big(self.clock.now_us()))
        .bind(self.sealer.seal(&retired_place(id), &retired)?)
        .execute(&self.pool)
        .await
        .map_err(failed("store the new password of a BMC"))?;
        Ok(())
    }

    /// The password that a server keeps or gets. One that a rotation has replaced meanwhile is not brought back by whoever has read it
    /// before.
    pub(super) async fn password_to_store(
        &self,
        connection: &mut SqliteConnection,
        id: ServerId,
        new: &NewServer,
    ) -> Result<Secret, InventoryError> {
        let row = sqlx::query("SELECT bmc_password, bmc_retired FROM servers WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("read which password was replaced"))?;
        let given = new.bmc.password.clone();
        let Some(row) = row else { return Ok(given) };
        let read = Reader { row: &row, name: format!("server {}", new.name) };
        let known = self.sealer.open(&bmc_place(id), &read.text("bmc_password")?)?;
        let retired = self.read_retired(id, &row)?;
        if retired.is_some_and(|retired| retired.is(id, &given)) {
            return Ok(known);
        }
        if known != given {
            // Whoever has set it by hand knows it: the user is not ours alone any more.
            sqlx::query("UPDATE servers SET bmc_factory_us = NULL WHERE id = $1")
                .bind(id.to_string())
                .execute(connection)
                .await
                .map_err(failed("store that a password was set by hand"))?;
        }
        Ok(given)
    }

    fn read_retired(&self, id: ServerId, row: &SqliteRow) -> Result<Option<Retired>, InventoryError> {
        let sealed: Option<String> =
            row.try_get("bmc_retired").map_err(failed("read which password was replaced"))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let digest = self.sealer.open(&retired_place(id), &sealed)?;
        Ok(Some(Retired::stored(digest.reveal().to_owned())))
    }

    /// What is kept right at a server's BMC.
    pub(super) fn read_upkeep(&self, id: ServerId, read: &Reader<'_>) -> Result<Upkeep, InventoryError> {
        let next = read.text_opt("bmc_next_password")?;
        let next = next.map(|sealed| self.sealer.open(&next_place(id), &sealed)).transpose()?;
        let stored: Option<StoredRotation> = read.json_opt("bmc_rotation")?;
        let days = read.number_opt("bmc_rotate_days")?;
        Ok(Upkeep {
            restore: read.json_opt("restore_policy")?,
            rotation: stored.map(|stored| stored.with(next)),
            rotated_us: read.number_opt("bmc_rotated_us")?,
            shown_us: read.number_opt("bmc_shown_us")?,
            rotate_days: days.and_then(|days| u32::try_from(days).ok()),
            retired: self.read_retired(id, read.row)?,
            traces: read.json_opt("traces")?,
            factory_us: read.number_opt("bmc_factory_us")?,
            certificates: read.json_opt("bmc_certificates")?,
        })
    }
}

/// A rotation as it is stored, without its password.
pub(super) fn stored_rotation(rotation: &Rotation) -> String {
    json(&StoredRotation::of(rotation))
}

impl StoredRotation {
    fn of(rotation: &Rotation) -> Self {
        let Rotation { stage, why, since_us, not_before_us, failures, trouble, length } = rotation.clone();
        let stage = match stage {
            Stage::Planned => StoredStage::Planned,
            Stage::Candidate(_) => StoredStage::Candidate,
            Stage::Told(_) => StoredStage::Told,
        };
        Self { stage, why, since_us, not_before_us, failures, trouble, length }
    }

    fn with(self, next: Option<Secret>) -> Rotation {
        let Self { stage, why, since_us, not_before_us, failures, trouble, length } = self;
        let stage = match (stage, next) {
            (StoredStage::Candidate, Some(next)) => Stage::Candidate(next),
            (StoredStage::Told, Some(next)) => Stage::Told(next),
            (StoredStage::Planned, _) | (StoredStage::Candidate | StoredStage::Told, None) => Stage::Planned,
        };
        Rotation { stage, why, since_us, not_before_us, failures, trouble, length }
    }
}
