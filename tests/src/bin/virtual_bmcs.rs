//! Edges: `virtual-bmcs`: serves the virtual BMCs that a file describes, until it is told to stop.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line prints

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use tests::{
    failure,
    farm::{Farm, Fault, Running},
};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = r#"Example of a file:
  control = "127.0.0.1:8600"

  [[group]]
  name = "old"
  count = 5000
  protocol = "ipmi"               # ipmi, redfish, redfish-tls
  address = "127.1.0.1:6230"      # of the first one
  spread = "addresses"            # or ports: the others are at the next address, or at the next port
  user = "admin"
  password = "correct-horse"
  who = { iana = 10876, firmware = "1.35" }
  power = { on = false, on_ms = 500, off_ms = 4000, soft_off_ms = 20000 }
  sensors = { "CPU1 Temp" = 97 }
  faults = [{ deviation = "efi-disk-is-remote" }]
  some = [{ every = 10, from = 3, faults = ["silent"] }, { every = 50, faults = [{ slow = { answer_ms = 900 } }] }]

  [[group]]
  name = "new"
  count = 200
  protocol = "redfish-tls"
  address = "127.0.0.1:20000"
  password = "correct-horse"
  who = { manufacturer = "HPE", model = "ProLiant DL360 Gen10", firmware = "iLO 5 v2.44" }

While it runs:
  virtual-bmcs --faults                                       every fault by its name
  curl 127.0.0.1:8600/bmcs?group=new
  curl -X PUT -H 'Content-Type: application/json' -d '["silent"]' 127.0.0.1:8600/bmcs/new-7/faults
  curl -X DELETE 127.0.0.1:8600/groups/new/faults"#;

/// Many virtual BMCs in one process, as bad as real ones.
#[derive(Parser)]
#[command(name = "virtual-bmcs", after_help = EXAMPLES, arg_required_else_help = true)]
struct Args {
    /// The file that describes them, TOML.
    #[arg(required_unless_present = "faults")]
    file: Option<PathBuf>,
    /// Print every fault that a BMC can have, as JSON, and end; in the file, `:` is ` = `.
    #[arg(long)]
    faults: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.file {
        Some(file) if !args.faults => serve(&file),
        Some(_) | None => print_faults(),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("virtual-bmcs: {}", failure::said(&error, None));
    ExitCode::FAILURE
}

fn print_faults() -> anyhow::Result<()> {
    for (fault, what) in Fault::all() {
        println!("{:<52} {what}", serde_json::to_string(&fault)?);
    }
    Ok(())
}

#[tokio::main]
async fn serve(file: &std::path::Path) -> anyhow::Result<()> {
    let place = || format!("{}", file.display());
    let text = std::fs::read_to_string(file).with_context(place)?;
    let farm = Farm::parse(&text).with_context(place)?;
    let (mut asked, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let running = Running::start(&farm).await?;
    println!("{} BMCs are running; end with SIGTERM or ctrl-c", running.bmcs().len());
    if let Some(addr) = running.control() {
        println!("control address: http://{addr}");
    }
    tokio::select! {
        _ = asked.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
