//! Edges: what a tenant asks for, with something going wrong at every single call to a service: the process ends there, or nobody
//! answers. However it goes, the end is that of the straight run.

use super::*;
use crate::bench::cloud::{Mishap, flavor};

/// Looks after which everything must have come to its end. A request that was cut off is left alone for two minutes first, and a
/// machine that was taken for it in vain is cleaned once more.
const ROUNDS_MAX: usize = 40;
/// Time between two looks, in microseconds.
const ROUND_US: u64 = 20_000_000;
/// Calls after which no story is still under way.
const CALLS_MAX: usize = 200;

/// What a tenant asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Create,
    Delete,
    Rescue,
    Unrescue,
}

/// Everything that can be left behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// State of each record, and whether all that it names is there and is its own.
    records: Vec<(TenantServerState, bool)>,
    /// States of Nova's servers.
    compute: Vec<String>,
    /// Ports in Contrail.
    ports: usize,
    /// The machine's state, and whether it carries anything.
    node: (ProvisionState, bool),
}

impl Wish {
    /// The world in which it is asked for.
    async fn world(self) -> Tenants {
        let tenants = Tenants::new().await;
        match self {
            Wish::Create => {
                tenants.bench.inventory.delete_tenant_server(RECORD).await.unwrap();
                tenants.cloud.held().servers.clear();
                tenants.node_is("available", None);
            }
            Wish::Delete | Wish::Rescue => tenants.has_its_port(),
            Wish::Unrescue => {
                tenants.has_its_port();
                tenants.node_is("rescue", Some(INSTANCE));
                tenants.cloud.held().servers.get_mut(&INSTANCE).unwrap().status = "RESCUE".to_owned();
            }
        }
        tenants.settle().await;
        tenants
    }

    /// What is to come of it.
    fn end(self) -> Left {
        let one = |status: &str, node| Left {
            records: vec![(TenantServerState::Active, true)],
            compute: vec![status.to_owned()],
            ports: 1,
            node: (node, true),
        };
        match self {
            Wish::Create | Wish::Unrescue => one("ACTIVE", ProvisionState::Active),
            Wish::Rescue => one("RESCUE", ProvisionState::Rescue),
            Wish::Delete => Left {
                records: Vec::new(),
                compute: Vec::new(),
                ports: 0,
                node: (ProvisionState::Available, false),
            },
        }
    }

    /// Whether the tenant sees that it is heeded, and need not ask again.
    async fn is_heeded(self, tenants: &Tenants) -> bool {
        let records = tenants.bench.inventory.tenant_servers(None).await.unwrap();
        let stays = records.iter().any(|record| record.state != TenantServerState::Deleting);
        let node = tenants.cloud.held().nodes[&tenants.bench.id].provision_state.clone();
        match self {
            Wish::Create => stays,
            Wish::Delete => !stays,
            Wish::Rescue => matches!(node, ProvisionState::Rescuing | ProvisionState::Rescue),
            Wish::Unrescue => matches!(node, ProvisionState::Unrescuing | ProvisionState::Active),
        }
    }

    async fn ask(self, tenants: &Tenants) -> Result<(), TenancyError> {
        let token = Secret::new("token-member");
        let caller = Caller::Tenant(&token);
        let record = tenants.record().await;
        match (self, record) {
            (Wish::Create, _) => tenants.tenancy.create(caller, request()).await.map(drop),
            (Wish::Delete, Some(record)) => tenants.tenancy.delete(caller, record).await,
            (Wish::Rescue, Some(record)) => tenants.tenancy.rescue(caller, &record, Secret::new("p")).await,
            (Wish::Unrescue, Some(record)) => tenants.tenancy.unrescue(caller, &record).await,
            (Wish::Delete | Wish::Rescue | Wish::Unrescue, None) => Ok(()),
        }
    }
}

