//! Edges: one connection: requests are read, answered by the router, and what it answers is sent: a file by the kernel, from its pages
//! to the card (sendfile), without a copy in between.

use std::{
    fs::File,
    io::{self, ErrorKind},
    net::SocketAddr,
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use nix::sys::sendfile::sendfile;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::TcpStream,
    time::timeout,
};
use tower::ServiceExt;

use super::{
    MAX_DURATION, MAX_IDLE,
    head::{self, MAX_HEAD},
    select::{Facts, Selection, select},
};
use crate::files::content::{Content, Source};

/// Most bytes that the kernel is given to send at a time; then others have their turn.
const AT_ONCE: u64 = 1 << 20;

/// More follows at once (Linux, `include/linux/socket.h`; nix has no name for it).
const MSG_MORE: i32 = 0x8000;

/// Longest text that is an answer by itself.
const TEXT_MAX: usize = 1 << 20;

/// A file that an answer stands for: what of it is sent is decided here.
#[derive(Clone)]
pub(super) struct Sendable {
    pub(super) content: Content,
    /// Is told when its last byte has been handed over.
    pub(super) sent: Arc<dyn Fn() + Send + Sync>,
}

/// Answers until the client is silent, gone, or has been here for too long.
pub(super) async fn attend(stream: TcpStream, peer: SocketAddr, router: Router) {
    match timeout(MAX_DURATION, converse(stream, peer, router)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "http connection failed"),
        Err(_) => tracing::debug!(%peer, "http connection closed: it lasted too long"),
    }
}

async fn converse(mut stream: TcpStream, peer: SocketAddr, router: Router) -> io::Result<()> {
    // A head waits for its body by MSG_MORE; nothing else is to wait.
    stream.set_nodelay(true)?;
    let mut received = BytesMut::new();
    loop {
        let mut request = match timeout(MAX_IDLE, next(&mut stream, &mut received)).await {
            Err(_) | Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(request))) => request,
            Ok(Err(refused)) => return refuse(&mut stream, refused?.status()).await,
        };
        request.extensions_mut().insert(peer);
        let keeps_open = head::keeps_open(&request);
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let Ok(answer) = router.clone().oneshot(request).await;
        send(&mut stream, &method, &headers, answer, keeps_open).await?;
        if !keeps_open {
            return stream.shutdown().await;
        }
    }
}

/// The next request; none: the client has closed the connection. An error within an error: the connection's own.
async fn next(
    stream: &mut TcpStream,
    received: &mut BytesMut,
) -> Result<Option<Request<Body>>, io::Result<head::InvalidHead>> {
    loop {
        if let Some((request, len)) = head::parse(received).map_err(Ok)? {
            let _ = received.split_to(len);
            return Ok(Some(request));
        }
        received.reserve(MAX_HEAD / 8);
        if stream.read_buf(received).await.map_err(Err)? == 0 {
            return Ok(None);
        }
    }
}

async fn refuse(stream: &mut TcpStream, status: StatusCode) -> io::Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    stream.write_all(&head::write(status, &headers, false, SystemTime::now())).await?;
    stream.shutdown().await
}

async fn send(
    stream: &mut TcpStream,
    method: &Method,
    asked: &HeaderMap,
    answer: Response<Body>,
    keeps_open: bool,
) -> io::Result<()> {
    let (mut parts, body) = answer.into_parts();
    let now = SystemTime::now();
    let Some(Sendable { content, sent }) = parts.extensions.remove::<Sendable>() else {
        let text = axum::body::to_bytes(body, TEXT_MAX).await.map_err(io::Error::other)?;
        if *method != Method::HEAD {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        }
        let mut whole = head::write(parts.status, &parts.headers, keeps_open, now);
        if head::has_body(method, parts.status) {
            whole.extend_from_slice(&text);
        }
        return stream.write_all(&whole).await;
    };
    let facts = Facts { len: content.len(), tag: content.tag(), modified: content.modified() };
    let (status, range) = match select(method, asked, facts) {
        Selection::Whole => (parts.status, 0..content.len()),
        Selection::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Selection::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Selection::Failed => (StatusCode::PRECONDITION_FAILED, 0..0),
        Selection::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    describe(&mut parts.headers, status, facts, &range);
    let head = head::write(status, &parts.headers, keeps_open, now);
    if !head::has_body(method, status) || range.is_empty() {
        return stream.write_all(&head).await;
    }
    let is_last = range.end == content.len();
    send_head(stream, &head).await?;
    match content.source() {
        Source::Memory(bytes) => stream.write_all(&slice(bytes, &range)).await?,
        Source::File(file) => send_file(stream, file, range).await?,
    }
    if is_last {
        sent();
    }
    Ok(())
}

fn describe(headers: &mut HeaderMap, status: StatusCode, facts: Facts<'_>, range: &Range<u64>) {
    let mut put = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    };
    put(header::ACCEPT_RANGES, Some("bytes".to_owned()));
    put(header::ETAG, facts.tag.map(str::to_owned));
    put(header::LAST_MODIFIED, facts.modified.map(httpdate::fmt_http_date));
    let len = facts.len;
    put(
        header::CONTENT_RANGE,
        match status {
            StatusCode::PARTIAL_CONTENT => {
                Some(format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1)))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{len}")),
            _ => None,
        },
    );
    if status != StatusCode::NOT_MODIFIED {
        put(header::CONTENT_LENGTH, Some((range.end - range.start).to_string()));
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(range.start)..at(range.end))
}

/// Sends a head whose body follows at once: both go into one packet.
async fn send_head(stream: &TcpStream, head: &[u8]) -> io::Result<()> {
    let mut rest = head;
    while !rest.is_empty() {
        let sent = when_room(stream, || SockRef::from(stream).send_with_flags(rest, MSG_MORE)).await?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

async fn send_file(stream: &TcpStream, file: &File, range: Range<u64>) -> io::Result<()> {
    let offset = |at: u64| i64::try_from(at).map_err(io::Error::other);
    let (mut at, end) = (offset(range.start)?, offset(range.end)?);
    while at < end {
        let count = usize::try_from((end - at).unsigned_abs().min(AT_ONCE)).unwrap_or(usize::MAX);
        let mut sent = 0;
        let tried = stream.try_io(Interest::WRITABLE, || {
            sent = sendfile(stream, file, Some(&mut at), count)?;
            // Less than was given: the connection is full, and need not be asked again to be known so.
            if 0 < sent && sent < count { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match tried {
            Ok(()) if sent == 0 => {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the file has become shorter"));
            }
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends as soon as the connection takes something.
async fn when_room(stream: &TcpStream, mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match stream.try_io(Interest::WRITABLE, &mut send) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent,
        }
    }
}
