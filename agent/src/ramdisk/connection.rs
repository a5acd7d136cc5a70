//! Edges: one connection of a ramdisk: frames in and out, one step at a time.

use std::{sync::Arc, time::Duration};

use protocol::{
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    hex,
    id::{CommandId, RamdiskSessionId},
    places::Place,
    ramdisk::{
        DATA_BYTES_MAX, Decoder, Frame, FromAgent, FromRamdisk, LastTask, Task, encode_control, encode_data,
    },
    secret::Secret,
    step::{StepOutput, StepProgress},
};
use ring::digest;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::oneshot,
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::image::{CachedImage, Extent, Extents, ImageError};

/// A silent peer is probed after this time, and again at this interval.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection is given up.
const KEEPALIVE_TRIES: u32 = 3;
/// Longest time for bytes to be acknowledged before the connection is given up.
const SEND_SILENCE_MAX: Duration = Duration::from_secs(20);
/// Longest time that a ramdisk may work on a step without a word: flushing a slow disk's cache is one of its steps.
const STEP_SILENCE_MAX: Duration = Duration::from_secs(300);
const READ_BYTES: usize = 64 << 10;

/// Bytes that follow a task; they can be sent again from the first one.
pub(super) enum Payload {
    None,
    Image(Arc<CachedImage>),
    Bytes(Arc<[u8]>),
}

/// A step on its way to the ramdisk.
pub(super) struct StepRequest {
    pub command: CommandId,
    pub task: Task,
    pub payload: Payload,
    pub on_progress: Box<dyn Fn(StepProgress) + Send + Sync>,
    pub reply: oneshot::Sender<Result<StepOutput, Failure>>,
    /// When something was last sent or heard of it.
    pub heard: Instant,
}

/// What a ramdisk says first.
pub(super) enum Greeting {
    Hello {
        token: Secret,
        hardware: Box<HardwareReport>,
    },
    Resume {
        session: RamdiskSessionId,
        secret: Secret,
        hardware: Box<HardwareReport>,
        last: Option<LastTask>,
    },
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is gone, or makes no sense; the ramdisk may come again.
    Lost(String),
    /// The ramdisk itself is of no more use.
    Ended(String),
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Broken::Lost(reason)
    }
}

/// How a step ended.
pub(super) type StepResult = Result<StepOutput, Failure>;

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

/// What remains to be sent of a payload.
pub(super) enum Outgoing {
    Nothing,
    Extents(Extents),
    Bytes { content: Arc<[u8]>, sent: usize },
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
        match self.message().await? {
            FromRamdisk::Hello { token, hardware } => Ok(Greeting::Hello { token, hardware }),
            FromRamdisk::Resume { session, secret, hardware, last } => {
                Ok(Greeting::Resume { session, secret, hardware, last })
            }
            FromRamdisk::Progress { .. } | FromRamdisk::Finished { .. } => {
                Err("spoke before its hello".into())
            }
        }
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

    /// Gives a step to the ramdisk, and follows it.
    pub(super) async fn run(&mut self, request: &mut StepRequest) -> Result<StepResult, Broken> {
        self.say(&FromAgent::Run { command: request.command, task: request.task.clone() }).await?;
        let outgoing = Outgoing::from(&request.payload);
        self.follow(request, outgoing).await
    }

    /// Sends what a step needs and waits for its end.
    pub(super) async fn follow(
        &mut self,
        request: &mut StepRequest,
        mut outgoing: Outgoing,
    ) -> Result<StepResult, Broken> {
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
                                _ => hex::encode(hash.clone().finish()),
                            };
                            self.say(&FromAgent::DataEnd { sha256 }).await?;
                        }
                    }
                    request.heard = Instant::now();
                    continue;
                }
                () = tokio::time::sleep_until(request.heard + STEP_SILENCE_MAX) => {
                    let reason = format!("no word from it for {} s", STEP_SILENCE_MAX.as_secs());
                    return Err(Broken::Ended(reason));
                }
            };
            request.heard = Instant::now();
            match message {
                FromRamdisk::Progress { command, progress } if command == request.command => {
                    (request.on_progress)(progress);
                }
                FromRamdisk::Finished { command, outcome } if command == request.command => {
                    // It gave up before it had all bytes: it now waits for their end.
                    if !matches!(outgoing, Outgoing::Nothing) {
                        self.say(&FromAgent::DataEnd { sha256: String::new() }).await?;
                    }
                    return Ok(match image_error {
                        Some(error) => Err(image_failed(&error)),
                        None => step_result(outcome),
                    });
                }
                FromRamdisk::Hello { .. }
                | FromRamdisk::Resume { .. }
                | FromRamdisk::Progress { .. }
                | FromRamdisk::Finished { .. } => {
                    let reason = "it answered another step than the one it was given";
                    return Err(Broken::Ended(reason.into()));
                }
            }
        }
    }
}

/// How a step ended, in the coordinator's words.
pub(super) fn step_result(outcome: Result<StepOutput, String>) -> StepResult {
    outcome.map_err(|message| Failure { kind: FailureKind::StepFailed, message })
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

impl From<&Payload> for Outgoing {
    fn from(payload: &Payload) -> Self {
        match payload {
            Payload::None => Outgoing::Nothing,
            Payload::Image(image) => Outgoing::Extents(image.extents()),
            Payload::Bytes(content) => Outgoing::Bytes { content: Arc::clone(content), sent: 0 },
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
