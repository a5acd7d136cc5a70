//! Decisions: sessions and consoles of all nodes on one socket; bytes and a time in, bytes and events out.

mod requests;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use protocol::{
    id::ServerId,
    ipmi::{
        CipherSuite, Privilege,
        app::DeviceId,
        bmc::{Bmc, BmcConfig, Datagram, LogIn, Pong, SessionId, Token, Users},
        rakp::Status,
        sol::{
            flow::{Flow, FlowEvent, WAITING_MAX},
            packet::{End, Signals, SolPacket},
        },
    },
    secret::Secret,
};

use super::guard::Guard;

/// Sessions of all nodes together, opened and half opened.
pub const SESSIONS_MAX: usize = 256;
/// Open sessions of one node; the oldest that is not at the console makes room.
pub const SESSIONS_OF_NODE_MAX: usize = 4;
/// The privilege that a session here can have: the least by which a console may be taken away (section 24.2). It stands for no power.
pub const PRIVILEGE: Privilege = Privilege::Operator;

/// One visit to a node's console; none has the number of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub u64);

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody logs in under this name: answered by [`Face::known`].
    Named {
        /// In which handshake.
        session: SessionId,
        /// The name.
        username: String,
    },
    /// A log-in was refused.
    Refused {
        /// Whose it was.
        from: SocketAddr,
        /// At which node; none: the name is of none.
        node: Option<ServerId>,
        /// Why.
        why: &'static str,
    },
    /// Somebody wants a console: answered by [`Face::opened`].
    Wanted {
        /// The visit.
        place: Place,
        /// Whose console.
        node: ServerId,
        /// From where.
        from: SocketAddr,
    },
    /// Characters for the server.
    Typed(Place, Vec<u8>),
    /// A break for the server.
    Break(Place),
    /// The visit is over.
    Left(Place),
}

/// Who is in a session.
#[derive(Debug)]
struct Claim {
    from: SocketAddr,
    /// As long as it is looked up, none.
    node: Option<ServerId>,
    /// In which order the passwords were proved; none: it was not.
    proved: Option<u64>,
}

/// Somebody at a node's console.
struct Line {
    node: ServerId,
    session: SessionId,
    stage: Stage,
}

enum Stage {
    /// The agent is asked for the console.
    Opening(Token),
    /// It is there.
    Open(Flow),
    /// What was said last is on its way.
    Ending(Flow),
}

/// The machine. See the module's text.
pub struct Face {
    bmc: Bmc,
    /// UDP port under which Ironic reaches us.
    port: u16,
    guard: Guard,
    claims: HashMap<SessionId, Claim>,
    lines: HashMap<Place, Line>,
    counted: u64,
    events: VecDeque<Event>,
}

impl Face {
    /// Without sessions. `port`: as it is reached; `seed`: 32 random bytes.
    pub fn new(port: u16, guid: [u8; 16], seed: [u8; 32]) -> Self {
        let bmc = Bmc::new(BmcConfig {
            users: Users::Asked,
            sessions_max: SESSIONS_MAX,
            k_g: None,
            privilege: PRIVILEGE,
            suites: CipherSuite::ALL.to_vec(),
            guid,
            device: DeviceId { firmware_major: 1, ..DeviceId::default() },
            pong: Pong::Usual,
            seed,
        });
        let (claims, lines, events) = Default::default();
        Self { bmc, port, guard: Guard::default(), claims, lines, counted: 0, events }
    }

    /// Takes a datagram.
    pub fn handle_packet(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.bmc.handle_packet(from, datagram, now);
        self.turn(now);
    }

