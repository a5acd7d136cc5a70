//! Edges: an adoption whose process ends at any of its calls: the next one takes it up, and the end is that of the straight run.

use super::*;

/// Looks after which an adoption has come to its end.
const LOOKS_MAX: usize = 10;
/// Calls after which no adoption is still under way.
const CALLS_MAX: usize = 200;

/// What there is at the end: the adoption's stage and reason, the tenant's servers, their ports here, and those in Contrail.
type End = (Stage, String, Vec<(TenantServerState, bool)>, usize, usize);

async fn end(scene: &Scene) -> End {
    let inventory = &scene.bench.inventory;
    let (stage, reason) = scene.stage().await;
    let (mut records, mut ports) = (Vec::new(), 0);
    for record in inventory.tenant_servers(None).await.unwrap() {
        ports += inventory.tenant_ports(record.id).await.unwrap().len();
        records.push((record.state, record.node == Some(scene.bench.id)));
    }
    let made = scene.outside.interfaces.lock().unwrap().len();
    (stage, reason, records, ports, made)
}

/// Goes on until it is adopted. With `calls`, the process ends at the one after so many; says whether it came to that.
async fn story(wanted: WantedInstance, calls: Option<usize>) -> bool {
    let makes_ports = wanted.make_ports;
    let mut scene = Scene::new(wanted).await;
    if makes_ports {
        scene.outside.interfaces.lock().unwrap().clear();
        scene.bench.world.ports.lock().unwrap().clear();
    }
    *scene.bench.world.hang_after.lock().unwrap() = calls;
    let mut has_died = false;
    for _ in 0..LOOKS_MAX {
        let dies_now = tokio::select! {
            () = scene.look(1) => false,
            () = scene.bench.world.hung.notified() => true,
        };
        if dies_now {
            has_died = true;
            let Scene { bench, outside, .. } = scene;
            let bench = bench.restarted();
            let adoptions = process(&bench, &outside);
            scene = Scene { bench, outside, adoptions };
        }
        let done = (Stage::Done, String::new(), vec![(TenantServerState::Active, true)], 1, 1);
        if end(&scene).await == done {
            let verbs: Vec<_> =
                ["power", "reset", "release"].map(|verb| scene.bench.world.count(verb)).into();
            assert_eq!(verbs, [0, 0, 0], "{calls:?}: {:?}", scene.bench.world.calls());
            return has_died;
        }
    }
    panic!("with {calls:?} it ends so: {:?}, {:?}", end(&scene).await, scene.bench.world.calls());
}

#[tokio::test]
async fn an_adoption_comes_to_the_same_end_wherever_its_process_ends() {
    for wanted in [wanted(), WantedInstance { make_ports: true, ..wanted() }] {
        assert!(!story(wanted.clone(), None).await);
        let mut calls = 0;
        while story(wanted.clone(), Some(calls)).await {
            calls += 1;
            assert!(calls < CALLS_MAX, "it does not come to its end");
        }
        assert!(calls > 4, "it asked hardly anybody: {calls}");
    }
}
