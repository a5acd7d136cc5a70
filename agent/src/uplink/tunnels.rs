//! Edges: tunnels from the coordinator to what runs on a booted server: each is a connection of its own, to the one port at which
//! ironic-python-agent serves, at the address that we have lent to the server.
//!
//! What must stay true: a tunnel leads to no other port and no other address, and to a server whose boot is permitted for as long as it is; there
//! are few at a time; each ends by itself when nothing goes through it, and after its longest life. What goes through is not read.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    error_chain::chain,
    grpc as wire,
    id::ServerId,
    network::BootNetwork,
    tunnel::{OpenTunnel, PIECE_BYTES_MAX, TunnelDown, TunnelUp},
};
use pxe::Reach;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};

use super::client::{UplinkConfig, UplinkError, dial};
use crate::boot::{BootTable, Booting};

/// Where ironic-python-agent serves its commands (its option `listen_port`).
pub const RAMDISK_PORT: u16 = 9999;
/// Pieces that wait for the connection to take them: with those on their way, what a tunnel holds of a server that is quicker than the
/// coordinator.
const OUTGOING_MAX: usize = 4;
/// How long the coordinator may take to close behind the last piece.
const GOODBYE_MAX: Duration = Duration::from_secs(10);

/// How many tunnels there may be, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To one server.
    pub of_server: usize,
    /// To all of the rack.
    pub in_all: usize,
    /// Longest time in which nothing goes through, either way.
    pub silence: Duration,
    /// Longest life.
    pub life: Duration,
}

impl Default for Limits {
    /// A command of Ironic to the ramdisk that is waited for may be silent for a minute (`[agent] command_timeout`).
    fn default() -> Self {
        Self { of_server: 4, in_all: 256, silence: Duration::from_secs(120), life: Duration::from_secs(3600) }
    }
}

/// Opens tunnels as the coordinator asks for them.
#[derive(Clone)]
pub struct Tunnels {
    config: Arc<UplinkConfig>,
    boots: Arc<BootTable>,
    ways: Arc<HashMap<BootNetwork, Reach>>,
    limits: Limits,
    open: Arc<Mutex<HashMap<ServerId, usize>>>,
}

impl Tunnels {
    /// To the servers that boot over these networks, over connections made by this configuration.
    pub fn new(
        config: Arc<UplinkConfig>,
        boots: Arc<BootTable>,
        ways: HashMap<BootNetwork, Reach>,
        limits: Limits,
    ) -> Self {
        Self { config, boots, ways: Arc::new(ways), limits, open: Arc::default() }
    }

    /// Opens one, or tells why there is none.
    pub fn open(&self, OpenTunnel { id, server }: OpenTunnel) {
        let place = self.place(server);
        let this = self.clone();
        tokio::spawn(async move {
            let opened = match &place {
                Ok(_) => this.reach(server).await,
                Err(why) => Err(why.clone()),
            };
            info!(%server, tunnel = %id, refused = opened.as_ref().err(), "tunnel asked for");
            let refused = opened.as_ref().err().cloned();
            let hello = TunnelUp::Hello { id, refused };
            match this.carry(hello, server, opened.ok()).await {
                Ok(Some(end)) => info!(%server, tunnel = %id, end, "tunnel closed"),
                Ok(None) => {}
                Err(error) => {
                    warn!(%server, tunnel = %id, error = %chain(&error), "tunnel could not be carried")
                }
            }
        });
    }

