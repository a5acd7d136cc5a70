//! Values: what goes through a tunnel: the bytes of one connection to what runs on a booted server.

use crate::id::{ServerId, TunnelId};

/// Most bytes of one piece; a few pieces each way are all that a tunnel holds.
pub const PIECE_BYTES_MAX: usize = 16 << 10;

/// Somebody wants to speak to what runs on a booted server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTunnel {
    /// Names the tunnel.
    pub id: TunnelId,
    /// Whose ramdisk.
    pub server: ServerId,
}

/// What comes out of a tunnel at the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelUp {
    /// The first message: which tunnel it is, or why there is none.
    Hello {
        /// Which.
        id: TunnelId,
        /// Why there is no connection; none: there is one.
        refused: Option<String>,
    },
    /// What the server said.
    Piece(Vec<u8>),
}

/// What comes out of it at the agent: what the server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelDown(pub Vec<u8>);
