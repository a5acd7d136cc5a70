//! Edges: configuration drives that Ironic keeps in an object store, by HTTP. They are asked for without any token of ours: what opens one
//! is in its address.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    media_sources::MediaSources,
    rim::{DriveError, DriveSource, shown_url},
};
use protocol::error_chain::chain;

/// Longest time for a whole drive.
pub const DRIVE_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest address; a temporary URL has some hundred bytes.
const URL_BYTES_MAX: usize = 4096;

/// Drives from the addresses that a site allows.
pub struct HttpDrives {
    client: reqwest::Client,
    sources: MediaSources,
}

impl HttpDrives {
    /// By a client that follows no redirection ([`crate::client::http_client`]): where a drive may come from is not left to who answers.
    pub fn new(client: reqwest::Client, sources: MediaSources) -> Self {
        Self { client, sources }
    }
}

#[async_trait]
impl DriveSource for HttpDrives {
    async fn fetch(&self, url: &str, bytes_max: usize) -> Result<Vec<u8>, DriveError> {
        if url.len() > URL_BYTES_MAX || !self.sources.has(url) {
            return Err(DriveError::NotAllowed { url: shown_url(url) });
        }
        let away = |reason: String| DriveError::Away { url: shown_url(url), reason };
        let fetched = tokio::time::timeout(DRIVE_TIME_MAX, self.read(url, bytes_max)).await;
        fetched.unwrap_or_else(|_| {
            Err(away(format!("not all of it came within {} s", DRIVE_TIME_MAX.as_secs())))
        })
    }
}

impl HttpDrives {
    async fn read(&self, url: &str, bytes_max: usize) -> Result<Vec<u8>, DriveError> {
        // The library's error would show the whole address.
        let away = |error: reqwest::Error| DriveError::Away {
            url: shown_url(url),
            reason: chain(&error.without_url()),
        };
        let refused = |reason: String| DriveError::Refused { url: shown_url(url), reason };
        let mut answer = self.client.get(url).send().await.map_err(away)?;
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(DriveError::Away { url: shown_url(url), reason: format!("the answer was {status}") });
        }
        if status.is_redirection() {
            return Err(refused(format!(
                "it is somewhere else ({status}), and redirections are not followed"
            )));
        }
        if !status.is_success() {
            return Err(refused(format!("the answer was {status}; a temporary URL may have expired")));
        }
        let too_large = || refused(format!("it has more than {bytes_max} bytes"));
        if answer.content_length().is_some_and(|length| length > bytes_max as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(away)? {
            if bytes.len() + piece.len() > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::client::http_client;

    /// Answers every request with what it asks for by its path; gives the address.
    async fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 1024];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
                assert!(!head.contains("x-auth-token"), "{head}");
                let answer = match head.split(' ').nth(1).unwrap() {
                    "/d/good?sig=s3cret" => "200 OK\r\ncontent-length: 5\r\n\r\ndrive",
                    "/d/long" => "200 OK\r\ncontent-length: 9\r\n\r\n123456789",
                    "/d/endless" => "200 OK\r\nconnection: close\r\n\r\n123456789",
                    "/d/cut?sig=s3cret" => "200 OK\r\ncontent-length: 5\r\n\r\ndr",
                    "/d/moved" => "302 Found\r\nlocation: /d/good?sig=s3cret\r\ncontent-length: 0\r\n\r\n",
                    "/d/busy" => "503 Busy\r\ncontent-length: 0\r\n\r\n",
                    _ => "401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
                };
                let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_drive_is_read_where_the_site_allows_it_and_nowhere_else() {
        let base = server().await;
        let sources = MediaSources::new([format!("{base}/d/")]).unwrap();
        let drives = HttpDrives::new(http_client(None).unwrap(), sources);
        let check = async |path: &str, expected: Result<&[u8], &str>| {
            let found = drives.fetch(&format!("{base}{path}"), 8).await;
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(word)) => {
                    let text = error.to_string();
                    assert!(text.contains(word) && !text.contains("s3cret"), "{path}: {text}");
                }
                (found, expected) => panic!("{path}: {found:?} instead of {expected:?}"),
            }
            found.err()
        };
        check("/d/good?sig=s3cret", Ok(b"drive")).await;
        check("/d/expired?sig=s3cret", Err("401 Unauthorized; a temporary URL may have expired")).await;
        check("/d/long", Err("more than 8 bytes")).await;
        check("/d/endless", Err("more than 8 bytes")).await;
        check("/d/moved", Err("redirections are not followed")).await;
        assert!(matches!(check("/d/busy", Err("503")).await, Some(DriveError::Away { .. })));
        assert!(matches!(
            check("/d/cut?sig=s3cret", Err("could not be read")).await,
            Some(DriveError::Away { .. })
        ));
        let elsewhere = check("/other/good?sig=s3cret", Err("facade.config_drives_from")).await;
        assert!(matches!(elsewhere, Some(DriveError::NotAllowed { .. })));
        check("/d/../other", Err("facade.config_drives_from")).await;
    }
}
