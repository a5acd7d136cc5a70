//! Decisions: the BMC's end: many sessions on one socket; requests to the chassis come out as events and are answered later.
//!
//! What the machine does alone: discovery, the handshake, privileges, session ends. A repeated datagram is answered from memory,
//! so that a lost answer never switches power twice.

mod console;
mod login;
mod who;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    CipherSuite, Malformed, Privilege,
    app::{CIPHER_SUITE_CHUNK_BYTES, ChannelAuthCapabilities, DeviceId, cipher_suite_records},
    bridge::SendMessage,
    call::Command,
    command::{Request, Response},
    message::{CompletionCode, RequestMessage, ResponseMessage},
    presence,
    rakp::Rakp1,
    rmcp::{self, Packet, PayloadType, PlusPacket},
    session::{Entropy, Sealed},
};
use crate::{bmc_settings::KgKey, secret::Secret};

/// Sessions at a time, opened and half opened, as a BMC has them.
pub const SESSIONS_MAX: usize = 16;
/// Handshakes that one address may have under way; the oldest makes room.
pub const HANDSHAKES_OF_PEER_MAX: usize = 8;
/// A session that says nothing for so long is closed (section 6.12.15 has 60 s).
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(60);
/// A handshake that takes longer is dropped.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// For how long a repeated request is answered from memory (section 13.8.2 lets sequence numbers expire after 5 s).
const REPEAT_MAX: Duration = Duration::from_secs(5);

/// Who the BMC is and whom it lets in.
#[derive(Clone, Debug)]
pub struct BmcConfig {
    /// Whom it knows.
    pub users: Users,
    /// Sessions at a time, opened and half opened.
    pub sessions_max: usize,
    /// Its own key K_g; none: it has none.
    pub k_g: Option<KgKey>,
    /// Highest privilege that anybody has.
    pub privilege: Privilege,
    /// Suites it offers.
    pub suites: Vec<CipherSuite>,
    /// The system's GUID as on the wire.
    pub guid: [u8; 16],
    /// Its identity.
    pub device: DeviceId,
    /// How it answers a ping.
    pub pong: Pong,
    /// 32 random bytes.
    pub seed: [u8; 32],
}

/// How a BMC answers a presence ping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pong {
    /// As the standard has it.
    #[default]
    Usual,
    /// With the number of ASF in the wrong byte order, and tag 0, as OpenBMC does.
    Swapped,
    /// Not at all.
    None,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

pub use console::{ConsolePacket, SessionId};
pub use who::{LogIn, Users};

/// Names a request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(super) session: u32,
    number: u64,
}

/// A request that the chassis must answer by [`Bmc::respond`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BmcEvent {
    /// Names it.
    pub token: Token,
    /// What is asked.
    pub request: Request,
}

/// What came in since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BmcStats {
    /// Log-ins begun: RAKP 1 messages, repetitions not counted.
    pub attempts: u64,
    /// Log-ins that succeeded.
    pub logins: u64,
    /// Log-ins that failed by user, password or privilege.
    pub refused: u64,
    /// Requests inside sessions, repetitions not counted.
    pub requests: u64,
    /// Datagrams that could not be read.
    pub malformed: u64,
}

#[derive(Debug)]
enum Stage {
    Opened {
        suite: CipherSuite,
    },
    /// The owner is asked for the password of whom RAKP 1 names.
    Named {
        suite: CipherSuite,
        rakp1: Rakp1,
    },
    Challenged {
        suite: CipherSuite,
        rakp1: Rakp1,
        random: [u8; 16],
        password: Secret,
    },
    Active(Box<Active>),
}

#[derive(Debug)]
struct Active {
    sealed: Sealed,
    privilege: Privilege,
    privilege_max: Privilege,
    /// The request that the chassis works on.
    working: Option<(u64, Asked)>,
    /// The last one that was answered, with what was sent for it.
    answered: Option<(Asked, Vec<Vec<u8>>, Instant)>,
}

