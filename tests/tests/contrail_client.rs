//! Edges: Contrail's own client judges the stand-in: what it does for networks, interfaces, groups, addresses, nodes and ports
//! works as with the server, in both fabric styles. `CONTRAIL_API` names a server to judge instead.

mod contrail_common;

use std::{path::Path, process::Command};

use contrail_common::project;
use tests::{
    contrail::{Config, Standin},
    openstack::ensure_packages,
};

const REQUIREMENTS: &str = include_str!("contrail_client/requirements.txt");
const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contrail_client/judge.py");

/// Lets the client judge the server at an address.
fn judge(python: &Path, host: &str, port: &str, style: &str) {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", JUDGE, host, port, project(), style]).env_clear();
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{style}: {}\n{out}\n{err}", output.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn contrails_own_client_finds_what_it_expects() {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contrail-client");
    ensure_packages(&venv, "Contrail's client", REQUIREMENTS).unwrap();
    let python = venv.join("bin/python");
    if let Ok(url) = std::env::var("CONTRAIL_API") {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (host, port) = address.split_once(':').unwrap();
        return judge(&python, host, port, "any");
    }
    for (enterprise, style) in [(true, "enterprise"), (false, "provider")] {
        let mut config =
            Config::api_only(&[("qfx1", "xe-0/0/0"), ("qfx1", "xe-0/0/1"), ("qfx1", "xe-0/0/2")]);
        config.enterprise = enterprise;
        let standin = Standin::start(config).await.unwrap();
        let (host, port) = (standin.api.ip().to_string(), standin.api.port().to_string());
        let python = python.clone();
        tokio::task::spawn_blocking(move || judge(&python, &host, &port, style)).await.unwrap();
        standin.stop().await;
    }
}
