//! Edges: `bmsctl node bmc factory-passwords`: the passwords that BMCs have from their factory.

use std::path::PathBuf;

use api_types::{FactoryPassword, FactoryPasswordsImported, List};
use clap::{Subcommand, ValueEnum};

use super::{args::Output, brownfield::read, client::Client, output, path::path};

const IMPORT_HELP: &str = "\
Example: bmsctl node bmc factory-passwords import delivery-4711.csv

The first row of the file names its columns:
  serial,mac,username,password
  7X0AB12,,root,calvin123
  ,3c:ec:ef:00:00:01,ADMIN,ABCDEFGHIJ

username and password are needed, and one of serial (of the server), mac (of the BMC) and uuid; rack names the only rack whose
agent may be given the password. The same as JSON is a list of objects. The file is imported as a whole or not at all; the same
line again changes nothing. A scan (bmsctl discovery scan) finds the BMCs.";

/// Commands on the list.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add the lines of a vendor's list.
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// The file, or - for standard input.
        file: PathBuf,
        /// File format; by default taken from the file name (.csv, .json).
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// List the lines and what became of each, without the passwords.
    #[command(after_help = "Example: bmsctl node bmc factory-passwords list")]
    List,
    /// Remove lines and their passwords.
    #[command(
        after_help = "Example: bmsctl node bmc factory-passwords remove 6ae0a1b2-c3d4-45e6-8f70-0123456789ab"
    )]
    Remove {
        /// Ids of lines.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table.
    Csv,
    /// A list of objects.
    Json,
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Import { file, format } => {
            let is_json = file.extension().is_some_and(|extension| extension == "json");
            let format = match format.unwrap_or(if is_json { ListFormat::Json } else { ListFormat::Csv }) {
                ListFormat::Csv => "csv",
                ListFormat::Json => "json",
            };
            let text = read(&file)?;
            let path = format!("/v1/bmc-factory-passwords?format={format}");
            let done: FactoryPasswordsImported = client.upload(&path, text.len() as u64, text.into()).await?;
            let fields = vec![("added", done.added.to_string()), ("unchanged", done.unchanged.to_string())];
            output::one(output, &done, fields)
        }
        Command::List => {
            let lines: List<FactoryPassword> = client.get("/v1/bmc-factory-passwords").await?;
            let header = ["id", "serial", "mac", "uuid", "rack", "user", "stage", "of", "problem"];
            output::list(output, &lines.items, &header, |line| {
                let line = line.clone();
                vec![
                    line.id.to_string(),
                    line.serial.unwrap_or_default(),
                    line.mac.unwrap_or_default(),
                    line.uuid.unwrap_or_default(),
                    line.rack.unwrap_or_else(|| "any".to_owned()),
                    line.bmc_username,
                    line.stage,
                    line.node.or(line.bmc).unwrap_or_default(),
                    line.problem.unwrap_or_default(),
                ]
            })
        }
        Command::Remove { ids } => {
            for id in &ids {
                client.delete(&path(&["bmc-factory-passwords", id])?).await?;
                output::say(output, format_args!("{id} was removed"));
            }
            Ok(())
        }
    }
}
