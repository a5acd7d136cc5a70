//! Edges: clients that fetch files by TFTP and HTTP, as many at a time as is wanted, and lose datagrams on purpose.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::netns::Netns;

/// Longest wait for a server to answer, and for a whole load.
const SERVES_WITHIN: Duration = Duration::from_secs(20);
const LOAD_WITHIN: Duration = Duration::from_secs(120);
/// After which a client asks again.
const PATIENCE: Duration = Duration::from_secs(1);
/// The way to a client that loses datagrams.
const DELAY: Duration = Duration::from_millis(1);

/// From where the client of this number fetches.
pub fn address(client: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST).wrapping_add(client as u32))
}

/// The first of the clients' addresses.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 7, 10);

/// No datagram is lost.
pub const NO_LOSS: u64 = 0;

/// What is fetched, and how.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// By TFTP.
    Tftp {
        /// Which file.
        file: &'static str,
        /// Bytes in a block.
        block: usize,
        /// Blocks on their way.
        window: usize,
        /// So many of a hundred blocks are lost, and the others take their time.
        lost_of_hundred: u64,
    },
    /// By HTTP.
    Http {
        /// Which file.
        file: &'static str,
    },
}

/// Fetches until it has worked once.
pub async fn once_it_serves(ns: &Netns, server: &str, fetch: &Fetch) -> anyhow::Result<()> {
    let until = Instant::now() + SERVES_WITHIN;
    loop {
        match timeout(SERVES_WITHIN, self::fetch(ns, server, fetch, 1)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if Instant::now() > until => return Err(error),
            Err(_) => bail!("no answer"),
            Ok(Err(_)) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Fetches it so many times at once; how many bytes came.
pub async fn fetch(ns: &Netns, server: &str, fetch: &Fetch, clients: usize) -> anyhow::Result<u64> {
    let mut all = JoinSet::new();
    for number in 0..clients as u64 {
        let server = server.to_owned();
        match fetch.clone() {
            Fetch::Tftp { file, block, window, lost_of_hundred } => {
                let socket = ns.within(move || {
                    let socket = UdpSocket::bind((address(number), 0))?;
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                })?;
                let socket = tokio::net::UdpSocket::from_std(socket)?;
                let mut client = Tftp { socket, block, window, lost_of_hundred, dice: number + 1 };
                all.spawn(async move { client.fetch(&server, file).await });
            }
            Fetch::Http { file } => {
                let stream = ns.within(move || {
                    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                    socket.bind(&SocketAddr::from((address(number), 0)).into())?;
                    socket.connect(&SocketAddr::from((server.parse::<Ipv4Addr>()?, 80)).into())?;
                    socket.set_nonblocking(true)?;
                    Ok(socket.into())
                })?;
                all.spawn(http(tokio::net::TcpStream::from_std(stream)?, file));
            }
        }
    }
    let mut bytes = 0;
    while let Some(one) = timeout(LOAD_WITHIN, all.join_next()).await.context("a download takes for ever")? {
        bytes += one??;
    }
    Ok(bytes)
}

struct Tftp {
    socket: tokio::net::UdpSocket,
    block: usize,
    window: usize,
    lost_of_hundred: u64,
    dice: u64,
}

impl Tftp {
    async fn fetch(&mut self, server: &str, file: &str) -> anyhow::Result<u64> {
        let window = match self.window {
            1 => String::new(),
            window => format!("windowsize\0{window}\0"),
        };
        let mut said = format!("\0\x01{file}\0octet\0blksize\0{}\0{window}", self.block).into_bytes();
        let (mut to, mut buffer) = (format!("{server}:69"), vec![0; self.block + 4]);
        let (mut expected, mut unsaid, mut told_gap, mut bytes) = (1_u16, 0, false, 0);
        self.socket.send_to(&said, &to).await?;
        loop {
            let Ok(received) = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await else {
                self.socket.send_to(&said, &to).await?;
                continue;
            };
            let (len, from) = received?;
            to = from.to_string();
            let (head, data) =
                buffer.get(..len).and_then(|all| all.split_first_chunk::<4>()).context("no TFTP")?;
            let number = u16::from_be_bytes([head[2], head[3]]);
            match head[1] {
                6 => said = vec![0, 4, 0, 0],
                3 if self.is_lost() => continue,
                3 if number == expected => {
                    (bytes, expected, unsaid, told_gap) =
                        (bytes + data.len() as u64, expected.wrapping_add(1), unsaid + 1, false);
                    let is_last = data.len() < self.block;
                    if unsaid < self.window && !is_last {
                        continue;
                    }
                    unsaid = 0;
                    said = acknowledged(expected);
                    if is_last {
                        self.socket.send_to(&said, from).await?;
                        return Ok(bytes);
                    }
                }
                3 if told_gap && self.window > 1 => continue,
                3 => (told_gap, unsaid, said) = (true, 0, acknowledged(expected)),
                other => bail!("TFTP operation {other}: {}", String::from_utf8_lossy(data)),
            }
            if self.lost_of_hundred > 0 {
                sleep(DELAY).await;
            }
            self.socket.send_to(&said, from).await?;
        }
    }

    fn is_lost(&mut self) -> bool {
        // Knuth's numbers: the same ones each time.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 100 < self.lost_of_hundred
    }
}

/// The message that everything before this block has come.
fn acknowledged(expected: u16) -> Vec<u8> {
    let [high, low] = expected.wrapping_sub(1).to_be_bytes();
    vec![0, 4, high, low]
}

async fn http(mut stream: tokio::net::TcpStream, file: &str) -> anyhow::Result<u64> {
    stream.write_all(format!("GET /{file} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let (mut buffer, mut bytes, mut first) = (vec![0; 256 << 10], 0, true);
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(bytes);
        }
        ensure!(
            !first || buffer.get(9..12) == Some(&b"200"[..]),
            "{}",
            String::from_utf8_lossy(&buffer[..len.min(80)])
        );
        (first, bytes) = (false, bytes + len as u64);
    }
}
