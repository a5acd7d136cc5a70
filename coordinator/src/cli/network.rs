//! Edges: `bmsctl network`.

use super::{
    args::{Network as Command, Output},
    client::Client,
    output,
};
use crate::api::types::{List, NewNetwork, TenantNetwork};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let networks = match command {
        Command::List => client.get::<List<TenantNetwork>>("/v1/networks").await?.items,
        Command::Create { name, subnet } => {
            vec![client.post("/v1/networks", &NewNetwork { name, subnet }).await?]
        }
        Command::Delete { network } => {
            client.delete(&format!("/v1/networks/{network}")).await?;
            output::say(output, format_args!("{network} is deleted"));
            return Ok(());
        }
    };
    output::list(output, &networks, &["name", "id", "subnet", "gateway"], |network| {
        let TenantNetwork { name, id, subnet, gateway, .. } = network.clone();
        vec![name, id.to_string(), subnet, gateway]
    })
}
