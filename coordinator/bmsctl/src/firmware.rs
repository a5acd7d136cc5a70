//! Edges: `bmsctl firmware`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use api_types::{
    FirmwareComponent, FirmwareFile, FirmwareUpdate, FirmwareUpdateStage, List, NewFirmwareUpdate,
    NodeFirmware,
};
use clap::Subcommand;
use domain::url_text::query;
use tokio_util::io::ReaderStream;

use super::{
    args::{Output, Wait},
    client::Client,
    output::{self, Look},
    path::path,
};

/// Nodes that are named in a row; the others are counted.
const NODES_SHOWN: usize = 8;

/// What is shown of firmware.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the firmware of all nodes by model, and which nodes have which version.
    #[command(
        after_help = "Example: bmsctl firmware list --drift\n\nBMCs are asked for their firmware a few times a day."
    )]
    List {
        /// Only where nodes of one model differ.
        #[arg(long)]
        drift: bool,
    },
    /// Show the firmware of a node.
    Show {
        /// Name or id of the node.
        node: String,
    },
    /// Update the firmware of a node's BMC or of the node itself.
    #[command(
        after_help = "Examples:\n  bmsctl firmware update srv1 --component BMC --image bmc-2.0.bin --version 2.0 --wait\n  bmsctl firmware update \
            srv1 --component BIOS --image https://images.example/firmware/bios-4.6.cap --version 4.6\n\nOnly firmware of a node that nobody \
            uses is updated, one node of a rack at a time, and only once the node is off and isolated. The BMC is given the image once; \
            the update is done when the version is seen."
    )]
    Update(Update),
    /// Show the updates of a node's firmware and how far they are.
    #[command(after_help = "Example: bmsctl firmware progress srv1")]
    Progress {
        /// Name or id of the node.
        node: String,
    },
    /// Call off the update of a node's firmware that has not begun.
    #[command(after_help = "Example: bmsctl firmware cancel srv1")]
    Cancel {
        /// Name or id of the node.
        node: String,
    },
    /// Files of firmware that the coordinator keeps.
    #[command(subcommand)]
    File(File),
}

/// An update.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Name or id of the node.
    node: String,
    /// What is updated: BMC, BIOS, or the id or name of a piece of its firmware (`firmware show`).
    #[arg(long)]
    component: String,
    /// File to upload, name or SHA-256 of one that is kept, or address from which the BMC fetches it.
    #[arg(long, value_name = "FILE|URL")]
    image: String,
    /// Version that the BMC shows afterwards.
    #[arg(long)]
    version: String,
    #[command(flatten)]
    wait: Wait,
}

/// Commands on files of firmware.
#[derive(Debug, Subcommand)]
pub enum File {
    /// List the files.
    List,
    /// Upload a file.
    #[command(after_help = "Example: bmsctl firmware file create bmc-2.0.bin")]
    Create {
        /// The file.
        file: PathBuf,
        /// Expected SHA-256 of the file; a file with another one is refused.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Delete a file.
    Delete {
        /// Name or SHA-256.
        file: String,
    },
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { drift } => {
            let listed: List<FirmwareComponent> = client.get(&format!("/v1/firmware?drift={drift}")).await?;
            if output == Output::Json {
                return output::json(&listed.items);
            }
            let rows: Vec<_> = listed.items.iter().flat_map(rows).collect();
            if rows.is_empty() && drift {
                output::say(output, "no nodes of one model differ in their firmware");
                return Ok(());
            }
            output::list(output, &rows, &["model", "component", "version", "nodes"], Clone::clone)
        }
        Command::Update(asked) => update(client, output, asked).await,
        Command::Progress { node } => progress(client, output, &node).await,
        Command::Cancel { node } => cancel(client, output, &node).await,
        Command::File(command) => files(client, output, command).await,
        Command::Show { node } => {
            let firmware: NodeFirmware = client.get(&path(&["nodes", &node, "firmware"])?).await?;
            if output == Output::Json {
                return output::json(&firmware);
            }
            match &firmware.read {
                Some(read) => {
                    output::say(output, format_args!("{} {}, read {read}", firmware.node, firmware.model))
                }
                None => output::say(output, format_args!("the BMC of {node} has told nothing yet")),
            }
            output::list(output, &firmware.items, &["component", "version", "update", "id"], |item| {
                let update = if item.updateable { "possible" } else { "" };
                vec![item.name.clone(), item.version.clone(), update.to_owned(), item.id.clone()]
            })
        }
    }
}

async fn update(client: &Client, output: Output, asked: Update) -> anyhow::Result<()> {
    let Update { node, component, image, version, wait } = asked;
    let (file, url) = match image.contains("://") {
        true => (None, Some(image)),
        false => (Some(kept(client, &image).await?), None),
    };
    let wanted = NewFirmwareUpdate { component, version, file, url };
    let path = path(&["nodes", &node, "firmware-updates"])?;
    let update: FirmwareUpdate = client.post(&path, &wanted).await?;
    if !wait.wait {
        if output == Output::Json {
            return output::json(&update);
        }
        output::say(
            output,
            format_args!("{node}: requested; `bmsctl firmware progress {node}` shows how far it is"),
        );
        return Ok(());
    }
    let done = output::wait(&node, wait.timeout, async || {
        let listed: List<FirmwareUpdate> = client.get(&path).await?;
        let now = listed.items.into_iter().find(|it| it.id == update.id);
        let now = now.context("the update is gone; its node may have been deleted")?;
        Ok(match now.stage {
            FirmwareUpdateStage::Done => Look::Done(now),
            FirmwareUpdateStage::Failed => Look::Failed(now.reason.unwrap_or_default()),
            _ => Look::Going(stage(&now)),
        })
    })
    .await?;
    if output == Output::Json {
        return output::json(&done);
    }
    output::say(output, format_args!("{node}: {}", said(&done)));
    Ok(())
}

