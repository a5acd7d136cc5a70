//! Edges: whose BMC answers, in the inventory.

use protocol::{
    hardware::BmcIdentity,
    id::ServerId,
    spec::{BmcEndpoint, BmcProtocol},
};

use sqlx::SqliteConnection;

use super::{
    Inventory, InventoryError, NewServer, Server, failed,
    row::{Reader, big, json},
    servers::StoredBmc,
};
use domain::{identity::Doubt, upkeep::certificate::BmcCertificates};

impl Inventory {
    /// Stores why it is in doubt whose BMC answers; unless the BMC is another one by now, of which nothing was said.
    pub async fn set_bmc_doubt(&self, server: &Server, doubt: &Doubt) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET bmc_doubt = $2 WHERE id = $1 AND bmc = $3")
            .bind(server.id.to_string())
            .bind(json(doubt))
            .bind(json(&StoredBmc::of(&server.bmc)))
            .execute(&self.pool)
            .await
            .map_err(failed("store a doubt about a BMC"))?;
        Ok(())
    }

    /// Forgets what is known of the BMC that a server had before its board or BMC was replaced: what was read of it, how its password was
    /// changed, and which of its passwords and certificates were replaced. All of it, or nothing. What its event log said stays, and is over.
    pub async fn forget_former_bmc(&self, id: ServerId) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        for statement in [
            "UPDATE servers SET bmc_rotation = NULL, bmc_next_password = NULL, bmc_rotated_us = NULL, bmc_retired = NULL, \
             bmc_shown_us = NULL, bmc_certificates = NULL, restore_policy = NULL, traces = NULL, bmc_factory_us = NULL WHERE id = $1",
            "DELETE FROM bmc_facts WHERE server = $1",
            "DELETE FROM sensors WHERE server = $1",
            "DELETE FROM hardware WHERE server = $1",
        ] {
            sqlx::query(statement)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(failed("forget a former BMC"))?;
        }
        sqlx::query("UPDATE log_entries SET ended_us = $2 WHERE server = $1 AND ended_us IS NULL")
            .bind(id.to_string())
            .bind(big(self.clock.now_us()))
            .execute(&mut *transaction)
            .await
            .map_err(failed("end a former BMC's log"))?;
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// Stores what is known of a BMC's certificate; unless the BMC is another one by now, of which nothing was said.
    pub async fn set_bmc_certificates(
        &self,
        server: &Server,
        kept: &BmcCertificates,
    ) -> Result<(), InventoryError> {
        self.put_certificates(server, kept, &server.bmc).await
    }

    /// The same, with another certificate pinned from now on. All of it, or nothing.
    pub async fn pin_certificate(
        &self,
        server: &Server,
        kept: &BmcCertificates,
        pin: &str,
    ) -> Result<(), InventoryError> {
        let mut bmc = server.bmc.clone();
        if let BmcProtocol::Redfish { certificate_sha256, .. } = &mut bmc.protocol {
            *certificate_sha256 = Some(pin.to_owned());
        }
        self.put_certificates(server, kept, &bmc).await
    }

    async fn put_certificates(
        &self,
        server: &Server,
        kept: &BmcCertificates,
        bmc: &BmcEndpoint,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET bmc_certificates = $2, bmc = $3 WHERE id = $1 AND bmc = $4")
            .bind(server.id.to_string())
            .bind(json(kept))
            .bind(json(&StoredBmc::of(bmc)))
            .bind(json(&StoredBmc::of(&server.bmc)))
            .execute(&self.pool)
            .await
            .map_err(failed("store the certificate of a BMC"))?;
        Ok(())
    }

    /// Stores that the BMC is this server's, and who it is; unless it is another one by now.
    pub async fn end_bmc_doubt(
        &self,
        server: &Server,
        identity: Option<&BmcIdentity>,
    ) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE servers SET bmc_doubt = NULL, bmc_proved_us = $2, identity = COALESCE($3, identity) \
             WHERE id = $1 AND bmc = $4",
        )
        .bind(server.id.to_string())
        .bind(big(self.clock.now_us()))
        .bind(identity.map(json))
        .bind(json(&StoredBmc::of(&server.bmc)))
        .execute(&self.pool)
        .await
        .map_err(failed("store the end of a doubt about a BMC"))?;
        Ok(())
    }
}

/// The BMC that a known server gets. A pinned certificate that was renewed meanwhile is not brought back by whoever has read it before.
pub(super) async fn bmc_to_store(
    connection: &mut SqliteConnection,
    id: ServerId,
    new: &NewServer,
) -> Result<StoredBmc, InventoryError> {
    let mut given = StoredBmc::of(&new.bmc);
    let row = sqlx::query("SELECT bmc, bmc_certificates FROM servers WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read which certificate was replaced"))?;
    let Some(row) = row else { return Ok(given) };
    let read = Reader { row: &row, name: format!("server {}", new.name) };
    let certificates: Option<BmcCertificates> = read.json_opt("bmc_certificates")?;
    let replaced = certificates.map(|kept| kept.replaced).unwrap_or_default();
    let known: StoredBmc = read.json("bmc")?;
    let is_there = (&known.address, known.port) == (&given.address, given.port);
    if let (
        BmcProtocol::Redfish { certificate_sha256: pin, .. },
        BmcProtocol::Redfish { certificate_sha256: now, .. },
    ) = (&mut given.protocol, known.protocol)
        && is_there
        && pin.as_ref().is_some_and(|pin| replaced.contains(pin))
    {
        *pin = now;
    }
    Ok(given)
}
