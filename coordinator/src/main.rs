//! Edges: the coordinator's program.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use coordinator::{config::Config, server};
use coordinator_core::{
    agents::{IssuedAgent, Issuer, Older, issue_agent},
    pki::Authority,
};
use host::{
    dumps,
    log::{self, Filter},
};
use protocol::{id::RackId, text::Shown};
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};

/// What is logged.
const LOG: Filter = Filter { variable: "BMS_LOG", otherwise: "info,sqlx=warn" };

/// The coordinator of BMS Manager.
#[derive(Parser)]
#[command(name = "bms-coordinator", version, about)]
struct Args {
    /// The configuration file.
    #[arg(long, global = true, env = "BMS_CONFIG", default_value = "/etc/bms/coordinator.toml")]
    config: PathBuf,
    /// Write the log as JSON.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until told to stop (SIGTERM, SIGINT).
    Run,
    /// Check the configuration file and say what is wrong with it.
    CheckConfig,
    /// Write a certificate for the agent of a rack: agent.pem, agent.key and ca.pem.
    IssueAgent {
        /// The rack.
        #[arg(long)]
        rack: RackId,
        /// Directory to write to.
        #[arg(long)]
        out: PathBuf,
        /// Revoke the certificates that the rack has already; without it they stay good until they are revoked.
        #[arg(long)]
        replace: bool,
    },
    /// Print the certificate of our authority, for clients of the REST API.
    Ca,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]
fn main() -> ExitCode {
    let args = Args::parse();
    log::start(LOG, args.log_json);
    dumps::forbid();
    match run(args) {
        Ok(Some(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            // A fault of the configuration file has several lines.
            for line in format!("bms-coordinator: {error:#}").lines() {
                eprintln!("{}", Shown(line));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<Option<String>> {
    let config = Config::read(&args.config)?;
    match args.command {
        Command::CheckConfig => Ok(Some(format!("{} is valid", args.config.display()))),
        Command::IssueAgent { rack, out, replace } => {
            let older = if replace { Older::Revoke } else { Older::Keep };
            let issued = runtime()?.block_on(issue(&config, &rack, &out, older))?;
            let files = format!("wrote agent.pem, agent.key and ca.pem for rack {rack} to {}", out.display());
            Ok(Some(format!("{files}\n{issued}")))
        }
        Command::Ca => {
            let authority = Authority::open_or_create(&config.pki_dir(), SystemClock.now_us())?;
            Ok(Some(authority.certificate_pem().trim_end().to_owned()))
        }
        Command::Run => {
            runtime()?.block_on(server::run(config))?;
            Ok(None)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn issue(config: &Config, rack: &RackId, out: &Path, older: Older) -> anyhow::Result<IssuedAgent> {
    let authority = Authority::open_or_create(&config.pki_dir(), SystemClock.now_us())?;
    let issuer = Issuer { authority: Arc::new(authority), days: config.agents.certificate_days };
    // Certificates are not sealed: the key of what is sealed is not needed here, and is not made before the coordinator makes it.
    let nothing_sealed = Sealer::new(&[0; 32]);
    let inventory = Inventory::open(&config.database(), nothing_sealed, Arc::new(SystemClock)).await?;
    let issued = issue_agent(&inventory, &issuer, rack, out, older).await?;
    inventory.close().await;
    Ok(issued)
}
