//! Orders as they are permitted by Ironic's node of this moment, given to the agent and written down.

use domain::{lifecycle::ProvisionState, upkeep::footprint::Traces};
use protocol::{
    bmc_facts::PartFacts,
    command::{Failure, FailureKind},
    footprint::Footprint,
};

use super::*;
use crate::bench::{Bench, Fake};

const LIGHT: BmcOrder = BmcOrder::Light { is_on: true };
const SECURE_BOOT: BmcOrder = BmcOrder::SecureBoot { is_enabled: true };

fn orders(bench: &Bench) -> Orders {
    let rim = Arc::new(Fake(Arc::clone(&bench.world)));
    Orders {
        inventory: bench.inventory.clone(),
        provisioner: rim.clone(),
        agents: rim.clone(),
        presence: rim,
        sources: MediaSources::default(),
    }
}

/// How many orders have reached the agent.
fn given(bench: &Bench) -> usize {
    bench.world.count("order")
}

#[tokio::test]
async fn an_order_is_permitted_by_ironics_node_of_this_moment() {
    let check = async |stored: &str, now: &str, order: BmcOrder, expected: Result<(), RefusalKind>| {
        let bench = Bench::new(stored, None).await;
        let state = ProvisionState::from(now);
        bench.world.nodes.lock().unwrap().get_mut(&bench.id).unwrap().provision_state = state;
        let done = orders(&bench).order(bench.id, &order).await.map_err(|refusal| refusal.kind);
        assert_eq!(done, expected, "{stored}, {now}: {order}");
        assert_eq!(given(&bench), usize::from(expected.is_ok()), "{stored}, {now}: {order}");
    };
    let state = Err(RefusalKind::State);
    check("cleaning", "cleaning", SECURE_BOOT, Ok(())).await;
    check("active", "active", SECURE_BOOT, state).await;
    // What was read from Ironic a moment ago does not count.
    check("cleaning", "active", SECURE_BOOT, state).await;
    check("active", "cleaning", SECURE_BOOT, Ok(())).await;
    check("cleaning", "cleaning", BmcOrder::Interrupt, state).await;
    check("active", "active", BmcOrder::Interrupt, Ok(())).await;
    check("active", "active", LIGHT, Ok(())).await;
}

#[tokio::test]
async fn without_a_state_nothing_is_changed_and_the_light_is_switched() {
    let bench = Bench::new("cleaning", None).await;
    bench.world.nodes.lock().unwrap().clear();
    let refusal = orders(&bench).order(bench.id, &SECURE_BOOT).await.unwrap_err();
    assert!(refusal.message.contains("Ironic has no node for it"), "{refusal}");
    assert_eq!(given(&bench), 0);
    orders(&bench).order(bench.id, &LIGHT).await.unwrap();
    assert_eq!(given(&bench), 1);
}

#[tokio::test]
async fn a_bmc_that_cannot_is_told_with_its_reason() {
    let bench = Bench::new("cleaning", None).await;
    let message = "the BMC at 192.0.2.1 refused the request: it shows no Secure Boot".to_owned();
    let failure = Failure { kind: FailureKind::BmcRefused, message };
    *bench.world.agent_error.lock().unwrap() = Some(failure.into());
    let refusal = orders(&bench).order(bench.id, &SECURE_BOOT).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Hardware);
    assert!(refusal.message.contains("switching Secure Boot on was not done"), "{refusal}");
    assert!(refusal.message.contains("it shows no Secure Boot"), "{refusal}");
    let events = bench.inventory.events(&Default::default()).await.unwrap();
    assert!(events.iter().any(|event| event.text == refusal.message), "{events:?}");
}

#[tokio::test]
async fn what_we_have_changed_is_no_tenants_trace() {
    let bench = Bench::new("cleaning", None).await;
    let before = Footprint { secure_boot: Some(false), ..Footprint::default() };
    let traces = Traces { before, read_us: 1, had_by: None, found: None, hold: false };
    bench.inventory.set_traces(bench.id, &traces).await.unwrap();
    orders(&bench).order(bench.id, &SECURE_BOOT).await.unwrap();
    let noted = bench.server().await.upkeep.traces.unwrap();
    assert_eq!(noted.before.secure_boot, Some(true));
}

#[tokio::test]
async fn a_tenant_finds_no_image_of_ours_in_a_drive() {
    let check = async |state: &str, image: &str, is_inserted: bool, expected: usize| {
        let bench = Bench::new(state, None).await;
        let sources = MediaSources::new(["https://images.example/"]).unwrap();
        let orders = Orders { sources, ..orders(&bench) };
        let slot = MediaSlot { id: "Cd".into(), kinds: vec![], image: image.into(), is_inserted };
        bench.inventory.put_facts(bench.id, &PartFacts::Media(vec![slot]), 1).await.unwrap();
        orders.empty_drives(bench.id).await.unwrap();
        assert_eq!(given(&bench), expected, "{state} {image}");
        if expected > 0 {
            let message = "the drive is stuck".to_owned();
            let failure = Failure { kind: FailureKind::BmcRefused, message };
            *bench.world.agent_error.lock().unwrap() = Some(failure.into());
            let refusal = orders.empty_drives(bench.id).await.unwrap_err();
            assert!(refusal.message.contains("was not powered on"), "{refusal}");
        }
    };
    let ours = "https://images.example/a.iso";
    check("deploying", ours, true, 1).await;
    check("deploying", ours, false, 0).await;
    // Put in by another way, or by its tenant's wish.
    check("deploying", "https://elsewhere.example/a.iso", true, 0).await;
    check("active", ours, true, 0).await;
    check("cleaning", ours, true, 0).await;
}
