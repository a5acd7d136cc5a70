//! Decisions: one serial console over one session of its own: takes it, keeps it alive, carries characters, gives it back.
//!
//! ```text
//!   open session --> [free it, if that was asked for] --> Activate --> open --> Deactivate --> Close Session
//!                                                                       `-- every KEEP_ALIVE_EVERY: whose is it?
//! ```
//! What must stay true: a console that somebody else has is taken only when that was asked for, and a BMC that has started anew, or
//! is gone, or has given the console to somebody else, ends the line within [`KEEP_ALIVE_EVERY`] and the session's tries.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    super::{
        Malformed,
        call::Call,
        client::{Client, ClientEvent, EndReason, RequestError, RequestId},
        command::{Request, Response},
        message::CompletionCode,
    },
    ALREADY_ACTIVE, Activate, DISABLED, Deactivate, InstanceInfo,
    flow::{Flow, FlowEvent},
    packet::End,
};

/// The console of a server; BMCs have one.
const INSTANCE: u8 = 1;
/// An open console is asked for a sign of life this often; BMCs close a session that is silent for 60 s.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);

/// What is done when somebody else has the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is left to them.
    IfFree,
    /// It is taken from them.
    ByForce,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// The console is ours.
    Opened,
    /// Characters of the server.
    Characters(Vec<u8>),
    /// The server sent a break.
    Break,
    /// Characters of the server were lost before the BMC had them.
    Overrun,
    /// It is over.
    Ended(LineEnd),
}

/// Why a console is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineEnd {
    /// Asked for.
    #[error("closed")]
    Closed,
    /// Another session has it.
    #[error("somebody else has the console; ask them to leave it, or take it from them")]
    Busy,
    /// It was taken from us.
    #[error("another session has taken the console")]
    Taken,
    /// There is none, as the BMC is set.
    #[error("serial over LAN is switched off in the BMC's settings; switch it on there")]
    Disabled,
    /// The BMC said no.
    #[error("{command}: the BMC answers {:#04x}, {}", .code.0, .code.meaning())]
    Refused {
        /// To what.
        command: &'static str,
        /// Its completion code.
        code: CompletionCode,
    },
    /// Its answer cannot be read.
    #[error("{command}: the BMC's answer is not understood")]
    Malformed {
        /// To what.
        command: &'static str,
        /// What is wrong.
        source: Malformed,
    },
    /// Characters are not acknowledged any more.
    #[error("the BMC has not acknowledged characters after {tries} tries")]
    Dead {
        /// How often they were sent.
        tries: u32,
    },
    /// The session under it.
    #[error("its session is over: {0}")]
    Session(EndReason),
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    /// Whoever has it is put out first.
    Freeing(RequestId),
    Activating(RequestId),
    Open(Flow),
    /// It is being given back. What the BMC has still to say is acknowledged, or some keep it for whoever comes next.
    Leaving(RequestId, Option<Flow>),
    Over,
}

/// Whose the console is, by the BMC's word. Not every BMC tells one session that another one has taken its console.
#[derive(Debug)]
enum Ownership {
    /// Not asked yet.
    Unknown,
    /// Asked; before, it was this session's, if that is known.
    Asked(RequestId, Option<u32>),
    /// It is the session's that the BMC calls so: ours.
    Known(u32),
    /// This BMC does not tell.
    Untold,
}

/// The machine. See the module's text.
#[derive(Debug)]
pub struct Line {
    client: Client,
    stage: Stage,
    /// When it is asked next whose the console is, which is a sign of life too.
    alive_due: Instant,
    ownership: Ownership,
    /// Whether its end was told.
    is_told: bool,
    events: VecDeque<LineEvent>,
}

impl Line {
    /// Takes the console over this open session, which is the console's alone from now on.
    pub fn new(mut client: Client, take: Take, now: Instant) -> Self {
        let first = match take {
            Take::IfFree => ask_activate(&mut client, now).map(Stage::Activating),
            Take::ByForce => ask_deactivate(&mut client, now).map(Stage::Freeing),
        };
        let mut line = Self {
            client,
            stage: Stage::Over,
            alive_due: now + KEEP_ALIVE_EVERY,
            ownership: Ownership::Unknown,
            is_told: false,
            events: VecDeque::new(),
        };
        match first {
            Some(stage) => line.stage = stage,
            None => line.end(LineEnd::Session(EndReason::Closed)),
        }
        line
    }

    /// Whether it is over and everything was said.
    pub fn is_over(&self) -> bool {
        self.is_told && self.client.is_ended()
    }

