//! Edges: files of firmware, and an update asked for, over the wire: what is kept, what is refused with its field, and what a node says of it.

use domain::{
    lifecycle::{Node, ProvisionState},
    samples::new_server,
};
use protocol::{hardware::BmcIdentity, spec::BmcProtocol};
use serde_json::{Value, json};

use super::{world::World, *};

async fn ask(world: &World, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("x-auth-token", "token-system-admin")
        .body(Body::from(body.to_string()));
    let (status, _, said) = world.send(request.unwrap()).await;
    (status.as_u16(), serde_json::from_str(&said).unwrap_or_default())
}

async fn upload(world: &World, query: &str, bytes: &'static str) -> (u16, Value) {
    let request = Request::post(format!("/v1/firmware-files?{query}"))
        .header("content-length", bytes.len())
        .header("x-auth-token", "token-system-admin")
        .body(Body::from(bytes));
    let (status, _, said) = world.send(request.unwrap()).await;
    (status.as_u16(), serde_json::from_str(&said).unwrap_or_default())
}

/// The machine becomes one by Redfish that nobody has, off and ours.
async fn make_free(world: &World) {
    let mut server = new_server();
    server.bmc.protocol = BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false };
    let id = world.inventory.put_server(&server).await.unwrap().id;
    let known = world.inventory.server(id).await.unwrap().unwrap();
    world.inventory.end_bmc_doubt(&known, Some(&BmcIdentity::default())).await.unwrap();
    world.inventory.set_identity(id, &BmcIdentity::default()).await.unwrap();
    world.inventory.set_ports_given(id).await.unwrap();
    let node = Node::in_state(id, ProvisionState::Available);
    world.inventory.set_node(id, Some(&node)).await.unwrap();
}

#[tokio::test]
async fn a_file_is_kept_and_an_update_asked_for_shown_and_called_off() {
    let world = World::start().await;
    let updates = "/v1/nodes/n1/firmware-updates";
    let wrong = format!("name=bmc.bin&sha256={}", "0".repeat(64));
    assert_eq!(upload(&world, &wrong, "new firmware").await.0, 409);
    let (status, file) = upload(&world, "name=bmc.bin", "new firmware").await;
    assert_eq!((status, &file["size_bytes"]), (201, &json!(12)), "{file}");
    let wanted = |more: Value| {
        let mut wanted = json!({"component": "BMC", "version": "2.0"});
        more.as_object().unwrap().iter().for_each(|(name, value)| wanted[name] = value.clone());
        wanted
    };
    let by_file = wanted(json!({"file": "bmc.bin"}));
    let refused = async |body: Value, status: u16, words: &str| {
        let (seen, problem) = ask(&world, Method::POST, updates, &body).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(seen == status && detail.contains(words), "{body}: {seen} {problem}");
    };
    refused(by_file.clone(), 409, "by IPMI").await;
    make_free(&world).await;
    refused(wanted(json!({})), 400, "either file").await;
    refused(wanted(json!({"file": "x"})), 404, "x").await;
    refused(wanted(json!({"url": "https://images.example/a"})), 409, "firmware.urls").await;
    refused(wanted(json!({"file": "bmc.bin", "component": "NIC"})), 409, "must be BMC, BIOS").await;
    refused(json!({"file": "bmc.bin", "component": "BMC"}), 422, "version").await;
    let (status, update) = ask(&world, Method::POST, updates, &by_file).await;
    assert_eq!(
        (status, &update["stage"], &update["by"]),
        (202, &json!("waiting"), &json!("system-admin")),
        "{update}"
    );
    refused(by_file, 409, "is not over yet").await;
    let (_, node) = ask(&world, Method::GET, "/v1/nodes/n1", &Value::Null).await;
    assert_eq!(node["notes"][0], "its BMC firmware is being updated to 2.0: waiting", "{node}");
    let in_use = ask(&world, Method::DELETE, "/v1/firmware-files/bmc.bin", &Value::Null).await;
    assert!(in_use.0 == 409 && in_use.1["detail"].as_str().unwrap().contains("is needed by"), "{in_use:?}");
    let one = format!("{updates}/{}", update["id"].as_str().unwrap());
    assert_eq!(ask(&world, Method::DELETE, &one, &Value::Null).await.0, 204);
    let (_, all) = ask(&world, Method::GET, updates, &Value::Null).await;
    let reason = all["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("nothing was changed: system-admin called it off"), "{all}");
    assert_eq!(ask(&world, Method::DELETE, &one, &Value::Null).await.0, 409);
    assert_eq!(ask(&world, Method::DELETE, "/v1/firmware-files/bmc.bin", &Value::Null).await.0, 204);
    let (_, files) = ask(&world, Method::GET, "/v1/firmware-files", &Value::Null).await;
    assert_eq!(files["items"], json!([]));
}
