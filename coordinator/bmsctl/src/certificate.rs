//! Edges: `bmsctl certificate`: certificates of erased disks. `verify` needs the file and the authority's certificate, and no coordinator.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use api_types::{EraseCertificate, EraseCertificateFile, PAGE_ITEMS_MAX, Page};
use clap::{Subcommand, ValueEnum};
use domain::url_text::query;
use protocol::erase_certificate::{self, FILE_BYTES_MAX, Fault, Group, Line, Said, Verified};
use serde_json::{Value, json};

use super::{
    args::Output,
    client::Client,
    output,
    path::path,
    since::{Moment, moment},
};

/// Most certificates that are listed at once.
const CERTIFICATES_MAX: i64 = 100_000;
/// Longest file of certificates of authorities.
const AUTHORITIES_BYTES_MAX: usize = 1 << 20;

/// What is done with certificates of erased disks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List certificates of erased disks, newest first.
    #[command(
        after_help = "Examples:\n  bmsctl certificate list --node srv1\n  bmsctl certificate list --serial Z1F0A2B3 -o json"
    )]
    List(Filter),
    /// Show what a certificate says.
    Show {
        /// Id of the certificate.
        id: String,
    },
    /// Print a certificate as it was signed, or as a page to be printed on paper.
    #[command(
        after_help = "Examples:\n  bmsctl certificate export ID > certificate.json\n  bmsctl certificate export ID --format html > certificate.html"
    )]
    Export {
        /// Id of the certificate.
        id: String,
        /// What is printed.
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
    },
    /// Check the signatures of an exported certificate. Asks nobody: works offline and without a login.
    #[command(
        after_help = "Example: bmsctl certificate verify certificate.json --ca ca.pem\n\nca.pem is the authority of the coordinator that \
            signed it (pki/ca.pem in its state directory); get it from someone you trust, not with the certificate. Exit status: 0 if the \
            certificate holds, 1 if it does not."
    )]
    Verify(Verify),
}

/// Which file, and by whose authority.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The exported certificate (JSON), or - for standard input.
    file: PathBuf,
    /// Certificate of the authority (PEM); by default that of --cacert.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// How a certificate is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The signed file.
    Json,
    /// A page for people.
    Html,
}

/// Which certificates.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only disks that were in this node, by id or by its name then.
    #[arg(long)]
    node: Option<String>,
    /// Only disks with this serial number.
    #[arg(long)]
    serial: Option<String>,
    /// Only disks with this world-wide name.
    #[arg(long)]
    wwn: Option<String>,
    /// Only certificates since then: a time such as 2026-11-30T08:00:00Z, or how long ago, such as 2h or 30m.
    #[arg(long, value_parser = moment)]
    since: Option<Moment>,
    /// Only certificates before then.
    #[arg(long, value_parser = moment)]
    until: Option<Moment>,
    /// Show at most this many, the newest ones.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=CERTIFICATES_MAX))]
    limit: u32,
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(filter) => {
            let found = read(client, &filter).await?;
            let header = ["kept", "node", "disk", "model", "serial", "wwn", "size", "method", "id"];
            output::list(output, &found, &header, row)
        }
        Command::Show { id } => {
            let file: EraseCertificateFile = client.get(&path(&["erase-certificates", &id])?).await?;
            let said = erase_certificate::read(&serde_json::to_vec(&file)?)?.said();
            let said = said.context("the certificate cannot be read; use a newer bmsctl")?;
            match output {
                Output::Json => output::json(&said_json(&said)),
                Output::Table => {
                    show(&erase_certificate::lines(&said.statement, said.receipt.as_ref(), &said.agent));
                    Ok(())
                }
            }
        }
        Command::Export { id, format } => {
            let path = path(&["erase-certificates", &id])?;
            let accept = match format {
                Format::Json => "application/json",
                Format::Html => "text/html",
            };
            output::file(client.text_as(&path, accept).await?.trim_end());
            Ok(())
        }
        Command::Verify(asked) => verify(output, &asked, None),
    }
}

