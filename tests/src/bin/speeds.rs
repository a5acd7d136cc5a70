//! Edges: `speeds`: processor time, memory and readings of the agent's BMC clients, for `make bench`, which builds it by the profile
//! `speed`. It is a program of its own for its allocator, which counts.
#![allow(clippy::print_stdout)] // a command line prints

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::Ordering,
};

use clap::{Parser, Subcommand};
use tests::bench::{
    figure,
    speed::{self, cost::ALLOCATED, jobs::Job},
    wire,
};

/// The system's allocator, and how much of it is in use.
struct Counting;

// What is counted is what the callers are given; all else is the system's.
#[allow(unsafe_code)]
// SAFETY: every call is passed on as it came, to the allocator that gave the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How much the agent's BMC clients cost.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure and print a table, or what was measured as JSON.
    Rows {
        /// Only these; all of them without a name.
        names: Vec<String>,
        /// Fewer polls and shorter rounds.
        #[arg(long)]
        quick: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// One measurement, in a process of its own. The BMCs are told on the standard input.
    #[command(hide = true)]
    Job {
        #[arg(value_enum)]
        job: Job,
        #[arg(long)]
        rounds: usize,
    },
    /// Serves one network by a file until it is ended.
    #[command(hide = true)]
    BootStatic { file: std::path::PathBuf },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::ERROR).init();
    let _ = rustls::crypto::ring::default_provider().install_default();
    // As the agent's own.
    tokio::runtime::Runtime::new()?.block_on(run(args.command))
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Rows { names, quick, json } => {
            let figures = speed::run(&names, quick).await?;
            if json {
                println!("{}", serde_json::to_string(&speed::Told::all(&figures))?);
            } else {
                println!("{}", figure::table(&figures));
            }
        }
        // As the agent's pollers are: a task among the runtime's.
        Command::Job { job, rounds } => {
            let measured = tokio::spawn(speed::jobs::run(job, rounds)).await??;
            println!("{}", serde_json::to_string(&measured)?);
        }
        Command::BootStatic { file } => wire::serve(&file).await?,
    }
    Ok(())
}
