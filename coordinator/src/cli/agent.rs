//! Edges: `bmsctl agent`.

use super::{
    args::{Agent as Command, Output},
    client::Client,
    output,
};
use crate::api::types::{Agent, List};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let Command::List = command;
    let agents: List<Agent> = client.get("/v1/agents").await?;
    output::list(output, &agents.items, &["rack", "connected", "last seen", "reports"], |agent| {
        let Agent { rack, connected, last_seen, acknowledged } = agent.clone();
        let connected = if connected { "yes" } else { "no" }.to_owned();
        vec![rack, connected, last_seen.unwrap_or_default(), acknowledged.to_string()]
    })
}
