//! Edges: a server that answers each request as a test's own function says, down to answers that break off. It knows nothing of
//! Contrail: it is for what the stand-in cannot be made to say.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Largest head and largest body of a request.
const REQUEST_MAX: usize = 1 << 20;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// What follows the question mark; empty: nothing.
    pub query: String,
    /// The token it carries.
    pub token: Option<String>,
    /// Its JSON; null when there is none.
    pub body: Value,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: String,
    body: Option<String>,
}

impl Reply {
    /// 200 with this JSON.
    pub fn json(body: Value) -> Self {
        Self { status: 200, headers: String::new(), body: Some(body.to_string()) }
    }

    /// This status with this text.
    pub fn text(status: u16, text: &str) -> Self {
        Self { status, headers: String::new(), body: Some(text.to_owned()) }
    }

    /// A status that promises 21 bytes and sends none: the connection ends instead.
    pub fn head_only(status: u16) -> Self {
        Self { status, headers: String::new(), body: None }
    }

    /// With another status.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let length = self.body.as_ref().map_or(21, String::len);
        let mut text = format!("HTTP/1.1 {} Said\r\nContent-Length: {length}\r\n", self.status);
        text.push_str(&self.headers);
        text.push_str("Connection: close\r\n\r\n");
        text.push_str(self.body.as_deref().unwrap_or_default());
        text.into_bytes()
    }
}

type Script = Arc<Mutex<dyn FnMut(&Asked) -> Reply + Send>>;

/// Such a server, until it is dropped.
pub struct Scripted {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    /// Starts one that speaks plain HTTP.
    pub async fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::serve("http", None, Arc::new(Mutex::new(script))).await
    }

    /// Starts one that speaks TLS.
    pub async fn start_tls(
        config: rustls::ServerConfig,
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve("https", Some(acceptor), Arc::new(Mutex::new(script))).await
    }

    async fn serve(scheme: &str, tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let kept = calls.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script, calls) = (tls.clone(), script.clone(), kept.clone());
                tokio::spawn(async move {
                    // A client that goes away, or does not trust us, is no fault of the script's.
                    let _ = match tls {
                        None => answer(stream, script, calls).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, script, calls).await,
                            Err(error) => Err(error.into()),
                        },
                    };
                });
            }
        });
        Self { url: format!("{scheme}://{address}"), calls, serving }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What was asked so far, as `METHOD /path`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    calls: Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<()> {
    let asked = read(&mut stream).await?;
    let call = format!("{} {}", asked.method, asked.path);
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    let reply = {
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        script(&asked)
    };
    stream.write_all(&reply.bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        anyhow::ensure!(bytes.len() < REQUEST_MAX, "a head without an end");
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "the client went away");
    };
    let head = std::str::from_utf8(&bytes[..end])?.to_owned();
    let header = |name: &str| {
        let named = head.lines().filter_map(|line| line.split_once(':'));
        let mut values = named.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").map_or(Ok(0), |text| text.parse())?;
    anyhow::ensure!(length < REQUEST_MAX, "a body that is too long");
    while bytes.len() < end + length {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "the client went away");
    }
    let mut words = head.split(' ');
    let method = words.next().context("no method")?.to_owned();
    let (path, query) =
        words.next().map(|url| url.split_once('?').unwrap_or((url, ""))).context("no path")?;
    let body = serde_json::from_slice(&bytes[end..end + length]).unwrap_or(Value::Null);
    Ok(Asked { method, path: path.to_owned(), query: query.to_owned(), token: header("x-auth-token"), body })
}
