//! Edges: `bmsctl network`.

use super::{
    args::{NetworkCommand as Command, Output},
    client::Client,
    output,
    path::path,
};
use api_types::{List, NetworkDetail, NewNetwork, SiteObjectState, SiteSetup, TenantNetwork};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let networks = match command {
        Command::List => client.get::<List<TenantNetwork>>("/v1/networks").await?.items,
        Command::Create { name, subnet } => {
            vec![client.post("/v1/networks", &NewNetwork { name, subnet }).await?]
        }
        Command::Show { network } => {
            return show(output, &client.get(&path(&["networks", &network])?).await?);
        }
        Command::Setup => {
            let nothing = serde_json::json!({});
            let setup: SiteSetup = client.post("/v1/networks/setup", &nothing).await?;
            let header = ["what", "name", "id", "done"];
            return output::list(output, &setup.objects, &header, |object| {
                let done = match object.state {
                    SiteObjectState::Made => "made",
                    SiteObjectState::Found => "found",
                    SiteObjectState::Corrected => "corrected",
                };
                vec![object.kind.clone(), object.name.clone(), object.id.to_string(), done.to_owned()]
            });
        }
        Command::Delete { network } => {
            client.delete(&path(&["networks", &network])?).await?;
            output::say(output, format_args!("{network} was deleted"));
            return Ok(());
        }
    };
    output::list(output, &networks, &["name", "id", "subnet", "gateway"], |network| {
        let TenantNetwork { name, id, subnet, gateway, .. } = network.clone();
        vec![name, id.to_string(), subnet, gateway]
    })
}

fn show(output: Output, detail: &NetworkDetail) -> anyhow::Result<()> {
    let TenantNetwork { name, id, subnet, gateway, .. } = detail.network.clone();
    let fields = vec![
        ("name", name),
        ("id", id.to_string()),
        ("subnet", subnet),
        ("gateway", gateway),
        ("free", detail.free.to_string()),
        ("in use", detail.addresses.len().to_string()),
    ];
    output::one(output, detail, fields)?;
    if output == Output::Table && !detail.addresses.is_empty() {
        output::list(output, &detail.addresses, &["address", "mac", "name"], |used| {
            vec![used.address.to_string(), used.mac.clone().unwrap_or_default(), used.name.clone()]
        })?;
    }
    Ok(())
}