/// A request as it was asked: the same again is a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    netfn: u8,
    command: u8,
    sequence: u8,
    data: Vec<u8>,
}

#[derive(Debug)]
struct Session {
    peer: SocketAddr,
    console_id: u32,
    privilege: Option<Privilege>,
    stage: Stage,
    last_seen: Instant,
    /// The last handshake message and the answer to it, for repetitions.
    handshake: (Vec<u8>, Vec<u8>),
}

impl Session {
    fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Active(_) => self.last_seen + SESSION_IDLE_MAX,
            Stage::Opened { .. } | Stage::Named { .. } | Stage::Challenged { .. } => {
                self.last_seen + HANDSHAKE_MAX
            }
        }
    }
}

/// The machine. See the module's text.
pub struct Bmc {
    config: BmcConfig,
    entropy: Entropy,
    sessions: HashMap<u32, Session>,
    next_number: u64,
    stats: BmcStats,
    out: VecDeque<Datagram>,
    events: VecDeque<BmcEvent>,
    console: VecDeque<ConsolePacket>,
    log_ins: VecDeque<LogIn>,
}

impl Bmc {
    /// A BMC without sessions.
    pub fn new(config: BmcConfig) -> Self {
        Self {
            entropy: Entropy::new(config.seed),
            config,
            sessions: HashMap::new(),
            next_number: 0,
            stats: BmcStats::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            console: VecDeque::new(),
            log_ins: VecDeque::new(),
        }
    }

    /// What came in since the start.
    pub fn stats(&self) -> BmcStats {
        self.stats
    }

    /// Sessions now, opened and half opened.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Forgets every session without a word, as a BMC does that restarts.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Takes a datagram.
    pub fn handle_packet(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        if self.try_packet(from, datagram, now).is_err() {
            self.stats.malformed += 1;
        }
    }

    fn try_packet(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), Malformed> {
        let sessions = &self.sessions;
        let code_bytes = |id: u32| match sessions.get(&id).map(|session| &session.stage) {
            Some(Stage::Active(active)) => active.sealed.suite().integrity_bytes(),
            _ => 0,
        };
        if let Some(tag) = presence::parse_ping(datagram) {
            match self.config.pong {
                Pong::Usual => self.send(from, presence::pong(tag)),
                Pong::Swapped => self.send(from, presence::pong_swapped()),
                Pong::None => {}
            }
            return Ok(());
        }
        match rmcp::parse(datagram, code_bytes)? {
            Packet::Plain(message) => {
                if let Some(response) = self.stranger(message)? {
                    self.send(from, rmcp::build_plain(&response));
                }
                Ok(())
            }
            Packet::Plus(packet) => match packet.header.payload_type {
                PayloadType::OpenSessionRequest => self.open_session(from, packet.payload, now),
                PayloadType::Rakp1 => self.rakp1(from, packet.payload, now),
                PayloadType::Rakp3 => self.rakp3(from, packet.payload, now),
                PayloadType::Ipmi if packet.header.session_id == 0 => {
                    if let Some(response) = self.stranger(packet.payload)? {
                        self.send(from, rmcp::build_bare(PayloadType::Ipmi, &response));
                    }
                    Ok(())
                }
                PayloadType::Ipmi => self.request(from, &packet, now),
                PayloadType::Sol => self.console_packet(from, &packet, now),
                PayloadType::OpenSessionResponse | PayloadType::Rakp2 | PayloadType::Rakp4 => {
                    Err(Malformed::new("payload type", "is one that only a BMC sends"))
                }
            },
        }
    }

