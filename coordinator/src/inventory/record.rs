//! Values: what the inventory keeps of a server, its ports, its tenant, its agent.

use std::{collections::BTreeMap, net::IpAddr};

use protocol::{
    boot::{BootMode, BootPlan, BootPurpose},
    command::CommandResult,
    hardware::{BmcIdentity, HardwareReport},
    id::{CommandId, RackId, RamdiskSessionId, ServerId},
    mac::MacAddr,
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    secret::Secret,
    spec::{BmcEndpoint, ServerSpec},
    watch::NotWatched,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    identity::{self, Doubt},
    lifecycle::{
        Confirmed, Facts, Node, PowerFacts,
        placement::{PortUse, port_uses},
    },
    pki::{Certificate, Fingerprint},
    port::{ObservedNetwork, PermittedBoot, ServerPort, Sibling, SwitchPort, WantedNetwork},
};

/// A server to be enrolled: what an import file or the API gives, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// Its name, unique.
    pub name: String,
    /// Its rack.
    pub rack: RackId,
    /// How its rack's agent reaches its BMC.
    pub bmc: BmcEndpoint,
    /// Its interfaces; the first one that boots from the network carries the tenant's address.
    pub ports: Vec<NewPort>,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Ironic's `resource_class`, such as `gold`: flavors ask for it.
    pub resource_class: String,
    /// Ironic's `properties`, such as `cpu_arch`.
    pub properties: BTreeMap<String, String>,
}

/// An interface of a server as it is asked for: its cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPort {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// Whether it may boot from the network.
    pub pxe_enabled: bool,
}

impl From<&Port> for NewPort {
    fn from(port: &Port) -> Self {
        let Port { name, mac, link, pxe_enabled, .. } = port.clone();
        Self { name, mac, link, pxe_enabled }
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its id; Ironic's node uuid too.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its rack.
    pub rack: RackId,
    /// Its BMC, with the password.
    pub bmc: BmcEndpoint,
    /// The password that Ironic shows at the facade.
    pub facade_password: Secret,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Ironic's `resource_class`, unless a pool gives another: see [`Server::class`].
    pub resource_class: String,
    /// Ironic's `properties`.
    pub properties: BTreeMap<String, String>,
    /// When it was enrolled.
    pub created_us: u64,
    /// Its interfaces.
    pub ports: Vec<Port>,
    /// What its BMC says of itself.
    pub identity: Option<BmcIdentity>,
    /// Why it is in doubt whose BMC answers; none: it is this server's.
    pub bmc_doubt: Option<Doubt>,
    /// When it was last proved that it is.
    pub bmc_proved_us: Option<u64>,
    /// What the last ramdisk found.
    pub hardware: Option<HardwareReport>,
    /// The newest power reading; while it is in doubt whose BMC answers, none of its readings counts and it is unreachable.
    pub power: Option<SeenPower>,
    /// Why its agent does not watch its power; none: it does, or has not said.
    pub unwatched: Option<Unwatched>,
    /// The newest reading that was an answer.
    pub confirmed: Option<Confirmed>,
    /// Since when it is off.
    pub off_since_us: Option<u64>,
    /// It went off unasked, and Ironic was not told yet.
    pub untold_off: bool,
    /// How far its last network boot came.
    pub boot_stage: Option<String>,
    /// The ramdisk that runs on it.
    pub ramdisk: Option<RamdiskSessionId>,
    /// The node as Ironic last showed it.
    pub node: Option<Node>,
    /// Whether its ports were ever given to us.
    pub ports_given: bool,
    /// The tenant's interfaces on which it was found when Ironic adopted it.
    pub adopted: Option<Adopted>,
    /// When its isolation was last seen complete.
    pub isolated_us: Option<u64>,
    /// The power-on that is on its way.
    pub intent: Option<Intent>,
    /// The network boot that the agent holds for it.
    pub boot_given: Option<BootPlan>,
    /// What it waits for now.
    pub waiting: Option<String>,
    /// Why something was refused last; gone with the next success.
    pub reason: Option<String>,
    /// An administrator deleted it; what is left to do for that follows by itself.
    pub forgetting: bool,
    /// The pool that it is in.
    pub pool: Option<String>,
    /// The resource class that its pool gives.
    pub pool_class: Option<String>,
    /// What was known of it when it was put there.
    pub pool_facts: Option<crate::pools::Facts>,
    /// Ironic was not told of its class yet.
    pub pool_untold: bool,
}

/// The tenant's interfaces on which a server was found when Ironic adopted it, and whose they are: no other instance is ever
/// given one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The interfaces, at least one; the first is the tenant's port.
    pub ports: Vec<Uuid>,
    /// For whom; none: it was written down by a version that did not say.
    pub holder: Option<Holder>,
}

/// Whom Ironic named when it adopted a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// Nobody.
    Unnamed,
    /// The node's `instance_uuid`.
    Instance(Uuid),
}