    /// Repeats what is due, and drops who is silent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.bmc.handle_timeout(now);
        for line in self.lines.values_mut() {
            if let Stage::Open(flow) | Stage::Ending(flow) = &mut line.stage {
                flow.handle_timeout(now);
            }
        }
        self.turn(now);
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.bmc.poll_transmit()
    }

    /// When [`Face::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let flows = self.lines.values().filter_map(|line| match &line.stage {
            Stage::Opening(_) => None,
            Stage::Open(flow) | Stage::Ending(flow) => flow.poll_timeout(),
        });
        flows.chain(self.bmc.poll_timeout()).min()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Says which node a name is of, and its password; none: of no node.
    pub fn known(&mut self, session: SessionId, found: Option<(ServerId, Secret)>, now: Instant) {
        let Some(claim) = self.claims.get_mut(&session) else { return };
        let ip = claim.from.ip();
        match found {
            None => {
                self.guard.failed(ip, None, now);
                self.refuse(session, Status::UNAUTHORIZED_NAME, "no node has this user name", now);
            }
            Some((node, password)) => {
                claim.node = Some(node);
                if self.guard.lets(ip, Some(node), now) {
                    self.bmc.admit(session, Ok(password), now);
                } else {
                    self.refuse(session, Status::NO_RESOURCES, "it has failed too often at this node", now);
                }
            }
        }
        self.turn(now);
    }

    /// Nobody could say whose a name is: to be tried again.
    pub fn unknown(&mut self, session: SessionId, now: Instant) {
        self.claims.remove(&session);
        self.bmc.admit(session, Err(Status::NO_RESOURCES), now);
        self.turn(now);
    }

    fn refuse(&mut self, session: SessionId, status: Status, why: &'static str, now: Instant) {
        if let Some(Claim { from, node, .. }) = self.claims.remove(&session) {
            self.events.push_back(Event::Refused { from, node, why });
        }
        self.bmc.admit(session, Err(status), now);
    }

    /// How many characters can be printed now.
    pub fn room(&self, place: Place) -> usize {
        match self.lines.get(&place).map(|line| &line.stage) {
            Some(Stage::Open(flow)) => flow.room(),
            Some(Stage::Opening(_) | Stage::Ending(_)) | None => 0,
        }
    }

    /// Prints characters of the server; what finds no room is lost.
    pub fn print(&mut self, place: Place, characters: &[u8], now: Instant) {
        if let Some(Line { stage: Stage::Open(flow), .. }) = self.lines.get_mut(&place) {
            flow.write(characters, now);
        }
        self.turn(now);
    }

    /// Prints why it is over, and ends the visit.
    pub fn end(&mut self, place: Place, words: &[u8], now: Instant) {
        if let Some(mut line) = self.lines.remove(&place) {
            line.stage = match line.stage {
                Stage::Open(mut flow) => {
                    flow.write(words, now);
                    Stage::Ending(flow)
                }
                stage @ (Stage::Opening(_) | Stage::Ending(_)) => stage,
            };
            self.lines.insert(place, line);
        }
        self.turn(now);
    }

    /// Takes what the parts below have to tell, until they have nothing more.
    fn turn(&mut self, now: Instant) {
        while let Some(log_in) = self.bmc.poll_log_in() {
            self.logs_in(log_in, now);
        }
        while let Some(event) = self.bmc.poll_event() {
            self.request(event, now);
        }
        while let Some(packet) = self.bmc.poll_console() {
            let line = self.lines.values_mut().find(|line| line.session == packet.session);
            if let Some(Stage::Open(flow) | Stage::Ending(flow)) = line.map(|line| &mut line.stage) {
                // What cannot be read is passed over, as on any wire.
                let _ = flow.handle_packet(&packet.bytes, now);
            }
        }
        let places: Vec<Place> = self.lines.keys().copied().collect();
        places.into_iter().for_each(|place| self.flows(place));
        self.claims.retain(|session, _| self.bmc.has_session(*session));
    }

    fn logs_in(&mut self, log_in: LogIn, now: Instant) {
        match log_in {
            LogIn::Named { session, username, from } => {
                self.claims.insert(session, Claim { from, node: None, proved: None });
                if !self.guard.lets(from.ip(), None, now) {
                    return self.refuse(session, Status::NO_RESOURCES, "it has failed too often", now);
                }
                let username = String::from_utf8_lossy(&username).into_owned();
                self.events.push_back(Event::Named { session, username });
            }
            LogIn::Refused { session } => {
                let Some(Claim { from, node, .. }) = self.claims.remove(&session) else { return };
                self.guard.failed(from.ip(), node, now);
                self.events.push_back(Event::Refused { from, node, why: "the password is wrong" });
            }
            LogIn::Done { session } => {
                self.counted += 1;
                let Some(claim) = self.claims.get_mut(&session) else { return };
                claim.proved = Some(self.counted);
                if let Some(node) = claim.node {
                    self.guard.proved(claim.from.ip(), node);
                    self.make_room(node);
                }
            }
        }
    }

    /// One node has so many sessions; whoever is at its console stays.
    fn make_room(&mut self, node: ServerId) {
        let at_console = |session: &SessionId| self.lines.values().any(|line| line.session == *session);
        let open = self.claims.iter().filter(|(_, claim)| claim.node == Some(node));
        let mut idle: Vec<(u64, SessionId)> =
            open.filter_map(|(session, claim)| Some((claim.proved?, *session))).collect();
        let too_many = idle.len().saturating_sub(SESSIONS_OF_NODE_MAX);
        idle.retain(|(_, session)| !at_console(session));
        idle.sort_by_key(|(proved, _)| *proved);
        idle.into_iter().take(too_many).for_each(|(_, session)| self.bmc.end_session(session));
    }

    /// Carries what one console's line has to send and to tell.
    fn flows(&mut self, place: Place) {
        let Some(line) = self.lines.get_mut(&place) else { return };
        if !self.bmc.has_session(line.session) {
            return self.leave(place);
        }
        let is_ending = matches!(line.stage, Stage::Ending(_));
        let (Stage::Open(flow) | Stage::Ending(flow)) = &mut line.stage else { return };
        while let Some(event) = flow.poll_event() {
            match event {
                FlowEvent::Characters(characters) if !is_ending => {
                    self.events.push_back(Event::Typed(place, characters));
                }
                FlowEvent::Break if !is_ending => self.events.push_back(Event::Break(place)),
                // The other end can say neither of the two.
                FlowEvent::Characters(_) | FlowEvent::Break | FlowEvent::Overrun | FlowEvent::Taken => {}
                // Looked at below.
                FlowEvent::Dead { .. } => {}
            }
        }
        while let Some(packet) = flow.poll_transmit() {
            self.bmc.send_console(line.session, &packet);
        }
        let is_said = is_ending && flow.room() == WAITING_MAX && flow.poll_timeout().is_none();
        if is_said || flow.is_over() {
            self.deactivate(place);
        }
    }

    /// The console is taken from whoever has it (section 15.9), who is told.
    fn deactivate(&mut self, place: Place) {
        if let Some(line) = self.lines.get(&place) {
            let signals = Signals { is_over: true, ..Signals::default() };
            let packet = SolPacket { number: 0, acknowledged: 0, taken: 0, signals, characters: vec![] };
            self.bmc.send_console(line.session, &packet.build(End::Bmc));
        }
        self.leave(place);
    }

    fn leave(&mut self, place: Place) {
        if self.lines.remove(&place).is_some() {
            self.events.push_back(Event::Left(place));
        }
    }
}
