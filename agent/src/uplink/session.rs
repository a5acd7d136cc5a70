//! Decisions: the machine of one stream after another. It says what to send next and what a received message means;
//! bytes, connections and time are somebody else's.
//!
//! ```text
//!   Closed --connected--> Greeting --Hello sent--> Waiting --Welcome--> Open --disconnected--> Closed
//! ```
//!
//! In Open, reports go out in the order of their numbers, starting behind what the coordinator has stored, with at most
//! [`WINDOW`] of them unacknowledged. Those of sensors, event logs, of what BMCs say and of their certificates are passed over where
//! the Welcome did not say that they are understood.

use protocol::{
    command::Command,
    console::OpenConsole,
    console_record::ReadConsole,
    convert::{Declaration, FromAgent, Hello, ToAgent},
    discovery::Order,
    heartbeat::StreamTime,
    id::{AgentBootId, RackId},
    image_cache::CacheOrder,
    report::{Report, ReportBody},
    tunnel::OpenTunnel,
};

use super::outbox::Outbox;

/// Most reports sent and not yet acknowledged.
pub const WINDOW: usize = 256;

/// The agent's side of the conversation.
#[derive(Debug)]
pub struct Session {
    rack: RackId,
    boot: AgentBootId,
    version: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Greeting,
    Waiting,
    Open { next: u64, understood: Understood },
}

/// Reports that an older coordinator does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Understood {
    hardware: bool,
    certificates: bool,
}

impl Understood {
    fn takes(self, body: &ReportBody) -> bool {
        match body {
            ReportBody::Hardware { .. } | ReportBody::Facts { .. } => self.hardware,
            ReportBody::CertificateShown { .. } => self.certificates,
            ReportBody::Power { .. }
            | ReportBody::Identified { .. }
            | ReportBody::Boot(_)
            | ReportBody::BootRefused { .. }
            | ReportBody::RamdiskReady { .. }
            | ReportBody::RamdiskGone { .. }
            | ReportBody::StepProgress { .. }
            | ReportBody::Command(_)
            | ReportBody::Watch { .. }
            | ReportBody::Found { .. } => true,
        }
    }
}

/// What a received message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The stream is usable. Everything up to `acknowledged` can be forgotten.
    Welcomed {
        /// The coordinator's name.
        coordinator: String,
        /// The number.
        acknowledged: u64,
    },
    /// The coordinator has stored more than this agent has ever sent: our spool was lost. The pending reports need new
    /// numbers above this one, or the coordinator would take them for repetitions.
    SpoolLost {
        /// The coordinator's name.
        coordinator: String,
        /// The number.
        acknowledged: u64,
    },
    /// Everything up to this number can be forgotten.
    Acknowledged(u64),
    /// Servers to look after.
    Declared(Declaration),
    /// Something to do.
    Command(Command),
    /// Something to find.
    Discover(Order),
    /// The answer to who asked for a new certificate: it, as PEM, or why there is none.
    Renewed(Result<String, String>),
    /// Somebody wants to be at a console.
    OpenConsole(OpenConsole),
    /// Somebody wants to read what was recorded of a console.
    ReadConsole(ReadConsole),
    /// Something about our image cache.
    Cache(CacheOrder),
    /// Somebody wants to speak to what runs on a booted server.
    OpenTunnel(OpenTunnel),
    /// A heartbeat was heard.
    Heard {
        /// Which.
        number: u64,
        /// When, by the coordinator's clock.
        at: StreamTime,
    },
}

/// The coordinator broke the rules of the stream; the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Something came before Welcome.
    #[error("the coordinator sent something else before its Welcome")]
    NotWelcome,
    /// A second Welcome.
    #[error("the coordinator sent a second Welcome")]
    SecondWelcome,
    /// An acknowledgement of a report that was never sent on this stream.
    #[error("the coordinator acknowledged report {acknowledged}, but only those below {next} were sent")]
    NeverSent {
        /// What it acknowledged.
        acknowledged: u64,
        /// The next to be sent.
        next: u64,
    },
}