    /// Our id of its session, by which the owner of a shared socket finds it.
    pub fn console_id(&self) -> u32 {
        self.client.console_id()
    }

    /// Types characters; says how many were taken. None are before the console is ours, or when too many wait.
    pub fn write(&mut self, characters: &[u8], now: Instant) -> usize {
        let Stage::Open(flow) = &mut self.stage else { return 0 };
        let taken = flow.write(characters, now);
        self.carry(now);
        taken
    }

    /// Sends a break.
    pub fn send_break(&mut self, now: Instant) {
        let Stage::Open(flow) = &mut self.stage else { return };
        flow.send_break(now);
        self.carry(now);
    }

    /// Gives the console and the session back; [`LineEvent::Ended`] follows.
    pub fn close(&mut self, now: Instant) {
        let flow = match std::mem::replace(&mut self.stage, Stage::Over) {
            leaving @ Stage::Leaving(..) => {
                self.stage = leaving;
                return;
            }
            Stage::Open(flow) => Some(flow),
            Stage::Activating(_) => None,
            Stage::Freeing(_) | Stage::Over => return self.close_session(now),
        };
        match ask_deactivate(&mut self.client, now) {
            Some(asked) => self.stage = Stage::Leaving(asked, flow),
            None => self.close_session(now),
        }
    }

    fn close_session(&mut self, now: Instant) {
        self.client.close(now);
        self.end(LineEnd::Closed);
    }

    /// Says goodbye without waiting; the BMC frees the console with the session.
    pub fn leave(&mut self) {
        self.client.leave();
        self.end(LineEnd::Closed);
    }

    /// Takes a datagram from the BMC.
    pub fn handle_packet(&mut self, datagram: &[u8], now: Instant) {
        self.client.handle_packet(datagram, now);
        while let Some(packet) = self.client.poll_console() {
            if let Stage::Open(flow) | Stage::Leaving(_, Some(flow)) = &mut self.stage {
                // What cannot be read is not acknowledged, and comes again if it was meant for us.
                let _ = flow.handle_packet(&packet, now);
            }
        }
        self.carry(now);
    }

