//! Edges: `bmsctl node adopt` and `bmsctl node survey`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    args::{Output, Wait},
    client::Client,
    output::{self, Cell, Look},
    path::path,
};
use api_types::{Adopted, AdoptedNetwork, Adoption, Severity, Stage, Survey};
use domain::url_text::query;

const ADOPT_HELP: &str = "\
Example: bmsctl node adopt running.yaml --rack rack1 --dry-run

The file is an import file whose entries also describe the server that runs on each machine:
  instance:
    name: web1
    project: demo
    image: debian-13
    flavor: metal
    networks: [{network: blue, address: 192.0.2.10}]
    make_ports: false

Power, disks and switch ports are not changed. The file is imported as a whole or not at all.";

/// Adopts servers in use.
#[derive(Debug, clap::Args)]
#[command(after_help = ADOPT_HELP)]
pub struct Adopt {
    /// The file, or - for standard input.
    pub file: PathBuf,
    /// Rack of the servers for which the file names none.
    #[arg(long, default_value = "rack1")]
    pub rack: String,
    /// Resource class of servers for which the file names none.
    #[arg(long, default_value = "baremetal")]
    pub resource_class: String,
    /// Check everything and show what was found; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub wait: Wait,
}

/// Lists contradictions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bmsctl node survey running.yaml\n\nThe survey changes nothing.")]
pub struct SurveyOf {
    /// File as for `node adopt`: survey only its servers, and compare them with it; - for standard input.
    pub file: Option<PathBuf>,
}

/// The text of a file, or of standard input.
pub fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// `node adopt`.
pub async fn adopt(client: &Client, output: Output, asked: Adopt) -> anyhow::Result<()> {
    let text = read(&asked.file)?;
    let pairs = [("rack", asked.rack.as_str()), ("resource_class", &asked.resource_class)];
    let path = format!("/v1/nodes/adopt?{}&dry_run={}", query(&pairs), asked.dry_run);
    let adopted: Adopted = client.upload(&path, text.len() as u64, text.into()).await?;
    if asked.wait.wait && !adopted.dry_run {
        for node in &adopted.nodes {
            follow(client, &node.name, asked.wait).await?;
        }
    }
    let header = ["name", "id", "server", "networks", "what"];
    output::list(output, &adopted.nodes, &header, |node| {
        let what = match (adopted.dry_run, node.unchanged, asked.wait.wait) {
            (_, true, _) => "as the file says already",
            (true, false, _) => "would be adopted",
            (false, false, true) => "adopted",
            (false, false, false) => "being adopted; `bmsctl node show` shows the progress",
        };
        vec![
            node.name.clone(),
            node.id.map(|id| id.to_string()).unwrap_or_default(),
            node.server.clone(),
            node.networks.iter().map(network).collect::<Vec<_>>().join("; "),
            what.to_owned(),
        ]
    })
}

fn network(network: &AdoptedNetwork) -> String {
    let how = match (&network.port, network.interface) {
        (port, _) if port.is_empty() => String::new(),
        (port, Some(_)) => format!(" on {port}"),
        (port, None) => format!(" on {port}, its port will be created"),
    };
    format!("{} {}{how}", network.network, network.address)
}

async fn follow(client: &Client, name: &str, wait: Wait) -> anyhow::Result<Adoption> {
    output::wait(name, wait.timeout, async || {
        let now: Adoption = client.get(&path(&["adoptions", name])?).await?;
        let reason = now.reason.clone();
        Ok(match now.stage {
            Stage::Done => Look::Done(now),
            Stage::Failed => Look::Failed(format!(
                "not adopted and left unchanged: {}; next: {}",
                reason.unwrap_or_else(|| "no reason was given".to_owned()),
                now.next
            )),
            Stage::Asked | Stage::Verifying | Stage::Adopting => {
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                Look::Going(format!("next: {}{reason}", now.next))
            }
        })
    })
    .await
}

/// `node survey`.
pub async fn survey(client: &Client, output: Output, asked: SurveyOf) -> anyhow::Result<()> {
    let found: Survey = match asked.file {
        None => client.get("/v1/survey").await?,
        Some(file) => {
            let text = read(&file)?;
            client.upload("/v1/survey", text.len() as u64, text.into()).await?
        }
    };
    if let Output::Json = output {
        return output::json(&found);
    }
    if found.findings.is_empty() {
        output::say(
            output,
            format_args!("{} servers were surveyed; no contradictions were found", found.servers),
        );
    } else {
        output::list(output, &found.findings, &["", "server", "who says what", "remedy"], |finding| {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let said = [
                ("ironic", &finding.ironic),
                ("nova", &finding.nova),
                ("contrail", &finding.contrail),
                ("seen", &finding.seen),
            ];
            let said = said.into_iter().filter(|(_, text)| !text.is_empty());
            let said = Cell::lines(said.map(|(who, text)| format!("{who}: {text}")));
            vec![
                severity.to_owned().into(),
                finding.server.clone().into(),
                said,
                finding.remedy.clone().into(),
            ]
        })?;
    }
    for missed in &found.not_seen {
        output::say(output, format_args!("not surveyed: {}: {}", missed.service, missed.reason));
    }
    Ok(())
}
