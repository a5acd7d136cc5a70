//! Edges: the lab's command line, and the parts of the lab that run as programs of their own.
#![allow(clippy::print_stdout)] // a command line prints

use std::{
    backtrace::BacktraceStatus,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tests::{
    bench,
    contrail::{self, switch::Style},
    failure,
    lab::{Lab, bad_days, listen, lldp, promise, relay, server, site::Site, step::Steps, story, up},
    netns::Netns,
};

/// A real OpenStack and a virtual rack on one machine.
#[derive(Parser)]
#[command(name = "lab", after_help = "Examples:\n  lab up\n  lab up --no-story\n  lab story\n  lab down")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything and play the story; leave it running.
    Up {
        /// Only start.
        #[arg(long)]
        no_story: bool,
        /// Style of Contrail's fabric: enterprise, as its default fabric is, or sp (service provider).
        #[arg(long, default_value_t = Style::Enterprise)]
        fabric: Style,
    },
    /// Play the story on a lab that is up.
    Story,
    /// Stop everything and leave nothing behind.
    Down,
    /// Measure speeds and sizes; the life cycle on a lab of its own.
    Bench {
        /// Only this one; `stock`: those that the stock stack has, too.
        #[arg(long)]
        only: Option<String>,
        /// One cycle instead of several, fewer polls, and no stock stack unless `--only stock`.
        #[arg(long)]
        quick: bool,
    },
    /// A lab of its own beside it: start it, play the story, play the bad days.
    #[command(hide = true)]
    BadDays {
        /// Which ones, without the story; the story and all of them without a name.
        names: Vec<String>,
        /// Name, prefix of namespaces, first port.
        #[arg(long, num_args = 3, value_names = ["NAME", "PREFIX", "PORT"])]
        site: Vec<String>,
        /// Take it down instead.
        #[arg(long)]
        down: bool,
        /// Leave out the story.
        #[arg(long)]
        no_story: bool,
        /// Style of Contrail's fabric.
        #[arg(long, default_value_t = Style::Enterprise)]
        fabric: Style,
    },
    /// Start a lab if it does not run, and play the framework's promises; leave it running.
    #[command(hide = true)]
    Promise {
        /// Which ones; all of them without a name.
        names: Vec<String>,
        /// A lab beside the standard one: name, prefix of namespaces, first port.
        #[arg(long, num_args = 3, value_names = ["NAME", "PREFIX", "PORT"])]
        site: Vec<String>,
        /// Take it down instead.
        #[arg(long)]
        down: bool,
        /// Style of Contrail's fabric.
        #[arg(long, default_value_t = Style::Enterprise)]
        fabric: Style,
    },
    /// One virtual server with its BMC.
    #[command(hide = true)]
    Bmc {
        #[arg(long)]
        config: PathBuf,
    },
    /// The stand-in for Contrail's API and switch.
    #[command(hide = true)]
    ContrailStandin {
        #[arg(long)]
        config: PathBuf,
    },
    /// The agent's uplink.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        namespace: String,
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        target: SocketAddr,
    },
    /// The switch's LLDP.
    #[command(hide = true)]
    Lldp {
        #[arg(long)]
        namespace: String,
        #[arg(long)]
        switch: String,
        /// Taps with their ports, as TAP=PORT.
        ports: Vec<String>,
    },
    /// The listener on every network.
    #[command(hide = true)]
    Listen {
        #[arg(long)]
        namespace: String,
        #[arg(long)]
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let site = site(&args.command);
    let Err(error) = execute(args.command) else { return ExitCode::SUCCESS };
    // A result of `main` would be printed with the frames below the sentence, out of sight. There are some only with
    // RUST_BACKTRACE.
    if error.backtrace().status() == BacktraceStatus::Captured {
        eprintln!("{}", error.backtrace());
    }
    let logs = site.and_then(Result::ok).map(|site| site.run().join("log")).filter(|logs| logs.exists());
    eprintln!("lab: {}", failure::said(&error, logs.as_deref()));
    ExitCode::FAILURE
}

