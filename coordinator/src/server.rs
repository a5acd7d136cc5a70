//! Edges: the running coordinator: opens what is needed, listens, and stops cleanly.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use contrail::{
    Contrail, Tokens, registration,
    sandesh::{self, client::SandeshConfig},
};
use coordinator_core::{
    adoption::Adoptions,
    agents::{self, AgentHub, Issuer, RamdiskSignal},
    core::{Core, Outside, Site},
    discovery::Discovery,
    erase_certificates::Notary,
    images::Uploads,
    pki::{Authority, Clients, OwnCertificate, listener_tls},
    survey::Survey,
    tenancy::Tenancy,
};
use domain::{
    records::Ramdisk,
    rim::{Adopter, Hardware, Interfaces, Presence},
};
use faces::{
    access::{AdminProject, Authenticator},
    api::{self, Api},
    audit::Witness,
    facade,
    metrics::{self, Sources},
    ramdisk_api::{RamdiskApi, RamdiskApiConfig},
    redfish::{RedfishFacade, witness_ironic},
    ui,
};
use host::open_files;
use listen;
use listen::{Terms, hops::Proxies, terms};
use openstack::{
    Credentials, GlanceImages, IronicProvisioner, Scope, Session,
    client::{http_client, upload_client},
    drives::HttpDrives,
    glance::Glance,
    ironic::Ironic,
    keystone::Keystone,
    nova::Nova,
    placement::Placement,
};
use protocol::secret::Secret;
use store::{
    Inventory, StoredSessions,
    clock::{Clock, SystemClock},
    secret::Sealer,
    state_dir::StateDir,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    signal::unix,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    certificate_rules,
    config::{Config, IpmiConsole},
    tokens::KeystoneTokens,
};

/// Time between two attempts to prepare our networks in Contrail.
const SITE_RETRY: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> anyhow::Result<()> {
    open_files::raise_limit(terms::FILES_NEEDED as u64)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    start(config, stop).await
}

/// Sessions towards OpenStack: one for the whole system, one in our project.
struct OpenStack {
    system: Session,
    project: Session,
}

fn openstack(config: &Config) -> anyhow::Result<OpenStack> {
    let given = &config.openstack;
    let http = http_client(given.ca_file.as_deref())?;
    let credentials = |scope| Credentials {
        auth_url: given.auth_url.clone(),
        username: given.username.clone(),
        user_domain: given.user_domain.clone(),
        password: given.password.clone().unwrap_or_else(|| Secret::new("")),
        scope,
        region: given.region.clone(),
        interface: given.interface.clone(),
    };
    let project = Scope::Project { name: given.project.clone(), domain: given.project_domain.clone() };
    let uploads = upload_client(given.ca_file.as_deref())?;
    Ok(OpenStack {
        system: Session::new(http.clone(), credentials(Scope::System)),
        project: Session::with_uploads(http, Some(uploads), credentials(project)),
    })
}

/// Who may use the REST API and the pages.
fn authenticator(config: &Config, openstack: &OpenStack) -> Authenticator {
    let admin_project = config.api.admin_project.clone().map_or(AdminProject::Ours, AdminProject::Given);
    let keystone = Arc::new(Keystone::new(openstack.system.clone(), openstack.project.clone()));
    Authenticator::new(keystone, Arc::new(SystemClock), config.api.roles.clone(), admin_project)
}

