//! Edges: pools in the inventory, and which servers are in them.

use protocol::id::ServerId;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, json},
};
use domain::pools::{Decision, Facts, Pool};

impl Inventory {
    /// All pools, in the order in which they are asked.
    pub async fn pools(&self) -> Result<Vec<Pool>, InventoryError> {
        let rows = sqlx::query("SELECT name, resource_class, conditions FROM pools ORDER BY position, name")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the pools"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a pool".to_owned() };
                Ok(Pool {
                    name: read.text("name")?,
                    resource_class: read.text("resource_class")?,
                    conditions: read.json("conditions")?,
                })
            })
            .collect()
    }

    /// Stores all pools in this order, in place of those that were there.
    pub async fn put_pools(&self, pools: &[Pool]) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        sqlx::query("DELETE FROM pools")
            .execute(&mut *transaction)
            .await
            .map_err(failed("store the pools"))?;
        for (position, pool) in (0_i64..).zip(pools) {
            sqlx::query(
                "INSERT INTO pools (name, position, resource_class, conditions) VALUES ($1, $2, $3, $4)",
            )
            .bind(&pool.name)
            .bind(position)
            .bind(&pool.resource_class)
            .bind(json(&pool.conditions))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store the pools"))?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// Stores into which pool a server was put and by which facts. Ironic has not been told.
    pub async fn set_pool(
        &self,
        id: ServerId,
        decision: &Decision,
        facts: &Facts,
    ) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE servers SET pool = $2, pool_class = $3, pool_facts = $4, pool_untold = 1 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(&decision.pool)
        .bind(&decision.class)
        .bind(json(facts))
        .execute(&self.pool)
        .await
        .map_err(failed("store a server's pool"))?;
        Ok(())
    }

    /// Ironic knows the server's class.
    pub async fn set_pool_told(&self, id: ServerId) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET pool_untold = 0 WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("store that Ironic knows a server's class"))?;
        Ok(())
    }
}
