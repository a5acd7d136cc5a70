//! Edges: tenants' servers in the inventory.

use std::collections::HashMap;

use protocol::id::ServerId;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{
    Inventory, InventoryError, Server, TenantServer, TenantServerState, failed,
    row::{Reader, big, json},
};
use domain::{
    lifecycle::{Node, trouble::Trouble},
    records::{TenantReason, TenantReasonKind},
};

impl Inventory {
    /// Stores a tenant's server, whole.
    pub async fn put_tenant_server(&self, server: &TenantServer) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO tenant_servers (id, instance, project_id, name, flavor, image, network, port, address, node, \
             state, reason, reason_kind, created_us, state_since_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
             ON CONFLICT (id) DO UPDATE SET instance = excluded.instance, name = excluded.name, \
             flavor = excluded.flavor, image = excluded.image, network = excluded.network, port = excluded.port, \
             address = excluded.address, node = excluded.node, state = excluded.state, reason = excluded.reason, \
             reason_kind = excluded.reason_kind, \
             state_since_us = CASE WHEN tenant_servers.state = excluded.state THEN tenant_servers.state_since_us \
             ELSE excluded.state_since_us END",
        )
        .bind(server.id.to_string())
        .bind(server.instance.map(|id| id.to_string()))
        .bind(&server.project_id)
        .bind(&server.name)
        .bind(&server.flavor)
        .bind(&server.image)
        .bind(server.network.to_string())
        .bind(server.port.map(|id| id.to_string()))
        .bind(server.address.map(|address| address.to_string()))
        .bind(server.node.map(|id| id.to_string()))
        .bind(json(&server.state))
        .bind(server.reason.as_ref().map(|reason| &reason.text))
        .bind(server.reason.as_ref().map(|reason| json(&reason.kind)))
        .bind(big(server.created_us))
        .bind(big(self.clock.now_us()))
        .execute(&self.pool)
        .await
        .map_err(failed("store a tenant's server"))?;
        Ok(())
    }

    /// Stores a tenant's server that is still in this state; says whether it was. What was asked meanwhile stays as it is.
    pub async fn change_tenant_server(
        &self,
        from: TenantServerState,
        server: &TenantServer,
    ) -> Result<bool, InventoryError> {
        let changed = sqlx::query(
            "UPDATE tenant_servers SET instance = $2, image = $3, port = $4, address = $5, node = $6, state = $7, \
             reason = $8, reason_kind = $9, state_since_us = CASE WHEN state = $7 THEN state_since_us ELSE $10 END \
             WHERE id = $1 AND state = $11",
        )
        .bind(server.id.to_string())
        .bind(server.instance.map(|id| id.to_string()))
        .bind(&server.image)
        .bind(server.port.map(|id| id.to_string()))
        .bind(server.address.map(|address| address.to_string()))
        .bind(server.node.map(|id| id.to_string()))
        .bind(json(&server.state))
        .bind(server.reason.as_ref().map(|reason| &reason.text))
        .bind(server.reason.as_ref().map(|reason| json(&reason.kind)))
        .bind(big(self.clock.now_us()))
        .bind(json(&from))
        .execute(&self.pool)
        .await
        .map_err(failed("change a tenant's server"))?;
        Ok(changed.rows_affected() > 0)
    }

    /// One tenant's server, by our id or by Nova's.
    pub async fn tenant_server(&self, id: Uuid) -> Result<Option<TenantServer>, InventoryError> {
        let row = sqlx::query("SELECT * FROM tenant_servers WHERE id = $1 OR instance = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a tenant's server"))?;
        row.as_ref().map(read_tenant_server).transpose()
    }

    /// Tenants' servers of one project, or of all, by name.
    pub async fn tenant_servers(
        &self,
        project_id: Option<&str>,
    ) -> Result<Vec<TenantServer>, InventoryError> {
        let rows = sqlx::query(
            "SELECT * FROM tenant_servers WHERE ($1 IS NULL OR project_id = $1) ORDER BY name, created_us",
        )
        .bind(project_id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the tenants' servers"))?;
        rows.iter().map(read_tenant_server).collect()
    }

    /// Since when each tenant's server is in its state, by our ids.
    pub async fn tenants_since(&self) -> Result<HashMap<Uuid, u64>, InventoryError> {
        let rows =
            sqlx::query("SELECT id, state_since_us FROM tenant_servers WHERE state_since_us IS NOT NULL")
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read since when the tenants' servers are in their states"))?;
        let one = |row: &SqliteRow| {
            let read = Reader { row, name: "a tenant's server".to_owned() };
            Ok((read.parsed("id")?, read.number("state_since_us")?))
        };
        rows.iter().map(one).collect()
    }

    /// Keeps what failed while Nova built this instance. The first word stays: what follows are consequences.
    pub async fn note_tenant_failure(&self, instance: Uuid, what: &str) -> Result<(), InventoryError> {
        sqlx::query("UPDATE tenant_servers SET failure = $1 WHERE instance = $2 AND failure IS NULL")
            .bind(what)
            .bind(instance.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("keep why a tenant's server failed"))?;
        Ok(())
    }

    /// What failed while a tenant's server was built, by our id.
    pub async fn tenant_failure(&self, id: Uuid) -> Result<Option<String>, InventoryError> {
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT failure FROM tenant_servers WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(failed("read why a tenant's server failed"))?;
        Ok(found.flatten())
    }

    /// Forgets a tenant's server.
    pub async fn delete_tenant_server(&self, id: Uuid) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM tenant_servers WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("forget a tenant's server"))?;
        Ok(())
    }

    /// The tenant's server on a node: by Ironic's `instance_uuid` when the node names one, else by the node itself.
    pub async fn tenant_of(
        &self,
        instance: Option<Uuid>,
        node: ServerId,
    ) -> Result<Option<TenantServer>, InventoryError> {
        match instance {
            Some(instance) => self.tenant_server(instance).await,
            None => {
                let row = sqlx::query("SELECT * FROM tenant_servers WHERE node = $1 AND instance IS NULL")
                    .bind(node.to_string())
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(failed("read a tenant's server"))?;
                row.as_ref().map(read_tenant_server).transpose()
            }
        }
    }

    /// The tenant's server on a machine now: the one that its node carries; where that carries none, the one that is on its way there
    /// or from there. None when nobody can tell: a tenant is never told what happened to another one's machine.
    pub async fn tenant_now(&self, server: ServerId) -> Result<Option<TenantServer>, InventoryError> {
        let row = sqlx::query("SELECT node FROM servers WHERE id = $1")
            .bind(server.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read the node of a server"))?;
        let node: Option<Node> = match &row {
            Some(row) => Reader { row, name: format!("server {server}") }.json_opt("node")?,
            None => None,
        };
        if let Some(instance) = node.and_then(|node| node.instance_id) {
            return self.tenant_server(instance).await;
        }
        let rows = sqlx::query("SELECT * FROM tenant_servers WHERE node = $1")
            .bind(server.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the tenants' servers of a machine"))?;
        let mut there = rows.iter().map(read_tenant_server).collect::<Result<Vec<_>, _>>()?;
        // What has failed was taken off its machine, which is somebody else's next.
        there.retain(|tenant| tenant.state != TenantServerState::Error);
        Ok(there.pop().filter(|_| there.is_empty()))
    }

    /// The port of the tenant that a server's node names, or the one on which it was adopted for that very tenant.
    pub async fn tenant_port(
        &self,
        server: &Server,
        instance: Option<Uuid>,
    ) -> Result<Option<Uuid>, InventoryError> {
        let tenant = self.tenant_of(instance, server.id).await?;
        let adopted = || server.adopted.as_ref().and_then(|adopted| adopted.port_of(instance));
        Ok(tenant.and_then(|tenant| tenant.port).or_else(adopted))
    }

    /// Every interface of a tenant that is on record for a server: those of the tenant's servers that are, or were last, on it, and those
    /// on which it was adopted. Nothing else of a tenant's may be taken off its switch ports.
    pub async fn tenant_interfaces(&self, server: &Server) -> Result<Vec<Uuid>, InventoryError> {
        let instance = server.node.as_ref().and_then(|node| node.instance_id);
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT p.id FROM tenant_ports p JOIN tenant_servers s ON s.id = p.server \
               WHERE s.node = $1 OR s.instance = $2 OR s.id = $2 \
             UNION SELECT port FROM tenant_servers \
               WHERE port IS NOT NULL AND (node = $1 OR instance = $2 OR id = $2)",
        )
        .bind(server.id.to_string())
        .bind(instance.map(|instance| instance.to_string()))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the tenant's interfaces of a server"))?;
        let parse = |(text,): &(String,)| {
            Uuid::parse_str(text).map_err(|error| InventoryError::Corrupt {
                column: "id",
                row: format!("tenant's port {text}"),
                reason: error.to_string(),
            })
        };
        let mut interfaces = rows.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        interfaces.extend(server.adopted.iter().flat_map(|adopted| &adopted.ports));
        Ok(interfaces)
    }
}

fn read_tenant_server(row: &SqliteRow) -> Result<TenantServer, InventoryError> {
    let read = Reader { row, name: "a tenant's server".to_owned() };
    let id: Uuid = read.parsed("id")?;
    let read = Reader { row, name: format!("tenant's server {id}") };
    Ok(TenantServer {
        id,
        instance: read.parsed_opt("instance")?,
        project_id: read.text("project_id")?,
        name: read.text("name")?,
        flavor: read.text("flavor")?,
        image: read.text("image")?,
        network: read.parsed("network")?,
        port: read.parsed_opt("port")?,
        address: read.parsed_opt("address")?,
        node: read.parsed_opt("node")?,
        state: read.json("state")?,
        reason: read_reason(&read)?,
        created_us: read.number("created_us")?,
    })
}

/// A reason always has its kind: of one without, only that something is wrong is known.
fn read_reason(read: &Reader<'_>) -> Result<Option<TenantReason>, InventoryError> {
    let Some(text) = read.text_opt("reason")? else { return Ok(None) };
    let kind = read.json_opt("reason_kind")?.unwrap_or(TenantReasonKind::Trouble(Trouble::Machine));
    Ok(Some(TenantReason { kind, text }))
}