    /// A place among the tunnels.
    fn place(&self, server: ServerId) -> Result<Place, String> {
        let mut open = self.locked();
        let Limits { of_server, in_all, .. } = self.limits;
        let its = open.get(&server).copied().unwrap_or_default();
        if its >= of_server {
            return Err(format!("{of_server} tunnels to the server are open already; close one"));
        }
        if open.values().sum::<usize>() >= in_all {
            return Err(format!("{in_all} tunnels to servers of this rack are open already; close some"));
        }
        open.insert(server, its + 1);
        Ok(Place { open: Arc::clone(&self.open), server })
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ServerId, usize>> {
        // The map holds no invariant across a panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the server where it boots.
    async fn reach(&self, server: ServerId) -> Result<(Booting, TcpStream), String> {
        let booting = self.boots.booting(server);
        let booting = booting.ok_or("the server boots no ramdisk now; switch it on for one")?;
        let way = self.ways.get(&booting.network);
        let way =
            way.ok_or_else(|| format!("the {} network is not served here", booting.network.as_str()))?;
        let connected = way.connect(&booting.macs, RAMDISK_PORT).await;
        connected.map(|connection| (booting, connection)).map_err(|error| chain(&error))
    }

    /// Carries bytes both ways, and says why it ended; none: there was nothing to carry.
    async fn carry(
        &self,
        hello: TunnelUp,
        server: ServerId,
        opened: Option<(Booting, TcpStream)>,
    ) -> Result<Option<&'static str>, UplinkError> {
        let channel = dial(&self.config).await?;
        let (up, outgoing) = mpsc::channel(OUTGOING_MAX);
        let _ = up.send(hello.into()).await;
        let mut client = wire::agent_link_client::AgentLinkClient::new(channel);
        let answer = client.tunnel(ReceiverStream::new(outgoing)).await;
        let mut down = answer.map_err(|status| UplinkError::Ended(status.message().to_owned()))?.into_inner();
        let Some((booting, mut connection)) = opened else { return Ok(None) };
        let end = tokio::select! {
            end = self.both_ways(&mut connection, &up, &mut down) => end,
            () = self.boots.until_over(server, booting.boot_id) => "the boot is over",
            () = tokio::time::sleep(self.limits.life) => "it has lived as long as one may",
        };
        // What the server said last is on its way; the coordinator closes behind it.
        drop((up, connection));
        let _ = tokio::time::timeout(GOODBYE_MAX, async { while next(&mut down).await.is_some() {} }).await;
        Ok(Some(end))
    }

    async fn both_ways(
        &self,
        connection: &mut TcpStream,
        up: &mpsc::Sender<wire::TunnelUp>,
        down: &mut Streaming<wire::TunnelDown>,
    ) -> &'static str {
        let (mut said, mut told) = connection.split();
        let moved = Notify::new();
        let upwards = async {
            let mut piece = vec![0; PIECE_BYTES_MAX];
            while let Ok(length @ 1..) = said.read(&mut piece).await {
                let piece = TunnelUp::Piece(piece[..length].to_vec());
                if up.send(piece.into()).await.is_err() {
                    // The coordinator has gone, which the other half sees.
                    return pending().await;
                }
                moved.notify_one();
            }
        };
        let downwards = async {
            while let Some(TunnelDown(piece)) = next(down).await {
                if told.write_all(&piece).await.is_err() {
                    return "the server closed it";
                }
                moved.notify_one();
            }
            "the coordinator closed it"
        };
        let silence =
            async { while tokio::time::timeout(self.limits.silence, moved.notified()).await.is_ok() {} };
        tokio::select! {
            () = upwards => "the server closed it",
            end = downwards => end,
            () = silence => "nothing went through it for too long",
        }
    }
}

/// A tunnel's place among the others; it is free again when this is dropped.
struct Place {
    open: Arc<Mutex<HashMap<ServerId, usize>>>,
    server: ServerId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = open.get_mut(&self.server) {
            *its -= 1;
            if *its == 0 {
                open.remove(&self.server);
            }
        }
    }
}

/// What the server is told next; none: nobody says anything any more.
async fn next(down: &mut Streaming<wire::TunnelDown>) -> Option<TunnelDown> {
    let message = down.message().await.ok().flatten()?;
    match TunnelDown::try_from(message) {
        Ok(piece) => Some(piece),
        Err(error) => {
            warn!(%error, "tunnel ended by a message that we cannot take");
            None
        }
    }
}
