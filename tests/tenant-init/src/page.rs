//! Edges: one page for whoever asks on port 80.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use crate::config_drive::Identity;

const PORT: u16 = 80;
const REQUEST_BYTES_MAX: usize = 8 << 10;
const CLIENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Answers for ever.
pub fn serve(identity: &Identity, boot_count: u64) -> io::Result<()> {
    let body = serde_json::json!({
        "instance_id": identity.instance_id,
        "hostname": identity.hostname,
        "boot_count": boot_count,
        "network_data": identity.network_data,
    })
    .to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    loop {
        let client = listener.accept().map(|(client, _)| client);
        // One client that misbehaves is no reason to stop answering the others.
        let _ = client.and_then(|client| answer_one(client, answer.as_bytes()));
    }
}

fn answer_one(mut client: TcpStream, answer: &[u8]) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_WAIT_MAX))?;
    client.set_write_timeout(Some(CLIENT_WAIT_MAX))?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match client.read(&mut piece)? {
            0 => break,
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    client.write_all(answer)
}
