//! Rule 3, checked from outside: whatever the fabric says, and wherever the process dies, no power-on reaches an agent
//! while a port is elsewhere.

use domain::{
    lifecycle::{NodePower, ProvisionState},
    rim::{FabricError, ObservedNetwork},
};
use protocol::{
    network::BootNetwork,
    power::{PowerCause, PowerOffHow, PowerReading},
};

use super::*;
use crate::bench::{Bench, CLEANING, TENANT, vnc_down};

async fn refused(bench: &Bench, kind: RefusalKind, words: &[&str]) {
    let refusal = bench.gate.power(bench.id, PowerRequest::On).await.unwrap_err();
    assert_eq!(refusal.kind, kind, "{refusal}");
    for word in words {
        assert!(refusal.message.contains(word), "{word} is not in: {refusal}");
    }
    assert_eq!(bench.world.count("power_on"), 0, "{:?}", bench.world.calls());
    assert_eq!(bench.server().await.reason.as_deref(), Some(refusal.message.as_str()), "the reason is shown");
    assert!(bench.server().await.intent.is_none(), "nothing is under way");
    bench.assert_rule_3();
}

#[tokio::test]
async fn each_step_comes_after_the_proof_of_the_one_before() {
    let bench = Bench::new("deploying", Some("deploy")).await;
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    assert_eq!(
        bench.world.calls(),
        [
            "get_node",
            "check eth0",
            "move eth0 provisioning",
            "observe eth0",
            "observe eth0",
            "power_on network"
        ]
    );
    let server = bench.server().await;
    assert_eq!(server.boot_given.unwrap().network, BootNetwork::Provisioning);
    let boots = bench.inventory.boots(bench.id).await.unwrap();
    assert_eq!(boots.len(), 1, "its boot is followed from the order on");
    assert!(server.intent.is_none() && server.reason.is_none());

    let bench = Bench::new("deploying", Some("boot_instance")).await;
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    let calls =
        ["get_node", "check eth0", "move eth0 tenant", "observe eth0", "observe eth0", "power_on disk"];
    assert_eq!(bench.world.calls(), calls);
    assert!(bench.inventory.boots(bench.id).await.unwrap().is_empty(), "from its disk it boots without us");
    assert_eq!(bench.port(), ObservedNetwork::Tenant(TENANT));
    bench.assert_rule_3();
}

#[tokio::test]
async fn no_proof_no_power() {
    let bench = Bench::new("cleaning", None).await;
    *bench.world.lie.lock().unwrap() = Some(ObservedNetwork::Tenant(TENANT));
    refused(&bench, RefusalKind::Gate, &["eth0", "leaf1:xe-0/0/1", "cleaning network", "tenant's network"])
        .await;
}

#[tokio::test]
async fn an_unknown_switch_port_is_named_at_once() {
    let bench = Bench::new("cleaning", None).await;
    bench.world.fabric_fails.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
    *bench.world.fabric_error.lock().unwrap() = Some(FabricError::UnknownPort {
        switch: "leaf1".to_owned(),
        port: "xe-0/0/1".to_owned(),
        reason: "No such Physical Interface object".to_owned(),
    });
    refused(&bench, RefusalKind::Gate, &["xe-0/0/1", "leaf1", "No such Physical Interface"]).await;
    assert_eq!(bench.world.count("check"), 1, "asking again cannot help");
}

#[tokio::test]
async fn a_silent_vnc_api_is_waited_for_with_the_reason_shown() {
    let bench = Bench::new("cleaning", None).await;
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(2, std::sync::atomic::Ordering::SeqCst);
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    let events = bench.inventory.events(&Default::default()).await.unwrap();
    let waited = |event: &domain::events::Event| {
        event.kind == EventKind::Waiting && event.text.contains("connection refused")
    };
    assert!(events.iter().any(waited), "{events:?}");
    assert_eq!(bench.server().await.waiting, None);
    bench.assert_rule_3();

    let bench = Bench::new("cleaning", None).await.impatient();
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
    refused(&bench, RefusalKind::Gate, &["eth0", "http://contrail:8082", "connection refused"]).await;
}

