//! Edges: puts the agent together from its configuration, runs it, and takes it apart in the right order.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use host::terminal;
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};
use protocol::{
    discovery::Order,
    id::{AgentBootId, ServerId},
    ramdisk::RESUME_WAIT_MAX,
    text::Shown,
};
use pxe::{BootEvent, BootFilePaths, BootFiles, ManifestPaths, RamdiskPaths, Service, ServiceConfig};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    bmc::{self, BmcOptions, KeptSessions, LogIns},
    boot::{BootTable, BootTableError, RamdiskEntry},
    config::{Config, Pack, Record, VirtualServers},
    console::{
        Consoles,
        record::{self, Recorder, What},
    },
    discovery::{Discovery, DiscoveryError, Place},
    erase_statement::Notary,
    facts::Facts,
    firmware::Updater,
    hardware::Hardware,
    image::{Cache, CacheError},
    journal::{Journal, JournalError},
    metrics,
    poll::hints::Patience,
    rack::{Input, Rack},
    ramdisk::{Control, ControlConfig, ControlError, Event},
    results::{self, Results},
    run::{INPUTS_MAX, Runner, STOP_WAIT},
    uplink::{
        cache_desk::CacheDesk,
        client::{Request, Seen, Uplink, UplinkConfig},
        consoles::ConsoleStreams,
        health::HealthBoard,
        images::CoordinatorImages,
        papers::{Papers, RENEWED_FILE},
        spool::{Spool, SpoolError},
        tunnels::{Limits, Tunnels},
    },
};

