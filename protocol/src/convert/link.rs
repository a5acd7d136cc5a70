//! Values: the messages of the stream itself: who speaks, what is acknowledged, which servers to look after.

use std::{num::NonZeroU32, time::Duration};

use super::{InvalidMessage, parse, present, server, whole_ms};
use crate::{
    bmc_health::BmcHealth,
    certificate::{InvalidPublicKey, PublicKey},
    command::Command,
    console::OpenConsole,
    console_record::ReadConsole,
    discovery::Order,
    grpc as wire,
    heartbeat::{Heartbeat, HeartbeatsWanted, StreamTime},
    id::{AgentBootId, RackId, ServerId},
    image_cache::CacheOrder,
    report::Report,
    spec::ServerSpec,
    tunnel::OpenTunnel,
};

/// What an agent sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromAgent {
    /// Its first message on a stream.
    Hello(Hello),
    /// Something it saw.
    Report(Report),
    /// That it is alive; sent only to who wants to know.
    Heartbeat(Heartbeat),
    /// It wants a new certificate for this key; sent only to who renews certificates.
    Renew(PublicKey),
    /// How BMCs answer; sent only to who wants to know.
    Health(Vec<BmcHealth>),
}

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its rack; its certificate must name the same.
    pub rack: RackId,
    /// This run of the agent.
    pub agent_boot_id: AgentBootId,
    /// Its version, for people.
    pub version: String,
    /// Number of the oldest report that it still keeps; 0 when it keeps none.
    pub oldest_unacknowledged: u64,
    /// Whether it opens consoles; an older one does not know how.
    pub consoles: bool,
    /// Whether it reads what was recorded of consoles; an older one does not know how.
    pub console_records: bool,
    /// Whether it takes orders for BMCs; an older one ends the stream over them.
    pub bmc_orders: bool,
    /// Whether it takes orders for its image cache; an older one ends the stream over them.
    pub cache_orders: bool,
    /// Whether it opens tunnels; an older one ends the stream over them.
    pub tunnels: bool,
}

/// What a coordinator sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToAgent {
    /// Its first message on a stream.
    Welcome {
        /// Its name, for logs.
        coordinator: String,
        /// Every report up to this number is stored.
        acknowledged: u64,
        /// Whether and how often it wants to hear that the agent is alive; an older one does not know heartbeats.
        heartbeats: Option<HeartbeatsWanted>,
        /// For how many days it gives certificates; none: it does not renew any.
        certificate_days: Option<NonZeroU32>,
        /// Whether it understands reports of sensors, event logs and what BMCs say; an older one ends the stream over them.
        hardware: bool,
        /// Whether it wants to hear how BMCs answer; an older one does not.
        bmc_healths: bool,
        /// Whether it understands reports of the certificates that BMCs show; an older one ends the stream over them.
        certificates: bool,
    },
    /// Servers to look after.
    Declare(Declaration),
    /// Something to do.
    Command(Command),
    /// Every report up to this number is stored; the agent may forget them.
    Acknowledge {
        /// The number.
        seq: u64,
    },
    /// Find servers that nobody has enrolled.
    Discover(Order),
    /// A heartbeat arrived.
    Heard {
        /// Its number.
        number: u64,
        /// When.
        at: StreamTime,
    },
    /// The answer to who asked for a new certificate: it, as PEM, or why there is none.
    Renewed(Result<String, String>),
    /// Somebody wants to be at a console; sent only to who opens consoles.
    OpenConsole(OpenConsole),
    /// Somebody wants to read what was recorded of a console; sent only to who reads such records.
    ReadConsole(ReadConsole),
    /// Something about the rack's image cache; sent only to who takes such orders.
    Cache(CacheOrder),
    /// Somebody wants to speak to what runs on a booted server; sent only to who opens tunnels.
    OpenTunnel(OpenTunnel),
}

/// Servers to look after.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Declaration {
    /// New and changed ones.
    pub servers: Vec<ServerSpec>,
    /// Those to forget.
    pub forget: Vec<ServerId>,
    /// Whether every server that is not listed is to be forgotten.
    pub complete: bool,
}

