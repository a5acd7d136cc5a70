//! Edges: the UDP socket of all consoles by IPMI, and who is looked up and attended behind it.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use coordinator_core::agents::AgentHub;
use domain::ipmi_console;
use protocol::{
    console::{ConsoleDown, PIECE_BYTES_MAX},
    id::ServerId,
    ipmi::{PACKET_BYTES_MAX, bmc::SessionId},
    secret::Secret,
};
use store::Inventory;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use super::face::SESSIONS_MAX;
use super::{
    attend::{Told, Visitor},
    face::{Event, Face, Place},
    words,
};
use crate::audit::Witness;

/// Names that are looked up at the same time; more are asked to come again.
const LOOK_UPS_MAX: usize = 32;
/// Visits at the same time, those that have just been left included.
const VISITS_MAX: usize = SESSIONS_MAX;
/// What visits have told and is not taken yet; they wait.
const TOLD_MAX: usize = 64;
/// What was typed and the agent has not taken; more is lost, and it is said.
const TYPED_MAX: usize = 64;

/// What consoles by IPMI are made of.
pub struct IpmiConsole {
    /// Where nodes are found by their users' names.
    pub inventory: Inventory,
    /// Who has the consoles.
    pub agents: Arc<AgentHub>,
    /// UDP port under which Ironic reaches the socket.
    pub port: u16,
}

/// Whose a name is, or that nobody could say.
type Found = (SessionId, Result<Option<(ServerId, Secret)>, ()>);

/// A visit under way.
struct Attended {
    typed: mpsc::Sender<ConsoleDown>,
    /// Told when there is room for more.
    waits: Option<oneshot::Sender<()>>,
}

struct Running {
    parts: IpmiConsole,
    witness: Arc<Witness>,
    face: Face,
    tell: mpsc::Sender<(Place, Told)>,
    look_ups: JoinSet<Found>,
    visits: JoinSet<()>,
    attended: HashMap<Place, Attended>,
}

impl IpmiConsole {
    /// Serves until told to stop.
    pub async fn run(self, socket: UdpSocket, stop: CancellationToken) {
        let witness = Witness::new(self.inventory.clone(), &[]);
        let face = Face::new(self.port, rand::random(), rand::random());
        let (tell, mut told) = mpsc::channel(TOLD_MAX);
        let (look_ups, visits, attended) = Default::default();
        let mut running = Running { parts: self, witness, face, tell, look_ups, visits, attended };
        let mut buffer = [0; PACKET_BYTES_MAX + 1];
        loop {
            let timeout = running.face.poll_timeout();
            let due = async {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((length, from)) if length <= PACKET_BYTES_MAX => {
                        running.face.handle_packet(from, &buffer[..length], Instant::now());
                    }
                    Ok((length, from)) => debug!(length, %from, "datagram is longer than any of ipmi"),
                    // An ICMP error for an earlier answer: whoever asked is gone.
                    Err(error) => debug!(%error, "console by ipmi could not receive"),
                },
                Some(found) = running.look_ups.join_next() => match found {
                    Ok((session, Ok(found))) => running.face.known(session, found, Instant::now()),
                    Ok((session, Err(()))) => running.face.unknown(session, Instant::now()),
                    Err(error) => warn!(%error, "look-up of a user ended early"),
                },
                Some(ended) = running.visits.join_next() => if let Err(error) = ended {
                    warn!(%error, "visit to a console ended early");
                },
                Some((place, told)) = told.recv() => running.take(place, told),
                () = due => running.face.handle_timeout(Instant::now()),
            }
            running.events().await;
            running.give_room();
            while let Some(datagram) = running.face.poll_transmit() {
                send(&socket, datagram.to, &datagram.bytes).await;
            }
        }
    }
}

async fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    if let Err(error) = socket.send_to(bytes, to).await {
        debug!(%error, %to, "console by ipmi could not send");
    }
}

impl Running {
    fn take(&mut self, place: Place, told: Told) {
        let now = Instant::now();
        match told {
            Told::Opened => self.face.opened(place, true, now),
            Told::Cannot => self.face.opened(place, false, now),
            Told::End(why) => self.face.end(place, &words::line(&why), now),
            Told::Print { characters, taken } => {
                self.face.print(place, &characters, now);
                if let Some(attended) = self.attended.get_mut(&place) {
                    attended.waits = Some(taken);
                }
            }
        }
    }

    /// Lets those go on for whose next piece there is room.
    fn give_room(&mut self) {
        for (place, attended) in &mut self.attended {
            if self.face.room(*place) >= PIECE_BYTES_MAX
                && let Some(taken) = attended.waits.take()
            {
                let _ = taken.send(());
            }
        }
    }

    async fn events(&mut self) {
        while let Some(event) = self.face.poll_event() {
            match event {
                Event::Named { session, username } => self.look_up(session, username),
                Event::Refused { from, node, why } => {
                    self.witness.console_refused_by_ipmi(from.ip(), node, why).await;
                }
                Event::Wanted { place, node, from } => self.attend(place, node, from),
                Event::Typed(place, characters) => self.type_there(place, ConsoleDown::Input(characters)),
                Event::Break(place) => self.type_there(place, ConsoleDown::Break),
                // Its task ends with the channel.
                Event::Left(place) => drop(self.attended.remove(&place)),
            }
        }
    }

    fn look_up(&mut self, session: SessionId, username: String) {
        if self.look_ups.len() >= LOOK_UPS_MAX {
            return self.face.unknown(session, Instant::now());
        }
        let inventory = self.parts.inventory.clone();
        self.look_ups.spawn(async move {
            let Some(start) = ipmi_console::id_start(&username) else { return (session, Ok(None)) };
            let found = inventory.server_by_id_start(&start).await;
            let found = found.map(|server| {
                server.map(|server| (server.id, ipmi_console::password(server.id, &server.facade_password)))
            });
            (session, found.map_err(|error| warn!(%error, "node of a console by ipmi not read")))
        });
    }

    fn attend(&mut self, place: Place, node: ServerId, from: SocketAddr) {
        if self.visits.len() >= VISITS_MAX {
            warn!(server = %node, most = VISITS_MAX, "console by ipmi refused: too many are open or being opened");
            return self.face.opened(place, false, Instant::now());
        }
        let (typed, receiver) = mpsc::channel(TYPED_MAX);
        let visitor = Visitor {
            place,
            node,
            from,
            inventory: self.parts.inventory.clone(),
            agents: Arc::clone(&self.parts.agents),
            witness: Arc::clone(&self.witness),
            tell: self.tell.clone(),
            typed: receiver,
        };
        self.attended.insert(place, Attended { typed, waits: None });
        self.visits.spawn(visitor.attend());
    }

    fn type_there(&mut self, place: Place, down: ConsoleDown) {
        let sent = self.attended.get(&place).map(|attended| attended.typed.try_send(down));
        if let Some(Err(mpsc::error::TrySendError::Full(_))) = sent {
            let lost = words::line("the rack's agent takes nothing now; what was typed was not sent");
            self.face.print(place, &lost, Instant::now());
        }
    }
}
