//! Edges: connections to what runs on booted servers: asked for on an agent's stream, carried on a stream of their own that the agent
//! opens for each.
//!
//! What must stay true: it is the agent that says where a server is and how many tunnels there are; nothing of a tunnel is kept here beyond
//! the pieces under way.

use std::{sync::Arc, time::Duration};

use domain::{records::Server, rim::AgentError};
use protocol::{
    convert::ToAgent,
    grpc,
    id::{RackId, TunnelId},
    tunnel::{OpenTunnel, PIECE_BYTES_MAX, TunnelDown, TunnelUp},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tonic::{Status, Streaming};
use tracing::warn;

use super::{consoles::refused, hub::AgentHub};

/// How long an agent may take to open a tunnel's stream, which it does when it has connected to the server or has given that up.
pub const TUNNEL_WAIT_MAX: Duration = Duration::from_secs(15);
/// An agent that opens such a stream has to say at once whose it is.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pieces that wait for the stream to take them.
const DOWN_MAX: usize = 4;

/// One connection to what runs on a booted server. Dropped, it is closed.
pub struct Tunnel {
    up: Streaming<grpc::TunnelUp>,
    down: mpsc::Sender<TunnelDown>,
}

/// How an agent answered that was asked for a tunnel.
pub(super) type Arrival = Result<Tunnel, String>;

impl Tunnel {
    /// Carries bytes both ways until either end closes. What the server said last is still written.
    pub async fn carry(self, near: impl AsyncRead + AsyncWrite) {
        let Self { mut up, down } = self;
        let (mut said, mut told) = tokio::io::split(near);
        let upwards = async {
            while let Some(piece) = next(&mut up).await {
                if told.write_all(&piece).await.is_err() {
                    return;
                }
            }
            // Whoever has gone already needs no word.
            let _ = told.shutdown().await;
        };
        let downwards = async {
            let mut piece = vec![0; PIECE_BYTES_MAX];
            while let Ok(length @ 1..) = said.read(&mut piece).await {
                if down.send(TunnelDown(piece[..length].to_vec())).await.is_err() {
                    // The server has closed; what it said last is on its way.
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            () = upwards => {}
            () = downwards => {}
        }
    }
}

/// What the server said next; none: nothing comes any more.
async fn next(up: &mut Streaming<grpc::TunnelUp>) -> Option<Vec<u8>> {
    let message = up.message().await.ok().flatten()?;
    match TunnelUp::try_from(message) {
        Ok(TunnelUp::Piece(piece)) => Some(piece),
        Ok(TunnelUp::Hello { id, .. }) => {
            warn!(tunnel = %id, "tunnel ended by a second hello");
            None
        }
        Err(error) => {
            warn!(%error, "tunnel ended by a message that we cannot take");
            None
        }
    }
}

impl AgentHub {
    /// Connects to what runs on a server that its rack's agent has booted: at the address that was lent to it there, and at one port.
    pub async fn open_tunnel(&self, server: &Server) -> Result<Tunnel, AgentError> {
        let rack = &server.rack;
        let outbox = self.outbox(rack).ok_or_else(|| self.is_away(rack))?;
        if !self.can(rack, |wire| wire.tunnels) {
            return Err(refused(format!("the agent of rack {rack} is too old to open tunnels; update it")));
        }
        let id = TunnelId::random();
        let (_waiting, told) = self.tunnels.wait(id, rack);
        let open = ToAgent::OpenTunnel(OpenTunnel { id, server: server.id });
        outbox.send(open).await.map_err(|_| self.is_away(rack))?;
        match tokio::time::timeout(TUNNEL_WAIT_MAX, told).await {
            Ok(Ok(arrival)) => arrival.map_err(refused),
            Ok(Err(_)) | Err(_) => {
                let reason = format!("did not open the tunnel within {} s", TUNNEL_WAIT_MAX.as_secs());
                Err(AgentError::Away { rack: rack.clone(), reason })
            }
        }
    }
}

/// Takes in a stream that an agent opened, and hands it to whoever waits for it. What is said there goes out by the receiver.
pub(super) async fn arrive(
    hub: Arc<AgentHub>,
    rack: RackId,
    mut up: Streaming<grpc::TunnelUp>,
) -> Result<mpsc::Receiver<TunnelDown>, Status> {
    let first = tokio::time::timeout(HELLO_WAIT_MAX, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 10 s"))??;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream ended before a hello"))?;
    let hello = TunnelUp::try_from(first).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let TunnelUp::Hello { id, refused } = hello else {
        return Err(Status::failed_precondition("something else came before the hello"));
    };
    let nobody = || Status::not_found("nobody waits for this tunnel");
    let tell = hub.tunnels.take(id, &rack).ok_or_else(nobody)?;
    let (down, said) = mpsc::channel(DOWN_MAX);
    let arrival = match refused {
        None => Ok(Tunnel { up, down }),
        Some(why) => Err(why),
    };
    tell.send(arrival).map_err(|_| nobody())?;
    Ok(said)
}
