//! Edges: a world of fakes for the core's tests: a fabric, Ironic, agents, all in memory, that can fail, lie and hang on
//! demand, and that write down in which order they were called.

pub mod cloud;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    boot::Boot,
    command::{Action, Failure, FailureKind, Success},
    hardware::BmcIdentity,
    id::{RackId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
};
use tokio::sync::Notify;
use uuid::Uuid;

pub use domain::samples::{INSTANCE, TENANT, new_server};

use crate::{
    clock::TestClock,
    enrol::Enrol,
    gate::{Gate, Parts},
    inventory::{Inventory, PowerUpdate, SeenPower, Server, TenantServer, TenantServerState},
    lifecycle::{
        Confirmed, Node, NodePower, ProvisionState,
        power::{PowerRecord, after_reading},
    },
    mover::Mover,
    port::*,
    reconcile::Reconcile,
    secret::Sealer,
    visits::{ServerLocks, Wake},
};

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

    fn away(&self, rack: &RackId) -> Option<String> {
        self.0
            .away
            .load(Ordering::SeqCst)
            .then(|| format!("the agent of rack {rack} has been disconnected since noon"))
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

/// A core of which everything outside is fake.
pub struct Bench {
    /// The fakes.
    pub world: Arc<World>,
    /// The inventory.
    pub inventory: Inventory,
    /// The clock.
    pub clock: Arc<TestClock>,
    /// The gate.
    pub gate: Gate,
    /// Reconciliation, driven by hand.
    pub reconcile: Reconcile,
    /// The one server.
    pub id: ServerId,
}

impl Bench {
    /// One server in this state, its port on nothing, the tenant known.
    pub async fn new(state: &str, deploy_step: Option<&str>) -> Self {
        let clock = Arc::new(TestClock::default());
        clock.advance_us(1_000_000);
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock.clone()).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap();
        let mut node = Node::in_state(server.id, ProvisionState::from(state));
        node.deploy_step = deploy_step.map(str::to_owned);
        node.instance_id = Some(INSTANCE);
        inventory.set_node(server.id, Some(&node)).await.unwrap();
        inventory.set_identity(server.id, &BmcIdentity::default()).await.unwrap();
        inventory.put_tenant_server(&tenant()).await.unwrap();
        let world = Arc::new(World::default());
        world.nodes.lock().unwrap().insert(server.id, node);
        let (gate, reconcile) = parts(&world, &inventory, Duration::from_millis(1500));
        Self { world, inventory, clock, gate, reconcile, id: server.id }
    }

    /// The same inventory and world under a new process.
    pub fn restarted(self) -> Self {
        *self.world.hang_after.lock().unwrap() = None;
        let (gate, reconcile) = parts(&self.world, &self.inventory, Duration::from_millis(1500));
        Self { gate, reconcile, ..self }
    }

    /// Another server in this state, whose port was seen here an hour ago.
    pub async fn another(&self, number: u8, state: &str, network: ObservedNetwork) -> ServerId {
        let mut new = new_server();
        new.name = format!("other{number}");
        new.bmc.address = format!("203.0.113.{number}");
        new.ports[0].mac.0[3..5].copy_from_slice(&[1, number]);
        new.ports[0].link.port = format!("xe-0/1/{number}");
        let id = self.inventory.put_server(&new).await.unwrap().id;
        let node = Node::in_state(id, ProvisionState::from(state));
        self.inventory.set_node(id, Some(&node)).await.unwrap();
        self.world.nodes.lock().unwrap().insert(id, node);
        self.inventory.set_observed(id, "eth0", Some(&network)).await.unwrap();
        self.world.ports.lock().unwrap().insert(new.ports[0].mac.to_string(), network);
        id
    }

    /// The server as stored.
    pub async fn server(&self) -> Server {
        self.inventory.server(self.id).await.unwrap().unwrap()
    }

    /// Changes the node, in Ironic and as last read.
    pub async fn set_node(&self, change: impl FnOnce(&mut Node)) {
        let node = {
            let mut nodes = self.world.nodes.lock().unwrap();
            let node = nodes.get_mut(&self.id).unwrap();
            change(node);
            node.clone()
        };
        self.inventory.set_node(self.id, Some(&node)).await.unwrap();
    }

    /// A power report arrives.
    pub async fn report(&self, reading: PowerReading, cause: PowerCause) {
        store_power(&self.inventory, self.id, reading, cause).await;
    }

    /// A deployed server that is on, on its tenant's network.
    pub async fn deployed() -> Self {
        let bench = Self::new("active", None).await;
        bench.set_node(|node| node.power_state = Some(NodePower::On)).await;
        bench.report(PowerReading::On, PowerCause::Commanded).await;
        bench.inventory.set_ports_given(bench.id).await.unwrap();
        bench.put_port(ObservedNetwork::Tenant(TENANT)).await;
        assert_eq!(bench.server().await.confirmed, Some(Confirmed::On));
        bench
    }

    /// The port is really here, and was seen here.
    pub async fn put_port(&self, network: ObservedNetwork) {
        self.inventory.set_observed(self.id, "eth0", Some(&network)).await.unwrap();
        self.world.ports.lock().unwrap().insert("52:54:00:00:00:0b".to_owned(), network);
    }

    /// Where the port really is.
    pub fn port(&self) -> ObservedNetwork {
        let ports = self.world.ports.lock().unwrap();
        ports.get("52:54:00:00:00:0b").cloned().unwrap_or(ObservedNetwork::Nothing)
    }

    /// No power-on ever reached the agent with a port elsewhere.
    pub fn assert_rule_3(&self) {
        assert_eq!(*self.world.violations.lock().unwrap(), Vec::<String>::new(), "{:?}", self.world.calls());
    }
}

