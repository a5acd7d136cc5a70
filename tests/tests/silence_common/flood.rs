//! Connections that say nothing, or too little, or too slowly, and stay.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::{Semaphore, SemaphorePermit, watch},
};
use tokio_rustls::TlsConnector;

/// How a connection keeps silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Connected, and not a byte.
    Tcp,
    /// The beginning of a TLS handshake.
    HalfHandshake,
    /// A handshake, and not a byte.
    Tls,
    /// Half of a request's head.
    HalfHead,
    /// HTTP/2's preface and settings, and no request; probes are not answered either.
    Http2Preface,
    /// A whole head, and a part of the body.
    HalfBody,
    /// A whole head, and a byte of the body each second.
    BytePerSecond,
    /// A whole request and its answer, and the connection kept.
    KeptAlive,
}

impl Manner {
    /// All of them.
    pub const ALL: [Manner; 8] = [
        Manner::Tcp,
        Manner::Tls,
        Manner::HalfHead,
        Manner::Http2Preface,
        Manner::HalfBody,
        Manner::BytePerSecond,
        Manner::HalfHandshake,
        Manner::KeptAlive,
    ];
    /// Those for which nobody needs a certificate.
    pub const WITHOUT_CERTIFICATE: [Manner; 2] = [Manner::Tcp, Manner::HalfHandshake];

    /// What is said first, and within TLS or not.
    fn words(self) -> (bool, &'static [u8]) {
        match self {
            Manner::Tcp => (false, b""),
            Manner::HalfHandshake => (false, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            Manner::Tls => (true, b""),
            Manner::HalfHead => (true, b"GET /ui/sign-in HTTP/1.1\r\nHost: x\r\nAccept: "),
            Manner::Http2Preface => (true, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
            Manner::HalfBody | Manner::BytePerSecond => (
                true,
                b"POST /ui/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 9000\r\n\r\nuser=",
            ),
            Manner::KeptAlive => (true, b"GET /redfish HTTP/1.1\r\nHost: x\r\n\r\n"),
        }
    }
}

/// Many of them.
#[derive(Clone)]
pub struct Flood {
    counts: Arc<watch::Sender<Counts>>,
    connector: TlsConnector,
    /// So many dial at a time: when a listener's queue in the kernel runs over, some only believe that they are connected, and
    /// no listener can close them.
    dialling: Arc<Semaphore>,
}

/// Connections that are being made at a time.
const DIALLING_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    added: usize,
    began: usize,
    ended: usize,
}

impl Default for Flood {
    fn default() -> Self {
        // Nobody who floods looks at certificates, but it must be some connection: our authority's is the one that is there.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(careless::Careless))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            counts: Arc::default(),
            connector: TlsConnector::from(Arc::new(config)),
            dialling: Arc::new(Semaphore::new(DIALLING_MAX)),
        }
    }
}

impl Flood {
    /// The address of the nth host that floods.
    pub fn address(nth: usize) -> [u8; 4] {
        [127, 0, 1, u8::try_from(nth + 2).expect("there are not so many hosts")]
    }

    /// One more connection, from the nth host.
    pub fn add(&self, to: SocketAddr, nth: usize, manner: Manner) {
        self.counts.send_modify(|counts| counts.added += 1);
        let flood = self.clone();
        tokio::spawn(async move {
            // An error is an end as good as another.
            let _ = flood.keep_silent(to, nth, manner).await;
            flood.counts.send_modify(|counts| counts.ended += 1);
        });
    }

    async fn keep_silent(&self, to: SocketAddr, nth: usize, manner: Manner) -> std::io::Result<()> {
        let dialling = self.dialling.acquire().await.expect("nobody closes it");
        let began = Began(&self.counts, dialling);
        let socket = TcpSocket::new_v4()?;
        // Without this, each connection takes a port of its own from all hosts.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(IpAddr::from(Self::address(nth)), 0))?;
        let stream: TcpStream = socket.connect(to).await?;
        let (in_tls, words) = manner.words();
        if in_tls {
            let name = ServerName::try_from("127.0.0.1").expect("it is an address");
            let stream = self.connector.connect(name, stream).await?;
            stay(stream, words, manner, began).await
        } else {
            stay(stream, words, manner, began).await
        }
    }

    /// Waits until all have said what they say, or have ended already.
    pub async fn all_began(&self) {
        self.until(|counts| counts.began == counts.added).await;
    }

    /// Waits until all have been closed.
    pub async fn all_ended(&self) {
        self.until(|counts| counts.ended == counts.added).await;
    }

    /// Waits until exactly so many are left.
    pub async fn until_left(&self, left: usize) {
        self.until(|counts| counts.added - counts.ended == left).await;
    }

    async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        let _ = self.counts.subscribe().wait_for(|counts| condition(counts)).await.unwrap();
    }
}

/// A connection has begun when this is dropped, however far it came.
struct Began<'a>(&'a watch::Sender<Counts>, #[expect(dead_code)] SemaphorePermit<'a>);

impl Drop for Began<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.began += 1);
    }
}

async fn stay(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    words: &[u8],
    manner: Manner,
    began: Began<'_>,
) -> std::io::Result<()> {
    stream.write_all(words).await?;
    stream.flush().await?;
    drop(began);
    let mut buffer = [0; 4096];
    loop {
        let pause = if manner == Manner::BytePerSecond { Duration::from_secs(1) } else { Duration::MAX };
        tokio::select! {
            read = stream.read(&mut buffer) => if read? == 0 { return Ok(()) },
            () = tokio::time::sleep(pause) => {
                stream.write_all(b"x").await?;
                stream.flush().await?;
            }
        }
    }
}

mod careless {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    };
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

    /// Takes every certificate.
    #[derive(Debug)]
    pub(super) struct Careless;

    impl ServerCertVerifier for Careless {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
