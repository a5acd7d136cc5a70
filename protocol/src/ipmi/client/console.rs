//! Decisions: packets of the serial console inside an open session; what is in them, `sol::line` knows.

use super::{
    super::rmcp::{PayloadType, PlusPacket},
    Client, Fault, Stage,
};

/// Packets that wait to be taken; one that finds no room is not acknowledged, and comes again.
pub const CONSOLE_PACKETS_MAX: usize = 16;

impl Client {
    /// Sends a packet of the console; without effect when the session is not open. It is not repeated here: see
    /// [`super::super::sol::flow`].
    pub fn send_console(&mut self, packet: &[u8]) {
        if let Stage::Session(session) = &mut self.stage {
            let datagram = session.seal_as(PayloadType::Sol, packet);
            self.out.push_back(datagram);
        }
    }

    /// The next packet of the console that came.
    pub fn poll_console(&mut self) -> Option<Vec<u8>> {
        self.console.pop_front()
    }

    pub(super) fn console_packet(&mut self, packet: &PlusPacket<'_>) -> Result<(), Fault> {
        let Stage::Session(session) = &mut self.stage else { return Ok(()) };
        // Some BMCs name session 0; whose it is, the key proves.
        if packet.header.session_id != self.console_id && packet.header.session_id != 0 {
            return Err(Fault::Strange);
        }
        if !packet.header.authenticated {
            return Err(Fault::Unauthenticated);
        }
        let payload = session.open(packet)?;
        if self.console.len() < CONSOLE_PACKETS_MAX {
            self.console.push_back(payload.to_vec());
        }
        Ok(())
    }
}
