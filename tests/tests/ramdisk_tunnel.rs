//! Tunnels to what runs on a booted server, judged by curl and a web server that nobody here wrote: coordinator, agent and the served network
//! are ours.

mod pxe_common;

use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZeroU32,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agent::{
    boot::{BootTable, Loaders, RamdiskEntry},
    uplink::{
        client::{Request, Uplink, UplinkConfig},
        papers::Papers,
        spool::Spool,
        tunnels::{Limits, RAMDISK_PORT, Tunnels},
    },
};
use anyhow::{Context, ensure};
use async_trait::async_trait;
use coordinator_core::{
    agents::{self, AgentHub, Issuer, Older, Tunnel, issue_agent},
    pki::{Authority, Clients, tls},
    visits::Wake,
};
use domain::{
    records::Server,
    rim::{AgentError, ImageError, ImageSource, ImageStream},
};
use fakes::new_server;
use listen::Terms;
use protocol::{
    boot::{BootPlan, BootPurpose},
    error_chain::chain,
    id::{AgentBootId, ServerId},
    network::BootNetwork,
    secret::Secret,
    spec::ServerSpec,
};
use pxe::Reach;
use pxe_common::{CLIENT, WAIT, World, content, plain_files};
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::{CancellationToken, DropGuard};

const PROV: BootNetwork = BootNetwork::Provisioning;

struct NoImages;

#[async_trait]
impl ImageSource for NoImages {
    async fn open(&self, id: &str, _: u64) -> Result<ImageStream, ImageError> {
        Err(ImageError { id: id.to_owned(), reason: "there is none".to_owned(), is_away: false })
    }
}

/// A coordinator and an agent in the namespace of the served network; nothing but tunnels.
struct Rig {
    hub: Arc<AgentHub>,
    boots: Arc<BootTable>,
    server: Server,
    /// Each connection to it goes through a tunnel of its own.
    near: SocketAddr,
    _stop: DropGuard,
}