    /// Drops sessions that have been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sessions.retain(|_, session| session.deadline() > now);
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }

    /// When [`Bmc::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.values().map(Session::deadline).min()
    }

    /// The next request for the chassis.
    pub fn poll_event(&mut self) -> Option<BmcEvent> {
        self.events.pop_front()
    }

    /// Answers a request; without effect when its session is gone.
    pub fn respond(&mut self, token: Token, outcome: Result<Response, CompletionCode>, now: Instant) {
        let Some(session) = self.sessions.get_mut(&token.session) else { return };
        let (peer, Stage::Active(active)) = (session.peer, &mut session.stage) else { return };
        let Some((_, asked)) = active.working.take_if(|(number, _)| *number == token.number) else { return };
        for bytes in active.answer(asked, outcome, now) {
            self.send(peer, bytes);
        }
    }

    fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.out.push_back(Datagram { to, bytes });
    }

    /// A request outside of any session: discovery only. None when it deserves no answer.
    fn stranger(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let message = RequestMessage::parse(message)?;
        let outcome = match Request::parse(&message) {
            Ok(request) if request.privilege().is_none() => self.about_us(request),
            Ok(_) => Err(CompletionCode::PRIVILEGE),
            Err(code) => Err(code),
        };
        Ok(Some(respond_to(&message, &outcome)))
    }

    /// Answers that need no chassis.
    fn about_us(&self, request: Request) -> Result<Response, CompletionCode> {
        match request {
            Request::DeviceId => Ok(Response::DeviceId(self.config.device)),
            Request::SystemGuid => Ok(Response::SystemGuid(self.config.guid)),
            Request::ChannelAuthCapabilities { .. } => {
                let capabilities = ChannelAuthCapabilities { channel: 1, ipmi_2_0: true };
                Ok(Response::ChannelAuthCapabilities(capabilities))
            }
            Request::ChannelCipherSuites { index } => {
                let records = cipher_suite_records(&self.config.suites);
                let chunk = records.chunks(CIPHER_SUITE_CHUNK_BYTES).nth(index.into()).unwrap_or_default();
                Ok(Response::ChannelCipherSuites(chunk.to_vec()))
            }
            Request::SetSessionPrivilege(_)
            | Request::CloseSession(_)
            | Request::ChassisStatus
            | Request::ChassisControl(_)
            | Request::SetBootOption(_)
            | Request::GetBootFlags
            | Request::Call(_) => Err(CompletionCode::INVALID_COMMAND),
        }
    }

    fn request(&mut self, from: SocketAddr, packet: &PlusPacket<'_>, now: Instant) -> Result<(), Malformed> {
        let bmc_id = packet.header.session_id;
        let unknown = Malformed::new("session id", "is not one of ours");
        let session = self.sessions.get_mut(&bmc_id).filter(|session| session.peer == from).ok_or(unknown)?;
        let Stage::Active(active) = &mut session.stage else { return Err(unknown) };
        let bytes = active.sealed.open(packet)?;
        session.last_seen = now;
        let message = RequestMessage::parse(&bytes)?;
        let asked = Asked {
            netfn: message.netfn,
            command: message.command,
            sequence: message.sequence,
            data: message.data.to_vec(),
        };
        if let Some((same, answers, at)) = &active.answered
            && *same == asked
            && now.duration_since(*at) < REPEAT_MAX
        {
            let answers: Vec<_> = answers.iter().map(|answer| active.sealed.seal(answer)).collect();
            answers.into_iter().for_each(|answer| self.send(from, answer));
            return Ok(());
        }
        if let Some((_, working)) = &active.working {
            if *working != asked && is_goodbye(&message, bmc_id) {
                let answers = active.answer(asked, Ok(Response::Done), now);
                answers.into_iter().for_each(|answer| self.send(from, answer));
                self.sessions.remove(&bmc_id);
            } else if *working != asked {
                let busy = active.sealed.seal(&respond_to(&message, &Err(CompletionCode::BUSY)));
                self.send(from, busy);
            }
            return Ok(());
        }
        self.stats.requests += 1;
        let mut close = false;
        let outcome = match Request::parse(&message) {
            Err(code) => Err(code),
            Ok(request) if request.privilege().is_some_and(|needed| active.privilege < needed) => {
                Err(CompletionCode::PRIVILEGE)
            }
            Ok(Request::SetSessionPrivilege(privilege)) if privilege > active.privilege_max => {
                // Section 22.18: "requested level exceeds the user's or channel's limit".
                Err(CompletionCode(0x81))
            }
            Ok(Request::SetSessionPrivilege(privilege)) => {
                active.privilege = privilege;
                Ok(Response::SessionPrivilege(privilege))
            }
            // Section 22.19: 0x87 is "invalid session id in request".
            Ok(Request::CloseSession(id)) if id != bmc_id => Err(CompletionCode(0x87)),
            Ok(Request::CloseSession(_)) => {
                close = true;
                Ok(Response::Done)
            }
            Ok(
                request @ (Request::ChassisStatus
                | Request::ChassisControl(_)
                | Request::SetBootOption(_)
                | Request::GetBootFlags
                | Request::Call(_)),
            ) => {
                active.working = Some((self.next_number, asked));
                let token = Token { session: bmc_id, number: self.next_number };
                self.next_number += 1;
                self.events.push_back(BmcEvent { token, request });
                return Ok(());
            }
            Ok(
                request @ (Request::DeviceId
                | Request::SystemGuid
                | Request::ChannelAuthCapabilities { .. }
                | Request::ChannelCipherSuites { .. }),
            ) => {
                // Borrowed anew below: answering needs the whole machine.
                let outcome = self.about_us(request);
                return self.answer_now(bmc_id, from, asked, outcome, now);
            }
        };
        let answers = active.answer(asked, outcome, now);
        answers.into_iter().for_each(|answer| self.send(from, answer));
        if close {
            self.sessions.remove(&bmc_id);
        }
        Ok(())
    }

    fn answer_now(
        &mut self,
        bmc_id: u32,
        to: SocketAddr,
        asked: Asked,
        outcome: Result<Response, CompletionCode>,
        now: Instant,
    ) -> Result<(), Malformed> {
        if let Some(Session { stage: Stage::Active(active), .. }) = self.sessions.get_mut(&bmc_id) {
            let answers = active.answer(asked, outcome, now);
            answers.into_iter().for_each(|answer| self.send(to, answer));
        }
        Ok(())
    }
}

