//! Edges: a core of which everything outside is fake, for the core's own tests.

use std::{sync::Arc, time::Duration};

use domain::{
    lifecycle::{
        Confirmed, Node, NodePower, ProvisionState,
        power::{PowerRecord, after_reading},
    },
    records::{PowerUpdate, SeenPower, Server, TenantServer, TenantServerState},
    rim::*,
};
use protocol::{
    hardware::BmcIdentity,
    id::ServerId,
    power::{PowerCause, PowerReading},
};
use store::{Inventory, clock::TestClock, secret::Sealer};
use uuid::Uuid;

pub use fakes::*;

use crate::{
    enroll::Enroller,
    gate::Gate,
    mover::Mover,
    parts::Parts,
    reconcile::Reconcile,
    visits::{ServerLocks, Wake},
};

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

/// How long the gate waits for Contrail where it answers: longer than any machine is slow.
const PATIENT: Duration = Duration::from_secs(60);
/// The same where it is not to answer: a retry or two.
const IMPATIENT: Duration = Duration::from_millis(1500);

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
        let (gate, reconcile) = gate_and_reconcile(&world, &inventory, PATIENT);
        Self { world, inventory, clock, gate, reconcile, id: server.id }
    }

    /// The same inventory and world under a new process.
    pub fn restarted(self) -> Self {
        *self.world.hang_after.lock().unwrap() = None;
        let (gate, reconcile) = gate_and_reconcile(&self.world, &self.inventory, PATIENT);
        Self { gate, reconcile, ..self }
    }

    /// The same with a gate that soon waits no longer, for tests that wait for that.
    pub fn impatient(self) -> Self {
        let (gate, reconcile) = gate_and_reconcile(&self.world, &self.inventory, IMPATIENT);
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

fn gate_and_reconcile(world: &Arc<World>, inventory: &Inventory, wait_max: Duration) -> (Gate, Reconcile) {
    let fake = Arc::new(Fake(Arc::clone(world)));
    let parts = Parts {
        inventory: inventory.clone(),
        provisioner: fake.clone(),
        agents: fake.clone(),
        presence: fake.clone(),
        mover: Mover::new(inventory.clone(), fake.clone()),
        locks: ServerLocks::default(),
        wake: Wake::default(),
    };
    let gate = Gate::new(parts.clone(), wait_max);
    let enroll = Arc::new(Enroller { parts: parts.clone(), declarations: fake });
    let reconcile = Reconcile { parts, enroll, poll_ironic_every: Duration::from_secs(3) };
    (gate, reconcile)
}
