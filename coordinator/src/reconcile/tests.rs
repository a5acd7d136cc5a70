//! Rule 4, and what must follow by itself whatever was missed before.

use std::{sync::atomic::Ordering, time::Duration};

use protocol::{
    boot::{BootPlan, BootPurpose},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
};

use crate::{
    events::EventKind,
    fakes::{Bench, CLEANING, TENANT, new_server, vnc_down, wrong_password},
    lifecycle::{NodePower, ProvisionState},
    port::{ObservedNetwork, RefusalKind},
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
    assert_eq!(bench.server().await.ports[0].observed, Some(found));
    bench.set_node(|node| node.provision_state = ProvisionState::Inspecting).await;
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
    assert_eq!(bench.server().await.adopted_port, Some(TENANT));
    bench.set_node(|node| node.provision_state = ProvisionState::Active).await;
    bench.report(PowerReading::On, PowerCause::First).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.world.count("move"), 0);
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING);
}

#[tokio::test]
async fn a_wrong_bmc_password_is_not_asked_at_every_visit() {
    let bench = Bench::new("enroll", None).await;
    *bench.world.agent_error.lock().unwrap() = Some(wrong_password());
    let enrolled = bench.reconcile.enrol.enrol(&new_server()).await.unwrap();
    let problem = enrolled.problem.unwrap();
    assert!(problem.contains("198.51.100.11") && problem.contains("refused user admin"), "{problem}");
    assert!(!problem.contains("hunter2"));
    for _ in 0..3 {
        bench.reconcile.visit(bench.id).await;
    }
    assert_eq!(bench.world.count("read_identity"), 1, "BMCs lock accounts");
    assert_eq!(bench.server().await.reason, Some(problem));
    *bench.world.agent_error.lock().unwrap() = None;
    assert_eq!(bench.reconcile.enrol.enrol(&new_server()).await.unwrap().problem, None);
    assert_eq!(bench.server().await.reason, None);
}

#[tokio::test]
async fn a_deployed_server_is_not_deleted_and_a_free_one_is() {
    let bench = Bench::deployed().await;
    let refusal = bench.reconcile.enrol.delete(bench.id).await.unwrap_err();
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
    bench.reconcile.enrol.delete(bench.id).await.unwrap();
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
        _ = bench.reconcile.enrol.delete(bench.id) => panic!("it did not hang"),
        () = bench.world.hung.notified() => {}
    }
    let bench = bench.restarted();
    bench.reconcile.visit(bench.id).await;
    assert!(bench.inventory.server(bench.id).await.unwrap().is_none());
    assert!(bench.world.nodes.lock().unwrap().is_empty());
}
