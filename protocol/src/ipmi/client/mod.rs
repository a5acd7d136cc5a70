//! Decisions: the console's end of one session: opens it, sends one request at a time, repeats what is not answered, closes it.
//!
//! One `Client` is one session. When it has ended it stays ended; whoever owns it decides whether to make another one.
//! A refusal ends it after a single attempt, with what was refused; what that proves, and whether to try again, the owner decides.

mod console;
mod event;
mod login;
pub mod patience;
mod requests;

use std::{collections::VecDeque, time::Instant};

use super::{
    CipherSuite, Malformed, Privilege,
    command::Request,
    message::RequestMessage,
    rakp::{self, OpenSessionRequest, Rakp1, Rakp3},
    rmcp::{self, Packet, PayloadType},
    session::{Entropy, Sealed},
    suite::{SessionKeys, WRONG_CODE},
};

use patience::{RoundTrip, Tries};

pub use event::{
    ClientConfig, ClientEvent, Dropped, EndReason, LoginStep, ProofRole, RequestError, RequestId, Retry,
    Unavailable,
};

/// Requests that may wait in one session.
pub const QUEUE_MAX: usize = 8;
/// Longest password (section 22.30).
pub const PASSWORD_BYTES_MAX: usize = 20;

#[derive(Debug)]
enum Stage {
    Probe,
    Open {
        suite: CipherSuite,
    },
    Rakp1 {
        suite: CipherSuite,
        rakp1: Rakp1,
        granted: Option<Privilege>,
    },
    /// With the keys that the session may have, each with the code of RAKP 4 that proves it.
    Rakp3 {
        rakp3: Rakp3,
        keys: Vec<(SessionKeys, Vec<u8>)>,
    },
    Session(Sealed),
    Ended,
}

/// Why a datagram is no answer to what was asked.
#[derive(Debug)]
enum Fault {
    Unreadable,
    Unauthenticated,
    Strange,
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        if malformed == WRONG_CODE { Fault::Unauthenticated } else { Fault::Unreadable }
    }
}

/// Whose request is on its way in the open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Login,
    Caller(RequestId),
    Close,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    owner: Owner,
    request: Request,
    sequence: u8,
}

/// The machine. See the module's text.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    entropy: EntropyBox,
    console_id: u32,
    suites: VecDeque<CipherSuite>,
    stage: Stage,
    tag: u8,
    opened: bool,
    /// It said that it has no IPMI 2.0 sessions.
    denies_rmcp_plus: bool,
    pending: Option<Pending>,
    tries: Option<Tries>,
    round_trip: RoundTrip,
    dropped: Dropped,
    sequence: u8,
    /// Numbers that were given to requests so far.
    numbered: u32,
    closing: bool,
    queue: VecDeque<(RequestId, Request)>,
    next_id: u64,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<ClientEvent>,
    /// Packets of the serial console that came.
    console: VecDeque<Vec<u8>>,
}

/// Keeps the seed out of `Debug`.
struct EntropyBox(Entropy);

impl std::fmt::Debug for EntropyBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

