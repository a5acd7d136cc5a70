//! Edges: a BMC that refuses us for a while, as field reports tell of it: a man in the middle before one of our virtual BMCs, who
//! changes the first answers that a script names and passes on the rest.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{AbortHandle, JoinSet},
};

/// Payload types of RMCP+ (IPMI 2.0, table 13-16).
pub const OPEN_SESSION_RESPONSE: u8 = 0x11;
/// RAKP message 2.
pub const RAKP_2: u8 = 0x13;
/// RAKP message 4.
pub const RAKP_4: u8 = 0x15;

/// Where an RMCP+ datagram outside of a session has its payload's type, the payload's length and the payload.
const TYPE_AT: usize = 5;
const LENGTH_AT: usize = 14;
const PAYLOAD_AT: usize = 16;
/// Longest head of a request, and longest datagram.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// One change of one answer of a log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// An 8-byte refusal with this status.
    Status(u8),
    /// The same in two bytes, as some BMCs send it.
    Short(u8),
    /// The same with a tag and a console id of zero.
    Anonymous(u8),
    /// The answer itself, with a tag of zero.
    TagZero,
    /// No answer.
    Silence,
    /// The answer to Open Session, with another maximum privilege.
    Grants(u8),
    /// The answer to Open Session, with the algorithms of suite 3.
    SuiteThree,
}

/// A man in the middle; he ends when this is dropped.
#[derive(Debug)]
pub struct Front {
    /// Where he listens.
    pub addr: SocketAddr,
    changed: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Front {
    /// How many answers he has changed.
    pub fn changed(&self) -> usize {
        self.changed.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Before an IPMI BMC: changes the first so many answers of this payload type.
pub async fn before_ipmi(bmc: SocketAddr, payload: u8, twist: Twist, times: usize) -> anyhow::Result<Front> {
    let mut left = times;
    let change = move |direction, mut datagram: Vec<u8>| {
        let is_meant = datagram.get(TYPE_AT) == Some(&payload) && datagram.len() >= PAYLOAD_AT + 8;
        if direction == Direction::Out || left == 0 || !is_meant {
            return Passed::on(datagram);
        }
        left -= 1;
        let is_sent = twisted(&mut datagram, twist);
        Passed { datagram: is_sent.then_some(datagram), is_changed: true }
    };
    relay(bmc, change).await
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the BMC.
    Out,
    /// Back to the console.
    Back,
}

/// What becomes of a datagram.
pub(super) struct Passed {
    /// As it goes on; none: it does not.
    pub datagram: Option<Vec<u8>>,
    /// Whether that counts as a change.
    pub is_changed: bool,
}

impl Passed {
    /// It goes on as it is.
    pub fn on(datagram: Vec<u8>) -> Self {
        Self { datagram: Some(datagram), is_changed: false }
    }
}

/// Passes datagrams between one console and a BMC, each as `change` says.
pub(super) async fn relay(
    bmc: SocketAddr,
    mut change: impl FnMut(Direction, Vec<u8>) -> Passed + Send + 'static,
) -> anyhow::Result<Front> {
    let outside = UdpSocket::bind("127.0.0.1:0").await?;
    let addr = outside.local_addr()?;
    let inside = UdpSocket::bind("127.0.0.1:0").await?;
    inside.connect(bmc).await?;
    let changed = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&changed);
    let task = tokio::spawn(async move {
        let mut console = None;
        let (mut asked, mut answered) = (vec![0; HEAD_BYTES_MAX], vec![0; HEAD_BYTES_MAX]);
        loop {
            let (direction, datagram) = tokio::select! {
                Ok((length, from)) = outside.recv_from(&mut asked) => {
                    console = Some(from);
                    (Direction::Out, asked[..length].to_vec())
                }
                Ok(length) = inside.recv(&mut answered) => (Direction::Back, answered[..length].to_vec()),
                else => return,
            };
            let passed = change(direction, datagram);
            count.fetch_add(usize::from(passed.is_changed), Ordering::Relaxed);
            match (direction, passed.datagram, console) {
                (Direction::Out, Some(datagram), _) => {
                    let _ = inside.send(&datagram).await;
                }
                (Direction::Back, Some(datagram), Some(console)) => {
                    let _ = outside.send_to(&datagram, console).await;
                }
                (Direction::Out | Direction::Back, None, _) | (Direction::Back, _, None) => {}
            }
        }
    });
    Ok(Front { addr, changed, task: task.abort_handle() })
}

/// Says whether there is an answer.
fn twisted(answer: &mut Vec<u8>, twist: Twist) -> bool {
    let (length, status) = match twist {
        Twist::Silence => return false,
        Twist::TagZero => {
            answer[PAYLOAD_AT] = 0;
            return true;
        }
        Twist::Grants(privilege) => {
            answer[PAYLOAD_AT + 2] = privilege;
            return true;
        }
        Twist::SuiteThree => {
            // Authentication, integrity and confidentiality, each the fifth byte of its eight.
            for at in [16, 24, 32] {
                if let Some(algorithm) = answer.get_mut(PAYLOAD_AT + at) {
                    *algorithm = 1;
                }
            }
            return true;
        }
        Twist::Status(status) => (8, status),
        Twist::Short(status) => (2, status),
        Twist::Anonymous(status) => {
            answer[PAYLOAD_AT..PAYLOAD_AT + 8].fill(0);
            (8, status)
        }
    };
    answer.truncate(PAYLOAD_AT + length);
    answer[LENGTH_AT] = length as u8;
    answer[LENGTH_AT + 1] = 0;
    answer[PAYLOAD_AT + 1] = status;
    true
}

/// Before a Redfish service by plain HTTP: the first requests whose head begins so are answered with these words, one each; an
/// empty answer closes the connection.
pub async fn before_redfish(
    bmc: SocketAddr,
    head: &'static str,
    answers: Vec<String>,
) -> anyhow::Result<Front> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let script = Arc::new(Script { answers: Mutex::new(answers), changed: Arc::default() });
    let changed = Arc::clone(&script.changed);
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.spawn(serve(connection, bmc, head, Arc::clone(&script)));
        }
    });
    Ok(Front { addr, changed, task: task.abort_handle() })
}

