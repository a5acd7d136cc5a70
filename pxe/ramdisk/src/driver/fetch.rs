//! Edges: modules and firmware from the rack agent, by HTTP: what this server turns out to need and was not loaded with it.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use protocol::mac::MacAddr;

/// Longest file: the largest driver has 3 MB, the largest firmware 8.
const FILE_BYTES_MAX: u64 = 64 << 20;
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Longest silence of an agent that is sending a file.
const READ_WAIT: Duration = Duration::from_secs(10);
/// How often a file is asked for before its module is given up.
const TRIES_MAX: u32 = 3;
/// The head of an answer is no longer.
const HEAD_BYTES_MAX: usize = 4096;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The agent's address and HTTP port.
    pub agent: SocketAddr,
    /// The interface that we were booted over: only its server is given anything.
    pub mac: MacAddr,
}

impl Source {
    /// Gets a file, named by its place below the root, and puts it there.
    pub fn get(&self, file: &Path, root: &Path) -> io::Result<()> {
        let mut tries = 1;
        let content = loop {
            match self.try_get(file) {
                Ok(content) => break content,
                Err(error) if tries == TRIES_MAX || error.kind() == io::ErrorKind::NotFound => {
                    return Err(error);
                }
                Err(_) => tries += 1,
            }
        };
        let path = root.join(file);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        // Somebody else may look for it at this moment: it is there when it is whole.
        fs::write(&path, content)
    }

    fn try_get(&self, file: &Path) -> io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect_timeout(&self.agent, CONNECT_WAIT)?;
        socket.set_read_timeout(Some(READ_WAIT))?;
        socket.set_write_timeout(Some(READ_WAIT))?;
        let path = format!("/boot/{}/part/{}", self.mac, file.display());
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.agent)?;
        let mut answer = Vec::new();
        socket.take(FILE_BYTES_MAX).read_to_end(&mut answer)?;
        content(answer).map_err(|(kind, said)| io::Error::new(kind, format!("{path}: {said}")))
    }
}

/// The body of an answer, whole.
fn content(mut answer: Vec<u8>) -> Result<Vec<u8>, (io::ErrorKind, String)> {
    let head = answer.iter().take(HEAD_BYTES_MAX).copied().collect::<Vec<_>>();
    let Some(end) = head.windows(HEAD_END.len()).position(|part| part == HEAD_END) else {
        return Err((io::ErrorKind::InvalidData, "no HTTP answer".to_owned()));
    };
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => {}
        Some("404") => return Err((io::ErrorKind::NotFound, status.to_owned())),
        _ => return Err((io::ErrorKind::InvalidData, status.to_owned())),
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    answer.drain(..end + HEAD_END.len());
    if length != Some(answer.len()) {
        return Err((io::ErrorKind::UnexpectedEof, format!("{} bytes of {length:?} came", answer.len())));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_is_taken() {
        let check = |answer: &str, expected: Result<&str, io::ErrorKind>| {
            let got = content(answer.as_bytes().to_vec());
            let got = got.as_deref().map_err(|(kind, _)| *kind);
            assert_eq!(got, expected.map(str::as_bytes), "{answer:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", Ok("whole"));
        check("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nshort", Err(io::ErrorKind::UnexpectedEof));
        check("HTTP/1.1 200 OK\r\n\r\nno length", Err(io::ErrorKind::UnexpectedEof));
        check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Err(io::ErrorKind::NotFound));
        check("HTTP/1.1 403 Forbidden\r\n\r\n", Err(io::ErrorKind::InvalidData));
        check("nonsense", Err(io::ErrorKind::InvalidData));
        check("", Err(io::ErrorKind::InvalidData));
    }
}
