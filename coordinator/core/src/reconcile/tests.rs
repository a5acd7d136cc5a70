//! Rule 4, and what must follow by itself whatever was missed before.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{
    events::EventKind,
    lifecycle::{NodePower, ProvisionState},
    rim::{FabricError, ObservedNetwork, RefusalKind},
};
use protocol::{
    boot::{BootPlan, BootPurpose},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
};

use tokio_util::sync::CancellationToken;

use super::Reconcile;
use crate::{
    bench::{self, Bench, CLEANING, INSTANCE, TENANT, World, new_server, vnc_down, wrong_password},
    visits::{Due, Lane},
};

#[tokio::test]
async fn a_server_that_went_off_is_isolated_first_and_then_ironic_is_told() {
    let bench = Bench::deployed().await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.calls(), Vec::<String>::new(), "deployed and on: nothing to do");
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    bench.clock.advance_us(250_000);
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.calls(), ["move eth0 cleaning", "get_node", "tell_power_off"]);
    assert_eq!(bench.port(), CLEANING);
    bench.reconcile.visit(bench.id).await;
    let server = bench.server().await;
    assert!(!server.untold_off, "Ironic is seen to know");
    let events = bench.inventory.events(&Default::default()).await.unwrap();
    let isolated: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Isolated).collect();
    assert_eq!(isolated.len(), 1, "{events:?}");
    assert!(isolated[0].text.contains("250 ms after"), "{}", isolated[0].text);
}

#[tokio::test]
async fn silence_isolates_nothing() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Unreachable { reason: "no answer".to_owned() }, PowerCause::Unasked).await;
    bench.reconcile.visit(bench.id).await;
    bench.world.away.store(true, Ordering::SeqCst);
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.count("move"), 0);
    assert_eq!(bench.port(), ObservedNetwork::Tenant(TENANT));
}

#[tokio::test]
async fn isolation_keeps_trying_with_the_reason_shown() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(2, Ordering::SeqCst);
    bench.reconcile.visit(bench.id).await;
    let waiting = bench.server().await.waiting.unwrap();
    assert!(waiting.contains("eth0") && waiting.contains("connection refused"), "{waiting}");
    assert_eq!(bench.world.count("tell_power_off"), 0, "isolation comes first");
    // A process that dies here loses nothing: what is left to do is in the record.
    let bench = bench.restarted();
    let isolated = async {
        while bench.port() != CLEANING || bench.server().await.waiting.is_some() {
            bench.reconcile.visit(bench.id).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), isolated).await.expect("isolation gives up never");
    assert!(bench.world.count("move") >= 3, "{:?}", bench.world.calls());
}

#[tokio::test]
async fn a_failed_deploy_is_parked_and_its_boot_forgotten() {
    let bench = Bench::new("deploying", Some("deploy")).await;
    bench.put_port(ObservedNetwork::Boot(BootNetwork::Provisioning)).await;
    let plan = BootPlan { purpose: BootPurpose::Deploy, network: BootNetwork::Provisioning };
    bench.inventory.set_boot_given(bench.id, Some(&plan)).await.unwrap();
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.calls(), Vec::<String>::new());
    bench.set_node(|node| node.provision_state = ProvisionState::DeployFailed).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.calls(), ["get_node", "move eth0 cleaning", "end_boot"]);
    assert!(bench.server().await.boot_given.is_none());
}

#[tokio::test]
async fn a_stale_state_takes_no_network_away() {
    let bench = Bench::new("available", None).await;
    bench.put_port(ObservedNetwork::Boot(BootNetwork::Provisioning)).await;
    // Ironic went on meanwhile; only the stored node is old.
    bench.world.nodes.lock().unwrap().get_mut(&bench.id).unwrap().provision_state = ProvisionState::Deploying;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.count("move"), 0, "{:?}", bench.world.calls());
}

