//! Edges: scripts, kernels and ramdisks by HTTP.
//!
//! A server gets only its own files, only from the address that it has leased, and only while its boot is permitted
//! on the network on which it asks.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
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
) -> Response {
    file(context, peer, &mac, BootStage::Initrd, |files, purpose| match purpose {
        BootPurpose::Rescue => files.rescue_initrd.clone(),
        BootPurpose::Inspect | BootPurpose::Clean | BootPurpose::Deploy => files.initrd.clone(),
    })
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
    content: fn(&BootFiles, BootPurpose) -> Bytes,
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
