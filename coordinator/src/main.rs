//! Edges: the coordinator's program.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use coordinator::{config::Config, dumps, pki::Authority, server};
use protocol::id::RackId;
use tracing_subscriber::EnvFilter;

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
    },
    /// Print the certificate of our authority, for clients of the REST API.
    Ca,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]
fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("BMS_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if args.log_json {
        log.json().init()
    } else {
        log.with_ansi(false).init()
    }
    dumps::forbid();
    match run(args) {
        Ok(Some(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bms-coordinator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<Option<String>> {
    let config = Config::read(&args.config)?;
    match args.command {
        Command::CheckConfig => Ok(Some(format!("{} is good", args.config.display()))),
        Command::IssueAgent { rack, out } => {
            Authority::open_or_create(&config.pki_dir())?.write_agent(&rack, &out)?;
            Ok(Some(format!("wrote agent.pem, agent.key and ca.pem for rack {rack} to {}", out.display())))
        }
        Command::Ca => {
            let authority = Authority::open_or_create(&config.pki_dir())?;
            Ok(Some(authority.certificate_pem().trim_end().to_owned()))
        }
        Command::Run => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(server::run(config))?;
            Ok(None)
        }
    }
}