impl Holder {
    /// Whom a node with this `instance_uuid` names.
    pub fn of(instance: Option<Uuid>) -> Self {
        instance.map_or(Holder::Unnamed, Holder::Instance)
    }
}

impl Adopted {
    /// The port of the tenant whom a node with this `instance_uuid` names, if it was adopted for it.
    pub fn port_of(&self, instance: Option<Uuid>) -> Option<Uuid> {
        let is_its = self.holder.is_none_or(|holder| holder == Holder::of(instance));
        self.ports.first().copied().filter(|_| is_its)
    }
}

/// A power reading as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPower {
    /// The reading.
    pub reading: PowerReading,
    /// Why it is so.
    pub cause: PowerCause,
    /// When the agent saw it.
    pub at_us: u64,
}

/// Why a server's power is not watched. What was read of it before is old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwatched {
    /// What keeps the agent from it.
    pub why: NotWatched,
    /// The same for a person, as the agent said it last.
    pub reason: String,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
}

/// A power-on that passed or is passing the gate; stored before anything is done for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What was permitted.
    pub permitted: PermittedBoot,
    /// Since when.
    pub since_us: u64,
}

/// An interface of a server. `wanted` and `observed` are different facts of different owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is plugged in.
    pub link: SwitchPort,
    /// Whether it may boot from the network.
    pub pxe_enabled: bool,
    /// Where we last decided that it belongs.
    pub wanted: Option<WantedNetwork>,
    /// Where Contrail last showed it.
    pub observed: Option<ObservedNetwork>,
    /// When.
    pub observed_us: Option<u64>,
}

impl Server {
    /// What the rack's agent is told of it.
    pub fn spec(&self) -> ServerSpec {
        ServerSpec {
            id: self.id,
            name: self.name.clone(),
            bmc: self.bmc.clone(),
            macs: self.boot_macs(),
            boot_mode: self.boot_mode,
            expected: identity::expected(self),
        }
    }

    /// A doubt about its BMC, for a person.
    pub fn words_of(&self, doubt: &Doubt) -> String {
        let known = self.identity.clone().unwrap_or_default();
        doubt.words(&self.name, &self.bmc.place(), &known.to_string())
    }

    /// What a flavor asks for: the class of its pool, or else the one that the import file gave.
    pub fn class(&self) -> &str {
        self.pool_class.as_deref().unwrap_or(&self.resource_class)
    }

    /// Interfaces that may boot from the network.
    pub fn boot_macs(&self) -> Vec<MacAddr> {
        let uses = self.port_uses();
        let boots = self.ports.iter().zip(uses).filter(|(_, port_use)| *port_use != PortUse::Spare);
        boots.map(|(port, _)| port.mac).collect()
    }

    /// Uses of its ports, in their order.
    pub fn port_uses(&self) -> Vec<PortUse> {
        port_uses(&self.ports.iter().map(|port| port.pxe_enabled).collect::<Vec<_>>())
    }

    /// A port as the fabric knows it, with the interfaces of the server's tenant. The port that carries the tenant's address leads all
    /// others, and of those the earlier one the later.
    pub fn fabric_port(&self, port: &Port, tenant: Vec<Uuid>) -> ServerPort {
        let uses = self.port_uses();
        let rank = |(place, port_use): (usize, &PortUse)| (*port_use != PortUse::Primary, place);
        let ranks: Vec<_> = uses.iter().enumerate().map(rank).collect();
        let ranked = || self.ports.iter().zip(&ranks);
        let own = ranked().find(|(other, _)| other.name == port.name).map(|(_, rank)| *rank);
        let sibling = |(other, rank): (&Port, &(bool, usize))| Sibling {
            name: other.name.clone(),
            link: other.link.clone(),
            leads: own.is_some_and(|own| *rank < own),
        };
        let siblings = ranked().filter(|(other, _)| other.name != port.name).map(sibling).collect();
        let link = port.link.clone();
        ServerPort { siblings, tenant, ..ServerPort::alone(self.id, port.name.clone(), port.mac, link) }
    }

    /// The user that Ironic shows at the facade.
    pub fn facade_user(&self) -> String {
        format!("bms-{}", self.id)
    }

    /// What is known of its power; with the agent away the present reading is not known.
    pub fn power_facts(&self, agent_is_here: bool) -> PowerFacts {
        PowerFacts {
            now: self.power.as_ref().filter(|_| agent_is_here).map(|seen| seen.reading.clone()),
            confirmed: self.confirmed,
            untold_off: self.untold_off,
        }
    }

    /// The facts on which decisions are made.
    pub fn facts(&self, tenant: Option<Uuid>, agent_is_here: bool) -> Facts {
        Facts {
            node: self.node.clone(),
            power: self.power_facts(agent_is_here),
            ports_given: self.ports_given,
            tenant,
            power_on_pending: self.intent.is_some(),
            boot_given: self.boot_given.is_some(),
            observed: self.ports.iter().map(|port| port.observed.clone()).collect(),
        }
    }
}

