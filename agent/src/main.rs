//! Edges: the rack agent's command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use agent::{
    alone::{self, Part, Rack, StaticError},
    config::{Config, ConfigError},
    files::FILES_NEEDED,
    start::{self, StartError},
    tool::{self, args::BmcArgs},
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use host::{
    dumps,
    log::{self, Filter},
    open_files::{self, OpenFilesError},
};
use protocol::{error_chain::chain, id::ServerId, text::Shown};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What is logged.
const LOG: Filter = Filter { variable: "RUST_LOG", otherwise: "info" };

/// The agent of one rack of BMS Manager.
#[derive(Parser)]
#[command(name = "bms-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM or SIGINT.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Check a configuration file, and that the files it names can be read.
    CheckConfig {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print what was recorded of a server's console (`[console] record = "all"`), as it is.
    #[command(
        after_help = "Example: bms-agent console-log --config agent.toml 6ae0a1b2-c3d4-45e6-8f70-0123456789ab --since 30m"
    )]
    ConsoleLog {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The server's id, as `bmsctl node show` has it.
        server: ServerId,
        /// From so long ago on: 90s, 30m, 12h, 7d.
        #[arg(long, default_value = "1h", value_parser = ago)]
        since: Duration,
    },
    /// Serve DHCP, TFTP and HTTP for one network by a file, without a coordinator, until SIGTERM or SIGINT.
    #[command(after_help = "Example: bms-agent boot --static rack.toml --check")]
    Boot {
        /// The file with the network and its hosts; docs/boot-static.md tells of it.
        #[arg(long = "static", value_name = "FILE")]
        file: PathBuf,
        /// Check the file, and that the files it names are there, and serve nothing.
        #[arg(long)]
        check: bool,
        /// Serve DHCP alone.
        #[arg(long, conflicts_with_all = ["tftp_only", "http_only"])]
        dhcp_only: bool,
        /// Serve TFTP alone.
        #[arg(long, conflicts_with = "http_only")]
        tftp_only: bool,
        /// Serve HTTP alone.
        #[arg(long)]
        http_only: bool,
    },
    /// Ask and tell BMCs directly, without a coordinator.
    Bmc(Box<BmcArgs>),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: bms-agent completion bash > /etc/bash_completion.d/bms-agent")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Static(#[from] StaticError),
    #[error(transparent)]
    Files(#[from] OpenFilesError),
    #[error("cannot take signals")]
    Signals(#[from] std::io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    // The options that all verbs share are told once, by `bmc --help`.
    let typed = tool::help::shortened(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
    let done = match arguments.command {
        Command::Run { config } => run(config).await,
        Command::CheckConfig { config } => check(config),
        Command::Boot { file, check: true, .. } => check_static(&file),
        Command::Boot { file, check: false, dhcp_only, tftp_only, http_only } => {
            let part = match (dhcp_only, tftp_only, http_only) {
                (true, _, _) => Part::Dhcp,
                (_, true, _) => Part::Tftp,
                (_, _, true) => Part::Http,
                (false, false, false) => Part::All,
            };
            boot_static(&file, part).await
        }
        Command::ConsoleLog { config, server, since } => console_log(&config, server, since),
        Command::Bmc(args) => return tool::run(*args).await,
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "bms-agent", &mut script);
            tool::print(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // A fault of the configuration file has several lines.
            for line in format!("bms-agent: {}", chain(&fault)).lines() {
                eprintln!("{}", Shown(line));
            }
            ExitCode::FAILURE
        }
    }
}

fn console_log(path: &Path, server: ServerId, since: Duration) -> Result<(), Fault> {
    Ok(start::print_console(&Config::read(path)?, server, since)?)
}

/// A number and its unit.
fn ago(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a whole number and s, m, h or d, such as 30m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[allow(clippy::print_stdout, reason = "this is a command line's answer")]
fn check(path: PathBuf) -> Result<(), Fault> {
    let config = Config::read(&path)?;
    start::check(&config)?;
    println!("{} is valid", path.display());
    Ok(())
}

#[allow(clippy::print_stdout, reason = "this is a command line's answer")]
fn check_static(path: &Path) -> Result<(), Fault> {
    let rack = Rack::read(path)?;
    println!("{} is valid: {} hosts", path.display(), rack.hosts());
    Ok(())
}

async fn boot_static(path: &Path, part: Part) -> Result<(), Fault> {
    let rack = Rack::read(path)?;
    log::start(LOG, false);
    let stop = stop_by_signal()?;
    open_files::raise_limit(alone::FILES_NEEDED as u64)?;
    Ok(rack.serve(part, stop).await?)
}

/// Is cancelled by SIGTERM or SIGINT.
fn stop_by_signal() -> Result<CancellationToken, Fault> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; what is under way gets a moment to end");
        told.cancel();
    });
    Ok(stop)
}

async fn run(path: PathBuf) -> Result<(), Fault> {
    let config = Config::read(&path)?;
    log::start(LOG, config.log_json);
    dumps::forbid();
    // One provider of cryptography for the whole process; an earlier one is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = stop_by_signal()?;
    open_files::raise_limit(FILES_NEEDED as u64)?;
    Ok(start::run(config, stop).await?)
}