impl From<FromAgent> for wire::AgentMessage {
    fn from(message: FromAgent) -> Self {
        use wire::agent_message::Message;
        let message = match message {
            FromAgent::Hello(hello) => Message::Hello(wire::Hello {
                rack: hello.rack.into(),
                agent_boot_id: hello.agent_boot_id.to_string(),
                version: hello.version,
                oldest_unacknowledged: hello.oldest_unacknowledged,
                consoles: hello.consoles,
                console_records: hello.console_records,
                bmc_orders: hello.bmc_orders,
                cache_orders: hello.cache_orders,
                tunnels: hello.tunnels,
            }),
            FromAgent::Report(report) => Message::Report(report.into()),
            FromAgent::Heartbeat(Heartbeat { number, oldest_reading }) => {
                let oldest_reading_ms = oldest_reading.map(whole_ms);
                Message::Heartbeat(wire::Heartbeat { number, oldest_reading_ms })
            }
            FromAgent::Renew(key) => Message::Renew(wire::Renew { public_key: key.as_bytes().to_vec() }),
            FromAgent::Health(healths) => Message::BmcHealths(healths.into()),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::AgentMessage> for FromAgent {
    type Error = InvalidMessage;
    fn try_from(message: wire::AgentMessage) -> Result<Self, InvalidMessage> {
        use wire::agent_message::Message;
        match present("AgentMessage.message", message.message)? {
            Message::Hello(hello) => Ok(Self::Hello(Hello {
                rack: parse("Hello.rack", &hello.rack)?,
                agent_boot_id: parse("Hello.agent_boot_id", &hello.agent_boot_id)?,
                version: hello.version,
                oldest_unacknowledged: hello.oldest_unacknowledged,
                consoles: hello.consoles,
                console_records: hello.console_records,
                bmc_orders: hello.bmc_orders,
                cache_orders: hello.cache_orders,
                tunnels: hello.tunnels,
            })),
            Message::Report(report) => Ok(Self::Report(report.try_into()?)),
            Message::Heartbeat(wire::Heartbeat { number, oldest_reading_ms }) => {
                let oldest_reading = oldest_reading_ms.map(Duration::from_millis);
                Ok(Self::Heartbeat(Heartbeat { number, oldest_reading }))
            }
            Message::Renew(wire::Renew { public_key }) => {
                let key = PublicKey::try_from(&public_key[..]);
                let invalid =
                    |why: InvalidPublicKey| InvalidMessage::new("Renew.public_key", why.to_string());
                key.map(Self::Renew).map_err(invalid)
            }
            Message::BmcHealths(healths) => Ok(Self::Health(healths.try_into()?)),
        }
    }
}

impl From<ToAgent> for wire::CoordinatorMessage {
    fn from(message: ToAgent) -> Self {
        use wire::coordinator_message::Message;
        let message = match message {
            ToAgent::Welcome {
                coordinator,
                acknowledged,
                heartbeats,
                certificate_days,
                hardware,
                bmc_healths,
                certificates,
            } => Message::Welcome(wire::Welcome {
                coordinator,
                acknowledged,
                heartbeat_ms: heartbeats.map_or(0, |wanted| whole_ms(wanted.every)),
                at_ms: heartbeats.map_or(0, |wanted| wanted.at.0),
                certificate_days: certificate_days.map_or(0, NonZeroU32::get),
                hardware,
                bmc_healths,
                certificates,
            }),
            ToAgent::Declare(declaration) => Message::Declare(wire::Declare {
                servers: declaration.servers.into_iter().map(Into::into).collect(),
                forget: declaration.forget.iter().map(ToString::to_string).collect(),
                complete: declaration.complete,
            }),
            ToAgent::Command(command) => Message::Command(command.into()),
            ToAgent::Acknowledge { seq } => Message::Acknowledge(wire::Acknowledge { seq }),
            ToAgent::Discover(order) => Message::Discover(order.into()),
            ToAgent::Heard { number, at } => Message::Heard(wire::Heard { number, at_ms: at.0 }),
            ToAgent::OpenConsole(open) => Message::OpenConsole(open.into()),
            ToAgent::ReadConsole(read) => Message::ReadConsole(read.into()),
            ToAgent::Cache(order) => Message::CacheOrder(order.into()),
            ToAgent::OpenTunnel(open) => Message::OpenTunnel(open.into()),
            ToAgent::Renewed(Ok(certificate)) => {
                Message::Renewed(wire::Renewed { certificate, refused: String::new() })
            }
            ToAgent::Renewed(Err(refused)) => {
                Message::Renewed(wire::Renewed { certificate: String::new(), refused })
            }
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::CoordinatorMessage> for ToAgent {
    type Error = InvalidMessage;
    fn try_from(message: wire::CoordinatorMessage) -> Result<Self, InvalidMessage> {
        use wire::coordinator_message::Message;
        match present("CoordinatorMessage.message", message.message)? {
            Message::Welcome(welcome) => {
                let heartbeats = (welcome.heartbeat_ms > 0).then(|| HeartbeatsWanted {
                    every: Duration::from_millis(welcome.heartbeat_ms),
                    at: StreamTime(welcome.at_ms),
                });
                Ok(Self::Welcome {
                    coordinator: welcome.coordinator,
                    acknowledged: welcome.acknowledged,
                    heartbeats,
                    certificate_days: NonZeroU32::new(welcome.certificate_days),
                    hardware: welcome.hardware,
                    bmc_healths: welcome.bmc_healths,
                    certificates: welcome.certificates,
                })
            }
            Message::Declare(wire::Declare { servers, forget, complete }) => Ok(Self::Declare(Declaration {
                servers: servers.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                forget: forget.iter().map(|id| server("Declare.forget", id)).collect::<Result<_, _>>()?,
                complete,
            })),
            Message::Command(command) => Ok(Self::Command(command.try_into()?)),
            Message::Acknowledge(wire::Acknowledge { seq }) => Ok(Self::Acknowledge { seq }),
            Message::Discover(order) => Ok(Self::Discover(order.try_into()?)),
            Message::Heard(wire::Heard { number, at_ms }) => {
                Ok(Self::Heard { number, at: StreamTime(at_ms) })
            }
            Message::OpenConsole(open) => Ok(Self::OpenConsole(open.try_into()?)),
            Message::ReadConsole(read) => Ok(Self::ReadConsole(read.try_into()?)),
            Message::CacheOrder(order) => Ok(Self::Cache(order.try_into()?)),
            Message::OpenTunnel(open) => Ok(Self::OpenTunnel(open.try_into()?)),
            Message::Renewed(wire::Renewed { certificate, refused }) => {
                Ok(Self::Renewed(if certificate.is_empty() { Err(refused) } else { Ok(certificate) }))
            }
        }
    }
}