/// How far a tenant's server has come, in our own words; Nova's and Ironic's states say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantServerState {
    /// Asked for; nothing made yet.
    Requested,
    /// Being deployed.
    Building,
    /// In use.
    Active,
    /// Being given back.
    Deleting,
    /// Failed; `reason` says why.
    Error,
}

/// A tenant's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantServer {
    /// Our id for it.
    pub id: Uuid,
    /// Nova's uuid, which is Ironic's `instance_uuid`; none until Nova has made it, and for ever when it was adopted.
    pub instance: Option<Uuid>,
    /// Keystone project that it belongs to, without dashes.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// Nova's flavor.
    pub flavor: String,
    /// Glance's image.
    pub image: String,
    /// Contrail's virtual-network.
    pub network: Uuid,
    /// Contrail's virtual-machine-interface; none until it is made.
    pub port: Option<Uuid>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The server that it runs on.
    pub node: Option<ServerId>,
    /// How far it has come.
    pub state: TenantServerState,
    /// Why it is as it is.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_us: u64,
}

impl TenantServer {
    /// A server of nobody, for tests.
    #[cfg(test)]
    pub(crate) fn blank(id: Uuid) -> Self {
        Self {
            id,
            instance: None,
            project_id: "p1".to_owned(),
            name: "web".to_owned(),
            flavor: String::new(),
            image: String::new(),
            network: Uuid::nil(),
            port: None,
            address: None,
            node: None,
            state: TenantServerState::Active,
            reason: None,
            created_us: 1,
        }
    }

    /// Whether it was in use before Ironic knew of it: Nova has no server of it, and Ironic's `instance_uuid` is our id.
    pub fn is_adopted(&self) -> bool {
        self.instance.is_none() && self.node.is_some()
    }

    /// The `instance_uuid` under which a node of Ironic carries it; none: none does yet.
    pub fn held_as(&self) -> Option<Uuid> {
        self.instance.or_else(|| self.is_adopted().then_some(self.id))
    }
}

/// A rack's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its rack.
    pub rack: RackId,
    /// Its last start.
    pub boot_id: Uuid,
    /// Its program's version.
    pub version: String,
    /// Every report up to this number is stored.
    pub acknowledged: u64,
    /// When it was last heard of.
    pub seen_us: u64,
}

/// How a certificate of an agent came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `bms-coordinator issue-agent` wrote it.
    Issued,
    /// It was given on the agent's stream.
    Renewed,
    /// It was given before certificates were stored, and was the first of its rack to be used since.
    TakenUp,
}

impl Origin {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Issued => "issued",
            Origin::Renewed => "renewed",
            Origin::TakenUp => "taken_up",
        }
    }
}

impl std::str::FromStr for Origin {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Origin::Issued, Origin::Renewed, Origin::TakenUp];
        let found = all.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no origin of a certificate"))
    }
}

/// A certificate that was given to the agent of a rack, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCertificate {
    /// Which.
    pub fingerprint: Fingerprint,
    /// The rack that it names.
    pub rack: RackId,
    /// How it came to be known.
    pub origin: Origin,
    /// The one that it follows.
    pub renewed_from: Option<Fingerprint>,
    /// When it was given, in microseconds since 1970, as all of these.
    pub given_us: u64,
    /// From when on it is good.
    pub begins_us: u64,
    /// Until when.
    pub ends_us: u64,
    /// When it was used first.
    pub used_us: Option<u64>,
    /// When the one that follows it was used first.
    pub replaced_us: Option<u64>,
    /// When it was revoked.
    pub revoked_us: Option<u64>,
}

impl AgentCertificate {
    /// One that nobody has used yet.
    pub fn given(
        rack: &RackId,
        certificate: &Certificate,
        origin: Origin,
        renewed_from: Option<Fingerprint>,
        now_us: u64,
    ) -> Self {
        Self {
            fingerprint: certificate.fingerprint,
            rack: rack.clone(),
            origin,
            renewed_from,
            given_us: now_us,
            begins_us: certificate.validity.begins_s.saturating_mul(1_000_000),
            ends_us: certificate.validity.ends_s.saturating_mul(1_000_000),
            used_us: None,
            replaced_us: None,
            revoked_us: None,
        }
    }
}

/// A command that was given to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// Its id.
    pub id: CommandId,
    /// To which rack.
    pub rack: RackId,
    /// For which server.
    pub server: ServerId,
    /// What it asks, in a word.
    pub kind: String,
    /// Digest of the action.
    pub digest: String,
    /// When it was given.
    pub created_us: u64,
    /// How it ended; none: not yet.
    pub outcome: Option<CommandResult>,
    /// Whether whoever asked has had the outcome.
    pub answered: bool,
}

/// A ramdisk that runs or ran on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// This run of it.
    pub session: RamdiskSessionId,
    /// On which server.
    pub server: ServerId,
    /// What for.
    pub purpose: BootPurpose,
    /// Where it came from.
    pub network: BootNetwork,
    /// When it said hello.
    pub ready_us: u64,
    /// When it went.
    pub gone_us: Option<u64>,
}
