//! Edges: the stream below a connection to a Redfish service: TCP, or TLS on it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::unanswered::ConnectError;

/// A connection on which nothing comes is asked so often whether its other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 3;
/// Longest wait for the other end to say that it has what was sent.
const SENT_MAX: Duration = Duration::from_secs(30);

/// Where a service is, and how it is connected to.
#[derive(Clone)]
pub(super) struct Place {
    /// Name or address; IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// TLS; none: without.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Longest wait for a connection, TLS included.
    pub(super) wait: Duration,
}

impl Place {
    pub(super) async fn connect(&self) -> Result<Stream, ConnectError> {
        match timeout(self.wait, self.connected()).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Time(self.wait)),
        }
    }

    async fn connected(&self) -> Result<Stream, ConnectError> {
        let tcp = self.tcp().await?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| ConnectError::TlsName)?;
        let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        tls.map(|tls| Stream::Tls(Box::new(tls))).map_err(ConnectError::Tls)
    }

    /// To the first of its addresses that takes it; each is given its share of the time.
    async fn tcp(&self) -> Result<TcpStream, ConnectError> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(ConnectError::Name)?;
        let addresses: Vec<SocketAddr> = found.collect();
        let share = self.wait / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut failed = ConnectError::Name(io::Error::from(io::ErrorKind::NotFound));
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return prepared(tcp).map_err(ConnectError::Tcp),
                Ok(Err(error)) => failed = ConnectError::Tcp(error),
                Err(_) => failed = ConnectError::Time(share),
            }
        }
        Err(failed)
    }
}

fn prepared(tcp: TcpStream) -> io::Result<TcpStream> {
    tcp.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_TRIES);
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(SENT_MAX))?;
    Ok(tcp)
}

/// An open stream.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