/// Mode of a directory that its owner alone may enter.
const DIRECTORY_MODE: u32 = 0o700;
/// Reports that wait for the spool, and events that wait for the loop.
const CHANNEL_MAX: usize = 1024;
/// Orders of discovery that wait.
const ORDERS_MAX: usize = 16;

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error("cannot {operation} {path}; check the owner and mode of the state_dir")]
    State {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two agents would give one number twice.
    #[error("another agent uses the state directory {path}; stop it first")]
    Running {
        /// Which directory.
        path: PathBuf,
    },
    /// A kernel or loader is missing.
    #[error("the [boot] section names a file that cannot be used")]
    BootFiles(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The results of earlier commands.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The reports.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The images.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The ramdisks' port.
    #[error(transparent)]
    Ramdisks(#[from] ControlError),
    /// The boots under way.
    #[error(transparent)]
    BootTable(#[from] BootTableError),
    /// Prometheus' address.
    #[error("cannot listen on {address}, the address in `metrics`; is it in use?")]
    Metrics {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// DHCP, TFTP or HTTP.
    #[error(transparent)]
    Network(#[from] pxe::StartError),
    /// What is served on the discovery network.
    #[error("cannot serve the discovery network")]
    Discovery(#[from] DiscoveryError),
}

/// Reads what can be read without disturbing a running agent.
pub fn check(config: &Config) -> Result<(), StartError> {
    boot_files(config)?;
    for path in [&config.coordinator.ca, &config.coordinator.cert, &config.coordinator.key] {
        fs::read(path).map_err(|source| StartError::State {
            operation: "read",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Runs until `stop` is cancelled.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), StartError> {
    let state = &config.state_dir;
    let _lock = lock(state)?;
    let files = boot_files(&config)?;
    let (journal, records) = Journal::open(&state.join("results"))?;
    let mut results = Results::default();
    records.iter().filter_map(|record| results::decode(record)).for_each(|result| results.insert(result));
    let spool = Spool::open(&state.join("spool"))?;

    let sessions = state.join("redfish-sessions");
    let sessions = KeptSessions::open(sessions.clone()).map_err(|source| StartError::State {
        operation: "create",
        path: sessions,
        source,
    })?;

    let uplink_config = Arc::new(UplinkConfig {
        coordinator: config.coordinator.address.clone(),
        server_name: config.coordinator.server_name.clone(),
        ca: config.coordinator.ca.clone(),
        papers: Papers {
            cert: config.coordinator.cert.clone(),
            key: config.coordinator.key.clone(),
            renewed: state.join(RENEWED_FILE),
        },
        rack: config.rack.clone(),
    });
    let upstream = Arc::new(CoordinatorImages::new(Arc::clone(&uplink_config)));
    let cache_bytes = config.image_cache.size_mib.saturating_mul(1 << 20);
    let images = Arc::new(Cache::open(state.join("images"), cache_bytes, upstream)?);
    let cache_desk = CacheDesk::new(Arc::clone(&uplink_config), Arc::clone(&images));

    let notary = Arc::new(Notary::new(uplink_config.papers.clone(), config.rack.clone()));
    let (back, inputs) = mpsc::channel(INPUTS_MAX);
    let (ramdisk_events, ramdisk_events_rx) = mpsc::channel(CHANNEL_MAX);
    let listeners =
        config.each_network().map(|(network, settings)| settings.ramdisks(network, config.ramdisk_port));
    let addresses = listeners.iter().map(|place| (place.network, SocketAddr::from(place.address))).collect();
    let boots = state.join("boots.json");
    let control_config = ControlConfig {
        listeners: listeners.to_vec(),
        state_dir: state.clone(),
        boots: BootTable::under_way(&boots)?,
        resume_wait: RESUME_WAIT_MAX,
        step_silence: crate::ramdisk::STEP_SILENCE_MAX,
    };
    let firmware = Arc::new(Updater::new(Arc::clone(&images)));
    let ramdisks = Control::start(control_config, Arc::clone(&images), ramdisk_events)?;
    forward(ramdisk_events_rx, back.clone(), ramdisk_input);

    let parts_port = config.boot.parts.as_ref().map(|_| config.http_port);
    let loaders = config.boot.loaders();
    let entry =
        RamdiskEntry { addresses, fingerprint: ramdisks.fingerprint().to_owned(), parts_port, loaders };
    let issue = |server, plan| ramdisks.issue_again(server, plan);
    let boot_table = Arc::new(BootTable::open(&boots, entry, back.clone(), issue)?.knowing(ramdisks.live()));

    let (boot_events, boot_events_rx) = mpsc::channel(CHANNEL_MAX);
    forward(boot_events_rx, back.clone(), |event: BootEvent| {
        metrics::boot_stage(event.progress.stage, event.progress.network.as_str());
        Input::Boot(event.progress)
    });
    let (mut services, mut ways) = (Vec::new(), HashMap::new());
    for (network, settings) in config.each_network() {
        let service = ServiceConfig {
            network,
            name: network.as_str(),
            interface: settings.interface.clone(),
            address: settings.address,
            prefix_len: settings.prefix,
            range: settings.range,
            relays: settings.relays4(),
            ipv6: settings.ipv6(),
            leases: Some(state.join(format!("leases-{}", network.as_str()))),
            files: files.clone(),
            http_port: config.http_port,
            alone: None,
        };
        let service = Service::start(service, boot_table.clone(), boot_events.clone())?;
        ways.insert(network, service.reach());
        services.push(service);
    }

    let (seen, seen_rx) = mpsc::channel::<Seen>(CHANNEL_MAX);
    let (requests, requests_rx) = mpsc::channel(CHANNEL_MAX);
    let (orders, orders_rx) = mpsc::channel(ORDERS_MAX);
    let place = config.networks.discovery.as_ref().map(|network| Place {
        network,
        http_port: config.http_port,
        ramdisk_port: config.ramdisk_port,
        files,
        images,
        boot_table: Arc::clone(&boot_table),
        state_dir: state,
    });
    let discovery = Discovery::start(place, orders_rx, seen.clone())?;
    let consoles = Arc::new(consoles(&config)?);
    let console_streams = ConsoleStreams::new(Arc::clone(&uplink_config), Arc::clone(&consoles));
    let tunnels = Tunnels::new(Arc::clone(&uplink_config), Arc::clone(&boot_table), ways, Limits::default());
    distribute(requests_rx, back.clone(), orders, Desks { console_streams, cache_desk, tunnels });
    let boot_id = AgentBootId::random();
    let health = Arc::new(HealthBoard::default());
    // The uplink ends when the rack has said its last word.
    let uplink = Uplink::new(uplink_config, boot_id, spool, seen_rx, requests, CancellationToken::new())
        .telling(Arc::clone(&health))
        .run();
    let uplink = tokio::spawn(uplink);
    let metrics_stop = CancellationToken::new();
    if let Some(address) = config.metrics {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| StartError::Metrics { address, source })?;
        tokio::spawn(metrics::serve(listener, state.join("images"), metrics_stop.clone()));
    }
    tracing::info!(rack = %config.rack, %boot_id, version = env!("CARGO_PKG_VERSION"), "agent runs");

    let facts = Arc::new(Facts::default());
    let facts_read = tokio::spawn(Arc::clone(&facts).run(seen.clone(), stop.clone()));
    let hardware = Arc::new(Hardware::new(config.hardware.every()));
    let reading = tokio::spawn(Arc::clone(&hardware).run(seen.clone(), stop.clone()));
    let stop_discovery = stop.clone();
    let runner = Runner {
        rack: Rack::new(config.poll_interval(), rand::random(), results),
        connect: Box::new(move |spec| {
            Arc::from(bmc::connect_declared(spec, BmcOptions::default(), LogIns::default(), &sessions))
        }),
        boot_table,
        consoles,
        ramdisks: ramdisks.clone(),
        notary,
        facts,
        firmware,
        hardware,
        results: journal,
        seen,
        health,
        back,
        inputs,
        stop,
        stop_wait: STOP_WAIT,
        patience: Patience::default(),
    };
    let discovery = tokio::spawn(discovery.run(stop_discovery));
    runner.run().await;
    if let Err(error) = discovery.await {
        tracing::error!(%error, "discovery ended badly");
    }
    if let Err(error) = facts_read.await {
        tracing::error!(%error, "the reading of bmcs' facts ended badly");
    }
    if let Err(error) = reading.await {
        tracing::error!(%error, "the reading of sensors ended badly");
    }
    for service in services {
        service.stop().await;
    }
    ramdisks.stop().await;
    metrics_stop.cancel();
    if let Err(error) = uplink.await {
        tracing::error!(%error, "the uplink ended badly");
    }
    tracing::info!("agent ends");
    Ok(())
}

/// Where consoles are recorded below the state directory.
const CONSOLES_DIR: &str = "consoles";

fn consoles(config: &Config) -> Result<Consoles, StartError> {
    let path = config.state_dir.join(CONSOLES_DIR);
    match config.console.record {
        Record::Off => Ok(Consoles::default()),
        Record::All => {
            let recorder = Recorder::start(path.clone(), config.console.room());
            let failed = |source| StartError::State { operation: "create", path, source };
            recorder.map(Consoles::recorded).map_err(failed)
        }
    }
}

/// Prints what was recorded of a server since then.
pub fn print_console(config: &Config, server: ServerId, since: Duration) -> Result<(), StartError> {
    let path = config.state_dir.join(CONSOLES_DIR);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let from = now.saturating_sub(since).as_micros() as u64;
    let printed = record::read(&path, server, from..u64::MAX, |entry| match entry.what {
        What::Output(characters) => terminal::show(&characters),
        What::Note(note) => print_note(entry.at_us, &note),
        What::Lost(why) => print_note(entry.at_us, &format!("console lost: {why}")),
        What::Mark(Some(tenancy)) => print_note(entry.at_us, &format!("in the time of instance {tenancy}")),
        What::Mark(None) => print_note(entry.at_us, "in no tenant's time"),
    });
    printed.map_err(|source| StartError::State { operation: "read", path, source })
}

fn print_note(at_us: u64, note: &str) -> io::Result<()> {
    let at = jiff::Timestamp::from_microsecond(i64::try_from(at_us).unwrap_or(i64::MAX));
    let at = at.map_or_else(|_| String::new(), |at| format!("{at:.0} "));
    terminal::show(format!("\r\n[{at}{}]\r\n", Shown(note)).as_bytes())
}

fn boot_files(config: &Config) -> Result<BootFiles, StartError> {
    let own = config.boot.virtual_servers.clone();
    let paths = BootFilePaths {
        virtual_servers: own.map(|VirtualServers { kernel, initrd, rescue }| RamdiskPaths {
            kernel,
            initrd,
            rescue,
        }),
        kernel: config.boot.kernel.clone(),
        initrd: config.boot.initrd.clone(),
        rescue: config.boot.rescue.clone(),
        parts: config.boot.parts.clone(),
        signed: config.boot.shim.clone().zip(config.boot.grub.clone()),
        snponly: config.boot.snponly.clone(),
        undionly: config.boot.undionly.clone(),
        manifest: config.boot.pack.clone().map(|Pack { manifest, key }| ManifestPaths { manifest, key }),
    };
    BootFiles::read(&paths).map_err(|error| StartError::BootFiles(Box::new(error)))
}

/// Makes the state directory and takes it for this process alone.
fn lock(state: &Path) -> Result<Flock<File>, StartError> {
    let fail = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| StartError::State { operation, path, source }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(state)
        .map_err(fail("create", state))?;
    close_to_others(state).map_err(fail("close to others", state))?;
    let path = state.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(fail("open", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, _)| StartError::Running { path: state.to_owned() })
}

/// Takes from others what whoever made the directory gave them: keys and tenants' images are in it.
fn close_to_others(state: &Path) -> io::Result<()> {
    let meta = fs::metadata(state)?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & !DIRECTORY_MODE != 0 && meta.uid() == geteuid().as_raw() {
        fs::set_permissions(state, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        tracing::warn!(path = %state.display(), mode = format!("{mode:o}"), "others could enter the state directory; now its owner alone can");
    }
    Ok(())
}

/// Who does beside the rack's loop what the coordinator asks.
struct Desks {
    console_streams: ConsoleStreams,
    cache_desk: CacheDesk,
    tunnels: Tunnels,
}

/// Passes what the coordinator asks on to whom it concerns, until either end is gone.
fn distribute(
    mut requests: mpsc::Receiver<Request>,
    rack: mpsc::Sender<Input>,
    orders: mpsc::Sender<Order>,
    Desks { console_streams: consoles, cache_desk: cache, tunnels }: Desks,
) {
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            let passed = match request {
                Request::Declare(declaration) => rack.send(Input::Declare(declaration)).await.is_ok(),
                Request::Command(given) => rack.send(Input::Command(given)).await.is_ok(),
                Request::OpenConsole(open) => {
                    consoles.open(open);
                    true
                }
                Request::ReadConsole(read) => {
                    consoles.read(read);
                    true
                }
                Request::Cache(order) => {
                    cache.take(order);
                    true
                }
                Request::OpenTunnel(open) => {
                    tunnels.open(open);
                    true
                }
                // Discovery must not hold commands up.
                Request::Discover(order) => {
                    if orders.try_send(order).is_err() {
                        tracing::warn!("too many orders of discovery wait, one is dropped");
                    }
                    true
                }
            };
            if !passed {
                return;
            }
        }
    });
}

fn ramdisk_input(event: Event) -> Input {
    metrics::ramdisk(matches!(event, Event::Ready { .. }));
    match event {
        Event::Ready { server, session, plan, hardware } => {
            Input::RamdiskReady { server, session, plan, hardware }
        }
        Event::Gone { server, session, reason } => Input::RamdiskGone { server, session, reason },
    }
}

/// Passes everything on as inputs, until either end is gone.
fn forward<T: Send + 'static>(
    mut from: mpsc::Receiver<T>,
    to: mpsc::Sender<Input>,
    input: impl Fn(T) -> Input + Send + 'static,
) {
    tokio::spawn(async move {
        while let Some(event) = from.recv().await {
            if to.send(input(event)).await.is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_its_owners_alone_also_one_that_was_open() {
        let dir = tempfile::tempdir().unwrap();
        for (name, made_with) in [("new", None), ("old", Some(0o755)), ("odd", Some(0o1777))] {
            let path = dir.path().join(name);
            if let Some(mode) = made_with {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let _held = lock(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, DIRECTORY_MODE, "{name}");
        }
    }
}