#[tokio::test]
async fn a_permit_that_was_waited_for_is_asked_for_again() {
    let bench = Bench::new("deploying", Some("deploy")).await;
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(1, std::sync::atomic::Ordering::SeqCst);
    *bench.world.state_on_move.lock().unwrap() = Some(ProvisionState::DeployFailed);
    refused(&bench, RefusalKind::State, &["deploy failed"]).await;
}

#[tokio::test]
async fn nothing_is_switched_on_while_somebody_works_on_it() {
    let states = [
        "cleaning",
        "inspecting",
        "deploying",
        "rescuing",
        "active",
        "unrescuing",
        "manageable",
        "available",
    ];
    for state in states {
        let bench = Bench::new(state, None).await;
        bench.inventory.set_ports_given(bench.id).await.unwrap();
        // Set by another tool: Ironic says so now, and nothing here has seen it yet.
        let held = |why: Option<&str>| {
            let mut nodes = bench.world.nodes.lock().unwrap();
            let node = nodes.get_mut(&bench.id).unwrap();
            (node.maintenance, node.maintenance_reason) = (why.is_some(), why.map(str::to_owned));
        };
        held(Some("replacing PSU, ticket 1"));
        refused(&bench, RefusalKind::State, &["n1", "replacing PSU, ticket 1", "node maintenance off n1"])
            .await;
        assert_eq!(bench.world.count("move"), 0, "{state}: nothing is moved for it");
        let off = PowerRequest::Off(PowerOffHow::Hard);
        bench.gate.power(bench.id, off).await.unwrap();
        if state == "cleaning" {
            held(None);
            bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
        }
    }
    // What Ironic has put there itself because it lost sight of the power is in nobody's hands.
    let bench = Bench::new("active", None).await;
    bench.set_node(|node| (node.maintenance, node.fault) = (true, Some("power failure".to_owned()))).await;
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    bench.assert_rule_3();
}

#[tokio::test]
async fn an_agent_that_is_away_is_asked_for_nothing() {
    let bench = Bench::new("cleaning", None).await;
    bench.world.away.store(true, std::sync::atomic::Ordering::SeqCst);
    refused(&bench, RefusalKind::AgentAway, &["rack1", "disconnected since noon"]).await;
    assert_eq!(bench.world.count("move"), 0);
}

#[tokio::test]
async fn an_agent_that_is_back_in_a_moment_is_waited_for() {
    let back = |bench: &Bench| {
        bench.world.away.store(true, std::sync::atomic::Ordering::SeqCst);
        bench.world.comes_back.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let bench = Bench::new("cleaning", None).await;
    back(&bench);
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    assert_eq!(bench.world.count("power_on"), 1);
    back(&bench);
    bench.gate.power(bench.id, PowerRequest::Off(PowerOffHow::Hard)).await.unwrap();
    bench.assert_rule_3();
}

#[tokio::test]
async fn a_permit_that_broke_off_is_proved_anew() {
    let bench = Bench::new("deploying", Some("deploy")).await;
    bench.inventory.set_ports_given(bench.id).await.unwrap();
    let rack = "rack1".parse().unwrap();
    *bench.world.agent_error.lock().unwrap() = Some(AgentError::NotTaken { rack });
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    let once = ["get_node", "move eth0 provisioning", "observe eth0", "observe eth0", "power_on network"];
    let calls = bench.world.calls();
    let (first, second) = calls.split_at(once.len());
    assert_eq!(first, once);
    // The port was moved meanwhile, and is moved back before the power comes on.
    assert_eq!(second, once);
    assert_eq!(bench.port(), ObservedNetwork::Boot(BootNetwork::Provisioning));
    bench.assert_rule_3();
    assert!(bench.server().await.intent.is_none());
}

#[tokio::test]
async fn a_power_sync_before_ironic_was_told_is_refused() {
    let bench = Bench::deployed().await;
    bench.report(PowerReading::Off, PowerCause::Unasked).await;
    refused(&bench, RefusalKind::OffUntold, &["still believes that it is on"]).await;
    assert_eq!(bench.world.count("move"), 0, "its port stays off the tenant's network, or on its way off it");
    bench.reconcile.visit(bench.id).await;
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING);
    assert_eq!(bench.world.nodes.lock().unwrap()[&bench.id].power_state, Some(NodePower::Off));
    assert_eq!(bench.server().await.reason, None, "it is over when Ironic knows");
    bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
    assert_eq!(bench.port(), ObservedNetwork::Tenant(TENANT), "the next power-on is somebody's wish");
    bench.assert_rule_3();
}