#[tokio::test]
async fn ports_that_were_not_given_are_only_looked_at() {
    let bench = Bench::new("manageable", None).await;
    let found = ObservedNetwork::Other { description: "somebody's network".to_owned() };
    bench.world.ports.lock().unwrap().insert("52:54:00:00:00:0b".to_owned(), found.clone());
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.calls(), ["observe eth0"]);
    assert_eq!(bench.server().await.ports[0].observed, Some(found.clone()));
    // An inspection by mistake takes nothing from whoever is there, and says who it is.
    bench.set_node(|node| node.provision_state = ProvisionState::Inspecting).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!((bench.port(), bench.world.count("move")), (found, 0));
    let server = bench.server().await;
    assert!(!server.ports_given && server.waiting.unwrap().contains("somebody's network"));
    bench.world.ports.lock().unwrap().clear();
    bench.reconcile.visit(bench.id).await;
    bench.set_node(|node| node.provision_state = ProvisionState::Manageable).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING, "given once, ours to park");
}

#[tokio::test]
async fn an_adopted_server_keeps_the_port_on_which_it_was_found() {
    let bench = Bench::new("adopting", None).await;
    bench.set_node(|node| node.instance_id = None).await;
    bench.put_port(ObservedNetwork::Tenant(TENANT)).await;
    bench.reconcile.visit(bench.id).await;
    let adopted = bench.server().await.adopted.unwrap();
    assert_eq!((adopted.port_of(None), adopted.port_of(Some(INSTANCE))), (Some(TENANT), None));
    bench.set_node(|node| node.provision_state = ProvisionState::Active).await;
    bench.report(PowerReading::On, PowerCause::First).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.count("move"), 0);
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING);
}

/// Somebody else's switch port in the group is a reason to give no power, and none to stay on a tenant's network.
#[tokio::test]
async fn an_adopted_server_is_isolated_whoever_else_is_in_its_port_group() {
    let bench = Bench::new("active", None).await;
    bench.set_node(|node| node.power_state = Some(NodePower::On)).await;
    bench.put_port(ObservedNetwork::Tenant(TENANT)).await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    let why = "port group lag1 holds leaf1:xe-0/0/9 too".to_owned();
    *bench.world.fabric_error.lock().unwrap() =
        Some(FabricError::NotAlone { port: "leaf1:xe-0/0/1".to_owned(), why });
    // The look before the first move.
    bench.world.fabric_fails.store(1, Ordering::SeqCst);
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.count("check"), 1);
    assert_eq!(bench.port(), CLEANING);
}

/// Nova alone has put another instance there, and nobody saw the server free in between.
#[tokio::test]
async fn the_port_of_an_adopted_server_is_never_given_to_another_instance() {
    let bench = Bench::new("adopting", None).await;
    let other = uuid::Uuid::from_u128(0x16);
    bench.inventory.delete_tenant_server(uuid::Uuid::from_u128(0x11)).await.unwrap();
    bench.put_port(ObservedNetwork::Tenant(TENANT)).await;
    bench.reconcile.visit(bench.id).await;
    let given = async |instance| {
        let server = bench.server().await;
        bench.inventory.tenant_port(&server, instance).await.unwrap()
    };
    assert_eq!((given(Some(INSTANCE)).await, given(None).await), (Some(TENANT), None));
    bench
        .set_node(|node| {
            (node.provision_state, node.instance_id) = (ProvisionState::Active, Some(other));
        })
        .await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!((given(Some(INSTANCE)).await, given(Some(other)).await), (Some(TENANT), None));
    let refusal = bench.gate.power(bench.id, domain::rim::PowerRequest::On).await.unwrap_err();
    assert!(refusal.message.contains("no tenant port is known"), "{refusal}");
    // The interface is on record all the same: it may be taken off.
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING);
    bench.set_node(|node| node.provision_state = ProvisionState::Available).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.server().await.adopted, None);
}

#[tokio::test]
async fn a_wrong_bmc_password_is_not_asked_at_every_visit() {
    let bench = Bench::new("enroll", None).await;
    *bench.world.agent_error.lock().unwrap() = Some(wrong_password());
    let enrolled = bench.reconcile.enroll.enroll(&new_server()).await.unwrap();
    let problem = enrolled.problem.unwrap();
    assert!(problem.contains("198.51.100.11") && problem.contains("refused user admin"), "{problem}");
    assert!(!problem.contains("hunter2"));
    for _ in 0..3 {
        bench.reconcile.visit(bench.id).await;
    }
    assert_eq!(bench.world.count("read_identity"), 1, "BMCs lock accounts");
    assert_eq!(bench.server().await.reason, Some(problem));
    // A person may want to know now.
    let refusal = bench.reconcile.enroll.retry_bmc(&bench.server().await).await.unwrap_err();
    assert!(
        refusal.kind == RefusalKind::Hardware && refusal.message.contains("node bmc retry n1"),
        "{refusal}"
    );
    assert_eq!(bench.world.count("read_identity"), 2);
    *bench.world.agent_error.lock().unwrap() = None;
    assert!(bench.reconcile.enroll.retry_bmc(&bench.server().await).await.unwrap().contains("answered"));
    assert_eq!(bench.server().await.reason, None);
    assert_eq!(bench.reconcile.enroll.enroll(&new_server()).await.unwrap().problem, None);
}

