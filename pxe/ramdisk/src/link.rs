//! Edges: the TLS connection to the rack agent, and frames over it.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt};
use protocol::ramdisk::{Decoder, Frame, FrameError, FromAgent, FromRamdisk, encode_control};
use rustls::{ClientConnection, Error, StreamOwned, pki_types::ServerName};

use crate::tls;

const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Longest silence of an agent that has something to say: it is waiting for an image, or for somebody's next step.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest time for the answer to a hello.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest time for bytes to be taken by the agent.
const SEND_WAIT: Duration = Duration::from_secs(60);
/// Longest time for an agent to hear a farewell.
const FAREWELL_MAX: Duration = Duration::from_secs(5);
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
        let config = tls::client(fingerprint)?;
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

    /// Sends the first message and waits for the answer to it.
    pub fn greet(&mut self, message: &FromRamdisk) -> Result<Received, LinkError> {
        let failed = |error| LinkError::Io(self.agent, error);
        self.stream.sock.set_read_timeout(Some(ANSWER_WAIT_MAX)).map_err(failed)?;
        self.send(message)?;
        let answer = self.receive()?;
        let failed = |error| LinkError::Io(self.agent, error);
        self.stream.sock.set_read_timeout(Some(IDLE_WAIT_MAX)).map_err(failed)?;
        Ok(answer)
    }

    /// Says that nothing more comes, and waits until the agent has closed its end too, which it does when it has read everything: what
    /// is still on its way when a server switches off may never arrive. No longer than 5 s, whatever the agent does.
    pub fn farewell(&mut self) {
        let until = Instant::now() + FAREWELL_MAX;
        self.stream.conn.send_close_notify();
        if self.stream.flush().and_then(|()| self.stream.sock.shutdown(Shutdown::Write)).is_err() {
            return;
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.sock.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match self.stream.sock.read(&mut self.buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// What the agent says while nothing is expected from it; none: nothing. What has begun to come is waited for, up to 30 s.
    pub fn overheard(&mut self) -> Result<Option<Received>, LinkError> {
        let failed = |error| LinkError::Io(self.agent, error);
        let socket = &self.stream.sock;
        socket.set_nonblocking(true).map_err(failed)?;
        let looked = socket.peek(&mut [0]);
        socket.set_nonblocking(false).map_err(failed)?;
        match looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Ok(0) | Err(_) => return Err(LinkError::Closed),
            Ok(_) => {}
        }
        socket.set_read_timeout(Some(ANSWER_WAIT_MAX)).map_err(failed)?;
        let received = self.receive()?;
        let failed = |error| LinkError::Io(self.agent, error);
        self.stream.sock.set_read_timeout(Some(IDLE_WAIT_MAX)).map_err(failed)?;
        Ok(Some(received))
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
