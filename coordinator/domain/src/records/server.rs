//! Values: what is kept of a server and of its interfaces.

use std::collections::BTreeMap;

use protocol::{
    boot::{BootMode, BootPlan},
    hardware::{BmcIdentity, HardwareReport},
    id::{RackId, RamdiskSessionId, ServerId, TenancyId},
    mac::MacAddr,
    power::{PowerCause, PowerReading},
    secret::Secret,
    spec::{BmcEndpoint, ServerSpec},
    watch::NotWatched,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::BootReached;
use crate::{
    identity::{self, Doubt},
    lifecycle::{
        Confirmed, Facts, Node, PermittedBoot, PowerFacts, ProvisionState,
        placement::{PortUse, port_uses},
        trouble::Trouble,
    },
    rim::{ObservedNetwork, ServerPort, Sibling, SwitchPort, WantedNetwork},
    upkeep::{Upkeep, rotation::Rotation},
};

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
    /// Whether its firmware starts signed programs only, as its BMC says; none: it does not say.
    pub secure_boot: Option<bool>,
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
    pub boot_stage: Option<BootReached>,
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
    /// Which kind of trouble that is; none: no particular one.
    pub trouble: Option<Trouble>,
    /// An administrator deleted it; what is left to do for that follows by itself.
    pub forgetting: bool,
    /// The pool that it is in.
    pub pool: Option<String>,
    /// The resource class that its pool gives.
    pub pool_class: Option<String>,
    /// What was known of it when it was put there.
    pub pool_facts: Option<crate::pools::facts::Facts>,
    /// Ironic was not told of its class yet.
    pub pool_untold: bool,
    /// What is kept right at its BMC.
    pub upkeep: Upkeep,
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
            other_macs: self.other_macs(),
            boot_mode: self.boot_mode,
            boot_loader: self.wanted_loader(),
            secure_boot: self.known_secure_boot(),
            expected: identity::expected(self),
            next_password: self.upkeep.rotation.as_ref().and_then(Rotation::next_password),
            tenancy: self.tenancy(),
        }
    }

    /// The tenancy whose own system, or rescue system, runs on it as Ironic showed it last: what it prints is that tenant's to see. None:
    /// it is in our hands, and its console shows what is ours.
    pub fn tenancy(&self) -> Option<TenancyId> {
        let node = self.node.as_ref()?;
        let is_theirs = matches!(node.provision_state, ProvisionState::Active | ProvisionState::Rescue);
        node.instance_id.filter(|_| is_theirs).map(TenancyId)
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

    /// Its other interfaces, as far as the inventory and the last inspection know them.
    fn other_macs(&self) -> Vec<MacAddr> {
        let boots = self.boot_macs();
        let ports = self.ports.iter().map(|port| port.mac);
        let nics = self.hardware.iter().flat_map(|hardware| &hardware.nics).map(|nic| nic.mac);
        let mut others: Vec<_> = ports.chain(nics).filter(|mac| !boots.contains(mac)).collect();
        others.sort_unstable();
        others.dedup();
        others
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

/// Everything that a power report changes, decided by the caller, written at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerUpdate {
    /// The reading.
    pub seen: SeenPower,
    /// The newest reading that was an answer.
    pub confirmed: Option<Confirmed>,
    /// Since when it is off.
    pub off_since_us: Option<u64>,
    /// It went off unasked, and Ironic was not told yet.
    pub untold_off: bool,
    /// When its isolation was last complete.
    pub isolated_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn an_agent_is_told_the_interfaces_that_do_not_boot() {
        let mac = |last| MacAddr([2, 0, 0, 0, 0, last]);
        let mut server = samples::server();
        let boots = server.ports[0].mac;
        let spare = Port { name: "eth1".into(), mac: mac(2), pxe_enabled: false, ..server.ports[0].clone() };
        server.ports.push(spare);
        let nic = |mac| protocol::hardware::Nic {
            name: "eth".into(),
            mac,
            ipv4: String::new(),
            carrier: false,
            speed_mbps: 0,
            driver: String::new(),
            vendor: String::new(),
            product: String::new(),
            booted: false,
            neighbour: None,
        };
        let nics = [boots, mac(2), mac(1)].map(nic);
        let found = HardwareReport { nics: nics.to_vec(), ..Default::default() };
        assert_eq!(server.spec().other_macs, [mac(2)]);
        server.hardware = Some(found);
        let spec = server.spec();
        assert_eq!((spec.macs, spec.other_macs), (vec![boots], vec![mac(1), mac(2)]));
    }

    #[test]
    fn a_server_is_a_tenants_only_while_nothing_of_ours_runs_there() {
        let instance = Uuid::from_u128(7);
        let check = |state: ProvisionState, named: Option<Uuid>, expected: Option<Uuid>| {
            let mut server = samples::server();
            let node = Node::in_state(server.id, state.clone());
            server.node = Some(Node { instance_id: named, ..node });
            assert_eq!(server.tenancy(), expected.map(TenancyId), "{state:?}");
            assert_eq!(server.spec().tenancy, server.tenancy());
        };
        check(ProvisionState::Active, Some(instance), Some(instance));
        check(ProvisionState::Rescue, Some(instance), Some(instance));
        check(ProvisionState::Active, None, None);
        for ours in [
            ProvisionState::Available,
            ProvisionState::Deploying,
            ProvisionState::WaitCallBack,
            ProvisionState::Rescuing,
            ProvisionState::RescueWait,
            ProvisionState::Unrescuing,
            ProvisionState::Deleting,
            ProvisionState::Cleaning,
            ProvisionState::CleanWait,
            ProvisionState::Unknown("new".into()),
        ] {
            check(ours, Some(instance), None);
        }
    }
}
