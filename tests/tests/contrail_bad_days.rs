//! Edges: what the stand-in does and the real server is not asked for: bad days, tokens, a restart.

mod contrail_common;

use contrail_common::{Api, project};
use serde_json::{Value, json};
use tests::contrail::{Config, Standin};

fn config() -> Config {
    Config::api_only(&[("qfx1", "xe-0/0/0")])
}

#[tokio::test]
async fn objects_and_claims_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.snapshot = Some(dir.path().join("objects.json"));
    let api = Api::of_standin(config.clone()).await;
    api.attach("a", "prov", "xe-0/0/0").await;
    let before = api.standin().shared.store();
    api.stop().await;
    let again = Standin::start(config).await.unwrap();
    assert_eq!(again.shared.store(), before);
    again.stop().await;
}

#[tokio::test]
async fn faults_are_switched_at_the_admin_address() {
    let api = Api::of_standin(config()).await;
    let set = async |fault: Value| {
        let url = format!("http://{}/fault", api.standin().admin);
        let answer = reqwest::Client::new().put(url).json(&fault).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    set(json!({"mode": "unavailable"})).await;
    api.bad("GET", "/projects", Value::Null, (503, "")).await;
    set(json!({"mode": "refuse"})).await;
    let fresh = reqwest::Client::new();
    assert!(fresh.get(format!("{}/projects", api.url)).send().await.is_err());
    set(json!({"mode": "slow", "delay_ms": 80})).await;
    let started = std::time::Instant::now();
    api.good("GET", "/projects", Value::Null).await;
    assert!(started.elapsed().as_millis() >= 80);
    set(json!({"mode": "none"})).await;
    api.good("GET", "/projects", Value::Null).await;
    api.stop().await;
}

#[tokio::test]
async fn a_token_decides_who_is_let_in() {
    let api = Api::of_standin(config()).await;
    let set = async |tokens: Value| {
        let url = format!("http://{}/tokens", api.standin().admin);
        assert_eq!(reqwest::Client::new().put(url).json(&tokens).send().await.unwrap().status(), 200);
    };
    // A client of its own each time: a body that never comes ends the connection.
    let ask = async |token: Option<&str>| {
        let mut request = reqwest::Client::new().get(format!("{}/projects", api.url));
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        let answer = request.send().await.unwrap();
        let (status, length) = (answer.status().as_u16(), answer.headers().get("content-length").cloned());
        (status, length, answer.text().await)
    };
    let roles = json!({"good": "admin", "weak": "member"});
    set(json!({"mode": "cloud_admin", "roles": roles})).await;
    for token in [None, Some("unknown")] {
        let (status, _, text) = ask(token).await;
        assert_eq!(status, 401);
        assert_eq!(serde_json::from_str::<Value>(&text.unwrap()).unwrap()["error"]["code"], 401);
    }
    assert_eq!(ask(Some("good")).await.0, 200);
    let (status, length, text) = ask(Some("weak")).await;
    assert_eq!((status, length.unwrap().to_str().unwrap()), (403, "21"));
    assert!(text.is_err(), "the body that is promised never comes: {text:?}");
    set(json!({"mode": "rbac", "roles": roles})).await;
    let (status, _, text) = ask(Some("weak")).await;
    assert_eq!(
        (status, text.unwrap().starts_with("Permission Denied for member as ['member'] to R project")),
        (403, true)
    );
    set(Value::Null).await;
    let found = json!({"type": "project", "fq_name": ["default-domain", project()]});
    api.good("POST", "/fqname-to-id", found).await;
    api.stop().await;
}