/// Runs until told to stop.
pub async fn start(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let _held = StateDir::hold(&config.state_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let authority = Arc::new(Authority::open_or_create(&config.pki_dir(), clock.now_us())?);
    let own = OwnCertificate::open(Arc::clone(&authority), &config.tls.names, clock.now_us())?;
    let sealer = Sealer::open_or_create(&config.key_file())?;
    let inventory = Inventory::open(&config.database(), sealer.clone(), Arc::clone(&clock)).await?;
    let openstack = openstack(&config)?;
    let ironic = Arc::new(Ironic::new(openstack.system.clone()));
    let glance = Arc::new(Glance::new(openstack.project.clone()));
    let tokens: Option<Arc<dyn Tokens>> = config
        .contrail
        .keystone
        .then(|| Arc::new(KeystoneTokens(openstack.project.clone())) as Arc<dyn Tokens>);
    let contrail = Arc::new(Contrail::new(config.contrail.client(), tokens)?);
    let ca_file = config.facade.ca_file.clone();
    let ca_file = ca_file.unwrap_or_else(|| authority.certificate_path().display().to_string());
    let provisioner = Arc::new(IronicProvisioner {
        ironic: Ironic::clone(&ironic),
        facade_url: config.facade_url(),
        ca_file,
        ipmi_console: config.facade.ipmi_console.as_ref().map(IpmiConsole::told),
    });
    let adopter: Arc<dyn Adopter> = provisioner.clone();
    let interfaces: Arc<dyn Interfaces> = contrail.clone();
    let outside = Outside { provisioner, fabric: contrail.clone(), networks: contrail.clone() };
    let poll_ironic_every = Duration::from_millis(config.site.poll_ironic_ms);
    let core = Core::new(
        Site {
            name: config.name.clone(),
            poll_ironic_every,
            passwords: config.bmc_passwords.policy(),
            after_tenancy: config.site.after_tenancy.into(),
            renewals: certificate_rules::renewals(&config.bmc_certificates),
            limits: config.limits(),
            firmware_urls: config.firmware.urls.clone(),
            firmware_dir: config.firmware_dir(),
            media: config.facade.media_sources(),
            notary: Some(Arc::new(Notary::new(Arc::clone(&authority)))),
        },
        inventory,
        outside,
    );

    let listen = &config.listen;
    let bind = |address| async move {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let (facades, agents_listener) = (bind(listen.facade).await?, bind(listen.agents).await?);
    let api_listener = bind(listen.api).await?;
    let metrics_listener = match listen.metrics {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let ipmi_console = match &config.facade.ipmi_console {
        Some(console) => Some((bind_ipmi(console.listen).await?, console.told().1)),
        None => None,
    };
    let anonymous = listener_tls(&authority, own.clone(), Clients::Anonymous)?;
    let certified = listener_tls(&authority, own.clone(), Clients::Certified)?;

    let hardware: Arc<dyn Hardware> = core.clone();
    let drives = http_client(config.openstack.ca_file.as_deref())?;
    let ramdisks = RamdiskApi::with_drives(
        Arc::clone(&hardware),
        ironic.clone(),
        glance.clone(),
        Arc::new(HttpDrives::new(drives, config.facade.drive_sources())),
        Arc::new(StoredSessions(core.inventory.clone())),
        RamdiskApiConfig {
            url: config.facade_url(),
            ca_pem: authority.certificate_pem().to_owned(),
            erase: config.site.erase(),
        },
    );
    let witness = Witness::new(core.inventory.clone(), &[]);
    let routes = facade::router(&RedfishFacade::new(hardware), &ramdisks)
        .layer(axum::middleware::from_fn_with_state(witness, witness_ironic));

    let tasks = TaskTracker::new();
    tasks.spawn(registration::run(Arc::clone(&contrail), core.inventory.clone(), stop.clone()));
    tasks.spawn(prepare_site(contrail, stop.clone()));
    if let Some((socket, port)) = ipmi_console {
        let consoles = faces::ipmi_console::IpmiConsole {
            inventory: core.inventory.clone(),
            agents: Arc::clone(&core.agents),
            port,
        };
        tasks.spawn(consoles.run(socket, stop.clone()));
    }
    tell_others(&config, &core, metrics_listener, &tasks, &stop);
    tasks.spawn(own.keep_renewed(clock, stop.clone()));
    tasks.spawn(Arc::clone(&core.agents).watch_certificates(Arc::clone(&authority), stop.clone()));
    tasks.spawn(hand_ramdisks_over(
        Arc::clone(&core.agents),
        core.inventory.clone(),
        ramdisks.clone(),
        stop.clone(),
    ));
    tasks.spawn(Arc::clone(&core.reconcile).run(stop.clone()));
    tasks.spawn(Arc::clone(&core.upkeep).run(stop.clone()));
    core.updates.files.sweep().await;
    tasks.spawn(Arc::clone(&core.updates).run(stop.clone()));
    tasks.spawn(listen::serve(facades, Some(anonymous.clone()), routes, Terms::facade(), stop.clone()));
    let nova = Arc::new(Nova::new(openstack.project.clone()));
    let tenancy = Arc::new(Tenancy::new(
        core.inventory.clone(),
        nova.clone(),
        Arc::new(Placement::new(openstack.project.clone())),
        ironic.clone(),
        Arc::clone(&core.networks),
    ));
    let (watched, watch_stop) = (Arc::clone(&tenancy), stop.clone());
    tasks.spawn(async move { watched.run(watch_stop).await });
    let adoptions = Arc::new(Adoptions {
        inventory: core.inventory.clone(),
        provisioner: Arc::clone(&core.provisioner),
        adopter,
        interfaces: Arc::clone(&interfaces),
        networks: Arc::clone(&core.networks),
        enroll: Arc::clone(&core.enroll),
        asked: tokio::sync::Notify::new(),
    });
    let (adopting, adoption_stop) = (Arc::clone(&adoptions), stop.clone());
    tasks.spawn(async move { adopting.run(adoption_stop).await });
    let survey = Survey {
        inventory: core.inventory.clone(),
        ironic: ironic.clone(),
        nova: nova.clone(),
        interfaces,
        presence: core.agents.clone(),
    };
    let uploads = Arc::new(Uploads::new(core.inventory.clone(), glance.clone()));
    let (swept, sweep_stop) = (Arc::clone(&uploads), stop.clone());
    tasks.spawn(async move { swept.run(sweep_stop).await });
    let authenticator = Arc::new(authenticator(&config, &openstack));
    let api = Arc::new(Api {
        inventory: core.inventory.clone(),
        authenticator: Arc::clone(&authenticator),
        glance: glance.clone(),
        uploads,
        pool_changes: tokio::sync::Mutex::default(),
        nova,
        ironic,
        networks: Arc::clone(&core.networks),
        enroll: Arc::clone(&core.enroll),
        tenancy,
        discovery: Discovery::new(
            core.inventory.clone(),
            Arc::clone(&core.agents.discovery),
            core.agents.clone(),
        ),
        agents: Arc::clone(&core.agents),
        adoptions,
        survey,
        upkeep: Arc::clone(&core.upkeep),
        updates: Arc::clone(&core.updates),
    });
    tasks.spawn(Arc::clone(&api).accept_by_rules(stop.clone()));
    let api = api::router(api);
    let api = ui::router(api, authenticator, core.inventory.clone(), sealer)
        .layer(axum::middleware::from_fn(metrics::count_request));
    let api = api::https_only(api, config.api.https_only_days.unwrap_or(api::HTTPS_ONLY_DAYS));
    let proxies = Proxies::new(config.api.trusted_proxies.clone(), config.api.forwarded_by);
    let api = listen::behind(api, proxies);
    let terms = Terms::api(config.api.connections_per_peer, config.api.all_proxies());
    tasks.spawn(listen::serve(api_listener, Some(anonymous), api, terms, stop.clone()));
    let days = config.agents.certificate_days;
    let links = agents::router(agents::Service {
        hub: Arc::clone(&core.agents),
        images: Arc::new(core.updates.files.beside(Arc::new(GlanceImages(Glance::clone(&glance))))),
        issuer: Arc::new(Issuer { authority, days }),
        stop: stop.clone(),
    });
    let until = Some(agents::until_void(Arc::clone(&core.agents)));
    tasks.spawn(listen::serve_until(
        agents_listener,
        Some(certified),
        links,
        Terms::agents(),
        until,
        stop.clone(),
    ));
    info!(api = %listen.api, facade = %listen.facade, agents = %listen.agents, "coordinator runs");
    stop.cancelled().await;
    info!("coordinator stops");
    ramdisks.shutdown().await;
    tasks.close();
    tasks.wait().await;
    core.inventory.close().await;
    Ok(())
}

/// Starts what tells others how we are, where it is configured: Prometheus, Contrail's analytics.
fn tell_others(
    config: &Config,
    core: &Arc<Core>,
    metrics: Option<TcpListener>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let presence: Arc<dyn Presence> = core.agents.clone();
    if let Some(listener) = metrics {
        let sources = Sources {
            inventory: core.inventory.clone(),
            presence: Arc::clone(&presence),
            limits: Arc::clone(&core.agents.limits),
            page: tokio::sync::Mutex::default(),
        };
        let page = metrics::router(sources);
        tasks.spawn(listen::serve(listener, None, page, Terms::metrics(), stop.clone()));
    }
    let collectors = config.contrail.collectors.clone();
    if !collectors.is_empty() {
        let config = SandeshConfig { collectors, name: config.name.clone() };
        let limits = Arc::clone(&core.agents.limits);
        let inventory = core.inventory.clone();
        tasks.spawn(sandesh::client::run(config, inventory, presence, limits, stop.clone()));
    }
}

async fn bind_ipmi(address: std::net::SocketAddr) -> anyhow::Result<UdpSocket> {
    UdpSocket::bind(address)
        .await
        .with_context(|| format!("cannot listen on UDP {address} for consoles by IPMI"))
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut term = unix::signal(unix::SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut int = unix::signal(unix::SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// Makes our project and the two isolated networks in Contrail, as soon as Contrail answers. Until then every move, and
/// so every power-on, waits or is refused with that reason.
async fn prepare_site(contrail: Arc<Contrail>, stop: CancellationToken) {
    while let Err(error) = contrail.ensure_site().await {
        warn!(error = %error, "networks in contrail not ready");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SITE_RETRY) => {}
        }
    }
    info!("networks in contrail ready");
}

/// Hands every ramdisk to the facade that shows it to Ironic: those that run already, then those that come.
async fn hand_ramdisks_over(
    agents: Arc<AgentHub>,
    inventory: Inventory,
    ramdisks: RamdiskApi,
    stop: CancellationToken,
) {
    let mut signals = agents.ramdisk_signals();
    hand_over_running(&inventory, &ramdisks).await;
    loop {
        let signal = tokio::select! {
            () = stop.cancelled() => return,
            signal = signals.recv() => signal,
        };
        match signal {
            Ok(RamdiskSignal::Ready(ramdisk)) => hand_over(&inventory, &ramdisks, ramdisk).await,
            Ok(RamdiskSignal::Gone { server, session, reason }) => {
                ramdisks.ramdisk_gone(server, session, reason);
            }
            // Some were missed: the inventory knows which run.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                hand_over_running(&inventory, &ramdisks).await;
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn hand_over_running(inventory: &Inventory, ramdisks: &RamdiskApi) {
    match inventory.running_ramdisks().await {
        Ok(running) => {
            for ramdisk in running {
                hand_over(inventory, ramdisks, ramdisk).await;
            }
        }
        Err(error) => warn!(error = %error, "running ramdisks not read"),
    }
}

async fn hand_over(inventory: &Inventory, ramdisks: &RamdiskApi, ramdisk: Ramdisk) {
    match inventory.server(ramdisk.server).await {
        Ok(Some(server)) => {
            let hardware = server.hardware.unwrap_or_default();
            ramdisks.ramdisk_ready(
                ramdisk.server,
                ramdisk.session,
                ramdisk.purpose,
                ramdisk.network,
                hardware,
            );
        }
        Ok(None) => {}
        Err(error) => warn!(server = %ramdisk.server, error = %error, "ramdisk not handed over"),
    }
}
