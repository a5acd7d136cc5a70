//! Edges: what a list costs those who are asked for it: so many calls, however long the list is.

use axum::{body::Body, http::Request};
use domain::records::TenantPortRecord;
use uuid::Uuid;

use super::world::{World, id_of};

/// Gives a project so many more servers, each with a security group.
async fn more_servers(world: &World, project: &str, count: u64) {
    let known = world.inventory.tenant_server(id_of(project)).await.unwrap().unwrap();
    for number in 0..count {
        let id = Uuid::from_u64_pair(id_of(project).as_u64_pair().1, 1000 + number);
        let mut server = known.clone();
        (server.id, server.instance, server.name) = (id, None, format!("web-{project}-{number}"));
        world.inventory.put_tenant_server(&server).await.unwrap();
        let port = TenantPortRecord {
            id,
            network: id_of(project),
            asked_address: None,
            address: None,
            vlan: None,
            security_groups: vec![id_of(project)],
        };
        world.inventory.put_tenant_ports(id, &[port]).await.unwrap();
    }
}

/// Calls that a list of servers costs, at Nova, Glance and Contrail; and what it says.
async fn calls(world: &World, who: &str) -> ([usize; 3], String) {
    let so_far = || {
        let count = |what| world.cloud.count(what);
        let contrail = count("list the networks") + count("list security groups");
        [count("list the flavors"), count("list the images"), contrail]
    };
    let before = so_far();
    let request = Request::get("/v1/servers").header("x-auth-token", format!("token-{who}"));
    let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200, "{said}");
    let after = so_far();
    ([0, 1, 2].map(|nth| after[nth] - before[nth]), said)
}

#[tokio::test]
async fn a_list_of_servers_costs_the_same_however_many_there_are() {
    let world = World::start().await;
    assert_eq!(calls(&world, "member").await.0, [1, 1, 1], "no server has a group yet");
    for project in ["demo", "other"] {
        more_servers(&world, project, 1).await;
    }
    let few = calls(&world, "member").await.0;
    for project in ["demo", "other"] {
        more_servers(&world, project, 40).await;
    }
    for who in ["member", "system-admin"] {
        let (many, said) = calls(&world, who).await;
        assert_eq!((few, many), ([1, 1, 2], [1, 1, 2]), "{who}");
        let named = said.matches("\"security_groups\":[\"group-demo\"]").count();
        assert_eq!(named, 40, "{who} reads names: {said}");
    }
}

#[tokio::test]
async fn an_empty_list_asks_nobody() {
    let world = World::start().await;
    for project in ["demo", "other"] {
        world.inventory.delete_tenant_server(id_of(project)).await.unwrap();
    }
    assert_eq!(calls(&world, "member").await, ([0, 0, 0], "{\"items\":[]}".to_owned()));
}
