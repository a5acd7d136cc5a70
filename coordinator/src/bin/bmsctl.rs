//! Edges: the command line for administrators and tenants; everything is in `coordinator::cli`.

use clap::Parser;
use coordinator::cli::{Args, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    run(Args::parse()).await
}
