//! Decisions: packets of the serial console in a BMC's sessions. Whose the console is, and the characters, are the owner's to know.

use std::{net::SocketAddr, time::Instant};

use super::{
    super::{
        Malformed,
        rmcp::{PayloadType, PlusPacket},
    },
    Bmc, Stage, Token,
};

/// Packets that wait for the owner; a console repeats what finds no room.
const CONSOLE_PACKETS_MAX: usize = 64;

/// Names a session of this BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub(super) u32);

/// A packet of the console that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsolePacket {
    /// In which session.
    pub session: SessionId,
    /// What, see [`super::super::sol::packet`].
    pub bytes: Vec<u8>,
}

impl Token {
    /// In which session it was asked.
    pub fn session(&self) -> SessionId {
        SessionId(self.session)
    }
}

impl Bmc {
    /// Whether this session is there.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session.0)
    }

    /// The next packet of the console that came.
    pub fn poll_console(&mut self) -> Option<ConsolePacket> {
        self.console.pop_front()
    }

    /// Ends a session without a word.
    pub fn end_session(&mut self, session: SessionId) {
        self.sessions.remove(&session.0);
    }

    /// Sends a packet of the console; without effect when its session is gone.
    pub fn send_console(&mut self, session: SessionId, packet: &[u8]) {
        let Some(open) = self.sessions.get_mut(&session.0) else { return };
        let (peer, Stage::Active(active)) = (open.peer, &mut open.stage) else { return };
        let bytes = active.sealed.seal_as(PayloadType::Sol, packet);
        self.send(peer, bytes);
    }

    pub(super) fn console_packet(
        &mut self,
        from: SocketAddr,
        packet: &PlusPacket<'_>,
        now: Instant,
    ) -> Result<(), Malformed> {
        let id = packet.header.session_id;
        let unknown = Malformed::new("session id", "is not one of ours");
        let session = self.sessions.get_mut(&id).filter(|session| session.peer == from).ok_or(unknown)?;
        let Stage::Active(active) = &mut session.stage else { return Err(unknown) };
        let bytes = active.sealed.open(packet)?.to_vec();
        session.last_seen = now;
        if self.console.len() < CONSOLE_PACKETS_MAX {
            self.console.push_back(ConsolePacket { session: SessionId(id), bytes });
        }
        Ok(())
    }
}