/// Stores what a power report says.
pub async fn store_power(inventory: &Inventory, id: ServerId, reading: PowerReading, cause: PowerCause) {
    let server = inventory.server(id).await.unwrap().unwrap();
    let before = PowerRecord {
        confirmed: server.confirmed,
        off_since_us: server.off_since_us,
        untold_off: server.untold_off,
        isolated_us: server.isolated_us,
    };
    let after = after_reading(before, &reading, cause, inventory.clock().now_us());
    let update = PowerUpdate {
        seen: SeenPower { reading, cause, at_us: 1 },
        confirmed: after.confirmed,
        off_since_us: after.off_since_us,
        untold_off: after.untold_off,
        isolated_us: after.isolated_us,
    };
    inventory.set_power(id, &update).await.unwrap();
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

fn tenant() -> TenantServer {
    TenantServer {
        id: Uuid::from_u128(0x11),
        instance: Some(INSTANCE),
        project_id: "p".to_owned(),
        name: "web".to_owned(),
        flavor: "f".to_owned(),
        image: "i".to_owned(),
        network: Uuid::from_u128(0x12),
        port: Some(TENANT),
        address: None,
        node: None,
        state: TenantServerState::Active,
        reason: None,
        created_us: 1,
    }
}

fn parts(world: &Arc<World>, inventory: &Inventory, wait_max: Duration) -> (Gate, Reconcile) {
    let fake = Arc::new(Fake(Arc::clone(world)));
    let (wake, locks) = (Wake::default(), ServerLocks::default());
    let mover = Mover::new(inventory.clone(), fake.clone());
    let gate = Gate::new(Parts {
        inventory: inventory.clone(),
        provisioner: fake.clone(),
        agents: fake.clone(),
        presence: fake.clone(),
        mover: mover.clone(),
        locks: locks.clone(),
        wake: wake.clone(),
        wait_max,
    });
    let enrol = Arc::new(Enrol {
        inventory: inventory.clone(),
        provisioner: fake.clone(),
        agents: fake.clone(),
        declarations: fake.clone(),
        presence: fake.clone(),
        mover: mover.clone(),
        locks: locks.clone(),
        wake: wake.clone(),
    });
    let reconcile = Reconcile {
        inventory: inventory.clone(),
        provisioner: fake.clone(),
        agents: fake.clone(),
        presence: fake,
        mover,
        locks,
        wake,
        enrol,
        poll_ironic_every: Duration::from_secs(3),
    };
    (gate, reconcile)
}
