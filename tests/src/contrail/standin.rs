//! Edges: the stand-in as a whole: starts its parts, lets the switch follow the objects, and takes everything away.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use super::{
    api::{self, Shared},
    collector::Collector,
    config::Config,
    gateway::Gateways,
    kind::Kind,
    mover::{Move, Mover},
    request::Request,
    store::Store,
};

/// The switch looks at the world this often, changed objects or not: a tap may appear later than its port.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A stand-in that runs.
pub struct Standin {
    /// Address of the VNC API.
    pub api: SocketAddr,
    /// Address of the fault switches.
    pub admin: SocketAddr,
    /// Objects and faults, for tests in the same process.
    pub shared: Arc<Shared>,
    mover: Option<Arc<Mover>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Standin {
    /// Starts it: it answers when this returns.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::new(load(&config)?, config.snapshot.clone()));
        seed(&shared, &config)?;
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("listening at {}", config.listen))?;
        let admin_listener = TcpListener::bind(config.admin).await;
        let admin_listener = admin_listener.with_context(|| format!("listening at {}", config.admin))?;
        let (api, admin) = (listener.local_addr()?, admin_listener.local_addr()?);
        let (stop, stopped) = watch::channel(false);
        let mover = Mover::new(&config).map(Arc::new);
        let serving = api::serve(listener, shared.clone(), until(stopped.clone()));
        let mut tasks = vec![tokio::spawn(async move { report("vnc api", serving.await) })];
        let mut router = api::admin(shared.clone()).merge(moves(mover.clone()));
        if let Some(address) = config.collector {
            router = router.merge(Collector::start(address).await?.router());
        }
        let admin_serving =
            axum::serve(admin_listener, router).with_graceful_shutdown(until(stopped.clone()));
        tasks.push(tokio::spawn(async move { report("admin api", admin_serving.await) }));
        if let (Some(mover), Some(switch)) = (&mover, &config.switch) {
            let gateways = Gateways::new(switch, shared.clone());
            tasks.push(tokio::spawn(follow(mover.clone(), gateways, shared.clone(), stopped)));
        }
        tracing::info!(%api, %admin, "contrail stand-in started");
        Ok(Self { api, admin, shared, mover, stop, tasks })
    }

    /// URL of the VNC API.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Moves so far.
    pub fn moves(&self) -> Vec<Move> {
        self.mover.as_ref().map(|mover| mover.moves()).unwrap_or_default()
    }

    /// Stops it and deletes the namespaces and bridges that it made.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let standin = Standin::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    standin.stop().await;
    Ok(())
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the stand-in itself is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn report(what: &str, end: std::io::Result<()>) {
    if let Err(error) = end {
        tracing::warn!(what, %error, "ended");
    }
}

fn moves(mover: Option<Arc<Mover>>) -> Router {
    let list = move || async move { Json(mover.map(|mover| mover.moves()).unwrap_or_default()) };
    Router::new().route("/moves", get(list))
}

fn load(config: &Config) -> anyhow::Result<Store> {
    match &config.snapshot {
        Some(path) if path.exists() => {
            let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_slice(&bytes).with_context(|| format!("understanding {}", path.display()))
        }
        Some(_) | None => {
            let mut store = Store::fresh();
            let fabrics: Vec<_> = store.of_kind("fabric").map(|fabric| fabric.id).collect();
            fabrics.into_iter().for_each(|fabric| store.set_style(fabric, config.enterprise));
            Ok(store)
        }
    }
}

/// What an administrator would have told the real one: fabrics, switches and their ports.
fn seed(shared: &Shared, config: &Config) -> anyhow::Result<()> {
    let root = "default-global-system-config";
    let ensure = |kind: &str, name: &[&str], body: Value| -> anyhow::Result<()> {
        let full: Vec<String> = name.iter().map(|part| (*part).to_owned()).collect();
        if shared.store().by_name(kind, &full).is_some() {
            return Ok(());
        }
        let kind = Kind::of(kind).context("a kind that the stand-in does not know")?;
        let mut body = body;
        body["fq_name"] = json!(full);
        let made = shared.perform(&Request::Create(kind, json!({ kind.name: body })));
        made.map(|_| ()).map_err(|refusal| anyhow::anyhow!("{}", refusal.text))
    };
    for fabric in &config.fabrics {
        ensure("fabric", &[root, fabric], json!({ "fabric_enterprise_style": config.enterprise }))?;
    }
    for port in &config.ports {
        let fabric = json!({ "fabric_refs": [{ "to": [root, "default-fabric"] }] });
        ensure("physical-router", &[root, &port.switch], fabric)?;
        let name = port.name().port;
        ensure("physical-interface", &[root, &port.switch, &name], json!({ "display_name": port.port }))?;
    }
    Ok(())
}

async fn follow(
    mover: Arc<Mover>,
    mut gateways: Gateways,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut changes = shared.changes();
    loop {
        let store = shared.store();
        if let Err(error) = mover.apply(&store).await {
            tracing::warn!(error = format!("{error:#}"), "switch does not follow");
        }
        if let Err(error) = gateways.apply(&store).await {
            tracing::warn!(error = format!("{error:#}"), "gateways do not follow");
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    gateways.clean_up().await;
    mover.clean_up().await;
}
