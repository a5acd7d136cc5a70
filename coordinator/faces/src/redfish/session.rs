//! Decisions: who has shown a password, for how long that counts, and how many such sessions there may be.
//!
//! Time is an argument. Tokens are kept only as digests, so that a dump of the memory gives no session away. A session
//! remembers the digest of the credentials it was opened with: when a server's password changes, or the server is
//! forgotten, its sessions end with it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use protocol::{id::ServerId, secret::Secret};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Sessions of all servers together. Ironic keeps one for each server and conductor.
pub const SESSIONS_MAX: usize = 65_536;
/// Sessions of one server; the one used longest ago makes room.
pub const SESSIONS_PER_SERVER_MAX: usize = 8;
/// A session that nobody used for so long is over. Ironic asks every 60 s, and opens a new one when told 401.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(1800);

/// A digest that is compared instead of the text: of one length, and in constant time.
pub type Fingerprint = [u8; 32];

/// The digest of a user and a password together.
pub fn fingerprint(user: &str, password: &str) -> Fingerprint {
    let mut digest = Sha256::new();
    // The length keeps ("ab", "c") apart from ("a", "bc").
    digest.update((user.len() as u64).to_be_bytes());
    digest.update(user.as_bytes());
    digest.update(password.as_bytes());
    digest.finalize().into()
}

/// Whether two digests are the same, without telling by the time taken where they differ.
pub fn same(one: &Fingerprint, other: &Fingerprint) -> bool {
    one.ct_eq(other).into()
}

/// A session that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The server whose credentials opened it.
    pub server: ServerId,
    /// Those credentials.
    pub credentials: Fingerprint,
}

struct Session {
    id: String,
    holder: Holder,
    used: Instant,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    by_token: HashMap<Fingerprint, Session>,
}

impl Sessions {
    /// Opens a session under a public id and a secret token.
    pub fn open(&mut self, id: String, token: &Secret, holder: Holder, now: Instant) {
        self.by_token.retain(|_, session| now.saturating_duration_since(session.used) < SESSION_IDLE_MAX);
        while self.of(holder.server).count() >= SESSIONS_PER_SERVER_MAX {
            self.remove_oldest(|session| session.holder.server == holder.server);
        }
        while self.by_token.len() >= SESSIONS_MAX {
            self.remove_oldest(|_| true);
        }
        self.by_token.insert(digest(token.reveal()), Session { id, holder, used: now });
    }

    /// Who holds this token; using it keeps the session alive.
    pub fn find(&mut self, token: &str, now: Instant) -> Option<Holder> {
        let key = digest(token);
        let session = self.by_token.get_mut(&key)?;
        if now.saturating_duration_since(session.used) >= SESSION_IDLE_MAX {
            self.by_token.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.holder)
    }

    /// Ends a session of this server; false when there is none of that id.
    pub fn close(&mut self, id: &str, server: ServerId) -> bool {
        let before = self.by_token.len();
        self.by_token.retain(|_, session| !(session.id == id && session.holder.server == server));
        self.by_token.len() < before
    }

    /// Public ids of a server's sessions.
    pub fn ids(&self, server: ServerId) -> Vec<String> {
        self.of(server).map(|session| session.id.clone()).collect()
    }

    fn of(&self, server: ServerId) -> impl Iterator<Item = &Session> {
        self.by_token.values().filter(move |session| session.holder.server == server)
    }

    fn remove_oldest(&mut self, which: impl Fn(&Session) -> bool) {
        let oldest = self.by_token.iter().filter(|(_, session)| which(session)).min_by_key(|(_, s)| s.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.by_token.remove(&key);
        }
    }
}

fn digest(token: &str) -> Fingerprint {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder { server: ServerId::random(), credentials: fingerprint("user", "password") }
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let holder = holder();
        sessions.open("1".into(), &Secret::new("token"), holder, start);
        let almost = start + SESSION_IDLE_MAX - Duration::from_secs(1);
        assert_eq!(sessions.find("token", almost), Some(holder));
        assert_eq!(sessions.find("another", almost), None);
        assert_eq!(sessions.find("token", almost + SESSION_IDLE_MAX - Duration::from_secs(1)), Some(holder));
        assert_eq!(sessions.find("token", almost + SESSION_IDLE_MAX * 3), None);
    }

    #[test]
    fn one_server_cannot_fill_the_table() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let (one, other) = (holder(), holder());
        sessions.open("other".into(), &Secret::new("other"), other, start);
        for n in 0..1000_u64 {
            let now = start + Duration::from_millis(n);
            sessions.open(n.to_string(), &Secret::new(format!("token {n}")), one, now);
        }
        assert_eq!(sessions.ids(one.server).len(), SESSIONS_PER_SERVER_MAX);
        let end = start + Duration::from_secs(1);
        assert_eq!(sessions.find("token 999", end), Some(one));
        assert_eq!(sessions.find("token 0", end), None);
        assert_eq!(sessions.find("other", end), Some(other));
        assert!(!sessions.close("other", one.server), "a session of another server");
        assert!(sessions.close("other", other.server));
        assert_eq!(sessions.find("other", end), None);
    }

    #[test]
    fn user_and_password_are_told_apart() {
        assert!(!same(&fingerprint("ab", "c"), &fingerprint("a", "bc")));
        assert!(same(&fingerprint("a", "b"), &fingerprint("a", "b")));
    }
}