impl Client {
    /// Starts to open a session.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let mut entropy = Entropy::new(config.seed);
        let mut client = Self {
            console_id: entropy.session_id(),
            entropy: EntropyBox(entropy),
            suites: config.suites.iter().copied().collect(),
            stage: Stage::Probe,
            tag: 0,
            opened: false,
            denies_rmcp_plus: false,
            pending: None,
            tries: None,
            round_trip: RoundTrip::default(),
            dropped: Dropped::default(),
            sequence: 0,
            numbered: 0,
            closing: false,
            queue: VecDeque::new(),
            next_id: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
            console: VecDeque::new(),
            config,
        };
        if client.config.username.len() > rakp::USERNAME_BYTES_MAX {
            client.end(EndReason::TooLong("the user name is longer than IPMI's 16 bytes"));
        } else if client.config.password.reveal().len() > PASSWORD_BYTES_MAX {
            client.end(EndReason::TooLong("the password is longer than IPMI's 20 bytes"));
        } else {
            client.begin(Stage::Probe, now);
        }
        client
    }

    /// Our id of the session, by which the owner of a shared socket finds this client.
    pub fn console_id(&self) -> u32 {
        self.console_id
    }

    /// Whether the session is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Queues a request; it is sent when the session is open and those before it are answered.
    pub fn request(&mut self, request: Request, now: Instant) -> Result<RequestId, Unavailable> {
        if self.is_ended() || self.closing || self.queue.len() >= QUEUE_MAX {
            return Err(Unavailable);
        }
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.queue.push_back((id, request));
        self.send_next(now);
        Ok(id)
    }

    /// Closes the session, so that the BMC's slot is free at once.
    pub fn close(&mut self, now: Instant) {
        self.closing = true;
        self.queue.clear();
        if !self.opened {
            self.end(EndReason::Closed);
        } else if self.pending.is_none() {
            self.send_next(now);
        }
    }

    /// Closes the session without waiting for anything, in the middle of a request too: for whoever goes away now.
    pub fn leave(&mut self) {
        if self.opened {
            self.say_goodbye();
        }
        self.end(EndReason::Closed);
    }

    /// Takes a datagram from the BMC. What is not for this session, or not right, is dropped.
    pub fn handle_packet(&mut self, datagram: &[u8], now: Instant) {
        // The right answer may still come. If it does not, what came instead is told.
        match self.try_packet(datagram, now) {
            Ok(()) => {}
            Err(Fault::Unreadable) => self.dropped.unreadable += 1,
            Err(Fault::Unauthenticated) => self.dropped.unauthenticated += 1,
            Err(Fault::Strange) => self.dropped.strange += 1,
        }
    }

    fn try_packet(&mut self, datagram: &[u8], now: Instant) -> Result<(), Fault> {
        let code_bytes = match &self.stage {
            Stage::Session(session) => session.suite().integrity_bytes(),
            Stage::Probe | Stage::Open { .. } | Stage::Rakp1 { .. } | Stage::Rakp3 { .. } | Stage::Ended => 0,
        };
        match rmcp::parse(datagram, |_| code_bytes)? {
            Packet::Plain(message) => self.probed(message, now),
            Packet::Plus(packet) => match packet.header.payload_type {
                PayloadType::OpenSessionResponse => self.session_opened(packet.payload, now),
                PayloadType::Rakp2 => self.rakp2(packet.payload, now),
                PayloadType::Rakp4 => self.rakp4(packet.payload, now),
                PayloadType::Ipmi => self.response(&packet, now),
                PayloadType::Sol => self.console_packet(&packet),
                PayloadType::OpenSessionRequest | PayloadType::Rakp1 | PayloadType::Rakp3 => {
                    Err(Fault::Strange)
                }
            },
        }
    }

    /// Repeats or gives up what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(tries) = self.tries.filter(|tries| tries.deadline() <= now) else { return };
        if let Some(next) = tries.next(now) {
            self.tries = Some(next);
            self.transmit();
            return;
        }
        // Some BMCs do not refuse a suite that they do not know, they are silent. The probe has shown that they are there.
        if matches!(self.stage, Stage::Open { .. }) {
            if self.denies_rmcp_plus && !self.dropped.any() {
                self.end(EndReason::NoRmcpPlus);
                return;
            }
            if let Some(suite) = self.suites.pop_front() {
                self.begin(Stage::Open { suite }, now);
                return;
            }
        }
        let reason = EndReason::NoAnswer {
            stage: self.stage_name(),
            tries: tries.made(),
            heard: !matches!(self.stage, Stage::Probe),
            dropped: self.dropped,
        };
        let closing = self.pending.is_some_and(|pending| pending.owner == Owner::Close);
        self.end(if closing { EndReason::Closed } else { reason });
    }

    /// The next datagram to send to the BMC.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When [`Client::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tries.map(|tries| tries.deadline())
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn stage_name(&self) -> &'static str {
        match &self.stage {
            Stage::Probe => "Get Channel Authentication Capabilities",
            Stage::Open { .. } => "Open Session",
            Stage::Rakp1 { .. } => "RAKP 1",
            Stage::Rakp3 { .. } => "RAKP 3",
            Stage::Session(_) | Stage::Ended => {
                self.pending.map_or("nothing", |pending| pending.request.name())
            }
        }
    }

    /// Enters a stage and sends its packet for the first time.
    fn begin(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.tag = self.tag.wrapping_add(1);
        self.start_tries(now);
        self.transmit();
    }

    fn start_tries(&mut self, now: Instant) {
        let retry = self.config.retry;
        let is_look = self.pending.is_some_and(|pending| pending.request.is_look());
        let wait = if is_look { self.round_trip.first_wait(retry) } else { retry.first };
        self.tries = Some(Tries::begin(retry, wait, now));
        self.dropped = Dropped::default();
    }

    /// Sends what the stage asks for, again or for the first time.
    fn transmit(&mut self) {
        let datagram = match &mut self.stage {
            Stage::Probe => {
                let (netfn, command, data) =
                    Request::ChannelAuthCapabilities { privilege: self.config.privilege }.encode();
                rmcp::build_plain(&RequestMessage { netfn, command, sequence: 0, data: &data }.build())
            }
            Stage::Open { suite } => {
                let request = OpenSessionRequest {
                    tag: self.tag,
                    // The same as in RAKP 1: some BMCs hash this one.
                    privilege: Some(self.config.privilege),
                    console_id: self.console_id,
                    algorithms: suite.algorithms(),
                };
                rmcp::build_bare(PayloadType::OpenSessionRequest, &request.build())
            }
            Stage::Rakp1 { rakp1, .. } => {
                let payload = if self.config.pads_name { rakp1.build_padded() } else { rakp1.build() };
                rmcp::build_bare(PayloadType::Rakp1, &payload)
            }
            Stage::Rakp3 { rakp3, .. } => rmcp::build_bare(PayloadType::Rakp3, &rakp3.build()),
            Stage::Session(session) => {
                let Some(pending) = self.pending else { return };
                let (netfn, command, data) = pending.request.encode();
                let message = RequestMessage { netfn, command, sequence: pending.sequence, data: &data };
                session.seal(&message.build())
            }
            Stage::Ended => return,
        };
        self.out.push_back(datagram);
    }

    fn end(&mut self, reason: EndReason) {
        if self.is_ended() {
            return;
        }
        self.stage = Stage::Ended;
        self.tries = None;
        self.pending = None;
        self.queue.clear();
        self.events.push_back(ClientEvent::Ended(reason));
    }
}
