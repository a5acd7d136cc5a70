//! Edges: scripts, kernels and ramdisks by HTTP.
//!
//! A server gets only its own files, only from the address that it has leased, and only while its boot is permitted
//! on the network on which it asks. What it may have is decided here, what of it is sent in `select`, and how in `send`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use percent_encoding::percent_decode_str;
use protocol::{
    boot::{BootPurpose, BootStage},
    error_chain::chain,
    mac::MacAddr,
    places::{Bounds, Places},
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    booter::{BootTicket, OwnBoot, Refusal},
    connections,
    context::Context,
    files::{BootFiles, Content},
    firmware::SNPONLY,
    ipxe::script::Script,
};

mod head;
mod select;
mod send;

use self::send::Sendable;

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 256;

/// Most connections at a time from one address.
pub const MAX_CONNECTIONS_PER_CLIENT: usize = 8;

/// For how long a connection may keep silent before and between requests.
pub const MAX_IDLE: Duration = Duration::from_secs(15);

/// For how long a connection may last: a stalled download must not hold it for ever.
pub const MAX_DURATION: Duration = Duration::from_secs(900);

/// Serves until it is told to stop; downloads in flight are then broken off.
pub(crate) async fn run(
    listener: TcpListener,
    places: Places,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let router = router(Arc::clone(&context));
    let attend = move |stream, peer| send::attend(stream, peer, router.clone());
    connections::accept(listener, ("http", places), |peer| context.newcomer(peer), attend, stop).await;
}

/// The places of one network's clients, by whichever family they come.
pub(crate) fn places() -> Places {
    Places::new(Bounds { total: MAX_CONNECTIONS, per_peer: MAX_CONNECTIONS_PER_CLIENT, trusted: Vec::new() })
}

fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/boot/{mac}/script", get(script))
        .route("/boot/{mac}/kernel", get(kernel))
        .route("/boot/{mac}/initrd", get(initrd))
        .route("/boot/{mac}/part/{*name}", get(part))
        .route(&format!("/boot/loader/{SNPONLY}"), get(loader))
        .fallback(plain)
        .with_state(context)
}

async fn script(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path(mac): Path<String>,
) -> Response {
    let (mac, ticket) = match identify(&context, peer, &mac) {
        Ok(found) => found,
        Err(denial) => return *denial,
    };
    if let Some(name) = ticket.own.as_ref().and_then(|own| own.script.clone()) {
        return give(context, mac, ticket.boot_id, BootStage::Script, name).await;
    }
    let base_url = context.base_url(peer.ip());
    let has_initrd = ticket.own.as_ref().is_none_or(|own| own.initrd.is_some());
    match (Script { base_url: &base_url, mac, command_line: &ticket.command_line, has_initrd }).render() {
        Ok(text) => {
            let detail = format!("script, {} bytes", text.len());
            download(context, mac, ticket.boot_id, BootStage::Script, Content::made(text.into()), detail)
        }
        Err(reason) => deny(&context, mac, Refusal::CommandLine { reason: reason.to_string() }),
    }
}

async fn kernel(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path(mac): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let kernel = |files: &BootFiles, _| files.kernel(&asked.nic);
    file(context, peer, &mac, BootStage::Kernel, |own| own.kernel.clone(), kernel).await
}

async fn initrd(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path(mac): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let ramdisk = |files: &BootFiles, purpose| files.ramdisk(purpose, &asked.nic);
    file(context, peer, &mac, BootStage::Initrd, |own| own.initrd.clone(), ramdisk).await
}

/// What a server says of itself when it asks for its kernel or its ramdisk.
#[derive(Debug, Deserialize)]
struct Asked {
    /// iPXE's `busid` of the NIC by which it boots.
    #[serde(default)]
    nic: String,
}

