//! Edges: one connection of a ramdisk: TLS, frames in and out.

use std::time::Duration;

use protocol::{
    places::Place,
    ramdisk::{Decoder, FromAgent, FromRamdisk, encode_control, encode_data},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    config::STEP_SILENCE_MAX,
    words::{Greeting, greeting, next_message},
};
use crate::image::Extent;

/// A silent peer is probed after this time, and again at this interval.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection is given up.
const KEEPALIVE_TRIES: u32 = 3;
/// Longest time for bytes to be taken before the connection is given up. The kernel counts the time in which a living peer has no room,
/// too, and a disk that tries a bad sector again has none for a minute or more.
const SEND_SILENCE_MAX: Duration = STEP_SILENCE_MAX;
const READ_BYTES: usize = 64 << 10;

pub(super) struct Connection {
    reader: Reader,
    writer: WriteHalf<TlsStream<TcpStream>>,
    place: Place,
}

struct Reader {
    stream: ReadHalf<TlsStream<TcpStream>>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn accept(
        stream: TcpStream,
        acceptor: TlsAcceptor,
        place: Place,
    ) -> Result<Self, String> {
        let socket = SockRef::from(&stream);
        let keepalive =
            TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_TRIES);
        socket
            .set_tcp_keepalive(&keepalive)
            .and_then(|()| socket.set_tcp_user_timeout(Some(SEND_SILENCE_MAX)))
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|error| format!("socket options: {error}"))?;
        let stream = acceptor.accept(stream).await.map_err(|error| format!("TLS: {error}"))?;
        let (stream, writer) = tokio::io::split(stream);
        let reader = Reader { stream, decoder: Decoder::default(), buffer: vec![0; READ_BYTES] };
        Ok(Self { reader, writer, place })
    }

    pub(super) async fn greeting(&mut self) -> Result<Greeting, String> {
        greeting(self.message().await?)
    }

    /// It is a ramdisk that we wait for: it makes no room for others any more.
    pub(super) fn keep_place(&self) {
        self.place.hold();
    }

    pub(super) async fn refuse(&mut self, reason: String) {
        if self.say(&FromAgent::Refused { reason }).await.is_ok() {
            let _ = self.writer.shutdown().await;
        }
    }

    pub(super) async fn say(&mut self, message: &FromAgent) -> Result<(), String> {
        let frame = encode_control(message).map_err(|error| error.to_string())?;
        send(&mut self.writer, &frame).await
    }

    /// The next message. Safe to be dropped and called again.
    pub(super) async fn message(&mut self) -> Result<FromRamdisk, String> {
        self.reader.message().await
    }

    /// Sends a piece of a disk.
    pub(super) async fn send(&mut self, piece: &Extent) -> Result<(), String> {
        let frame = encode_data(piece.offset, &piece.bytes).map_err(|error| error.to_string())?;
        send(&mut self.writer, &frame).await
    }
}

async fn send(writer: &mut WriteHalf<TlsStream<TcpStream>>, frame: &[u8]) -> Result<(), String> {
    let sending = async {
        writer.write_all(frame).await?;
        writer.flush().await
    };
    sending.await.map_err(|error| format!("sending failed: {error}"))
}

impl Reader {
    /// The next message. Safe to be dropped and called again: what was received is kept in the decoder.
    async fn message(&mut self) -> Result<FromRamdisk, String> {
        loop {
            if let Some(message) = next_message(&mut self.decoder)? {
                return Ok(message);
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(length) => self.decoder.push(&self.buffer[..length]),
                Err(error) => return Err(format!("receiving failed: {error}")),
            }
        }
    }
}