struct Script {
    answers: Mutex<Vec<String>>,
    changed: Arc<AtomicUsize>,
}

impl Script {
    fn next(&self) -> Option<String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = (!answers.is_empty()).then(|| answers.remove(0))?;
        self.changed.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    fn is_over(&self) -> bool {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// One request a connection, until the script is over.
async fn serve(mut from: TcpStream, bmc: SocketAddr, head: &str, script: Arc<Script>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < HEAD_BYTES_MAX {
        let mut piece = [0; 1024];
        match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&piece[..length]),
        }
    }
    if let Some(answer) = request.starts_with(head.as_bytes()).then(|| script.next()).flatten() {
        let _ = from.write_all(answer.as_bytes()).await;
        let _ = from.shutdown().await;
        return;
    }
    let Ok(mut to) = TcpStream::connect(bmc).await else { return };
    let request = if script.is_over() { request } else { closing(&request) };
    if to.write_all(&request).await.is_ok() {
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}

/// The request with the wish that its connection be closed, so that the next one is seen here too.
fn closing(request: &[u8]) -> Vec<u8> {
    let line = request.windows(2).position(|end| end == b"\r\n").unwrap_or(0) + 2;
    [&request[..line], b"Connection: close\r\n", &request[line..]].concat()
}

/// Before a Redfish service by plain HTTP whose connections are good for one request each, though it does not say so: a second
/// one is closed without an answer. `changed` counts those.
pub async fn one_request_a_connection(bmc: SocketAddr, closes: Closes) -> anyhow::Result<Front> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let changed = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&changed);
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.spawn(serve_one(connection, bmc, closes, Arc::clone(&count)));
        }
    });
    Ok(Front { addr, changed, task: task.abort_handle() })
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// By FIN.
    Politely,
    /// By RST.
    Abruptly,
}

async fn serve_one(mut from: TcpStream, bmc: SocketAddr, closes: Closes, count: Arc<AtomicUsize>) {
    let Some(request) = request(&mut from).await else { return };
    let Ok(mut to) = TcpStream::connect(bmc).await else { return };
    let mut answer = Vec::new();
    if to.write_all(&closing(&request)).await.is_err() || to.read_to_end(&mut answer).await.is_err() {
        return;
    }
    if from.write_all(&silent_about_closing(&answer)).await.is_err() || request_is_none(&mut from).await {
        return;
    }
    count.fetch_add(1, Ordering::Relaxed);
    if closes == Closes::Abruptly {
        let _ = from.set_zero_linger();
    }
}

async fn request_is_none(from: &mut TcpStream) -> bool {
    request(from).await.is_none()
}

/// A request with its body; none: the connection is over.
async fn request(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        let head = request.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        if head.is_some_and(|head| request.len() >= head + body_bytes(&request[..head])) {
            return Some(request);
        }
        let mut piece = [0; 1024];
        match from.read(&mut piece).await {
            Ok(length) if length > 0 && request.len() < HEAD_BYTES_MAX => {
                request.extend_from_slice(&piece[..length]);
            }
            Ok(_) | Err(_) => return None,
        }
    }
}

/// What `Content-Length` says.
fn body_bytes(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// The answer without the words that its connection is closed.
fn silent_about_closing(answer: &[u8]) -> Vec<u8> {
    let is_closing = |line: &[u8]| line.to_ascii_lowercase().starts_with(b"connection: close");
    let lines = answer.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !is_closing(line)).flatten().copied().collect()
}