/// Checks a file, by this authority's certificate where none is named.
pub fn verify(output: Output, asked: &Verify, cacert: Option<&Path>) -> anyhow::Result<()> {
    let ca = asked.ca.as_deref().or(cacert);
    let ca = ca.context("name the authority's certificate with --ca")?;
    let authorities = erase_certificate::authorities(&read_file(ca, AUTHORITIES_BYTES_MAX)?);
    let authorities =
        authorities.with_context(|| format!("{} holds no certificate of an authority", ca.display()))?;
    let text = read_file(&asked.file, FILE_BYTES_MAX + 1)?;
    let verified =
        erase_certificate::read(&text).and_then(|file| erase_certificate::verify(&file, &authorities));
    match verified {
        Ok(verified) => holds(output, &asked.file, verified),
        Err(fault) => does_not_hold(output, &asked.file, fault),
    }
}

fn holds(output: Output, file: &Path, verified: Verified) -> anyhow::Result<()> {
    let Verified { statement, receipt, agent } = verified;
    match output {
        Output::Json => {
            let said = Said { statement, receipt: Some(receipt), agent };
            let mut answer = said_json(&said);
            answer["valid"] = json!(true);
            output::json(&answer)
        }
        Output::Table => {
            show(&erase_certificate::lines(&statement, Some(&receipt), &agent));
            output::say(output, format_args!("\n{}: valid, both signatures hold", file.display()));
            Ok(())
        }
    }
}

fn does_not_hold(output: Output, file: &Path, fault: Fault) -> anyhow::Result<()> {
    if output == Output::Json {
        output::json(&json!({"valid": false, "fault": fault.kind(), "reason": fault.to_string()}))?;
    }
    Err(anyhow!(fault).context(format!("{} is not valid", file.display())))
}

fn said_json(said: &Said) -> Value {
    json!({"statement": said.statement, "receipt": said.receipt, "agent_certificate_sha256": said.agent})
}

/// Every line below its heading.
fn show(lines: &[Line]) {
    let width = lines.iter().map(|line| line.label.len()).max().unwrap_or(0);
    for group in Group::ALL {
        let mut of_group = lines.iter().filter(|line| line.group == group).peekable();
        if of_group.peek().is_some() {
            output::say(Output::Table, group.heading());
        }
        for Line { label, text, .. } in of_group {
            output::say(Output::Table, format_args!("  {label:width$}  {text}"));
        }
    }
}

/// A file, or standard input, at most so many bytes of it.
fn read_file(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(bytes_max as u64).read_to_end(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(bytes_max as u64).read_to_end(&mut text))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Page by page into the past until there are as many as are wanted.
async fn read(client: &Client, filter: &Filter) -> anyhow::Result<Vec<EraseCertificate>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let left = filter.limit.saturating_sub(u32::try_from(found.len())?);
        let path = list_path(filter, left.min(PAGE_ITEMS_MAX), marker.as_deref());
        let Page { items, next } = client.get::<Page<EraseCertificate>>(&path).await?;
        found.extend(items);
        marker = next;
        if marker.is_none() || found.len() >= filter.limit as usize {
            return Ok(found);
        }
    }
}

fn list_path(filter: &Filter, limit: u32, marker: Option<&str>) -> String {
    let limit = limit.to_string();
    let time = |moment: Option<Moment>| moment.map(|moment| moment.text(jiff::Timestamp::now()));
    let (since, until) = (time(filter.since), time(filter.until));
    let given = [
        ("node", filter.node.as_deref()),
        ("serial", filter.serial.as_deref()),
        ("wwn", filter.wwn.as_deref()),
        ("since", since.as_deref()),
        ("until", until.as_deref()),
        ("limit", Some(&*limit)),
        ("marker", marker),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    format!("/v1/erase-certificates?{}", query(&given))
}

fn row(certificate: &EraseCertificate) -> Vec<String> {
    vec![
        certificate.received_at.clone(),
        certificate.node.clone(),
        certificate.disk_number.to_string(),
        certificate.model.clone(),
        certificate.serial.clone(),
        certificate.wwn.clone(),
        format!("{} MiB", certificate.size_bytes >> 20),
        certificate.method.clone(),
        certificate.id.to_string(),
    ]
}
