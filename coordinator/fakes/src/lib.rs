//! Edges: a world of fakes for tests: a fabric, Ironic, agents, all in memory, that can fail, lie and hang on demand, and that write
//! down in which order they were called; and, in [`cloud`], an OpenStack and a Contrail in memory.

pub mod cloud;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    lifecycle::{Node, NodePower, ProvisionState},
    records::Server,
    rim::*,
};
use protocol::{
    boot::Boot,
    command::{Action, Failure, FailureKind, Success},
    footprint::Footprint,
    hardware::BmcIdentity,
    id::{RackId, ServerId},
    network::BootNetwork,
};
use tokio::sync::Notify;

pub use domain::samples::{INSTANCE, TENANT, new_server};

/// Says of a call where every port is moved just before it is answered; none: nowhere.
pub type Meddler = Box<dyn FnMut(&str) -> Option<ObservedNetwork> + Send>;

/// What the fakes share.
#[derive(Default)]
pub struct World {
    /// Every call, in order.
    pub log: Mutex<Vec<String>>,
    /// Where ports really are, by MAC address.
    pub ports: Mutex<HashMap<String, ObservedNetwork>>,
    /// Nodes as Ironic has them.
    pub nodes: Mutex<HashMap<ServerId, Node>>,
    /// How the fabric fails, while it does.
    pub fabric_error: Mutex<Option<FabricError>>,
    /// So many fabric calls fail; then it works.
    pub fabric_fails: AtomicUsize,
    /// What the fabric says of every port, whatever is true.
    pub lie: Mutex<Option<ObservedNetwork>>,
    /// The node's state changes to this when a port is moved.
    pub state_on_move: Mutex<Option<ProvisionState>>,
    /// What the agent answers.
    pub agent_error: Mutex<Option<AgentError>>,
    /// What stands in every BMC.
    pub footprint: Mutex<Footprint>,
    /// The agent is away.
    pub away: AtomicBool,
    /// It is back as soon as somebody waits for it.
    pub comes_back: AtomicBool,
    /// A power-on that reached the agent while a port was elsewhere.
    pub violations: Mutex<Vec<String>>,
    /// Calls until one hangs for ever, as if the process died there.
    pub hang_after: Mutex<Option<usize>>,
    /// Told when a call hangs.
    pub hung: Notify,
    /// Somebody else's hand: told of each call before it is answered, it may put every port elsewhere.
    pub meddler: Mutex<Option<Meddler>>,
    /// Calls that begin with one of these hang for ever, as those to a service that is away.
    pub stuck: Mutex<Vec<&'static str>>,
}

impl World {
    /// One call: written down, meddled with, and hung at when it is the one.
    pub async fn call(&self, text: String) {
        let meddled = self.meddler.lock().unwrap().as_mut().and_then(|meddler| meddler(&text));
        if let Some(to) = meddled {
            self.ports.lock().unwrap().values_mut().for_each(|seen| *seen = to.clone());
        }
        let is_stuck = self.stuck.lock().unwrap().iter().any(|start| text.starts_with(start));
        self.log.lock().unwrap().push(text);
        let hang = is_stuck || {
            let mut left = self.hang_after.lock().unwrap();
            match left.as_mut() {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            }
        };
        if hang {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// The calls so far, without their arguments' details.
    pub fn calls(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How many calls began with this.
    pub fn count(&self, start: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|call| call.starts_with(start)).count()
    }

    fn fabric_fault(&self) -> Option<FabricError> {
        let error = self.fabric_error.lock().unwrap().clone()?;
        let failing =
            self.fabric_fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        failing.is_ok().then_some(error)
    }

    fn seen(&self, port: &ServerPort) -> ObservedNetwork {
        let lie = self.lie.lock().unwrap().clone();
        let really = || self.ports.lock().unwrap().get(&port.mac.to_string()).cloned();
        lie.or_else(really).unwrap_or(ObservedNetwork::Nothing)
    }
}

fn word(network: &WantedNetwork) -> &'static str {
    match network {
        WantedNetwork::Boot(network) => network.as_str(),
        WantedNetwork::Tenant(_) => "tenant",
        WantedNetwork::Nothing => "nothing",
    }
}

/// The fakes, behind every trait.
#[derive(Clone)]
pub struct Fake(pub Arc<World>);

#[async_trait]
impl Fabric for Fake {
    async fn check_port(&self, port: &ServerPort) -> Result<(), FabricError> {
        self.0.call(format!("check {}", port.name)).await;
        if let Some(error) = self.0.fabric_fault() {
            return Err(error);
        }
        let there = self.0.ports.lock().unwrap().get(&port.mac.to_string()).cloned();
        let stranger = match there {
            None
            | Some(ObservedNetwork::Nothing | ObservedNetwork::Boot(_) | ObservedNetwork::Bond { .. }) => {
                None
            }
            Some(ObservedNetwork::Tenant(id)) if port.tenant.contains(&id) => None,
            Some(ObservedNetwork::Tenant(id)) => Some(format!("interface {id} of project acme")),
            Some(ObservedNetwork::Other { description }) => Some(description),
        };
        let refuse = |neighbours| FabricError::Neighbours { port: port.link.to_string(), neighbours };
        stranger.map_or(Ok(()), |stranger| Err(refuse(stranger)))
    }

