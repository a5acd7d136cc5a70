//! Decisions: whom a BMC's end knows: one user, or those whom its owner is asked for each time.

use std::{net::SocketAddr, time::Instant};

use super::{super::rakp::Status, Bmc, SessionId};
use crate::secret::Secret;

/// Whom a BMC knows.
#[derive(Clone, Debug)]
pub enum Users {
    /// One user.
    One {
        /// Name, at most 16 bytes.
        username: String,
        /// Password.
        password: Secret,
    },
    /// Its owner knows: each log-in comes out as [`LogIn::Named`], and goes on by [`Bmc::admit`].
    Asked,
}

/// What happens at a log-in, where the owner knows the users. There are never more than two for each datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogIn {
    /// Somebody says that this is its name; nothing is proved yet.
    Named {
        /// In which handshake.
        session: SessionId,
        /// The name as it came, at most 16 bytes.
        username: Vec<u8>,
        /// From where.
        from: SocketAddr,
    },
    /// The password was proved: the session is open.
    Done {
        /// Which.
        session: SessionId,
    },
    /// What was shown proves nothing; the handshake is over.
    Refused {
        /// Which it was.
        session: SessionId,
    },
}

impl Bmc {
    /// The next thing about log-ins; nothing ever where the BMC has one user.
    pub fn poll_log_in(&mut self) -> Option<LogIn> {
        self.log_ins.pop_front()
    }

    /// Its one user has this password from now on; open sessions stay. Without effect where the owner knows the users.
    pub fn set_password(&mut self, new: Secret) {
        match &mut self.config.users {
            Users::One { password, .. } => *password = new,
            Users::Asked => {}
        }
    }

    pub(super) fn tell(&mut self, log_in: LogIn) {
        match self.config.users {
            Users::One { .. } => {}
            Users::Asked => self.log_ins.push_back(log_in),
        }
    }

    /// Finds the password of whoever is named.
    pub(super) fn look_up(&mut self, session: SessionId, username: Vec<u8>, from: SocketAddr, now: Instant) {
        let known = match &self.config.users {
            Users::One { username: ours, password } if username == ours.as_bytes() => Ok(password.clone()),
            Users::One { .. } => Err(Status::UNAUTHORIZED_NAME),
            Users::Asked => return self.tell(LogIn::Named { session, username, from }),
        };
        self.admit(session, known, now);
    }
}
