//! Edges: `bmsctl node show --proof`.

use super::{args::Output, client::Client, output, path::path};
use api_types::{List, Proof};
use domain::records::AskedBy;

/// Prints where a server's ports were put, and what proves it.
pub async fn show(client: &Client, output: Output, node: &str) -> anyhow::Result<()> {
    let proofs: List<Proof> = client.get(&path(&["nodes", node, "proofs"])?).await?;
    let header = ["time", "port", "requested by", "expected", "read back", "ms", "confirmed", "heard on"];
    output::list(output, &proofs.items, &header, |proof| {
        let asked_by = match proof.asked_by {
            AskedBy::Gate => "gate",
            AskedBy::Isolate => "isolate",
            AskedBy::Park => "park",
        };
        let read_back = match (&proof.observed, &proof.error) {
            (Some(observed), _) if proof.holds => observed.clone(),
            (Some(observed), _) => format!("{observed} (NOT AS EXPECTED)"),
            (None, Some(error)) if proof.tries > 1 => format!("{error} ({} times)", proof.tries),
            (None, Some(error)) => error.clone(),
            (None, None) => "nothing".to_owned(),
        };
        let heard = proof.seen.iter().map(|one| {
            let stray = if one.agrees { "" } else { " (ON AN UNEXPECTED NETWORK)" };
            let what = one.boot_stage.map_or(one.what.as_str(), |stage| stage.words());
            format!("{what} on {}{stray}", one.network)
        });
        vec![
            proof.at.clone(),
            proof.port.clone(),
            asked_by.to_owned(),
            proof.wanted.clone(),
            read_back,
            proof.took_ms.to_string(),
            proof.confirmed.clone().unwrap_or_default(),
            heard.collect::<Vec<_>>().join(", "),
        ]
    })
}
