//! Edges: what a tenant reads of its server when something is wrong below it: the kind of trouble, and nothing of what is below.

use axum::{body::Body, http::Request};
use domain::{
    events::EventKind,
    lifecycle::{Node, ProvisionState, trouble::Trouble},
    records::{TenantServer, TenantServerState},
    tenancy::reasons::of_failed_look,
};
use protocol::id::ServerId;

use super::{
    PEOPLE, page, signed_in,
    world::{World, id_of},
};

/// What must not reach a tenant: of the machine, its BMC, its switch, our network, Ironic, and of other tenants.
const BELOW: &str = "n1 (198.51.100.11, user admin) on leaf1:xe-0/0/1 refused eth0 52:54:00:00:00:0b of web-other, conductor-9";
const NAMES: [&str; 9] =
    ["n1 ", "198.51.100", "user admin", "leaf1", "xe-0", "eth0", "52:54:00", "web-other", "conductor-9"];

/// The tenant's server of `demo` on the one machine.
async fn deployed(world: &World, state: TenantServerState, reason: Option<&str>) -> ServerId {
    let machine = world.inventory.servers(None).await.unwrap().pop().unwrap().id;
    let record = world.inventory.tenant_server(id_of("demo")).await.unwrap().unwrap();
    let instance = record.instance;
    let reason = reason.map(|text| of_failed_look(state, text.to_owned()));
    let record = TenantServer { node: Some(machine), state, reason, ..record };
    world.inventory.put_tenant_server(&record).await.unwrap();
    let mut node = Node::in_state(machine, ProvisionState::Active);
    (node.instance_id, node.last_error) = (instance, Some(BELOW.to_owned()));
    world.inventory.set_node(machine, Some(&node)).await.unwrap();
    machine
}

async fn read(world: &World, path: &str, who: &str) -> String {
    let request = Request::get(path).header("x-auth-token", format!("token-{who}"));
    let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200, "{path}: {said}");
    said
}

/// Everything that a member of `demo` can read of its server, by REST and by the pages.
async fn all_that_is_shown(world: &World, cookie: &str) -> String {
    let mut all = String::new();
    let id = id_of("demo");
    for path in ["/v1/servers".to_owned(), format!("/v1/servers/{id}"), "/v1/events".to_owned()] {
        all += &read(world, &path, "member").await;
    }
    for path in ["/ui/servers".to_owned(), format!("/ui/servers/{id}")] {
        all += &page(world, &path, cookie).await.1;
    }
    all
}

fn check_plain(shown: &str, words: &str) {
    for name in NAMES {
        assert!(!shown.contains(name), "{name:?} is shown: {shown}");
    }
    // The first words are enough: pages escape apostrophes.
    assert!(shown.contains(words), "{words:?} is not shown: {shown}");
}

#[tokio::test]
async fn a_tenant_reads_the_kind_of_trouble_and_an_administrator_all_of_it() {
    let world = World::start().await;
    let (cookie, _) = signed_in(&world, PEOPLE[1]).await.unwrap();
    let machine = deployed(&world, TenantServerState::Active, None).await;
    let admins = async || read(&world, &format!("/v1/servers/{}", id_of("demo")), "system-admin").await;
    for trouble in Trouble::ALL {
        world.inventory.set_trouble(machine, BELOW, *trouble).await.unwrap();
        check_plain(&all_that_is_shown(&world, &cookie).await, &trouble.words()[..20]);
        assert!(admins().await.contains("leaf1:xe-0/0/1"), "{trouble:?}");
    }
    world.inventory.set_reason(machine, Some(BELOW)).await.unwrap();
    check_plain(&all_that_is_shown(&world, &cookie).await, Trouble::Machine.words());
    let states = [
        TenantServerState::Requested,
        TenantServerState::Building,
        TenantServerState::Active,
        TenantServerState::Deleting,
        TenantServerState::Error,
    ];
    for state in states {
        deployed(&world, state, Some(BELOW)).await;
        check_plain(&all_that_is_shown(&world, &cookie).await, "operator");
        assert!(admins().await.contains("leaf1:xe-0/0/1"), "{state:?}");
    }
}

#[tokio::test]
async fn a_tenant_reads_its_own_events_in_its_own_words() {
    let world = World::start().await;
    let (cookie, _) = signed_in(&world, PEOPLE[1]).await.unwrap();
    let machine = deployed(&world, TenantServerState::Active, None).await;
    for kind in EventKind::ALL {
        world.inventory.record(machine, *kind, BELOW).await;
    }
    let shown = all_that_is_shown(&world, &cookie).await;
    check_plain(&shown, "its own system is in use");
    check_plain(&shown, "taken off its network while it is off");
    let mine: serde_json::Value = serde_json::from_str(&read(&world, "/v1/events", "member").await).unwrap();
    let mine = mine["items"].as_array().unwrap();
    assert!(mine.len() > 4, "{mine:?}");
    for event in mine {
        assert_eq!(event["server"], id_of("demo").to_string());
        assert_eq!(event["server_name"], "web-demo");
        assert!(
            event["node"].is_null() && event["rack"].is_null() && event["project_id"].is_null(),
            "{event}"
        );
    }
    let by_name = read(&world, "/v1/events?server=web-demo", "member").await;
    assert_eq!(by_name.matches("\"id\"").count(), mine.len());
    let others = read(&world, "/v1/events", "other-member").await;
    assert_eq!(others.matches("\"id\"").count(), 0, "{others}");
    let of_demo = format!("/v1/events?server={}", id_of("demo"));
    assert_eq!(read(&world, &of_demo, "other-member").await.matches("\"id\"").count(), 0);
    let admins = read(&world, "/v1/events", "system-reader").await;
    assert!(admins.contains("leaf1:xe-0/0/1") && admins.contains("\"project_id\":\"demo\""), "{admins}");
}