fn request() -> Request {
    Request {
        name: "db".to_owned(),
        project_id: "demo".to_owned(),
        flavor: flavor("f1", "CUSTOM_GOLD"),
        image_id: "i".to_owned(),
        attachments: vec![Attachment { network: Uuid::from_u128(0x12), address: None, vlan: None }],
        security_groups: Vec::new(),
        key_name: None,
        user_data: None,
    }
}

impl Tenants {
    /// The record's port is in Contrail.
    fn has_its_port(&self) {
        let port = TenantPort { id: TENANT, network: Uuid::from_u128(0x12), address: [192, 0, 2, 9].into() };
        self.cloud.held().ports.insert(TENANT, port);
    }

    /// The services go on by one step each, and the process looks once at everything.
    async fn round(&self) {
        self.cloud.nova_builds();
        self.cloud.ironic_works();
        self.bench.clock.advance_us(ROUND_US);
        self.look().await;
        let all = self.bench.inventory.tenant_servers(None).await.unwrap();
        self.tenancy.compare_all(&all).await;
    }

    async fn left(&self) -> Left {
        let records = self.bench.inventory.tenant_servers(None).await.unwrap();
        let held = self.cloud.held();
        let node = &held.nodes[&self.bench.id];
        let is_whole = |record: &TenantServer| {
            let port = record.port.is_some_and(|port| held.ports.contains_key(&port));
            let compute = record.instance.is_some_and(|instance| held.servers.contains_key(&instance));
            port && compute && record.node == Some(node.id) && record.instance == node.instance_id
        };
        Left {
            records: records.iter().map(|record| (record.state, is_whole(record))).collect(),
            compute: held.servers.values().map(|server| server.status.clone()).collect(),
            ports: held.ports.len(),
            node: (node.provision_state.clone(), node.instance_id.is_some()),
        }
    }
}

/// A wish from beginning to end; says whether the mishap came about.
async fn story(wish: Wish, strike: Option<(usize, Mishap)>) -> bool {
    let mut tenants = wish.world().await;
    let mut death = strike.map(|(calls, mishap)| tenants.cloud.strike(calls, mishap));
    for _ in 0..ROUNDS_MAX {
        let work = async {
            if !wish.is_heeded(&tenants).await {
                // A refusal is an answer: the tenant asks again in a moment.
                let _ = wish.ask(&tenants).await;
            }
            tenants.round().await;
        };
        let has_died = match &mut death {
            None => {
                work.await;
                false
            }
            Some(death) => tokio::select! {
                Ok(()) = death => true,
                () = work => false,
            },
        };
        if has_died {
            death = None;
            tenants = tenants.restarted();
        }
        if tenants.left().await == wish.end() {
            return strike.is_some() && !tenants.cloud.is_spared();
        }
    }
    panic!("{wish:?} with {strike:?} ends so: {:?}, {:?}", tenants.left().await, tenants.cloud.held().asked);
}

async fn check(wish: Wish) {
    assert!(!story(wish, None).await);
    for mishap in Mishap::ALL {
        let mut calls = 0;
        while story(wish, Some((calls, mishap))).await {
            calls += 1;
            assert!(calls < CALLS_MAX, "{wish:?} does not come to its end");
        }
        assert!(calls > 2, "{wish:?} asked hardly anybody");
    }
}

#[tokio::test]
async fn a_create_comes_to_the_same_end_whatever_goes_wrong_at_any_call() {
    check(Wish::Create).await;
}

#[tokio::test]
async fn a_delete_comes_to_the_same_end_whatever_goes_wrong_at_any_call() {
    check(Wish::Delete).await;
}

#[tokio::test]
async fn a_rescue_comes_to_the_same_end_whatever_goes_wrong_at_any_call() {
    check(Wish::Rescue).await;
}

#[tokio::test]
async fn an_unrescue_comes_to_the_same_end_whatever_goes_wrong_at_any_call() {
    check(Wish::Unrescue).await;
}