    /// Repeats, gives up, or asks for a sign of life.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        if let Stage::Open(flow) = &mut self.stage {
            flow.handle_timeout(now);
            if self.alive_due <= now {
                self.alive_due = now + KEEP_ALIVE_EVERY;
                self.ask_whose(now);
            }
        }
        self.carry(now);
    }

    /// The next datagram to send to the BMC.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.client.poll_transmit()
    }

    /// When [`Line::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (flow, alive) = match &self.stage {
            Stage::Open(flow) => (flow.poll_timeout(), Some(self.alive_due)),
            Stage::Freeing(_) | Stage::Activating(_) | Stage::Leaving(..) | Stage::Over => (None, None),
        };
        [self.client.poll_timeout(), flow, alive].into_iter().flatten().min()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<LineEvent> {
        self.events.pop_front()
    }

    /// Passes on what the session and the flow say, and what the flow wants sent.
    fn carry(&mut self, now: Instant) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Answered(id, answer) => self.answered(id, answer, now),
                ClientEvent::Ended(reason) => self.end(match self.stage {
                    Stage::Leaving(..) => LineEnd::Closed,
                    Stage::Freeing(_) | Stage::Activating(_) | Stage::Open(_) | Stage::Over => {
                        LineEnd::Session(reason)
                    }
                }),
                ClientEvent::Opened(_) => {}
            }
        }
        let (Stage::Open(flow) | Stage::Leaving(_, Some(flow))) = &mut self.stage else { return };
        while let Some(packet) = flow.poll_transmit() {
            self.client.send_console(&packet);
        }
        let mut end = None;
        while let Some(event) = flow.poll_event() {
            match event {
                FlowEvent::Characters(characters) => self.events.push_back(LineEvent::Characters(characters)),
                FlowEvent::Break => self.events.push_back(LineEvent::Break),
                FlowEvent::Overrun => self.events.push_back(LineEvent::Overrun),
                FlowEvent::Taken => end = Some(LineEnd::Taken),
                FlowEvent::Dead { tries } => end = Some(LineEnd::Dead { tries }),
            }
        }
        if let Some(end) = end {
            // The console is not ours to give back, or nobody is there to take it.
            self.client.leave();
            self.end(end);
        }
    }

    fn answered(&mut self, id: RequestId, answer: Result<Response, RequestError>, now: Instant) {
        match &self.stage {
            // Whether it was free or had to be freed, the next step says whether it is ours.
            Stage::Freeing(asked) if *asked == id => match ask_activate(&mut self.client, now) {
                Some(asked) => self.stage = Stage::Activating(asked),
                None => self.end(LineEnd::Session(EndReason::Closed)),
            },
            Stage::Activating(asked) if *asked == id => match activated(answer) {
                Ok(flow) => {
                    self.stage = Stage::Open(flow);
                    self.alive_due = now + KEEP_ALIVE_EVERY;
                    self.events.push_back(LineEvent::Opened);
                    self.ask_whose(now);
                }
                Err(end) => {
                    self.client.close(now);
                    self.end(end);
                }
            },
            Stage::Leaving(asked, _) if *asked == id => self.close_session(now),
            Stage::Open(_) => self.owned(id, answer),
            // An answer that nobody waits for.
            Stage::Freeing(_) | Stage::Activating(_) | Stage::Leaving(..) | Stage::Over => {}
        }
    }

    /// Asks whose the console is; of a BMC that does not tell, only for a sign of life.
    fn ask_whose(&mut self, now: Instant) {
        let before = match self.ownership {
            Ownership::Untold => {
                // A full queue means that one is on its way.
                let _ = self.client.request(Request::DeviceId, now);
                return;
            }
            // Its answer, or the session's end, is on its way.
            Ownership::Asked(..) => return,
            Ownership::Unknown => None,
            Ownership::Known(owner) => Some(owner),
        };
        let info = Request::Call(Call::of(&InstanceInfo { instance: INSTANCE }));
        if let Ok(asked) = self.client.request(info, now) {
            self.ownership = Ownership::Asked(asked, before);
        }
    }

    fn owned(&mut self, id: RequestId, answer: Result<Response, RequestError>) {
        let before = match self.ownership {
            Ownership::Asked(asked, before) if asked == id => before,
            Ownership::Asked(..) | Ownership::Unknown | Ownership::Known(_) | Ownership::Untold => return,
        };
        let owner = match answer {
            Ok(Response::Call(data)) => Call::parse_answer::<InstanceInfo>(&data).ok(),
            Ok(_) | Err(_) => None,
        };
        // What is said first, a moment after it became ours, is what the BMC calls us; 0 then is a BMC that does not know.
        self.ownership = match (owner, before) {
            (None | Some(0), None) => Ownership::Untold,
            (Some(owner), None) => Ownership::Known(owner),
            (Some(owner), Some(ours)) if owner == ours => Ownership::Known(ours),
            (None, Some(ours)) => Ownership::Known(ours),
            (Some(_), Some(_)) => {
                self.client.leave();
                return self.end(LineEnd::Taken);
            }
        };
    }

    fn end(&mut self, why: LineEnd) {
        self.stage = Stage::Over;
        if !std::mem::replace(&mut self.is_told, true) {
            self.events.push_back(LineEvent::Ended(why));
        }
    }
}

fn ask_activate(client: &mut Client, now: Instant) -> Option<RequestId> {
    let activate = Activate { instance: INSTANCE, sealed: true };
    client.request(Request::Call(Call::of(&activate)), now).ok()
}

fn ask_deactivate(client: &mut Client, now: Instant) -> Option<RequestId> {
    client.request(Request::Call(Call::of(&Deactivate { instance: INSTANCE })), now).ok()
}

/// The line's end of the console, or why there is none.
fn activated(answer: Result<Response, RequestError>) -> Result<Flow, LineEnd> {
    let command = "Activate Payload";
    let data = match answer {
        Ok(Response::Call(data)) => data,
        Ok(_) => {
            let source = Malformed::new("Activate Payload answer", "is one to something else");
            return Err(LineEnd::Malformed { command, source });
        }
        Err(RequestError::Refused { code: CompletionCode(ALREADY_ACTIVE), .. }) => return Err(LineEnd::Busy),
        Err(RequestError::Refused { code: CompletionCode(DISABLED), .. }) => return Err(LineEnd::Disabled),
        Err(RequestError::Refused { code, .. }) => return Err(LineEnd::Refused { command, code }),
        Err(RequestError::Malformed { source, .. }) => return Err(LineEnd::Malformed { command, source }),
    };
    let activated =
        Call::parse_answer::<Activate>(&data).map_err(|source| LineEnd::Malformed { command, source })?;
    Ok(Flow::new(End::Console, activated.to_bmc_max))
}
