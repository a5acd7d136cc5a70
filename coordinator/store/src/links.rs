//! Edges: a switch port is one server's, by its name as Contrail compares it. The database holds to that; this says whose it is.

use protocol::id::ServerId;
use sqlx::{Row, SqlitePool};
use tracing::warn;

use super::{Inventory, InventoryError, failed, row::Reader};
use domain::rim::SwitchPort;

/// Names the switch ports of rows that an older version wrote. Where two servers have one, the later row stays without: neither can
/// be stored again before one of them is corrected.
pub(super) async fn fill_in(pool: &SqlitePool) -> Result<(), InventoryError> {
    let rows =
        sqlx::query("SELECT server, name, link FROM ports WHERE link_key IS NULL ORDER BY server, position")
            .fetch_all(pool)
            .await
            .map_err(failed("read ports without the name of their switch port"))?;
    for row in &rows {
        let read = Reader { row, name: "a port".to_owned() };
        let link: SwitchPort = read.json("link")?;
        let (server, name) = (read.text("server")?, read.text("name")?);
        let named = sqlx::query("UPDATE ports SET link_key = $3 WHERE server = $1 AND name = $2")
            .bind(&server)
            .bind(&name)
            .bind(link.key())
            .execute(pool)
            .await;
        match named {
            Ok(_) => {}
            Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                warn!(server, port = name, switch_port = %link, "two ports have one switch port, correct one of their servers");
            }
            Err(error) => return Err(failed("name a switch port")(error)),
        }
    }
    Ok(())
}

impl Inventory {
    /// Id and name of the server that has this switch port, if one has.
    pub(super) async fn holder_of_link(
        &self,
        link: &SwitchPort,
    ) -> Result<Option<(ServerId, String)>, InventoryError> {
        let row = sqlx::query(
            "SELECT s.id, s.name FROM ports p JOIN servers s ON s.id = p.server WHERE p.link_key = $1",
        )
        .bind(link.key())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("look for a switch port"))?;
        let Some(row) = row else { return Ok(None) };
        let id = Reader { row: &row, name: "a server".to_owned() }.parsed("id")?;
        Ok(Some((id, row.try_get("name").map_err(failed("read a server's name"))?)))
    }
}
