//! Edges: agents and the commands given to them, in the inventory.

use protocol::{
    command::CommandResult,
    id::{CommandId, RackId, ServerId},
};
use sqlx::sqlite::SqliteRow;

use super::{
    Agent, Inventory, InventoryError, StoredCommand, failed,
    row::{Reader, big, json},
};

/// Commands that ended longer ago than this are forgotten.
const COMMANDS_KEPT_US: u64 = 24 * 3600 * 1_000_000;

impl Inventory {
    /// Stores an agent as it said hello. What was acknowledged stays.
    pub async fn put_agent(&self, agent: &Agent) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO agents (rack, boot_id, version, acknowledged, seen_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (rack) DO UPDATE SET boot_id = excluded.boot_id, version = excluded.version, \
             seen_us = excluded.seen_us",
        )
        .bind(agent.rack.as_str())
        .bind(agent.boot_id.to_string())
        .bind(&agent.version)
        .bind(big(agent.acknowledged))
        .bind(big(agent.seen_us))
        .execute(&self.pool)
        .await
        .map_err(failed("store an agent"))?;
        Ok(())
    }

    /// One rack's agent.
    pub async fn agent(&self, rack: &RackId) -> Result<Option<Agent>, InventoryError> {
        let row = sqlx::query("SELECT * FROM agents WHERE rack = $1")
            .bind(rack.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read an agent"))?;
        row.as_ref().map(read_agent).transpose()
    }

    /// Every agent that ever said hello.
    pub async fn agents(&self) -> Result<Vec<Agent>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM agents ORDER BY rack")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the agents"))?;
        rows.iter().map(read_agent).collect()
    }

    /// Every report of the rack up to this number is stored.
    pub async fn set_acknowledged(&self, rack: &RackId, seq: u64) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE agents SET acknowledged = $2, seen_us = $3 WHERE rack = $1 AND acknowledged < $2",
        )
        .bind(rack.as_str())
        .bind(big(seq))
        .bind(big(self.clock.now_us()))
        .execute(&self.pool)
        .await
        .map_err(failed("store an acknowledgement"))?;
        Ok(())
    }

    /// Stores a command before it is given.
    pub async fn put_command(&self, command: &StoredCommand) -> Result<(), InventoryError> {
        let forget_before = self.clock.now_us().saturating_sub(COMMANDS_KEPT_US);
        sqlx::query("DELETE FROM commands WHERE outcome IS NOT NULL AND created_us < $1")
            .bind(big(forget_before))
            .execute(&self.pool)
            .await
            .map_err(failed("forget old commands"))?;
        sqlx::query(
            "INSERT INTO commands (id, rack, server, kind, digest, created_us) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(command.id.to_string())
        .bind(command.rack.as_str())
        .bind(command.server.to_string())
        .bind(command.kind.as_str())
        .bind(&command.digest)
        .bind(big(command.created_us))
        .execute(&self.pool)
        .await
        .map_err(failed("store a command"))?;
        Ok(())
    }

    /// One command.
    pub async fn command(&self, id: CommandId) -> Result<Option<StoredCommand>, InventoryError> {
        let row = sqlx::query("SELECT * FROM commands WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a command"))?;
        row.as_ref().map(read_command).transpose()
    }

    /// The newest command of this digest that a repeat must be: one that has not ended, or whose outcome nobody has had.
    pub async fn open_command(
        &self,
        server: ServerId,
        digest: &str,
    ) -> Result<Option<StoredCommand>, InventoryError> {
        let row = sqlx::query(
            "SELECT * FROM commands WHERE server = $1 AND digest = $2 AND answered = 0 \
             ORDER BY created_us DESC LIMIT 1",
        )
        .bind(server.to_string())
        .bind(digest)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("look for a command"))?;
        row.as_ref().map(read_command).transpose()
    }

    /// The newest command of this digest, whether or not somebody has had its outcome.
    pub async fn last_command(
        &self,
        server: ServerId,
        digest: &str,
    ) -> Result<Option<StoredCommand>, InventoryError> {
        let row = sqlx::query(
            "SELECT * FROM commands WHERE server = $1 AND digest = $2 ORDER BY created_us DESC LIMIT 1",
        )
        .bind(server.to_string())
        .bind(digest)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("look for a command"))?;
        row.as_ref().map(read_command).transpose()
    }

    /// Stores how a command ended; the first end counts. Says whether this was the first.
    pub async fn end_command(&self, result: &CommandResult) -> Result<bool, InventoryError> {
        let done = sqlx::query("UPDATE commands SET outcome = $2 WHERE id = $1 AND outcome IS NULL")
            .bind(result.command.to_string())
            .bind(json(result))
            .execute(&self.pool)
            .await
            .map_err(failed("store a command's end"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Whoever asked for the command has had its outcome, or will never ask again.
    pub async fn answer_command(&self, id: CommandId) -> Result<(), InventoryError> {
        sqlx::query("UPDATE commands SET answered = 1 WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("store that a command was answered"))?;
        Ok(())
    }
}

fn read_agent(row: &SqliteRow) -> Result<Agent, InventoryError> {
    let read = Reader { row, name: "an agent".to_owned() };
    Ok(Agent {
        rack: read.parsed("rack")?,
        boot_id: read.parsed("boot_id")?,
        version: read.text("version")?,
        acknowledged: read.number("acknowledged")?,
        seen_us: read.number("seen_us")?,
    })
}

fn read_command(row: &SqliteRow) -> Result<StoredCommand, InventoryError> {
    let read = Reader { row, name: "a command".to_owned() };
    Ok(StoredCommand {
        id: read.parsed("id")?,
        rack: read.parsed("rack")?,
        server: read.parsed("server")?,
        kind: read.parsed("kind")?,
        digest: read.text("digest")?,
        created_us: read.number("created_us")?,
        outcome: read.json_opt("outcome")?,
        answered: read.flag("answered")?,
    })
}
