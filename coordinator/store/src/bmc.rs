//! Edges: whose BMC answers, in the inventory.

use protocol::hardware::BmcIdentity;

use super::{
    Inventory, InventoryError, Server, failed,
    row::{big, json},
    servers::StoredBmc,
};
use domain::identity::Doubt;

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