impl Session {
    /// A closed one.
    pub fn new(rack: RackId, boot: AgentBootId, version: impl Into<String>) -> Self {
        Self { rack, boot, version: version.into(), state: State::Closed }
    }

    /// A connection stands.
    pub fn handle_connected(&mut self) {
        self.state = State::Greeting;
    }

    /// The connection is gone.
    pub fn handle_disconnected(&mut self) {
        self.state = State::Closed;
    }

    /// Whether the coordinator has said Welcome.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// A message arrived. The caller does what the event says to the outbox before it asks for more to send.
    pub fn handle_message(&mut self, message: ToAgent, outbox: &Outbox) -> Result<Event, Violation> {
        match (message, self.state) {
            (ToAgent::Welcome { coordinator, acknowledged, hardware, certificates, .. }, State::Waiting) => {
                let understood = Understood { hardware, certificates };
                self.state = State::Open { next: acknowledged.saturating_add(1), understood };
                if acknowledged >= outbox.next_seq() {
                    Ok(Event::SpoolLost { coordinator, acknowledged })
                } else {
                    Ok(Event::Welcomed { coordinator, acknowledged })
                }
            }
            (ToAgent::Welcome { .. }, State::Open { .. }) => Err(Violation::SecondWelcome),
            (ToAgent::Acknowledge { seq }, State::Open { next, .. }) => {
                if seq >= next {
                    return Err(Violation::NeverSent { acknowledged: seq, next });
                }
                Ok(Event::Acknowledged(seq))
            }
            (ToAgent::Declare(declaration), State::Open { .. }) => Ok(Event::Declared(declaration)),
            (ToAgent::Command(command), State::Open { .. }) => Ok(Event::Command(command)),
            (ToAgent::Discover(order), State::Open { .. }) => Ok(Event::Discover(order)),
            (ToAgent::Heard { number, at }, State::Open { .. }) => Ok(Event::Heard { number, at }),
            (ToAgent::OpenConsole(open), State::Open { .. }) => Ok(Event::OpenConsole(open)),
            (ToAgent::ReadConsole(read), State::Open { .. }) => Ok(Event::ReadConsole(read)),
            (ToAgent::Cache(order), State::Open { .. }) => Ok(Event::Cache(order)),
            (ToAgent::OpenTunnel(open), State::Open { .. }) => Ok(Event::OpenTunnel(open)),
            (ToAgent::Renewed(answer), State::Open { .. }) => Ok(Event::Renewed(answer)),
            (_, State::Closed | State::Greeting | State::Waiting) => Err(Violation::NotWelcome),
        }
    }

    /// Whether there is something to send now.
    pub fn has_more(&self, outbox: &Outbox) -> bool {
        match self.state {
            State::Closed | State::Waiting => false,
            State::Greeting => true,
            State::Open { next, understood } => next_report(outbox, next, understood).is_some(),
        }
    }

    /// The next message to send, if there is one now.
    pub fn poll_transmit(&mut self, outbox: &Outbox) -> Option<FromAgent> {
        match self.state {
            State::Closed | State::Waiting => None,
            State::Greeting => {
                self.state = State::Waiting;
                Some(FromAgent::Hello(Hello {
                    rack: self.rack.clone(),
                    agent_boot_id: self.boot,
                    version: self.version.clone(),
                    oldest_unacknowledged: outbox.oldest(),
                    consoles: true,
                    console_records: true,
                    bmc_orders: true,
                    cache_orders: true,
                    tunnels: true,
                }))
            }
            State::Open { next, understood } => {
                let report = next_report(outbox, next, understood)?;
                self.state = State::Open { next: report.seq + 1, understood };
                Some(FromAgent::Report(report.clone()))
            }
        }
    }
}

/// The report that goes out next; none: there is none, or too many are not acknowledged.
fn next_report(outbox: &Outbox, next: u64, understood: Understood) -> Option<&Report> {
    let (in_flight, mut report) = outbox.from_seq(next);
    if in_flight >= WINDOW {
        return None;
    }
    while let Some(passed_over) = report
        && !understood.takes(&passed_over.body)
    {
        report = outbox.from_seq(passed_over.seq + 1).1;
    }
    report
}
