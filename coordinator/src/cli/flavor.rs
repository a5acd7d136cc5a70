//! Edges: `bmsctl flavor`.

use super::{
    args::{Flavor as Command, Output},
    client::Client,
    output,
};
use crate::api::types::{Flavor, List, NewFlavor};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let flavors = match command {
        Command::List => client.get::<List<Flavor>>("/v1/flavors").await?.items,
        Command::Create { name, resource_class, cpus, memory_mib, disk_gb } => {
            let wanted = NewFlavor { name, resource_class, cpus, memory_mib, disk_gb };
            vec![client.post("/v1/flavors", &wanted).await?]
        }
        Command::Delete { flavor } => {
            client.delete(&format!("/v1/flavors/{flavor}")).await?;
            output::say(output, format_args!("{flavor} is deleted"));
            return Ok(());
        }
    };
    output::list(output, &flavors, &["name", "id", "class", "cpus", "memory", "disk"], |flavor| {
        let Flavor { name, id, resource_class, cpus, memory_mib, disk_gb } = flavor.clone();
        vec![name, id, resource_class, cpus.to_string(), format!("{memory_mib} MiB"), format!("{disk_gb} GB")]
    })
}
