//! Edges: a man in the middle before a virtual Redfish service, who says what the service says in another way: other bytes for the same
//! answer.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// Longest head and body of a request.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// A request, as far as it matters how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// How many requests came before it.
    pub before: usize,
}

/// The service's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Status.
    pub status: u16,
    /// Headers, without those about the body and the connection.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Said {
    /// One of our own.
    pub fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { status, headers, body: body.as_bytes().to_vec() }
    }

    /// The status line and the headers, without the line that ends them.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.into_bytes()
    }

    /// As it is usually sent.
    pub fn bytes(&self) -> Vec<u8> {
        let length = if self.status == 204 {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", self.body.len())
        };
        [self.head().as_slice(), length.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// How an answer is sent; empty: the connection is closed without one.
type Twist = dyn Fn(&Asked, Said) -> Vec<u8> + Send + Sync;

/// The man; he ends when this is dropped.
#[derive(Debug)]
pub struct Front {
    /// Where he listens.
    pub addr: SocketAddr,
    task: AbortHandle,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Before a service that speaks without TLS.
pub async fn before(
    bmc: SocketAddr,
    at: &str,
    twist: impl Fn(&Asked, Said) -> Vec<u8> + Send + Sync + 'static,
) -> anyhow::Result<Front> {
    let listener = TcpListener::bind(at).await.with_context(|| format!("listening at {at}"))?;
    let addr = listener.local_addr()?;
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let service =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let twist: Arc<Twist> = Arc::new(twist);
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            let (service, twist, count) = (service.clone(), Arc::clone(&twist), Arc::clone(&count));
            connections.spawn(async move {
                // A connection that breaks is its own end.
                let _ = carry(tcp, bmc, &service, &twist, &count).await;
            });
        }
    });
    Ok(Front { addr, task: task.abort_handle() })
}

async fn carry(
    mut tcp: TcpStream,
    bmc: SocketAddr,
    service: &reqwest::Client,
    twist: &Arc<Twist>,
    count: &std::sync::atomic::AtomicUsize,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let (head, body) = request(&mut tcp, &mut bytes).await?;
        let mut lines = head.lines();
        let mut words = lines.next().context("a request line")?.split(' ').map(str::to_owned);
        let (method, path) = (words.next().context("a method")?, words.next().context("a path")?);
        let before = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut asked = service.request(method.parse()?, format!("http://{bmc}{path}")).body(body);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if !["host", "content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
                asked = asked.header(name, value);
            }
        }
        let answer = asked.send().await?;
        let about_body = ["content-length", "transfer-encoding", "connection"];
        let headers = answer.headers().iter().filter(|(name, _)| !about_body.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())));
        let headers = headers.collect::<anyhow::Result<_>>()?;
        let said = Said { status: answer.status().as_u16(), headers, body: answer.bytes().await?.to_vec() };
        let sent = twist(&Asked { method, path, before }, said);
        tcp.write_all(&sent).await?;
        if sent.is_empty() || sent.ends_with(CUT) {
            return Ok(());
        }
    }
}

/// What is sent before the connection is closed in the middle of an answer: it stands for nothing else in these tests.
pub const CUT: &[u8] = b"{\"cut off";

/// The head of the next request, and its body.
async fn request(tcp: &mut TcpStream, bytes: &mut Vec<u8>) -> anyhow::Result<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec())?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                let body = bytes[end + 4..whole].to_vec();
                bytes.drain(..whole);
                return Ok((head, body));
            }
        }
        anyhow::ensure!(bytes.len() < REQUEST_BYTES_MAX, "a request is too long");
        let mut more = [0; 4096];
        let length = tcp.read(&mut more).await?;
        anyhow::ensure!(length > 0, "closed");
        bytes.extend_from_slice(&more[..length]);
    }
}