/// Calls of the first passage through the gate: get_node, check, move, observe, observe, power_on.
const CALLS: usize = 6;

/// A port that somebody moves, once or for ever, at any call of a passage; `request` is what was asked for.
async fn meddled(request: PowerRequest, at: usize, always: bool) -> (Bench, Result<(), Refusal>) {
    let bench = Bench::new("cleaning", None).await;
    // A port that is moved for ever is waited for until the gate gives up.
    let bench = if always { bench.impatient() } else { bench };
    bench.put_port(CLEANING).await;
    bench.inventory.set_ports_given(bench.id).await.unwrap();
    let mut calls = 0;
    *bench.world.meddler.lock().unwrap() = Some(Box::new(move |_| {
        calls += 1;
        let is_time = if always { calls > at } else { calls == at + 1 };
        is_time.then_some(ObservedNetwork::Tenant(TENANT))
    }));
    let done = bench.gate.power(bench.id, request).await;
    bench.assert_rule_3();
    (bench, done)
}

#[tokio::test]
async fn a_port_that_moves_between_proof_and_command_gets_no_power() {
    for request in [PowerRequest::On, PowerRequest::Restart] {
        // get_node, move, observe, observe; a move at the command itself nobody can see.
        for at in 0..4 {
            let (bench, done) = meddled(request, at, false).await;
            done.unwrap_or_else(|refusal| panic!("call {at}: {refusal}"));
            assert_eq!(bench.world.count("power_on") + bench.world.count("reset"), 1, "call {at}");
            assert_eq!(bench.port(), CLEANING, "call {at}");
        }
        let (bench, done) = meddled(request, 3, false).await;
        done.unwrap();
        let events = bench.inventory.events(&Default::default()).await.unwrap();
        let told = events.iter().any(|event| {
            event.text.contains("moved between the proof and the power-on")
                && event.text.contains("tenant's network")
        });
        assert!(told, "{events:?}");
        for at in 0..4 {
            let (bench, done) = meddled(request, at, true).await;
            let refusal = done.unwrap_err();
            assert!(
                refusal.kind == RefusalKind::Gate && refusal.message.contains("tenant's network"),
                "call {at}: {refusal}"
            );
            assert_eq!(bench.world.count("power_on") + bench.world.count("reset"), 0, "call {at}");
            assert!(bench.server().await.intent.is_none());
        }
    }
}

#[tokio::test]
async fn a_port_that_only_seems_to_stay_is_seen_at_the_last_look() {
    let bench = Bench::new("deploying", Some("deploy")).await;
    let mut observed = 0;
    // Whoever moves it does so each time between the proof and the last look.
    *bench.world.meddler.lock().unwrap() = Some(Box::new(move |call| {
        observed += usize::from(call.starts_with("observe"));
        (call.starts_with("observe") && observed.is_multiple_of(2)).then_some(ObservedNetwork::Nothing)
    }));
    refused(&bench, RefusalKind::Gate, &["eth0", "provisioning network", "no network"]).await;
    assert_eq!(bench.world.count("move"), GIVEN_MAX as usize, "begun anew, and not for ever");
}

#[tokio::test]
async fn a_server_in_use_that_nobody_gave_us_is_neither_moved_nor_switched() {
    let strangers = [
        ObservedNetwork::Tenant(uuid::Uuid::from_u128(0x99)),
        ObservedNetwork::Other { description: "interface nic of project acme".to_owned() },
    ];
    for stranger in strangers {
        for state in ["inspecting", "cleaning", "deploying"] {
            let bench = Bench::new(state, None).await;
            bench.put_port(stranger.clone()).await;
            refused(&bench, RefusalKind::Gate, &["n1", "leaf1:xe-0/0/1", "project acme", "node adopt"]).await;
            let off = PowerRequest::Off(PowerOffHow::Hard);
            let refusal = bench.gate.power(bench.id, off).await.unwrap_err();
            assert!(refusal.message.contains("project acme"), "{refusal}");
            bench.reconcile.visit(bench.id).await;
            assert_eq!(bench.port(), stranger, "{state}");
            for call in ["move", "release", "power_off"] {
                assert_eq!(bench.world.count(call), 0, "{state}: {:?}", bench.world.calls());
            }
            assert!(!bench.server().await.ports_given, "{state}: it can still be adopted");
        }
    }
    // Contrail that does not answer is no word that it is free.
    let bench = Bench::new("inspecting", None).await;
    *bench.world.fabric_error.lock().unwrap() = Some(vnc_down());
    bench.world.fabric_fails.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
    let refusal = bench.gate.power(bench.id, PowerRequest::Off(PowerOffHow::Hard)).await.unwrap_err();
    assert!(refusal.message.contains("did not answer"), "{refusal}");
    assert_eq!(bench.world.count("power_off"), 0);
}