#[tokio::test]
async fn a_deployed_server_is_not_deleted_and_a_free_one_is() {
    let bench = Bench::deployed().await;
    let refusal = bench.reconcile.enroll.delete(bench.id).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::State);
    assert!(refusal.message.contains("n1 is active"), "{refusal}");
    assert_eq!(bench.world.count("release"), 0);
    bench
        .set_node(|node| {
            node.provision_state = ProvisionState::Available;
            node.instance_id = None;
            node.power_state = Some(NodePower::Off);
        })
        .await;
    bench.reconcile.enroll.delete(bench.id).await.unwrap();
    let calls = bench.world.calls();
    let end = &calls[calls.len() - 3..];
    assert_eq!(end, ["release eth0", "delete_node", "forget"]);
    assert!(bench.inventory.server(bench.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_goes_on_by_itself() {
    let bench = Bench::new("available", None).await;
    bench.set_node(|node| node.instance_id = None).await;
    bench.inventory.set_ports_given(bench.id).await.unwrap();
    // get_node, release, then the process dies in delete_node.
    *bench.world.hang_after.lock().unwrap() = Some(2);
    tokio::select! {
        _ = bench.reconcile.enroll.delete(bench.id) => panic!("it did not hang"),
        () = bench.world.hung.notified() => {}
    }
    let bench = bench.restarted();
    bench.reconcile.visit(bench.id).await;
    assert!(bench.inventory.server(bench.id).await.unwrap().is_none());
    assert!(bench.world.nodes.lock().unwrap().is_empty());
}

/// Waits until this is so, and no longer than a broken test may take.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waited).await.expect(what);
}

/// Runs reconciliation beside the test. Its visits may hang, so it is not waited for.
fn run(reconcile: Reconcile) -> Arc<Reconcile> {
    let reconcile = Arc::new(reconcile);
    tokio::spawn(Arc::clone(&reconcile).run(CancellationToken::new()));
    reconcile
}

fn is_isolated(world: &World) -> bool {
    world.ports.lock().unwrap().get("52:54:00:00:00:0b") == Some(&CLEANING)
}

/// Everything that routine asks hangs: Contrail for read-backs, Ironic, BMCs. More servers than all slots wait for each.
#[tokio::test]
async fn routine_that_hangs_holds_no_isolation_up() {
    let bench = Bench::deployed().await;
    for number in 0..40 {
        let looked = bench.another(number, "manageable", ObservedNetwork::Nothing).await;
        let unknown = bench.another(100 + number, "manageable", ObservedNetwork::Nothing).await;
        bench.another(200 + number, "available", ObservedNetwork::Nothing).await;
        for id in [looked, unknown] {
            bench::store_power(&bench.inventory, id, PowerReading::On, PowerCause::First).await;
        }
        bench.world.nodes.lock().unwrap().remove(&unknown);
        bench.inventory.set_node(unknown, None).await.unwrap();
    }
    bench.clock.advance_us(3600 * 1_000_000);
    *bench.world.stuck.lock().unwrap() =
        vec!["observe", "get_node", "read_identity", "ensure_node", "tell_power_off", "classify"];
    let world = Arc::clone(&bench.world);
    let Bench { reconcile, inventory, id, .. } = bench;
    let reconcile = run(reconcile);
    until("routine hangs", || {
        let full = |lane: Lane| reconcile.parts.wake.count(lane).1 == lane.slots();
        full(Lane::Look) && full(Lane::Move) && full(Lane::Enroll) && full(Lane::Identify)
    })
    .await;
    let server = inventory.server(id).await.unwrap().unwrap();
    assert_eq!(server.ports[0].observed, Some(ObservedNetwork::Tenant(TENANT)));
    bench::store_power(&inventory, id, PowerReading::Off, PowerCause::Unasked).await;
    reconcile.parts.wake.isolate(id);
    until("the server is isolated", || is_isolated(&world)).await;
    // And Ironic, which hangs, is told in slots of its own.
    until("Ironic is told", || reconcile.parts.wake.count(Lane::Tell).1 == 1).await;
    assert_eq!(reconcile.parts.wake.count(Lane::Isolate), (0, 0));
}

#[tokio::test]
async fn a_visit_of_routine_gives_way_to_the_isolation_of_its_server() {
    for (stuck, lane) in [("observe", Lane::Look), ("get_node", Lane::Move)] {
        let bench = Bench::deployed().await;
        if lane == Lane::Move {
            bench.put_port(ObservedNetwork::Nothing).await;
        }
        bench.clock.advance_us(3600 * 1_000_000);
        *bench.world.stuck.lock().unwrap() = vec![stuck];
        let world = Arc::clone(&bench.world);
        let Bench { reconcile, inventory, id, .. } = bench;
        let reconcile = run(reconcile);
        until("its visit hangs", || world.count(stuck) == 1 && reconcile.parts.wake.count(lane).1 == 1).await;
        bench::store_power(&inventory, id, PowerReading::Off, PowerCause::Unasked).await;
        reconcile.parts.wake.isolate(id);
        until("it gives way", || is_isolated(&world)).await;
    }
}

#[tokio::test]
async fn an_isolation_whose_signal_was_lost_is_found_by_the_round() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    *bench.world.stuck.lock().unwrap() = vec!["get_node", "observe"];
    let world = Arc::clone(&bench.world);
    run(bench.reconcile);
    until("the round finds it", || is_isolated(&world)).await;
}

