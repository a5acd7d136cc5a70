//! Edges: nodes of Ironic as they were last seen: stored, and what has changed is told once, whoever saw it first.

use protocol::id::ServerId;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, json},
};
use domain::lifecycle::{News, Node, news};

/// How often a node is compared anew because somebody else has stored one meanwhile.
const TRIES_MAX: usize = 8;

/// What is stored of a server's node.
struct Stored {
    server: String,
    text: Option<String>,
    node: Option<Node>,
    forgetting: bool,
}

impl Inventory {
    /// Stores the node as Ironic shows it, and tells what has changed.
    pub async fn set_node(&self, id: ServerId, node: Option<&Node>) -> Result<(), InventoryError> {
        for _ in 0..TRIES_MAX {
            let Some(stored) = self.stored_node(id).await? else { return Ok(()) };
            if self.replace_node(id, stored.text.as_deref(), node).await? {
                let news = news(&stored.server, stored.node.as_ref(), node, stored.forgetting);
                for News { kind, text, told } in news {
                    self.record_told(id, kind, text, told).await;
                }
                return Ok(());
            }
        }
        // Others store nodes of it all the time: theirs are as new as this one, and they tell.
        Ok(())
    }

    /// Puts the node in the place of the one that was compared; says whether that one was still there.
    async fn replace_node(
        &self,
        id: ServerId,
        compared: Option<&str>,
        node: Option<&Node>,
    ) -> Result<bool, InventoryError> {
        let changed = sqlx::query("UPDATE servers SET node = $2 WHERE id = $1 AND node IS $3")
            .bind(id.to_string())
            .bind(node.map(json))
            .bind(compared)
            .execute(&self.pool)
            .await
            .map_err(failed("store a node"))?;
        Ok(changed.rows_affected() > 0)
    }

    async fn stored_node(&self, id: ServerId) -> Result<Option<Stored>, InventoryError> {
        let row = sqlx::query("SELECT name, node, forgetting FROM servers WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a stored node"))?;
        let Some(row) = row else { return Ok(None) };
        let read = Reader { row: &row, name: format!("server {id}") };
        Ok(Some(Stored {
            server: read.text("name")?,
            text: read.text_opt("node")?,
            node: read.json_opt("node")?,
            forgetting: read.flag("forgetting")?,
        }))
    }
}