fn execute(command: Command) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(level(&command))
        .init();
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Command::Listen { namespace, file } = &command {
        return listen::run(&Netns(namespace.clone()), file);
    }
    if let Command::Lldp { namespace, switch, ports } = &command {
        let pair = |text: &String| text.split_once('=').map(|(tap, port)| (tap.to_owned(), port.to_owned()));
        let ports: Vec<_> = ports.iter().filter_map(pair).collect();
        return lldp::run(&Netns(namespace.clone()), switch, &ports);
    }
    tokio::runtime::Runtime::new()?.block_on(run(command))
}

/// The lab whose logs explain a failure. A bench names its own, and a part of the lab writes one.
fn site(command: &Command) -> Option<anyhow::Result<Site>> {
    match command {
        Command::Up { .. } | Command::Story | Command::Down => Some(root().map(Site::standard)),
        Command::BadDays { site, .. } | Command::Promise { site, .. } => Some(site_beside(site)),
        Command::Bench { .. }
        | Command::Bmc { .. }
        | Command::ContrailStandin { .. }
        | Command::Relay { .. }
        | Command::Lldp { .. }
        | Command::Listen { .. } => None,
    }
}

/// A person sees steps and warnings; a part of the lab writes a log.
fn level(command: &Command) -> tracing::Level {
    match command {
        Command::Up { .. }
        | Command::Story
        | Command::Down
        | Command::Bench { .. }
        | Command::BadDays { .. }
        | Command::Promise { .. } => tracing::Level::WARN,
        Command::Bmc { .. }
        | Command::ContrailStandin { .. }
        | Command::Relay { .. }
        | Command::Lldp { .. }
        | Command::Listen { .. } => tracing::Level::INFO,
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up { no_story, fabric } => start(!no_story, fabric).await,
        Command::Story => {
            let mut steps = Steps::default();
            let told = story::play(&standard()?, &mut steps).await;
            println!("\n{}", steps.table());
            told
        }
        Command::Down => up::down(&standard()?).await,
        Command::Bench { only, quick } => measure(&bench::Options { only, quick }).await,
        Command::BadDays { names, site, down, no_story, fabric } => {
            bad_days(&names, &beside(&site, fabric)?, down, no_story).await
        }
        Command::Promise { names, site, down, fabric } => {
            promises(&names, &beside(&site, fabric)?, down).await
        }
        Command::Bmc { config } => server::run(&config).await,
        Command::ContrailStandin { config } => contrail::run(contrail::Config::load(&config)?).await,
        Command::Relay { namespace, listen, target } => relay::run(&Netns(namespace), listen, target).await,
        Command::Listen { .. } | Command::Lldp { .. } => Ok(()),
    }
}

/// The checkout is where this program was built.
fn root() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has no parent directory")
}

fn standard() -> anyhow::Result<Lab> {
    Lab::at(Site::standard(root()?))
}

fn beside(site: &[String], fabric: Style) -> anyhow::Result<Lab> {
    Lab::at(Site { fabric, ..site_beside(site)? })
}

fn site_beside(site: &[String]) -> anyhow::Result<Site> {
    match site {
        [] => Ok(Site::standard(root()?)),
        [name, prefix, port] => {
            let port = port.parse().with_context(|| format!("--site: {port:?} is no port"))?;
            Ok(Site::beside(root()?, name, prefix, port))
        }
        other => anyhow::bail!("--site takes a name, a prefix and a port, and not {other:?}"),
    }
}

async fn promises(names: &[String], lab: &Lab, down: bool) -> anyhow::Result<()> {
    if down {
        return up::down(lab).await;
    }
    let mut steps = Steps::default();
    let told = async {
        up::up(lab, &mut steps).await?;
        promise::play(lab, &mut steps, names).await
    }
    .await;
    println!("\n{}", steps.table());
    told
}

