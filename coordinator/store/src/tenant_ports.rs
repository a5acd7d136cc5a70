//! Edges: the ports of tenants' servers in the inventory.

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{
    Inventory, InventoryError, TenantPortRecord, failed,
    row::{Reader, json},
};

impl Inventory {
    /// Stores the ports of a tenant's server, whole, in their order.
    pub async fn put_tenant_ports(
        &self,
        server: Uuid,
        ports: &[TenantPortRecord],
    ) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        sqlx::query("DELETE FROM tenant_ports WHERE server = $1")
            .bind(server.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(failed("replace a tenant's ports"))?;
        for (position, port) in (0_i64..).zip(ports) {
            sqlx::query(
                "INSERT INTO tenant_ports (server, position, id, network, asked_address, address, vlan, \
                 security_groups) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(server.to_string())
            .bind(position)
            .bind(port.id.to_string())
            .bind(port.network.to_string())
            .bind(port.asked_address.map(|address| address.to_string()))
            .bind(port.address.map(|address| address.to_string()))
            .bind(port.vlan.map(i64::from))
            .bind(json(&port.security_groups))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store a tenant's port"))?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// The ports of a tenant's server, in their order.
    pub async fn tenant_ports(&self, server: Uuid) -> Result<Vec<TenantPortRecord>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM tenant_ports WHERE server = $1 ORDER BY position")
            .bind(server.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read a tenant's ports"))?;
        rows.iter().map(read_port).collect()
    }

    /// All ports of the tenant's server that has this one, in their order. A port that is not of ours (a server was found on it
    /// and adopted) stands alone.
    pub async fn tenant_ports_with(&self, port: Uuid) -> Result<Vec<Uuid>, InventoryError> {
        let ids: Vec<(String,)> = sqlx::query_as(
            "SELECT id FROM tenant_ports WHERE server = (SELECT server FROM tenant_ports WHERE id = $1) \
             ORDER BY position",
        )
        .bind(port.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read a tenant's ports"))?;
        if ids.is_empty() {
            return Ok(vec![port]);
        }
        let parse = |text: &String| {
            Uuid::parse_str(text).map_err(|error| InventoryError::Corrupt {
                column: "id",
                row: format!("tenant's port {text}"),
                reason: error.to_string(),
            })
        };
        ids.iter().map(|(text,)| parse(text)).collect()
    }
}

fn read_port(row: &SqliteRow) -> Result<TenantPortRecord, InventoryError> {
    let read = Reader { row, name: "a tenant's port".to_owned() };
    let id: Uuid = read.parsed("id")?;
    let read = Reader { row, name: format!("tenant's port {id}") };
    Ok(TenantPortRecord {
        id,
        network: read.parsed("network")?,
        asked_address: read.parsed_opt("asked_address")?,
        address: read.parsed_opt("address")?,
        vlan: read.number_opt("vlan")?.and_then(|vlan| u16::try_from(vlan).ok()),
        security_groups: read.json("security_groups")?,
    })
}