/// A module or firmware that a running ramdisk needs; none of a boot's stages.
async fn part(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path((mac, name)): Path<(String, String)>,
) -> Response {
    if let Err(denial) = identify(&context, peer, &mac) {
        return *denial;
    }
    let parts = context.files.parts.clone();
    let Some((parts, path)) = parts.and_then(|parts| parts.file(&name).map(|path| (parts, path))) else {
        return (StatusCode::NOT_FOUND, "no such part\n").into_response();
    };
    match tokio::task::spawn_blocking(move || parts.content(&path)).await {
        Ok(Ok(content)) => sendable(content, || ()),
        Ok(Err(error)) => {
            tracing::warn!(%name, error = %chain(&error), "a part of the ramdisk is not given");
            (StatusCode::INTERNAL_SERVER_ERROR, "it cannot be read\n").into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// UEFI firmware that boots by HTTP fetches iPXE here; its URL names no interface.
async fn loader(State(context): State<Arc<Context>>, Extension(peer): Extension<SocketAddr>) -> Response {
    let Some((mac, ticket)) = context.holder(peer.ip()) else {
        return (StatusCode::FORBIDDEN, "no network boot is permitted for this address\n").into_response();
    };
    let content = Content::from(context.files.snponly.clone());
    let detail = format!("{SNPONLY}, {} bytes by HTTP", content.len());
    download(context, mac, ticket.boot_id, BootStage::Loader, content, detail)
}

async fn file(
    context: Arc<Context>,
    peer: SocketAddr,
    mac: &str,
    stage: BootStage,
    own: impl FnOnce(&OwnBoot) -> Option<String>,
    content: impl FnOnce(&BootFiles, BootPurpose) -> Content,
) -> Response {
    let (mac, ticket) = match identify(&context, peer, mac) {
        Ok(found) => found,
        Err(denial) => return *denial,
    };
    match &ticket.own {
        Some(boots) => match own(boots) {
            Some(name) => give(context, mac, ticket.boot_id, stage, name).await,
            None => (StatusCode::NOT_FOUND, "it boots no such file\n").into_response(),
        },
        None => {
            let content = content(&context.files, ticket.plan.purpose);
            let detail = format!("{} bytes", content.len());
            download(context, mac, ticket.boot_id, stage, content, detail)
        }
    }
}

/// A file of the directory for a machine's own boot.
async fn give(context: Arc<Context>, mac: MacAddr, boot_id: u64, stage: BootStage, name: String) -> Response {
    match below_root(&context, &name).await {
        Some(content) => {
            let detail = format!("{name}, {} bytes", content.len());
            download(context, mac, boot_id, stage, content, detail)
        }
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

async fn below_root(context: &Context, name: &str) -> Option<Content> {
    let root = context.alone.as_ref()?.root.clone()?;
    let name = name.to_owned();
    let opened = tokio::task::spawn_blocking(move || root.content(&name)).await;
    opened.map_err(std::io::Error::other).flatten().ok()
}

/// Any file of the directory, for whoever may boot here.
async fn plain(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    uri: Uri,
) -> Response {
    if context.alone.is_none() || context.holder(peer.ip()).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(name) = percent_decode_str(uri.path()).decode_utf8() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match below_root(&context, &name).await {
        Some(content) => sendable(content, || ()),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

fn identify(context: &Context, peer: SocketAddr, mac: &str) -> Result<(MacAddr, BootTicket), Box<Response>> {
    let mac: MacAddr = mac
        .parse()
        .map_err(|error| Box::new((StatusCode::NOT_FOUND, format!("{error}\n")).into_response()))?;
    let ticket = context.ticket(mac, peer.ip()).map_err(|reason| Box::new(deny(context, mac, reason)))?;
    Ok((mac, ticket))
}

fn deny(context: &Context, mac: MacAddr, reason: Refusal) -> Response {
    let text = format!("{reason}\n");
    context.refuse(mac, reason);
    (StatusCode::FORBIDDEN, text).into_response()
}

/// Sends a file, and reports the stage when its last byte has been handed over.
fn download(
    context: Arc<Context>,
    mac: MacAddr,
    boot_id: u64,
    stage: BootStage,
    content: Content,
    detail: String,
) -> Response {
    let sent = move || context.report(mac, boot_id, stage, detail.clone());
    // Nobody between us may keep what is for one server at one time.
    ([(header::CACHE_CONTROL, "no-store")], sendable(content, sent)).into_response()
}

fn sendable(content: Content, sent: impl Fn() + Send + Sync + 'static) -> Response {
    (Extension(Sendable { content, sent: Arc::new(sent) }), ()).into_response()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::Instant,
    };

    use bytes::Bytes;
    use protocol::{
        boot::{BootLoader, BootMode, BootPlan},
        network::BootNetwork,
    };
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        booter::{Booter, Plan},
        config::ServiceConfig,
        connections::Newcomer,
        dhcp::lease::LeaseRange,
        files::Parts,
    };

    const SERVER: &str = "02:00:00:00:00:01";

    /// Where its ramdisk runs, on a lease that nobody remembers.
    const RAMDISK: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 70);

    /// One server may boot.
    struct One;

    impl Booter for One {
        fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan {
            let plan = BootPlan { purpose: BootPurpose::Clean, network };
            let (command_line, boot_mode, loader) = (String::new(), BootMode::Bios, BootLoader::Ipxe);
            let ticket = BootTicket { boot_id: 1, command_line, boot_mode, loader, plan, own: None };
            if mac.to_string() == SERVER { Plan::Here(ticket) } else { Plan::Nowhere }
        }

        fn ramdisk_at(&self, address: Ipv4Addr, _: BootNetwork) -> Option<Vec<MacAddr>> {
            (address == RAMDISK).then(|| vec![SERVER.parse().unwrap()])
        }

        fn refused(&self, _: MacAddr, _: BootNetwork, _: Refusal) {}
    }

    fn parts() -> Parts {
        let dir = std::env::temp_dir().join(format!("pxe-http-{}", std::process::id()));
        let files = [
            ("lean", "lean"),
            ("parts/igb", "igb!"),
            ("nics.txt", "8086:10c9 igb\n"),
            ("files/lib/a.ko", "a"),
        ];
        for (name, content) in files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Parts::read(&dir).unwrap()
    }

    async fn body(mut answer: Response) -> (u16, String) {
        let status = answer.status().as_u16();
        if let Some(Sendable { content, .. }) = answer.extensions_mut().remove() {
            return (status, String::from_utf8_lossy(&content.to_bytes().unwrap()).into_owned());
        }
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn a_ramdisk_and_its_files_are_given_to_the_server_that_may_boot_from_its_address() {
        let own = Ipv4Addr::new(198, 18, 1, 1);
        let (first, last) = (Ipv4Addr::new(198, 18, 1, 50), Ipv4Addr::new(198, 18, 1, 60));
        let files = BootFiles {
            initrd: Content::made(Bytes::from_static(b"everything")),
            parts: Some(Arc::new(parts())),
            ..BootFiles::default()
        };
        let config = ServiceConfig {
            network: BootNetwork::Cleaning,
            name: "cleaning",
            interface: "lo".into(),
            address: own,
            prefix_len: 24,
            range: (first, last),
            relays: Vec::new(),
            ipv6: Some("2001:db8::1/64".parse().unwrap()),
            leases: None,
            files,
            http_port: 80,
            alone: None,
        };
        let (events, _heard) = mpsc::channel(16);
        let range = LeaseRange::new(first, last, own, 24).unwrap();
        let context = Arc::new(Context::new(
            config,
            range,
            Some(MacAddr([2, 0, 0, 0, 0, 0xaa])),
            Arc::new(One),
            events,
        ));
        let now = Instant::now();
        let lease = |mac: &str| {
            let mac = mac.parse().unwrap();
            context.leases().reserve(mac, None, now, |_| true, |_| false);
            context.leases().prove(mac);
            let lent = context.leases().take(mac, now).unwrap();
            SocketAddr::from((lent.address, 1024))
        };
        let (server, other) = (lease(SERVER), lease("02:00:00:00:00:02"));

        let ask = async |peer, nic: &str| {
            let asked = Query(Asked { nic: nic.to_owned() });
            body(initrd(State(Arc::clone(&context)), Extension(peer), Path(SERVER.into()), asked).await).await
        };
        assert_eq!(ask(server, "01808610c9").await, (200, "leanigb!".to_owned()));
        assert_eq!(ask(server, "01808610ff").await, (200, "everything".to_owned()));
        assert_eq!(ask(server, "").await, (200, "everything".to_owned()));
        assert_eq!(ask(other, "01808610c9").await.0, 403);

        // By IPv6 the same, from the address that goes with the lease; another one is nobody's.
        let ipv6 = |peer: SocketAddr| {
            let IpAddr::V4(lent) = peer.ip() else { panic!("{peer}") };
            let link = context.link.as_ref().unwrap();
            SocketAddr::from((link.ipv6.address_of(lent), 1024))
        };
        assert_eq!(ask(ipv6(server), "01808610c9").await, (200, "leanigb!".to_owned()));
        assert_eq!(ask(ipv6(other), "01808610c9").await.0, 403);
        let stranger: SocketAddr = "[2001:db8::5054:ff:fe12:3457]:1024".parse().unwrap();
        assert_eq!(ask(stranger, "").await.0, 403);
        let thought = [server, ipv6(server), stranger].map(|peer| context.newcomer(peer.ip()));
        assert_eq!(thought, [Newcomer::Expected, Newcomer::Expected, Newcomer::Foreign]);
        let told = async |peer| {
            body(script(State(Arc::clone(&context)), Extension(peer), Path(SERVER.into())).await).await.1
        };
        assert!(told(server).await.contains("kernel http://198.18.1.1/boot/"));
        assert!(told(ipv6(server)).await.contains("kernel http://[2001:db8::1]/boot/"));

        let file = async |peer, mac: &str, name: &str| {
            let path = Path((mac.to_owned(), name.to_owned()));
            body(part(State(Arc::clone(&context)), Extension(peer), path).await).await
        };
        assert_eq!(file(server, SERVER, "lib/a.ko").await, (200, "a".to_owned()));
        assert_eq!(file(server, SERVER, "lib/b.ko").await.0, 404);
        assert_eq!(file(other, SERVER, "lib/a.ko").await.0, 403);
        assert_eq!(file(other, "02:00:00:00:00:02", "lib/a.ko").await.0, 403);
        // A ramdisk that runs for long renews no lease.
        let running = SocketAddr::from((RAMDISK, 1024));
        assert_eq!(file(running, SERVER, "lib/a.ko").await, (200, "a".to_owned()));
        assert_eq!(file(running, "02:00:00:00:00:02", "lib/a.ko").await.0, 403);
    }
}
