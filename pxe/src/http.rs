//! Edges: scripts, kernels and ramdisks by HTTP.
//!
//! A server gets only its own files, only from the address that it has leased, and only while its boot is permitted
//! on the network on which it asks.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::stream;
use protocol::{
    boot::{BootPurpose, BootStage},
    mac::MacAddr,
    places::Bounds,
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    booter::{BootTicket, Refusal},
    connections::{self, Terms},
    context::Context,
    files::BootFiles,
    firmware::SNPONLY,
    ipxe::script::Script,
};

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 256;

/// Most connections at a time from one address.
pub const MAX_CONNECTIONS_PER_CLIENT: usize = 8;

/// For how long a connection may keep silent before and between requests.
pub const MAX_IDLE: Duration = Duration::from_secs(15);

/// For how long a connection may last: a stalled download must not hold it for ever.
pub const MAX_DURATION: Duration = Duration::from_secs(900);

/// Bytes handed to a connection at a time.
const CHUNK: usize = 256 * 1024;

/// Serves until it is told to stop; downloads in flight are then broken off.
pub(crate) async fn run(listener: TcpListener, context: Arc<Context>, stop: CancellationToken) {
    let terms = Terms {
        name: "http",
        places: Bounds { total: MAX_CONNECTIONS, per_peer: MAX_CONNECTIONS_PER_CLIENT, trusted: Vec::new() },
        idle: MAX_IDLE,
        duration: MAX_DURATION,
    };
    let router = router(Arc::clone(&context));
    connections::serve(listener, router, terms, |peer| context.newcomer(peer), stop).await;
}

fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/boot/{mac}/script", get(script))
        .route("/boot/{mac}/kernel", get(kernel))
        .route("/boot/{mac}/initrd", get(initrd))
        .route("/boot/{mac}/part/{*name}", get(part))
        .route(&format!("/boot/loader/{SNPONLY}"), get(loader))
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
    let base_url = context.subnet.origin.base_url();
    match (Script { base_url: &base_url, mac, command_line: &ticket.command_line }).render() {
        Ok(text) => {
            let text = Bytes::from(text);
            let detail = format!("script, {} bytes", text.len());
            download(context, mac, ticket.boot_id, BootStage::Script, text, detail)
        }
        Err(reason) => deny(&context, mac, Refusal::CommandLine { reason: reason.to_string() }),
    }
}

async fn kernel(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path(mac): Path<String>,
) -> Response {
    file(context, peer, &mac, BootStage::Kernel, |files, _| files.kernel.clone())
}

async fn initrd(
    State(context): State<Arc<Context>>,
    Extension(peer): Extension<SocketAddr>,
    Path(mac): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    file(context, peer, &mac, BootStage::Initrd, |files, purpose| match purpose {
        BootPurpose::Rescue => files.rescue_initrd.clone(),
        BootPurpose::Inspect | BootPurpose::Clean | BootPurpose::Deploy => {
            let parts = files.parts.as_ref();
            parts.and_then(|parts| parts.ramdisk(&asked.nic)).unwrap_or_else(|| files.initrd.clone())
        }
    })
}

/// What a server says of itself when it asks for its ramdisk.
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
    let Some(path) = context.files.parts.as_ref().and_then(|parts| parts.file(&name)) else {
        return (StatusCode::NOT_FOUND, "no such part\n").into_response();
    };
    match tokio::fs::read(&path).await {
        Ok(content) => content.into_response(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a part of the ramdisk cannot be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "it cannot be read\n").into_response()
        }
    }
}

/// UEFI firmware that boots by HTTP fetches iPXE here; its URL names no interface.
async fn loader(State(context): State<Arc<Context>>, Extension(peer): Extension<SocketAddr>) -> Response {
    let Some((mac, ticket)) = context.holder(peer.ip()) else {
        return (StatusCode::FORBIDDEN, "no network boot is permitted for this address\n").into_response();
    };
    let content = context.files.snponly.clone();
    let detail = format!("{SNPONLY}, {} bytes by HTTP", content.len());
    download(context, mac, ticket.boot_id, BootStage::Loader, content, detail)
}

fn file(
    context: Arc<Context>,
    peer: SocketAddr,
    mac: &str,
    stage: BootStage,
    content: impl FnOnce(&BootFiles, BootPurpose) -> Bytes,
) -> Response {
    match identify(&context, peer, mac) {
        Ok((mac, ticket)) => {
            let content = content(&context.files, ticket.plan.purpose);
            let detail = format!("{} bytes", content.len());
            download(context, mac, ticket.boot_id, stage, content, detail)
        }
        Err(denial) => *denial,
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
    content: Bytes,
    detail: String,
) -> Response {
    let len = content.len();
    let chunks = stream::unfold(Some((content, detail)), move |rest| {
        let context = Arc::clone(&context);
        async move {
            let (mut content, detail) = rest?;
            let chunk = content.split_to(content.len().min(CHUNK));
            if content.is_empty() {
                context.report(mac, boot_id, stage, detail);
                Some((Ok::<_, Infallible>(chunk), None))
            } else {
                Some((Ok(chunk), Some((content, detail))))
            }
        }
    });
    let headers = [(header::CONTENT_LENGTH, len.to_string()), (header::CACHE_CONTROL, "no-store".to_owned())];
    (headers, Body::from_stream(chunks)).into_response()
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Instant};

    use protocol::{
        boot::{BootMode, BootPlan},
        network::BootNetwork,
    };
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        booter::{Booter, Plan},
        config::ServiceConfig,
        dhcp::lease::LeaseRange,
        files::Parts,
    };

    const SERVER: &str = "02:00:00:00:00:01";

    /// One server may boot.
    struct One;

    impl Booter for One {
        fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan {
            let plan = BootPlan { purpose: BootPurpose::Clean, network };
            let (command_line, boot_mode) = (String::new(), BootMode::Bios);
            let ticket = BootTicket { boot_id: 1, command_line, boot_mode, plan };
            if mac.to_string() == SERVER { Plan::Here(ticket) } else { Plan::Nowhere }
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

    async fn body(answer: Response) -> (u16, String) {
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn a_ramdisk_and_its_files_are_given_to_the_server_that_may_boot_from_its_address() {
        let own = Ipv4Addr::new(198, 18, 1, 1);
        let (first, last) = (Ipv4Addr::new(198, 18, 1, 50), Ipv4Addr::new(198, 18, 1, 60));
        let files = BootFiles {
            initrd: Bytes::from_static(b"everything"),
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
            leases: None,
            files,
            http_port: 80,
        };
        let (events, _heard) = mpsc::channel(16);
        let range = LeaseRange::new(first, last, own, 24).unwrap();
        let context = Arc::new(Context::new(config, range, Arc::new(One), events));
        let now = Instant::now();
        let lease = |mac: &str| {
            let mac = mac.parse().unwrap();
            context.leases().reserve(mac, None, now, |_| true);
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

        let file = async |peer, mac: &str, name: &str| {
            let path = Path((mac.to_owned(), name.to_owned()));
            body(part(State(Arc::clone(&context)), Extension(peer), path).await).await
        };
        assert_eq!(file(server, SERVER, "lib/a.ko").await, (200, "a".to_owned()));
        assert_eq!(file(server, SERVER, "lib/b.ko").await.0, 404);
        assert_eq!(file(other, SERVER, "lib/a.ko").await.0, 403);
        assert_eq!(file(other, "02:00:00:00:00:02", "lib/a.ko").await.0, 403);
    }
}
