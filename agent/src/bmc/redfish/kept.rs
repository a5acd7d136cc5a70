//! Edges: which sessions this agent has open at Redfish services, on disk: services have few, and a killed agent gives none back. The
//! next run closes what the one before has left.
//!
//! Written is where a session is, and not its token: with the file alone nobody can do anything, so it need not be sealed. A session
//! that is left is closed by the next log-in's, or by user and password where none is free.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use protocol::{error_chain::chain, hex, redfish::resource::local_path};
use ring::digest::{SHA256, digest};
use tracing::warn;

/// For the owner's eyes.
const DIRECTORY_MODE: u32 = 0o700;
/// So many sessions of one account are remembered; more of ours are never open.
const SESSIONS_MAX: usize = 4;
/// Bytes of a digest that name a file.
const NAME_BYTES: usize = 16;

/// Where the sessions of all BMCs are written down.
#[derive(Clone, Debug, Default)]
pub struct KeptSessions {
    /// None: nowhere.
    directory: Option<PathBuf>,
}

impl KeptSessions {
    /// In this directory, which is made.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&directory)?;
        Ok(Self { directory: Some(directory) })
    }

    /// The sessions of one account of one service.
    pub(super) fn of(&self, base: &str, username: &str) -> Kept {
        let name = digest(&SHA256, format!("{base} {username}").as_bytes());
        let name = hex::encode(name.as_ref().get(..NAME_BYTES).unwrap_or_default());
        Kept { file: self.directory.as_ref().map(|directory| directory.join(name)) }
    }
}

/// The sessions of one account of one service.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    file: Option<PathBuf>,
}

impl Kept {
    /// The paths of the sessions that an earlier run has left open.
    pub(super) async fn left(&self) -> Vec<String> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.read()).await.unwrap_or_default()
    }

    /// The paths of the sessions that are open, or that nobody has given back.
    fn read(&self) -> Vec<String> {
        let Some(file) = &self.file else { return Vec::new() };
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                warn!(file = %file.display(), error = chain(&error), "Redfish sessions of the last run cannot be read");
                return Vec::new();
            }
        };
        text.lines().filter_map(local_path).take(SESSIONS_MAX).map(str::to_owned).collect()
    }

    /// These are open now. What cannot be written is only not closed by the next run.
    pub(super) async fn write(&self, sessions: Vec<String>) {
        let this = self.clone();
        // Written to the disk: not on a thread that others wait for.
        let written = tokio::task::spawn_blocking(move || this.replace(&sessions)).await;
        if let Ok(Err(error)) = written {
            warn!(error = chain(&error), "Redfish session could not be written down");
        }
    }

    /// This one is closed.
    pub(super) async fn closed(&self, session: &str) {
        let (this, session) = (self.clone(), session.to_owned());
        let forget = move || {
            let mut left = this.read();
            left.retain(|path| *path != session);
            this.replace(&left)
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(forget).await {
            warn!(error = chain(&error), "closed Redfish session could not be forgotten");
        }
    }

    fn replace(&self, sessions: &[String]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if !sessions.is_empty() {
            return host::whole_file::write(file, sessions.join("\n").as_bytes());
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn sessions_are_written_down_for_their_owner_until_they_are_closed() {
        let directory = tempfile::tempdir().unwrap();
        let all = KeptSessions::open(directory.path().join("sessions")).unwrap();
        let (one, other) =
            (all.of("https://192.0.2.5:443", "admin"), all.of("https://192.0.2.6:443", "admin"));
        assert_eq!(one.read(), Vec::<String>::new());
        one.write(vec!["/s/1".to_owned(), "/s/2".to_owned()]).await;
        assert_eq!((one.read(), other.read().len()), (vec!["/s/1".to_owned(), "/s/2".to_owned()], 0));
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(one.file.as_ref().unwrap()), mode(&directory.path().join("sessions"))),
            (0o600, 0o700)
        );
        one.closed("/s/1").await;
        assert_eq!(all.of("https://192.0.2.5:443", "admin").read(), ["/s/2"]);
        one.closed("/s/2").await;
        assert!(!one.file.as_ref().unwrap().exists());
        // What others have put there is no path.
        one.write(vec!["https://evil.example/".to_owned()]).await;
        assert_eq!(one.read(), Vec::<String>::new());
        // Nowhere.
        let nowhere = KeptSessions::default().of("https://192.0.2.5:443", "admin");
        nowhere.write(vec!["/s/1".to_owned()]).await;
        assert_eq!(nowhere.read(), Vec::<String>::new());
    }
}
