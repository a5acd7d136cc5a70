//! Edges: `bmsctl events`.

use super::{args::Output, client::Client, output};
use crate::{
    api::types::{Event, List},
    openstack::ironic::query,
};

/// Prints them, and with `follow` those that come.
pub async fn run(client: &Client, output: Output, follow: bool, node: Option<String>) -> anyhow::Result<()> {
    let filter = node.map(|node| format!("&{}", query(&[("node", &node)]))).unwrap_or_default();
    if !follow {
        let events: List<Event> = client.get(&format!("/v1/events?limit=200{filter}")).await?;
        return output::list(output, &events.items, &["time", "kind", "text"], |event| {
            vec![event.at.clone(), event.kind.clone(), event.text.clone()]
        });
    }
    client
        .follow(&format!("/v1/events/stream?limit=20{filter}"), |line| {
            let event: Event = serde_json::from_str(line)?;
            match output {
                Output::Json => output::line(line),
                Output::Table => output::line(&format!("{}  {:14} {}", event.at, event.kind, event.text)),
            }
            Ok(())
        })
        .await
}