async fn bad_days(names: &[String], lab: &Lab, down: bool, no_story: bool) -> anyhow::Result<()> {
    if down {
        return up::down(lab).await;
    }
    let mut steps = Steps::default();
    let told = async {
        up::up(lab, &mut steps).await?;
        if !names.is_empty() {
            return bad_days::play_only(lab, &mut steps, names).await;
        }
        if !no_story {
            story::play(lab, &mut steps).await?;
        }
        bad_days::play(lab, &mut steps).await
    }
    .await;
    println!("\n{}", steps.table());
    told
}

async fn start(with_story: bool, fabric: Style) -> anyhow::Result<()> {
    let lab = beside(&[], fabric)?;
    let mut steps = Steps::default();
    let mut told = up::up(&lab, &mut steps).await;
    if told.is_ok() && with_story {
        told = story::play(&lab, &mut steps).await;
    }
    println!("\n{}", steps.table());
    told.map(|()| farewell(&lab))
}

async fn measure(options: &bench::Options) -> anyhow::Result<()> {
    let site = standard()?.site;
    let figures = bench::run(&site.root, &site.cache(), options).await?;
    println!("\n{}", bench::figure::table(&figures));
    if figures.iter().any(|figure| figure.peer_name == bench::stock::NAME && figure.peer.is_some()) {
        println!(
            "Where the two stacks differ, the stock one has the easier part: tests/openstack/stock/README.md."
        );
    }
    if cfg!(debug_assertions) {
        println!(
            "Agent and coordinator of the life cycle are a debug build; their memory is less in a release build. The clients of BMCs \
             were measured as they are in one."
        );
    }
    let file = site.target().join("bench.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&figures)?)
        .with_context(|| format!("writing {}", file.display()))?;
    println!("The same for programs: {}", file.display());
    let failed: Vec<_> =
        figures.iter().filter(|figure| figure.failure.is_some()).map(|figure| figure.name).collect();
    anyhow::ensure!(failed.is_empty(), "benches that failed: {}", failed.join(", "));
    let lonely: Vec<_> =
        figures.iter().filter(|figure| figure.peer_failure.is_some()).map(|figure| figure.name).collect();
    anyhow::ensure!(lonely.is_empty(), "benches whose peer failed: {}", lonely.join(", "));
    Ok(())
}

fn farewell(lab: &Lab) {
    let run = lab.site.run();
    let endpoints = lab.site.openstack();
    println!(
        "The lab is up.\n\
         \n  web page    https://{api}/          (the browser does not know the lab's certificate: accept it once)\
         \n  REST API    https://{api}/v1        (document: /v1/openapi.json, certificate: {ca})\
         \n  Keystone    {keystone}\n  Ironic      {ironic}\n  Nova        {nova}\n  Glance      {glance}\
         \n  Contrail    {contrail}  (a stand-in; fabric style: {fabric})\
         \n  logs        {logs}\n  consoles    {run}/srv*/console.log\
         \n\n  sign in, by page or bmsctl:  administrator  user admin, project admin, password {password}\
         \n                               tenant         user demo,  project demo,  password {password}\
         \n                               another one    user other, project other, password {password}\
         \n\nTry:\n\
         \n  . {run}/admin.env; bmsctl node import {run}/servers.yaml --wait && bmsctl node list\
         \n  bmsctl node inspect srv1 --wait && bmsctl node show srv1\
         \n  bmsctl events --follow\
         \n\nmake lab-down stops all of it.",
        api = lab.site.api(),
        ca = lab.site.ca_file().display(),
        keystone = endpoints.keystone,
        ironic = endpoints.ironic,
        nova = endpoints.nova,
        glance = endpoints.glance,
        contrail = lab.contrail_url(),
        fabric = lab.site.fabric,
        logs = run.join("log").display(),
        run = run.display(),
        password = tests::openstack::PASSWORD,
    );
}
