//! Edges: the TLS connection to the rack agent, and frames over it.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
use protocol::ramdisk::{Decoder, Frame, FrameError, FromAgent, FromRamdisk, encode_control};
use ring::digest;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring as provider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::write_image::hex;

const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Longest silence of an agent that has something to say: it is waiting for an image, or for somebody's next step.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest time for bytes to be taken by the agent.
const SEND_WAIT: Duration = Duration::from_secs(60);
/// Probing of a silent connection: seconds until the first, seconds between, and how many may stay unanswered.
const KEEPALIVE_SECONDS: u32 = 5;
const KEEPALIVE_TRIES: u32 = 3;
const READ_BYTES: usize = 64 << 10;

/// Why there is no connection any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection failed.
    #[error("connection to {0}: {1}")]
    Io(SocketAddr, io::Error),
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(#[from] Error),
    /// The agent does not speak our protocol.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The agent closed the connection.
    #[error("the agent closed the connection")]
    Closed,
}

/// What the agent sends.
#[derive(Debug)]
pub enum Received {
    /// A message.
    Message(FromAgent),
    /// Bytes for the running task.
    Data {
        /// Where they belong.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// An open connection.
pub struct Link {
    agent: SocketAddr,
    stream: StreamOwned<ClientConnection, TcpStream>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects to the agent whose certificate has this SHA-256 (lower-case hex).
    pub fn connect(agent: SocketAddr, fingerprint: &str) -> Result<Self, LinkError> {
        let failed = |error| LinkError::Io(agent, error);
        let socket = TcpStream::connect_timeout(&agent, CONNECT_WAIT).map_err(failed)?;
        prepare(&socket).map_err(failed)?;
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![
                provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
                provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: vec![provider::kx_group::X25519],
            ..provider::default_provider()
        });
        let verifier = Pinned { fingerprint: fingerprint.to_owned(), provider: Arc::clone(&provider) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let session = ClientConnection::new(Arc::new(config), ServerName::IpAddress(agent.ip().into()))?;
        let stream = StreamOwned::new(session, socket);
        Ok(Self { agent, stream, decoder: Decoder::default(), buffer: vec![0; READ_BYTES] })
    }

    /// Sends one message.
    pub fn send(&mut self, message: &FromRamdisk) -> Result<(), LinkError> {
        let frame = encode_control(message)?;
        let sent = self.stream.write_all(&frame).and_then(|()| self.stream.flush());
        sent.map_err(|error| LinkError::Io(self.agent, error))
    }

    /// Waits for the next frame.
    pub fn receive(&mut self) -> Result<Received, LinkError> {
        loop {
            match self.decoder.next_frame()? {
                Some(Frame::Control(text)) => return Ok(Received::Message(Frame::parse(&text)?)),
                Some(Frame::Data { offset, bytes }) => return Ok(Received::Data { offset, bytes }),
                None => {}
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(length) => self.decoder.push(&self.buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(LinkError::Closed),
                Err(error) => return Err(LinkError::Io(self.agent, error)),
            }
        }
    }
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(IDLE_WAIT_MAX))?;
    socket.set_write_timeout(Some(SEND_WAIT))?;
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &KEEPALIVE_SECONDS)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &KEEPALIVE_SECONDS)?;
    setsockopt(socket, sockopt::TcpKeepCount, &KEEPALIVE_TRIES)?;
    Ok(())
}

/// Takes one certificate and no other: no names, no authorities, and no clock, which a server may have wrong.
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = hex(digest::digest(&digest::SHA256, end_entity).as_ref());
        if found == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General(format!(
                "the agent's certificate is {found:.12}..., not the one of the boot script"
            )))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
