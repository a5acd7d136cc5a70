//! Edges: `bmsctl`, the command line for administrators and tenants.
//!
//! It knows Keystone (to log in) and our REST API, nothing else. What it prints is either a table for people or, with
//! `-o json`, exactly what the API said.

mod agent;
mod args;
mod attachment;
mod audit;
mod bmc;
mod bmc_certificate;
mod bmc_health;
mod brownfield;
mod certificate;
mod client;
mod console;
mod console_log;
mod discovery;
mod disk;
mod events;
mod factory_passwords;
mod firmware;
mod flavor;
mod health;
mod image;
mod image_cache;
mod network;
mod node;
mod output;
mod path;
mod pool;
mod proof;
mod rule;
mod server;
mod since;
mod why;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Args::parse()).await
}

/// Runs one command.
async fn run(args: Args) -> ExitCode {
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
    if let Command::Certificate(certificate::Command::Verify(asked)) = &args.command {
        // It holds without a coordinator and without a login.
        return certificate::verify(args.output, asked, args.connection.cacert.as_deref());
    }
    let client = Client::connect(&args.connection).await?;
    let output = args.output;
    match args.command {
        Command::Node(command) => node::run(&client, output, command).await,
        Command::Bmc(command) => bmc::run(&client, output, command).await,
        Command::Server(command) => server::run(&client, output, command).await,
        Command::Image(command) => image::run(&client, output, command).await,
        Command::Firmware(command) => firmware::run(&client, output, command).await,
        Command::Flavor(command) => flavor::run(&client, output, command).await,
        Command::Pool(command) => pool::run(&client, output, command).await,
        Command::Network(command) => network::run(&client, output, command).await,
        Command::Discovery(command) => discovery::run(&client, output, command).await,
        Command::Agent(command) => agent::run(&client, output, command).await,
        Command::Certificate(command) => certificate::run(&client, output, command).await,
        Command::Audit(command) => audit::run(&client, output, command).await,
        Command::Console(asked) if asked.log => console_log::run(&client, output, asked).await,
        Command::Console(asked) => console::run(&client, asked).await,
        Command::Why(asked) => why::run(&client, output, asked).await,
        Command::Events(asked) => events::run(client, &args.connection, output, asked).await,
        Command::Completion { .. } => Ok(()),
    }
}
