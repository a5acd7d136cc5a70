//! Edges: `bmsctl`, the command line for administrators and tenants.
//!
//! It knows Keystone (to log in) and our REST API, nothing else. What it prints is either a table for people or, with
//! `-o json`, exactly what the API said.

mod args;
mod client;
mod node;
mod output;
mod server;
mod things;

pub use args::Args;

use std::process::ExitCode;

use args::Command;
use client::Client;

/// Runs one command.
pub async fn run(args: Args) -> ExitCode {
    if let Command::Completion { shell } = args.command {
        args::print_completion(shell);
        return ExitCode::SUCCESS;
    }
    match execute(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn execute(args: Args) -> anyhow::Result<()> {
    let client = Client::connect(&args.connection).await?;
    let output = args.output;
    match args.command {
        Command::Node(command) => node::run(&client, output, command).await,
        Command::Server(command) => server::run(&client, output, command).await,
        Command::Image(command) => things::image(&client, output, command).await,
        Command::Flavor(command) => things::flavor(&client, output, command).await,
        Command::Network(command) => things::network(&client, output, command).await,
        Command::Agent(command) => things::agent(&client, output, command).await,
        Command::Events { follow, node } => things::events(&client, output, follow, node).await,
        Command::Completion { .. } => Ok(()),
    }
}