impl Rig {
    async fn start(world: &World, limits: Limits) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir()?;
        let (ns, reach) = (world.agent.clone(), world.reach.clone().context("nothing is served")?);
        let (started, starting) = oneshot::channel();
        // Sockets belong to the namespace of the thread that opens them.
        std::thread::spawn(move || {
            ns.enter_thread().expect("the namespace was made");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let rig = serve(&dir, reach, limits).await;
                let stop = rig.as_ref().ok().map(|(_, stop)| stop.clone());
                let _ = started.send(rig.map(|(rig, _)| rig));
                if let Some(stop) = stop {
                    stop.cancelled().await;
                }
            });
        });
        let rig = starting.await??;
        let here = async {
            while rig.hub.connected(&rig.server.rack).is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, here).await.context("the agent does not connect")?;
        Ok(rig)
    }

    fn permit(&self) {
        let plan = BootPlan { purpose: BootPurpose::Deploy, network: PROV };
        self.boots.know(&ServerSpec { macs: vec![CLIENT], ..self.server.spec() });
        self.boots.permit(self.server.id, plan, Secret::new("cd".repeat(32)));
    }

    /// Why there is no tunnel.
    async fn refusal(&self, server: &Server) -> String {
        match self.hub.open_tunnel(server).await {
            Ok(_) => "there is one".to_owned(),
            Err(AgentError::Failed(failure)) => failure.message,
            Err(error) => chain(&error),
        }
    }

    /// A tunnel; waited for, because what it leads to has just begun, or a place is just left.
    async fn tunnel(&self) -> anyhow::Result<Tunnel> {
        let opening = async {
            loop {
                if let Ok(tunnel) = self.hub.open_tunnel(&self.server).await {
                    return tunnel;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(WAIT, opening).await {
            Ok(tunnel) => Ok(tunnel),
            Err(_) => anyhow::bail!("no tunnel: {}", self.refusal(&self.server).await),
        }
    }

    /// Another server of the same rack.
    fn another(&self) -> Server {
        Server { id: ServerId::random(), ..self.server.clone() }
    }
}

async fn serve(
    dir: &tempfile::TempDir,
    reach: Reach,
    limits: Limits,
) -> anyhow::Result<(Rig, CancellationToken)> {
    let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(SystemClock)).await?;
    let server = inventory.put_server(&new_server()).await?;
    let hub = Arc::new(AgentHub::new(inventory.clone(), Wake::default(), "test".into(), Default::default()));
    let now_us = SystemClock.now_us();
    let authority = Authority::open_or_create(dir.path(), now_us)?;
    let issued = authority.server_certificate(&["localhost".into()], now_us)?;
    let certified = tls(&authority, &issued, Clients::Certified)?;
    std::fs::write(dir.path().join("ca.pem"), authority.certificate_pem())?;
    let issuer = Arc::new(Issuer { authority: Arc::new(authority), days: NonZeroU32::MIN });
    issue_agent(&inventory, &issuer, &server.rack, dir.path(), Older::Keep).await?;
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let coordinator = listener.local_addr()?;
    let service =
        agents::Service { hub: Arc::clone(&hub), images: Arc::new(NoImages), issuer, stop: stop.clone() };
    let links = agents::router(service);
    tokio::spawn(listen::serve(listener, Some(certified), links, Terms::agents(), stop.clone()));

    let config = Arc::new(UplinkConfig {
        coordinator: coordinator.to_string(),
        server_name: "localhost".to_owned(),
        ca: dir.path().join("ca.pem"),
        papers: Papers {
            cert: dir.path().join("agent.pem"),
            key: dir.path().join("agent.key"),
            renewed: dir.path().join("renewed.pem"),
        },
        rack: server.rack.clone(),
    });
    let entry = RamdiskEntry {
        addresses: HashMap::new(),
        fingerprint: String::new(),
        parts_port: None,
        loaders: Loaders::default(),
    };
    let refusals = mpsc::channel(16).0;
    let boots = BootTable::open(&dir.path().join("boots.json"), entry, refusals, |_, _| Secret::new(""))?;
    let boots = Arc::new(boots);
    let tunnels = Tunnels::new(Arc::clone(&config), Arc::clone(&boots), [(PROV, reach)].into(), limits);
    let (seen, seen_rx) = mpsc::channel(16);
    let (requests, mut asked) = mpsc::channel(16);
    let spool = Spool::open(&dir.path().join("spool"))?;
    tokio::spawn(Uplink::new(config, AgentBootId::random(), spool, seen_rx, requests, stop.clone()).run());
    tokio::spawn(async move {
        // Without anybody who could report, the uplink ends.
        let _seen = seen;
        while let Some(request) = asked.recv().await {
            if let Request::OpenTunnel(open) = request {
                tunnels.open(open);
            }
        }
    });

    let near = TcpListener::bind("127.0.0.1:0").await?;
    let near_address = near.local_addr()?;
    let (through, its) = (Arc::clone(&hub), server.clone());
    tokio::spawn(async move {
        while let Ok((connection, _)) = near.accept().await {
            let (through, its) = (Arc::clone(&through), its.clone());
            tokio::spawn(async move {
                match through.open_tunnel(&its).await {
                    Ok(tunnel) => tunnel.carry(connection).await,
                    Err(error) => eprintln!("no tunnel: {}", chain(&error)),
                }
            });
        }
    });
    let guard = stop.clone().drop_guard();
    Ok((Rig { hub, boots, server, near: near_address, _stop: guard }, stop))
}

/// A program of the client's; dropped, it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A web server in the ramdisk's place: a file, and a script that says what it is told.
fn web_server(world: &World) -> anyhow::Result<Running> {
    let root = world.path("web");
    std::fs::create_dir_all(root.join("cgi-bin"))?;
    std::fs::write(root.join("file"), content(8 << 20))?;
    let script = root.join("cgi-bin/echo");
    let text = "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\r\\n\\r\\n'\nexec cat\n";
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let port = RAMDISK_PORT.to_string();
    let child = Command::new("ip")
        .args(["netns", "exec", &world.client.0, "busybox", "httpd", "-f", "-p", &port, "-h"])
        .arg(root)
        .stdin(Stdio::null())
        .spawn()?;
    Ok(Running(child))
}

/// What curl gets by the near end of a tunnel.
async fn curl(world: &World, rig: &Rig, args: &[&str], path: &str) -> anyhow::Result<Vec<u8>> {
    let url = format!("http://{}/{path}", rig.near);
    let mut curl = world.agent.command("curl");
    curl.args(["-sS", "--fail", "-m", "60"]).args(args).arg(url).kill_on_drop(true);
    let output = curl.stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "curl {path}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// A world whose client has an address.
async fn world(name: &str) -> anyhow::Result<World> {
    let world = World::start(name, plain_files()).await?;
    world.plans.permit(CLIENT, 1, PROV);
    world.dhcp(&[])?.context("a permitted client got no address")?;
    Ok(world)
}

/// Ends by itself, within the longest wait.
async fn ends(tunnel: Tunnel) -> anyhow::Result<()> {
    let (near, mut far) = tokio::io::duplex(1 << 10);
    let carried = tokio::spawn(tunnel.carry(near));
    let mut rest = Vec::new();
    tokio::time::timeout(WAIT, far.read_to_end(&mut rest)).await.context("the tunnel goes on")??;
    carried.await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_speaks_through_a_tunnel_to_what_runs_on_a_booted_server_and_to_nothing_else()
-> anyhow::Result<()> {
    let world = World::start("tunnel", plain_files()).await?;
    let rig = Rig::start(&world, Limits::default()).await?;
    let check = async |server: &Server, expected: &str| {
        let refusal = rig.refusal(server).await;
        assert!(refusal.contains(expected), "{refusal:?} does not say {expected:?}");
    };
    check(&rig.server, "boots no ramdisk").await;
    rig.permit();
    check(&rig.server, "has an address of the provisioning network").await;
    world.plans.permit(CLIENT, 1, PROV);
    let lease = world.dhcp(&[])?.context("a permitted client got no address")?;
    check(&rig.server, &format!("{}:{RAMDISK_PORT}", lease["ip"])).await;
    check(&rig.another(), "boots no ramdisk").await;

    let _web = web_server(&world)?;
    drop(rig.tunnel().await?);
    let sent = content(3 << 20);
    std::fs::write(world.path("sent"), &sent)?;
    let body = format!("@{}", world.path("sent").display());
    assert!(curl(&world, &rig, &[], "file").await? == content(8 << 20), "the file is another one");
    let told = curl(&world, &rig, &["--data-binary", &body], "cgi-bin/echo").await?;
    assert!(told == sent, "{} bytes came back of {}", told.len(), sent.len());
    let (one, other) = tokio::try_join!(curl(&world, &rig, &[], "file"), curl(&world, &rig, &[], "file"))?;
    assert!(one == other && one.len() == 8 << 20, "two at a time disturb each other");

    let mut held = Vec::new();
    for _ in 0..Limits::default().of_server {
        held.push(rig.tunnel().await?);
    }
    check(&rig.server, "4 tunnels to the server are open already").await;
    held.pop();
    held.push(rig.tunnel().await?);

    rig.boots.forbid(rig.server.id);
    for tunnel in held {
        ends(tunnel).await?;
    }
    check(&rig.server, "boots no ramdisk").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_ends_by_its_silence_and_by_its_age_and_there_are_few() -> anyhow::Result<()> {
    let world = world("tunends").await?;
    let _web = web_server(&world)?;
    let (soon, never) = (Duration::from_millis(300), Duration::from_secs(3600));
    let check = async |limits: Limits| -> anyhow::Result<()> {
        let rig = Rig::start(&world, limits).await?;
        rig.permit();
        ends(rig.tunnel().await?).await
    };
    check(Limits { silence: soon, life: never, ..Limits::default() }).await.context("silence")?;
    check(Limits { silence: never, life: soon, ..Limits::default() }).await.context("age")?;

    let rig = Rig::start(&world, Limits { in_all: 1, ..Limits::default() }).await?;
    rig.permit();
    let tunnel = rig.tunnel().await?;
    let refusal = rig.refusal(&rig.another()).await;
    assert!(refusal.contains("1 tunnels to servers of this rack are open already"), "{refusal}");
    // The server closes behind its answer, and the answer still arrives.
    let (near, mut far) = tokio::io::duplex(1 << 10);
    let carried = tokio::spawn(tunnel.carry(near));
    far.write_all(b"GET /missing HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    tokio::time::timeout(WAIT, far.read_to_string(&mut answer)).await.context("no answer")??;
    ensure!(answer.starts_with("HTTP/1.") && answer.contains("404"), "{answer}");
    carried.await?;
    Ok(())
}
