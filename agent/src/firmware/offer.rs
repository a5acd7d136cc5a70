//! Edges: a file of firmware, offered by HTTP to one BMC for a while: for BMCs that fetch images and take none.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, body::Bytes, routing::get};
use protocol::{hex, places::Bounds};
use pxe::connections::{self, Newcomer, Terms};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

/// For so long the file can be fetched.
pub const OFFER_MAX: Duration = Duration::from_secs(30 * 60);
/// Connections that the BMC may have at once.
const PLACES: usize = 8;
/// For so long a connection may keep silent.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Offers a file to the BMC at this address, and to nobody else: an address of ours as that BMC reaches it, which nobody can guess.
pub async fn offer(bytes: Vec<u8>, name: &str, bmc: SocketAddr) -> io::Result<String> {
    let ours = TcpListener::bind((own_address(bmc).await?, 0)).await?;
    let path = format!("/{}/{}", hex::encode(rand::random::<[u8; 16]>()), plain(name));
    let url = format!("http://{}{path}", ours.local_addr()?);
    let bytes = Bytes::from(bytes);
    let router = Router::new().route(&path, get(async move || bytes.clone()));
    let terms = Terms {
        name: "firmware",
        places: Bounds { total: PLACES, per_peer: PLACES, trusted: Vec::new() },
        idle: IDLE_MAX,
        duration: OFFER_MAX,
    };
    let expected = bmc.ip().to_canonical();
    let judge = move |ip: IpAddr| match ip.to_canonical() == expected {
        true => Newcomer::Expected,
        false => Newcomer::Foreign,
    };
    tokio::spawn(async move {
        let served = connections::serve(ours, router, terms, judge, CancellationToken::new());
        // Its end is the usual one: the BMC has the file long before.
        let _ = tokio::time::timeout(OFFER_MAX, served).await;
    });
    Ok(url)
}

/// The address from which packets to the BMC go out. Nothing is sent for it.
async fn own_address(bmc: SocketAddr) -> io::Result<IpAddr> {
    let any = match bmc {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(bmc).await?;
    Ok(socket.local_addr()?.ip())
}

/// A name as it can stand in an address; some BMCs look at its end.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// What is answered to a GET of this address with 200; none: something else is, or nothing.
    async fn fetch(url: &str) -> Option<Vec<u8>> {
        let (place, path) = url.strip_prefix("http://")?.split_once('/')?;
        let mut stream = TcpStream::connect(place).await.ok()?;
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
        answer.starts_with(b"HTTP/1.1 200").then(|| answer.split_off(head + 4))
    }

    #[tokio::test]
    async fn a_file_is_there_for_its_bmc_only_and_at_its_address_only() {
        let here: SocketAddr = "127.0.0.1:443".parse().unwrap();
        let url = offer(b"new firmware".to_vec(), "bmc 2.0.bin", here).await.unwrap();
        assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/bmc2.0.bin"), "{url}");
        assert_eq!(fetch(&url).await.as_deref(), Some(&b"new firmware"[..]));
        assert_eq!(fetch(&url).await.as_deref(), Some(&b"new firmware"[..]), "some ask twice");
        assert_eq!(fetch(&url.replace("bmc2.0.bin", "other")).await, None);
        // Another BMC's: whoever asks from here is none of it.
        let elsewhere: SocketAddr = "127.0.0.2:443".parse().unwrap();
        let url = offer(b"new firmware".to_vec(), "bmc.bin", elsewhere).await.unwrap();
        assert_eq!(fetch(&url).await, None);
    }
}