    async fn move_port(&self, port: &ServerPort, to: &WantedNetwork) -> Result<ObservedNetwork, FabricError> {
        self.0.call(format!("move {} {}", port.name, word(to))).await;
        if let Some(error) = self.0.fabric_fault() {
            return Err(error);
        }
        let now = match to {
            WantedNetwork::Boot(network) => ObservedNetwork::Boot(*network),
            WantedNetwork::Tenant(port) => ObservedNetwork::Tenant(*port),
            WantedNetwork::Nothing => ObservedNetwork::Nothing,
        };
        self.0.ports.lock().unwrap().insert(port.mac.to_string(), now);
        if let Some(state) = self.0.state_on_move.lock().unwrap().clone()
            && let Some(node) = self.0.nodes.lock().unwrap().get_mut(&port.server)
        {
            node.provision_state = state;
        }
        Ok(self.0.seen(port))
    }

    async fn observe_port(&self, port: &ServerPort) -> Result<ObservedNetwork, FabricError> {
        self.0.call(format!("observe {}", port.name)).await;
        self.0.fabric_fault().map_or_else(|| Ok(self.0.seen(port)), Err)
    }

    async fn release_port(&self, port: &ServerPort) -> Result<(), FabricError> {
        self.0.call(format!("release {}", port.name)).await;
        self.0.ports.lock().unwrap().remove(&port.mac.to_string());
        Ok(())
    }
}

#[async_trait]
impl Provisioner for Fake {
    async fn get_node(&self, id: ServerId) -> Result<Option<Node>, ProvisionerError> {
        self.0.call("get_node".to_owned()).await;
        Ok(self.0.nodes.lock().unwrap().get(&id).cloned())
    }

    async fn list_nodes(&self) -> Result<Vec<Node>, ProvisionerError> {
        Ok(self.0.nodes.lock().unwrap().values().cloned().collect())
    }

    async fn tell_power_off(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.0.call("tell_power_off".to_owned()).await;
        if let Some(node) = self.0.nodes.lock().unwrap().get_mut(&id) {
            node.power_state = Some(NodePower::Off);
        }
        Ok(())
    }

    async fn ensure_node(&self, spec: &NodeSpec) -> Result<(), ProvisionerError> {
        self.0.call(format!("ensure_node {}", spec.name)).await;
        let node = Node::in_state(spec.id, ProvisionState::Enroll);
        self.0.nodes.lock().unwrap().entry(spec.id).or_insert(node);
        Ok(())
    }

    async fn classify(
        &self,
        _id: ServerId,
        class: &str,
        traits: &std::collections::BTreeSet<String>,
    ) -> Result<(), ProvisionerError> {
        self.0
            .call(format!("classify {class} {}", traits.iter().cloned().collect::<Vec<_>>().join(",")))
            .await;
        Ok(())
    }

