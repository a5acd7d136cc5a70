//! Values: what goes through a tunnel, to and from the wire.

use super::{InvalidMessage, parse, present, server};
use crate::{
    grpc as wire,
    tunnel::{OpenTunnel, PIECE_BYTES_MAX, TunnelDown, TunnelUp},
};

impl From<OpenTunnel> for wire::OpenTunnel {
    fn from(OpenTunnel { id, server }: OpenTunnel) -> Self {
        Self { id: id.to_string(), server: server.to_string() }
    }
}

impl TryFrom<wire::OpenTunnel> for OpenTunnel {
    type Error = InvalidMessage;
    fn try_from(open: wire::OpenTunnel) -> Result<Self, InvalidMessage> {
        Ok(Self { id: parse("OpenTunnel.id", &open.id)?, server: server("OpenTunnel.server", &open.server)? })
    }
}

impl From<TunnelUp> for wire::TunnelUp {
    fn from(up: TunnelUp) -> Self {
        use wire::tunnel_up::Message;
        let message = match up {
            TunnelUp::Hello { id, refused } => {
                Message::Hello(wire::TunnelHello { id: id.to_string(), refused: refused.unwrap_or_default() })
            }
            TunnelUp::Piece(bytes) => Message::Piece(bytes),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::TunnelUp> for TunnelUp {
    type Error = InvalidMessage;
    fn try_from(up: wire::TunnelUp) -> Result<Self, InvalidMessage> {
        use wire::tunnel_up::Message;
        match present("TunnelUp.message", up.message)? {
            Message::Hello(hello) => Ok(Self::Hello {
                id: parse("TunnelHello.id", &hello.id)?,
                refused: Some(hello.refused).filter(|why| !why.is_empty()),
            }),
            Message::Piece(bytes) => Ok(Self::Piece(piece("TunnelUp.piece", bytes)?)),
        }
    }
}

impl From<TunnelDown> for wire::TunnelDown {
    fn from(TunnelDown(piece): TunnelDown) -> Self {
        Self { piece }
    }
}

impl TryFrom<wire::TunnelDown> for TunnelDown {
    type Error = InvalidMessage;
    fn try_from(down: wire::TunnelDown) -> Result<Self, InvalidMessage> {
        piece("TunnelDown.piece", down.piece).map(Self)
    }
}

fn piece(field: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, InvalidMessage> {
    if bytes.len() > PIECE_BYTES_MAX {
        return Err(InvalidMessage::new(
            field,
            format!("has {} bytes, above {PIECE_BYTES_MAX}", bytes.len()),
        ));
    }
    Ok(bytes)
}