/// The SHA-256 of a file that is kept, uploaded if it is here; else the name, which may be one that is kept.
async fn kept(client: &Client, image: &str) -> anyhow::Result<String> {
    let path = Path::new(image);
    match path.is_file() {
        true => Ok(upload(client, path, None).await?.sha256),
        false => Ok(image.to_owned()),
    }
}

async fn upload(client: &Client, path: &Path, sha256: Option<&str>) -> anyhow::Result<FirmwareFile> {
    let file = tokio::fs::File::open(path).await.with_context(|| format!("opening {}", path.display()))?;
    let about = file.metadata().await?;
    anyhow::ensure!(about.is_file(), "{} is not a file", path.display());
    let name = path.file_name().and_then(|name| name.to_str()).context("the file's name is not UTF-8")?;
    let mut pairs = vec![("name", name)];
    pairs.extend(sha256.map(|hash| ("sha256", hash)));
    let path = format!("/v1/firmware-files?{}", query(&pairs));
    client.upload(&path, about.len(), reqwest::Body::wrap_stream(ReaderStream::new(file))).await
}

async fn files(client: &Client, output: Output, command: File) -> anyhow::Result<()> {
    let files = match command {
        File::List => client.get::<List<FirmwareFile>>("/v1/firmware-files").await?.items,
        File::Create { file, sha256 } => vec![upload(client, &file, sha256.as_deref()).await?],
        File::Delete { file } => {
            client.delete(&path(&["firmware-files", &file])?).await?;
            output::say(output, format_args!("{file} was deleted"));
            return Ok(());
        }
    };
    output::list(output, &files, &["name", "bytes", "sha256", "uploaded"], |file| {
        let FirmwareFile { name, sha256, size_bytes, created } = file.clone();
        vec![name, size_bytes.to_string(), sha256, created.unwrap_or_default()]
    })
}

async fn progress(client: &Client, output: Output, node: &str) -> anyhow::Result<()> {
    let listed: List<FirmwareUpdate> = client.get(&path(&["nodes", node, "firmware-updates"])?).await?;
    if listed.items.is_empty() && output == Output::Table {
        output::say(output, format_args!("no update of the firmware of {node} is known"));
        return Ok(());
    }
    let header = ["component", "version", "stage", "since", "by", "what"];
    output::list(output, &listed.items, &header, |update| {
        vec![
            update.component.clone(),
            update.version.clone().unwrap_or_default(),
            stage(update),
            update.since.clone().unwrap_or_default(),
            update.by.clone(),
            said(update),
        ]
    })
}

async fn cancel(client: &Client, output: Output, node: &str) -> anyhow::Result<()> {
    let listed: List<FirmwareUpdate> = client.get(&path(&["nodes", node, "firmware-updates"])?).await?;
    let is_over = |update: &FirmwareUpdate| {
        matches!(update.stage, FirmwareUpdateStage::Done | FirmwareUpdateStage::Failed)
    };
    let open = listed.items.iter().find(|update| !is_over(update));
    let open = open.with_context(|| format!("no update of the firmware of {node} is under way"))?;
    client.delete(&path(&["nodes", node, "firmware-updates", &open.id.to_string()])?).await?;
    output::say(output, format_args!("{node}: its firmware is not updated"));
    Ok(())
}

/// How far it is, in a few letters.
fn stage(update: &FirmwareUpdate) -> String {
    let percent = update.percent.map(|percent| format!(" {percent} %")).unwrap_or_default();
    format!("{}{percent}", update.stage)
}

/// Why it waits or has failed, or what has changed.
fn said(update: &FirmwareUpdate) -> String {
    match (&update.reason, update.changes.is_empty(), update.stage) {
        (Some(reason), _, _) => reason.clone(),
        (None, false, _) => update.changes.join("; "),
        (None, true, FirmwareUpdateStage::Done) => "no version has changed".to_owned(),
        (None, true, _) => String::new(),
    }
}

/// A row for each version.
fn rows(component: &FirmwareComponent) -> Vec<Vec<String>> {
    let row = |version: &api_types::FirmwareNodes| {
        let said = if version.version.is_empty() { "not told" } else { &version.version };
        vec![component.model.clone(), component.name.clone(), said.to_owned(), nodes(&version.nodes)]
    };
    component.versions.iter().map(row).collect()
}

fn nodes(names: &[String]) -> String {
    match names.get(NODES_SHOWN..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{} and {} more", names[..NODES_SHOWN].join(", "), more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_row_of_nodes_is_counted() {
        let check = |count: usize, expected: &str| {
            let names: Vec<_> = (1..=count).map(|number| format!("n{number}")).collect();
            assert_eq!(nodes(&names), expected);
        };
        check(0, "");
        check(2, "n1, n2");
        check(8, "n1, n2, n3, n4, n5, n6, n7, n8");
        check(11, "n1, n2, n3, n4, n5, n6, n7, n8 and 3 more");
    }
}