#[tokio::test]
async fn a_crash_between_any_two_steps_leaves_nothing_unsafe() {
    for (state, step) in [("deploying", "deploy"), ("deploying", "boot_instance"), ("cleaning", "")] {
        for hang_after in 0..CALLS {
            let bench = Bench::new(state, Some(step)).await;
            *bench.world.hang_after.lock().unwrap() = Some(hang_after);
            tokio::select! {
                _ = bench.gate.power(bench.id, PowerRequest::On) => panic!("call {hang_after} did not hang"),
                () = bench.world.hung.notified() => {}
            }
            let bench = bench.restarted();
            // Ironic asks again, or gives up: both end well.
            let context = format!("{state} {step} {hang_after}");
            bench.gate.power(bench.id, PowerRequest::On).await.unwrap();
            bench.assert_rule_3();
            assert!(bench.server().await.intent.is_none(), "{context}");
            bench.set_node(|node| node.provision_state = ProvisionState::DeployFailed).await;
            bench.reconcile.visit(bench.id).await;
            assert_eq!(bench.port(), CLEANING, "{context}");
        }
    }
}

#[tokio::test]
async fn no_command_is_given_after_the_proofs_share() {
    let bench = Bench::new("deploying", Some("deploy")).await.impatient();
    // Ironic does not answer at all.
    *bench.world.hang_after.lock().unwrap() = Some(0);
    let refusal = bench.gate.power(bench.id, PowerRequest::On).await.unwrap_err();
    assert!(refusal.message.contains("to prove where its ports are"), "{refusal}");
    assert_eq!(bench.world.count("power_on"), 0, "{:?}", bench.world.calls());
}

#[test]
fn the_documents_and_ironics_file_say_the_same() {
    use std::time::Duration;

    use protocol::power_budget::*;

    let check = |document: &str, text: String| assert!(document.contains(&text), "{text:?} is not said");
    let s = |time: Duration| time.as_secs();
    let map = include_str!("../../../../docs/architecture.md");
    check(map, format!("Ironic's client waits {} s", s(CLIENT_READ_TIMEOUT)));
    check(map, format!("the facade answers within {} s", s(FACADE_ANSWER_MAX)));
    check(map, format!("the gate decides within {} s", s(GATE_ANSWER_MAX)));
    check(map, format!("at most {} s of them for its proof", s(PROOF_MAX)));
    check(map, format!("a power-on within {} s", s(ON_COMMAND_MAX)));
    check(map, format!("a power-off within {} s", s(OFF_COMMAND_MAX)));
    check(map, format!("waited for up to {} s", s(AGENT_WAIT_MAX)));
    let operations = include_str!("../../../../docs/operations.md");
    check(operations, format!("`[redfish]read_timeout = {}`", s(CLIENT_READ_TIMEOUT)));
    check(operations, format!("within {} s", s(FACADE_ANSWER_MAX)));
    let ironic = include_str!("../../../../tests/openstack/ironic.conf");
    check(ironic, format!("read_timeout = {}", s(CLIENT_READ_TIMEOUT)));
    let here = include_str!("../../../../protocol/src/power_budget.rs");
    let drawn = [
        CLIENT_READ_TIMEOUT,
        FACADE_ANSWER_MAX,
        GATE_ANSWER_MAX,
        PROOF_MAX,
        WAY_MAX,
        ON_COMMAND_MAX,
        OFF_COMMAND_MAX,
        AGENT_WAIT_MAX,
    ];
    for time in drawn {
        check(here.split("use std").next().unwrap_or_default(), format!(" {} s", s(time)));
    }
}
