//! Edges: one ramdisk's connection: frames in and out, one step after the other.

use std::{sync::Arc, time::Duration};

use protocol::{
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    id::RamdiskSessionId,
    ramdisk::{DATA_BYTES_MAX, Decoder, Frame, FromAgent, FromRamdisk, Task, encode_control, encode_data},
    step::{StepOutput, StepProgress},
};
use ring::digest;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::{mpsc, oneshot},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::image::{CachedImage, Extent, Extents, ImageError, hex};

/// A silent peer is probed after this time, and again at this interval.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection is given up.
const KEEPALIVE_TRIES: u32 = 3;
/// Longest time for bytes to be acknowledged before the connection is given up.
const SEND_SILENCE_MAX: Duration = Duration::from_secs(20);
/// Longest time that a ramdisk may work on a step without a word: flushing a slow disk's cache is one of its steps.
const STEP_SILENCE_MAX: Duration = Duration::from_secs(300);
const READ_BYTES: usize = 64 << 10;

/// Bytes that follow a task.
pub(super) enum Payload {
    None,
    Image(Arc<CachedImage>),
    Bytes(Vec<u8>),
}

/// A step on its way to the ramdisk.
pub(super) struct StepRequest {
    pub task: Task,
    pub payload: Payload,
    pub on_progress: Box<dyn Fn(StepProgress) + Send + Sync>,
    pub reply: oneshot::Sender<Result<StepOutput, Failure>>,
}

pub(super) struct Connection {
    reader: Reader,
    writer: WriteHalf<TlsStream<TcpStream>>,
    steps_done: u32,
}

struct Reader {
    stream: ReadHalf<TlsStream<TcpStream>>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

/// What remains to be sent of a payload.
enum Outgoing {
    Nothing,
    Extents(Extents),
    Bytes { content: Vec<u8>, sent: usize },
}

impl Connection {
    pub(super) async fn accept(stream: TcpStream, acceptor: TlsAcceptor) -> Result<Self, String> {
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
        Ok(Self { reader, writer, steps_done: 0 })
    }

    pub(super) async fn hello(&mut self) -> Result<(String, Box<HardwareReport>), String> {
        match self.reader.message().await? {
            FromRamdisk::Hello { token, hardware } => Ok((token, hardware)),
            FromRamdisk::Progress { .. } | FromRamdisk::Finished { .. } => {
                Err("spoke before its hello".into())
            }
        }
    }

    pub(super) async fn refuse(&mut self, reason: String) {
        if self.say(&FromAgent::Refused { reason }).await.is_ok() {
            let _ = self.writer.shutdown().await;
        }
    }

    /// Welcomes the ramdisk and carries steps until the connection ends; returns why it ended.
    pub(super) async fn serve(
        &mut self,
        session: RamdiskSessionId,
        mut requests: mpsc::Receiver<StepRequest>,
        end: CancellationToken,
    ) -> String {
        let serving = async {
            self.say(&FromAgent::Welcome { session }).await?;
            loop {
                let request = tokio::select! {
                    request = requests.recv() => request,
                    message = self.reader.message() => {
                        message?;
                        return Err("it spoke without being asked".into());
                    }
                };
                let Some(request) = request else { return Err("it was revoked".into()) };
                let outcome = self.run(request.task, request.payload, &*request.on_progress).await;
                match outcome {
                    Ok(answer) => drop(request.reply.send(answer)),
                    Err(reason) => {
                        let message = format!("the ramdisk's connection was lost during the step: {reason}");
                        drop(request.reply.send(Err(Failure { kind: FailureKind::NoRamdisk, message })));
                        return Err::<(), String>(reason);
                    }
                }
            }
        };
        tokio::select! {
            () = end.cancelled() => "it was revoked: its power went off, its boot was called off, or it said hello anew".into(),
            served = serving => served.err().unwrap_or_default(),
        }
    }

