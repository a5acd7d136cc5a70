//! What is asked of tunnels, and what goes through them.

use proptest::prelude::*;
use protocol::{
    convert::ToAgent,
    id::{ServerId, TunnelId},
    tunnel::{OpenTunnel, TunnelDown, TunnelUp},
};
use uuid::Uuid;

use super::{examples::SERVER, uuid};

const TUNNEL: TunnelId = TunnelId(Uuid::from_u128(13));

pub fn open() -> impl Strategy<Value = ToAgent> {
    (uuid(), uuid()).prop_map(|(id, server)| {
        ToAgent::OpenTunnel(OpenTunnel { id: TunnelId(id), server: ServerId(server) })
    })
}

/// What a coordinator asks.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    vec![("down-open-tunnel", ToAgent::OpenTunnel(OpenTunnel { id: TUNNEL, server: SERVER }))]
}

/// One message of every kind on a tunnel's stream, up.
pub fn examples_up() -> Vec<(&'static str, TunnelUp)> {
    vec![
        ("tunnel-up-hello", TunnelUp::Hello { id: TUNNEL, refused: None }),
        ("tunnel-up-refused", TunnelUp::Hello { id: TUNNEL, refused: Some("because".into()) }),
        ("tunnel-up-piece", TunnelUp::Piece(b"HTTP/1.1 200 OK".to_vec())),
    ]
}

/// The same, down.
pub fn example_piece_down() -> (&'static str, TunnelDown) {
    ("tunnel-down-piece", TunnelDown(b"GET / HTTP/1.1".to_vec()))
}