    async fn set_maintenance(&self, id: ServerId, reason: Option<&str>) -> Result<(), ProvisionerError> {
        self.0.call(format!("set_maintenance {}", reason.unwrap_or("off"))).await;
        if let Some(node) = self.0.nodes.lock().unwrap().get_mut(&id) {
            (node.maintenance, node.maintenance_reason) = (reason.is_some(), reason.map(str::to_owned));
        }
        Ok(())
    }

    async fn delete_node(&self, id: ServerId) -> Result<(), ProvisionerError> {
        self.0.call("delete_node".to_owned()).await;
        self.0.nodes.lock().unwrap().remove(&id);
        Ok(())
    }
}

#[async_trait]
impl Agents for Fake {
    async fn run(&self, _rack: &RackId, server: ServerId, action: Action) -> Result<Success, AgentError> {
        let text = match &action {
            Action::PowerOn { boot: Boot::Disk } => "power_on disk",
            Action::PowerOn { boot: Boot::Network(_) } => "power_on network",
            Action::PowerOff { .. } => "power_off",
            Action::Reset { .. } => "reset",
            Action::ReadIdentity => "read_identity",
            Action::EndBoot => "end_boot",
            Action::KeepOff => "keep_off",
            Action::RenewPassword => "renew_password",
            Action::ReadFootprint => "read_footprint",
            Action::UpdateFirmware(_) => "update_firmware",
            Action::LookAtFirmware { .. } => "look_at_firmware",
            Action::Order(_) => "order",
            Action::RunStep { .. } => "run_step",
        };
        // Rule 3, judged by where the ports really are.
        if let Action::PowerOn { boot } | Action::Reset { boot } = &action {
            let wrong = self.0.ports.lock().unwrap().values().any(|seen| match (boot, seen) {
                (Boot::Disk, ObservedNetwork::Tenant(port)) => *port != TENANT,
                (Boot::Network(plan), ObservedNetwork::Boot(network)) => *network != plan.network,
                (Boot::Disk | Boot::Network(_), _) => true,
            });
            if wrong {
                self.0.violations.lock().unwrap().push(format!("{server}: {text}"));
            }
        }
        self.0.call(text.to_owned()).await;
        let error = self.0.agent_error.lock().unwrap().clone();
        if let Some(error) = error {
            if matches!(error, AgentError::NotTaken { .. }) {
                // A break is over with the next stream; meanwhile somebody moved every port.
                *self.0.agent_error.lock().unwrap() = None;
                self.0.ports.lock().unwrap().values_mut().for_each(|seen| *seen = ObservedNetwork::Nothing);
            }
            return Err(error);
        }
        Ok(match action {
            Action::ReadIdentity => Success::Identity(BmcIdentity::default()),
            Action::ReadFootprint => Success::Footprint(self.0.footprint.lock().unwrap().clone()),
            _ => Success::Done,
        })
    }
}

#[async_trait]
impl Presence for Fake {
    async fn await_back(&self, _rack: &RackId) {
        if self.0.comes_back.swap(false, Ordering::SeqCst) {
            self.0.away.store(false, Ordering::SeqCst);
        }
    }

    fn connection(&self, rack: &RackId) -> AgentConnection {
        if self.0.away.load(Ordering::SeqCst) {
            AgentConnection::Disconnected(format!(
                "the agent of rack {rack} has been disconnected since noon"
            ))
        } else {
            AgentConnection::Connected
        }
    }
}

#[async_trait]
impl Declarations for Fake {
    async fn declare(&self, server: &Server) {
        self.0.call(format!("declare {}", server.name)).await;
    }

    async fn forget(&self, _rack: &RackId, _server: ServerId) {
        self.0.call("forget".to_owned()).await;
    }
}

/// The cleaning network, as seen.
pub const CLEANING: ObservedNetwork = ObservedNetwork::Boot(BootNetwork::Cleaning);

/// The VNC API is down.
pub fn vnc_down() -> FabricError {
    FabricError::Unavailable {
        url: "http://contrail:8082".to_owned(),
        reason: "connection refused".to_owned(),
    }
}

/// The BMC refuses the password.
pub fn wrong_password() -> AgentError {
    let message = "RAKP 2: unauthorized name".to_owned();
    AgentError::Failed(Failure { kind: FailureKind::BmcCredentials, message })
}