#[tokio::test]
async fn an_isolation_holds_no_slot_while_somebody_else_has_its_server() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    let locks = bench.reconcile.parts.locks.clone();
    let lock = locks.lock(bench.id).await;
    bench.reconcile.parts.wake.isolate(bench.id);
    let visit = bench.reconcile.parts.wake.take().unwrap();
    bench.reconcile.serve(visit).await;
    assert_eq!(bench.reconcile.parts.wake.count(Lane::Isolate), (1, 0), "asked for, and in no slot");
    assert_eq!(bench.world.count("move"), 0);
    drop(lock);
    let world = Arc::clone(&bench.world);
    run(bench.reconcile);
    until("it is isolated", || is_isolated(&world)).await;
}

#[tokio::test]
async fn an_isolation_that_waits_for_too_long_is_an_alarm_once() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(usize::MAX, Ordering::SeqCst);
    let late = Due { waited: Duration::from_secs(31), ..Due::now(Lane::Isolate) };
    bench.reconcile.parts.wake.ask(bench.id, late);
    let visit = bench.reconcile.parts.wake.take().unwrap();
    bench.reconcile.serve(visit).await;
    bench.reconcile.watch().await;
    bench.reconcile.watch().await;
    let events = bench.inventory.events(&Default::default()).await.unwrap();
    let alarms: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Alarm).collect();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    let text = &alarms[0].text;
    assert!(text.starts_with("n1 was reported off 31 s ago and is not isolated yet"), "{text}");
    assert!(text.contains("connection refused"), "{text}");
    assert!(bench.reconcile.parts.wake.oldest(Lane::Isolate).unwrap() >= Duration::from_secs(31));
}

/// Ironic may be away just then: what was a tenant's and is off does not stay on its network.
#[tokio::test]
async fn a_server_that_is_taken_back_and_off_is_isolated_without_ironic() {
    for state in ["deleting", "rescue failed", "error", "deploy failed"] {
        let bench = Bench::deployed().await;
        bench.set_node(|node| node.provision_state = state.into()).await;
        bench.report(PowerReading::Off, PowerCause::Commanded).await;
        *bench.world.stuck.lock().unwrap() = vec!["get_node"];
        let visit = bench.reconcile.visit(bench.id);
        let _ = tokio::time::timeout(Duration::from_secs(5), visit).await;
        assert_eq!(bench.port(), CLEANING, "{state}");
        assert_eq!(bench.world.calls().first().map(String::as_str), Some("move eth0 cleaning"), "{state}");
    }
}
