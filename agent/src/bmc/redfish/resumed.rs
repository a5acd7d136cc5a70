//! Values: the TLS session by which the next connection to one BMC is made without a whole handshake. It is kept for each BMC by itself: a
//! session of another one, or of another pin, is never resumed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
};
use rustls_pki_types::ServerName;

/// The last session of one BMC, and no more of them: it has one connection at a time.
#[derive(Debug, Default)]
pub(super) struct LastSession(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    group: Option<NamedGroup>,
    tls12: Option<Box<Tls12ClientSessionValue>>,
    /// A ticket is good for one connection (RFC 8446, section C.4).
    ticket: Option<Box<Tls13ClientSessionValue>>,
}

impl LastSession {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for LastSession {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.last().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.last().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.last().tls12 = Some(Box::new(session));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.last().tls12.as_deref().cloned()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.last().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.last().ticket = Some(Box::new(ticket));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.last().ticket.take().map(|ticket| *ticket)
    }
}