    /// Runs one task. The outer error is a lost connection, the inner one a failed step.
    async fn run(
        &mut self,
        task: Task,
        payload: Payload,
        on_progress: &(dyn Fn(StepProgress) + Send + Sync),
    ) -> Result<Result<StepOutput, Failure>, String> {
        self.steps_done += 1;
        let number = self.steps_done;
        self.say(&FromAgent::Run { number, task }).await?;
        let mut outgoing = Outgoing::from(payload);
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut image_error = None;
        loop {
            let message = tokio::select! {
                message = self.reader.message() => message?,
                extent = outgoing.next() => {
                    match extent {
                        Some(Ok(extent)) => {
                            hash.update(&extent.bytes);
                            let frame = encode_data(extent.offset, &extent.bytes).map_err(|e| e.to_string())?;
                            send(&mut self.writer, &frame).await?;
                        }
                        ended => {
                            outgoing = Outgoing::Nothing;
                            let sha256 = match ended {
                                Some(Err(error)) => { image_error = Some(error); String::new() }
                                _ => hex(hash.clone().finish().as_ref()),
                            };
                            self.say(&FromAgent::DataEnd { sha256 }).await?;
                        }
                    }
                    continue;
                }
                () = tokio::time::sleep(STEP_SILENCE_MAX) => {
                    return Err(format!("no word from it for {} s", STEP_SILENCE_MAX.as_secs()));
                }
            };
            match message {
                FromRamdisk::Progress { number: of, progress } if of == number => on_progress(progress),
                FromRamdisk::Finished { number: of, outcome } if of == number => {
                    // It gave up before it had all bytes: it now waits for their end.
                    if !matches!(outgoing, Outgoing::Nothing) {
                        self.say(&FromAgent::DataEnd { sha256: String::new() }).await?;
                    }
                    return Ok(match (outcome, image_error) {
                        (_, Some(error)) => Err(image_failed(&error)),
                        (Ok(output), None) => Ok(output),
                        (Err(message), None) => Err(Failure { kind: FailureKind::StepFailed, message }),
                    });
                }
                FromRamdisk::Hello { .. } | FromRamdisk::Progress { .. } | FromRamdisk::Finished { .. } => {
                    return Err("it answered another step than the one it was given".into());
                }
            }
        }
    }

    async fn say(&mut self, message: &FromAgent) -> Result<(), String> {
        let frame = encode_control(message).map_err(|error| error.to_string())?;
        send(&mut self.writer, &frame).await
    }
}

fn image_failed(error: &ImageError) -> Failure {
    Failure { kind: FailureKind::ImageCorrupt, message: format!("the image cannot be written: {error}") }
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
            match self.decoder.next_frame().map_err(|error| error.to_string())? {
                Some(Frame::Control(text)) => {
                    return Frame::parse(&text).map_err(|error| error.to_string());
                }
                Some(Frame::Data { .. }) => return Err("it sent data".into()),
                None => {}
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(length) => self.decoder.push(&self.buffer[..length]),
                Err(error) => return Err(format!("receiving failed: {error}")),
            }
        }
    }
}

impl From<Payload> for Outgoing {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::None => Outgoing::Nothing,
            Payload::Image(image) => Outgoing::Extents(image.extents()),
            Payload::Bytes(content) => Outgoing::Bytes { content, sent: 0 },
        }
    }
}

impl Outgoing {
    /// The next extent; none at the end; never returns when there is nothing to send.
    async fn next(&mut self) -> Option<Result<Extent, ImageError>> {
        match self {
            Outgoing::Nothing => std::future::pending().await,
            Outgoing::Extents(extents) => extents.recv().await,
            Outgoing::Bytes { content, sent } => {
                let rest = &content[*sent..];
                let bytes = rest[..rest.len().min(DATA_BYTES_MAX)].to_vec();
                let offset = *sent as u64;
                *sent += bytes.len();
                (!bytes.is_empty()).then_some(Ok(Extent { offset, bytes }))
            }
        }
    }
}