impl Active {
    /// What is sent for a request: the answer, and what another controller has said to a message that was carried to it. That comes
    /// by itself afterwards (section 6.13.2), as FreeIPMI waits for it.
    fn answer(
        &mut self,
        asked: Asked,
        outcome: Result<Response, CompletionCode>,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let Asked { netfn, command, sequence, data } = &asked;
        let request = RequestMessage { netfn: *netfn, command: *command, sequence: *sequence, data };
        let messages = match outcome {
            Ok(Response::Call(carried)) if is_carried(&asked) && !carried.is_empty() => {
                vec![respond_to(&request, &Ok(Response::Done)), carried]
            }
            outcome => vec![respond_to(&request, &outcome)],
        };
        let sent = messages.iter().map(|message| self.sealed.seal(message)).collect();
        self.answered = Some((asked, messages, now));
        sent
    }
}

/// Whether a message is to be carried to another controller.
fn is_carried(asked: &Asked) -> bool {
    (asked.netfn, asked.command) == (SendMessage::KIND.netfn, SendMessage::KIND.command)
}

/// Whether the session's own end is asked for, which waits for no chassis.
fn is_goodbye(message: &RequestMessage<'_>, bmc_id: u32) -> bool {
    Request::parse(message) == Ok(Request::CloseSession(bmc_id))
}

fn respond_to(request: &RequestMessage<'_>, outcome: &Result<Response, CompletionCode>) -> Vec<u8> {
    let (code, data) = match outcome {
        Ok(response) => (CompletionCode::OK, response.build()),
        Err(code) => (*code, vec![]),
    };
    let RequestMessage { netfn, command, sequence, .. } = *request;
    ResponseMessage { netfn, command, sequence, code, data: &data }.build()
}
