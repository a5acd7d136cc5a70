//! Edges: `bmsctl image`, `flavor`, `network`, `agent` and `events`.

use std::{io::Read, path::Path};

use anyhow::{Context, bail};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use super::{
    args::{
        Agent as AgentCommand, Flavor as FlavorCommand, Image as ImageCommand, Network as NetworkCommand,
        Output,
    },
    client::Client,
    output,
};
use crate::api::types::{Agent, Event, Flavor, Image, List, NewFlavor, NewNetwork, TenantNetwork};

/// `bmsctl image`.
pub async fn image(client: &Client, output: Output, command: ImageCommand) -> anyhow::Result<()> {
    match command {
        ImageCommand::List => images(output, &client.get::<List<Image>>("/v1/images").await?.items),
        ImageCommand::Create { name, file, public } => {
            let image = upload(client, &name, &file, public).await?;
            images(output, &[image])
        }
        ImageCommand::Delete { image } => {
            client.delete(&format!("/v1/images/{image}")).await?;
            output::say(output, format_args!("{image} is deleted"));
            Ok(())
        }
    }
}

fn images(output: Output, images: &[Image]) -> anyhow::Result<()> {
    output::list(output, images, &["name", "id", "format", "mib", "status", "visibility"], |image| {
        let Image { name, id, format, status, visibility, size_bytes, .. } = image.clone();
        vec![name, id, format, format!("{:.1}", size_bytes as f64 / f64::from(1 << 20)), status, visibility]
    })
}

async fn upload(client: &Client, name: &str, path: &Path, public: bool) -> anyhow::Result<Image> {
    let format = format_of(path)?;
    let file = tokio::fs::File::open(path).await.with_context(|| format!("opening {}", path.display()))?;
    let length = file.metadata().await?.len();
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}")?);
    let counted = bar.clone();
    let stream = ReaderStream::with_capacity(file, 1 << 18)
        .inspect(move |chunk| counted.inc(chunk.as_ref().map_or(0, |bytes| bytes.len() as u64)));
    let query = format!("name={}&format={format}&public={public}", percent(name));
    let image =
        client.upload(&format!("/v1/images?{query}"), length, reqwest::Body::wrap_stream(stream)).await;
    bar.finish_and_clear();
    image
}

/// The format by the file's first bytes: "QFI\xfb" is qcow2; a disk begins with a boot record.
fn format_of(path: &Path) -> anyhow::Result<&'static str> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    file.take(512).read_to_end(&mut head)?;
    match head.as_slice() {
        [b'Q', b'F', b'I', 0xfb, ..] => Ok("qcow2"),
        [.., 0x55, 0xaa] if head.len() == 512 => Ok("raw"),
        _ => bail!("{} is neither qcow2 nor a whole disk (it has no boot record)", path.display()),
    }
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `bmsctl flavor`.
pub async fn flavor(client: &Client, output: Output, command: FlavorCommand) -> anyhow::Result<()> {
    let flavors = match command {
        FlavorCommand::List => client.get::<List<Flavor>>("/v1/flavors").await?.items,
        FlavorCommand::Create { name, resource_class, cpus, memory_mib, disk_gb } => {
            let wanted = NewFlavor { name, resource_class, cpus, memory_mib, disk_gb };
            vec![client.post("/v1/flavors", &wanted).await?]
        }
        FlavorCommand::Delete { flavor } => {
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

/// `bmsctl network`.
pub async fn network(client: &Client, output: Output, command: NetworkCommand) -> anyhow::Result<()> {
    let networks = match command {
        NetworkCommand::List => client.get::<List<TenantNetwork>>("/v1/networks").await?.items,
        NetworkCommand::Create { name, subnet } => {
            vec![client.post("/v1/networks", &NewNetwork { name, subnet }).await?]
        }
        NetworkCommand::Delete { network } => {
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

/// `bmsctl agent`.
pub async fn agent(client: &Client, output: Output, command: AgentCommand) -> anyhow::Result<()> {
    let AgentCommand::List = command;
    let agents: List<Agent> = client.get("/v1/agents").await?;
    output::list(output, &agents.items, &["rack", "connected", "last seen", "reports"], |agent| {
        let Agent { rack, connected, last_seen, acknowledged } = agent.clone();
        let connected = if connected { "yes" } else { "no" }.to_owned();
        vec![rack, connected, last_seen.unwrap_or_default(), acknowledged.to_string()]
    })
}

/// `bmsctl events`.
pub async fn events(
    client: &Client,
    output: Output,
    follow: bool,
    node: Option<String>,
) -> anyhow::Result<()> {
    let filter = node.map(|node| format!("&node={}", percent(&node))).unwrap_or_default();
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
