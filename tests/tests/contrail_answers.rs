//! What the coordinator makes of the VNC API's answers, on a server that says what it is told to: refusals without words, tokens that
//! are no longer good, troubles that pass and troubles that last, several servers, TLS.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use contrail::{Config, Contrail, Tokens, vnc};
use coordinator::tokens::KeystoneTokens;
use domain::rim::{FabricError, TenantNetworks};
use openstack::{Credentials, Scope, Session, client::http_client};
use protocol::secret::Secret;
use serde_json::{Value, json};
use tests::contrail::scripted::{Asked, Reply, Scripted};
use uuid::Uuid;

const PROJECT: &str = "00000000000000000000000000000007";

fn contrail(url: &str, tokens: Option<Arc<dyn Tokens>>) -> Contrail {
    Contrail::new(Config::with_default_names(url), tokens).unwrap()
}

/// One call that only reads: the security groups of a project.
async fn read(contrail: &Contrail) -> Result<(), FabricError> {
    contrail.security_groups(Some(PROJECT)).await.map(|_| ())
}

fn groups() -> Reply {
    Reply::json(json!({ "security-groups": [] }))
}

#[tokio::test]
async fn a_refusal_without_a_word_is_told_at_once() {
    let check = async |reply: fn() -> Reply, expected: &[&str]| {
        let server = Scripted::start(move |_| reply()).await;
        let error = read(&contrail(&server.url(), None)).await.unwrap_err();
        assert!(matches!(error, FabricError::Refused { .. }), "{error}");
        for words in expected {
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(server.calls().len(), 1, "asked again: {:?}", server.calls());
    };
    // As the real server does it for a token without the role: a length, no body, and the end of the connection.
    check(|| Reply::head_only(403), &["permission denied", "admin", "RBAC"]).await;
    check(|| Reply::text(403, "Permission Denied"), &["permission denied", "Permission Denied"]).await;
    check(|| Reply::head_only(401), &["contrail.keystone"]).await;
    check(|| Reply::text(400, "Bad Request, that"), &["Bad Request, that"]).await;
    const PAGE: &str =
        "<!DOCTYPE html><html><head><style>x{}</style></head><pre>quota limit (3) &amp; more</pre></html>";
    check(|| Reply::text(412, PAGE), &["status 412: quota limit (3) & more"]).await;
}

#[tokio::test]
async fn a_trouble_that_passes_is_waited_out_and_one_that_lasts_is_told() {
    let check = async |status: u16, times: usize, expected: Result<(), &str>| {
        let server = Scripted::start({
            let mut left = times;
            move |_| match left.checked_sub(1) {
                Some(less) => {
                    left = less;
                    Reply::text(status, "KeyError: 'to'")
                }
                None => groups(),
            }
        })
        .await;
        let seen = read(&contrail(&server.url(), None)).await.map_err(|error| error.to_string());
        match (&seen, expected) {
            (Ok(()), Ok(())) => assert_eq!(server.calls().len(), times + 1),
            (Err(seen), Err(words)) => {
                assert!(seen.contains(words) && seen.contains("KeyError: 'to'"), "{seen}");
                assert!(server.calls().len() <= vnc::TRIES as usize, "{:?}", server.calls());
            }
            (seen, expected) => panic!("{status} {times} times: {seen:?}, not {expected:?}"),
        }
    };
    for status in [500, 502, 503] {
        check(status, 1, Ok(())).await;
        check(status, 3, Ok(())).await;
    }
    check(500, 100, Err("Contrail refused to list security-groups: status 500")).await;
    check(503, 100, Err("did not answer")).await;
    check(504, 1, Err("did not answer")).await;
}

/// A creation that was done and answered with a trouble is found by its uuid and not repeated; one that was not done is repeated.
#[tokio::test]
async fn a_creation_is_read_back_before_it_is_repeated() {
    for done in [true, false] {
        let made = Arc::new(Mutex::new(BTreeSet::<String>::new()));
        let server = Scripted::start({
            let made = made.clone();
            let mut failed = false;
            move |asked: &Asked| answer_creations(asked, &mut made.lock().unwrap(), &mut failed, done)
        })
        .await;
        let contrail = contrail(&server.url(), None);
        let network = contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
        assert_eq!(network.name, "web");
        let calls = server.calls();
        let posts = calls.iter().filter(|call| *call == "POST /projects").count();
        assert_eq!(posts, if done { 1 } else { 2 }, "{calls:?}");
        let post = calls.iter().position(|call| call == "POST /projects").unwrap();
        assert!(calls[post + 1].starts_with("GET /project/"), "not read back first: {calls:?}");
    }
}

fn answer_creations(asked: &Asked, made: &mut BTreeSet<String>, failed: &mut bool, done: bool) -> Reply {
    let project = ["default-domain", "acme"];
    let ipam = json!([{"to": ["default-domain", "default-project", "default-network-ipam"], "uuid": Uuid::nil(),
        "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "192.0.2.0", "ip_prefix_len": 24}}]}}]);
    let network = json!({ "uuid": Uuid::from_u128(9), "fq_name": ["default-domain", "acme", "web"],
        "network_ipam_refs": ipam });
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/projects") => {
            let id = asked.body["project"]["uuid"].as_str().unwrap().to_owned();
            if !*failed {
                *failed = true;
                if done {
                    made.insert(id);
                }
                return Reply::text(500, "the message bus was away");
            }
            if !made.insert(id.clone()) {
                return Reply::text(409, "already exists");
            }
            Reply::json(json!({ "project": { "uuid": id, "fq_name": project } }))
        }
        ("GET", path) if path.starts_with("/project/") => {
            let id = path.trim_start_matches("/project/");
            if !made.contains(id) {
                return Reply::text(404, "no such");
            }
            Reply::json(json!({ "project": { "uuid": id, "fq_name": project } }))
        }
        ("POST", "/virtual-networks") => Reply::json(json!({ "virtual-network": network })),
        ("GET", path) if path.starts_with("/virtual-network/") => {
            Reply::json(json!({ "virtual-network": network }))
        }
        other => Reply::text(404, &format!("{other:?}")),
    }
}

/// A Keystone and an API of which only the newest `good` tokens are taken.
async fn keystone(good: impl Fn(u32, u32) -> bool + Send + 'static) -> Scripted {
    let mut issued = 0;
    Scripted::start(move |asked| {
        if asked.path == "/v3/auth/tokens" {
            issued += 1;
            let token = json!({ "token": { "expires_at": "2099-01-01T00:00:00.000000Z", "issued_at":
                "2026-01-01T00:00:00.000000Z", "methods": ["password"],
                "user": { "id": "u", "name": "bms", "domain": { "id": "default", "name": "Default" } },
                "catalog": [] } });
            return Reply::json(token).status(201).header("X-Subject-Token", &format!("token-{issued}"));
        }
        let number = asked.token.as_deref().and_then(|token| token.strip_prefix("token-")?.parse().ok());
        if number.is_some_and(|number| good(number, issued)) {
            groups()
        } else {
            Reply::text(401, "Unauthorized")
        }
    })
    .await
}

fn tokens(url: &str) -> Arc<dyn Tokens> {
    let credentials = Credentials {
        auth_url: url.to_owned(),
        username: "bms".into(),
        user_domain: "Default".into(),
        password: Secret::new("secret"),
        scope: Scope::Project { name: "service".into(), domain: "Default".into() },
        region: None,
        interface: "public".into(),
    };
    Arc::new(KeystoneTokens(Session::new(http_client(None).unwrap(), credentials)))
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_replaced_once() {
    let revoked = Arc::new(Mutex::new(0));
    let server = keystone({
        let revoked = revoked.clone();
        move |number, _| number > *revoked.lock().unwrap()
    })
    .await;
    let contrail_of = contrail(&server.url(), Some(tokens(&server.url())));
    read(&contrail_of).await.unwrap();
    *revoked.lock().unwrap() = 1;
    read(&contrail_of).await.unwrap();
    let logins =
        |server: &Scripted| server.calls().iter().filter(|call| call.contains("auth/tokens")).count();
    assert_eq!(logins(&server), 2);
    read(&contrail_of).await.unwrap();
    assert_eq!(logins(&server), 2, "the fresh one is kept");

    let server = keystone(|_, _| false).await;
    let error = read(&contrail(&server.url(), Some(tokens(&server.url())))).await.unwrap_err();
    assert!(error.to_string().contains("a new Keystone token was refused too"), "{error}");
    assert!(matches!(error, FabricError::Refused { .. }), "{error}");
    assert_eq!(logins(&server), 2, "{:?}", server.calls());
}

#[tokio::test]
async fn the_next_of_several_servers_is_asked_when_one_is_away() {
    let away = Scripted::start(|_| Reply::text(503, "away")).await;
    let here = Scripted::start(|_| groups()).await;
    let mut config = Config::with_default_names(away.url());
    config.urls.push(here.url());
    let contrail = Contrail::new(config, None).unwrap();
    read(&contrail).await.unwrap();
    read(&contrail).await.unwrap();
    assert_eq!((away.calls().len(), here.calls().len()), (1, 2), "the one that answers is kept");

    let gone = Config::with_default_names("http://127.0.0.1:1");
    let config = Config { urls: vec![gone.urls[0].clone(), here.url()], ..gone };
    read(&Contrail::new(config, None).unwrap()).await.unwrap();
}

/// An authority with its certificate in a file, and a server certificate of it.
struct Authority {
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        Self { issuer: rcgen::CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn server(&self) -> rustls::ServerConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_servers_authority_is_known_by_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let server = Scripted::start_tls(ours.server(), |_| groups()).await;
    let contrail = |ca_file: Option<PathBuf>| {
        Contrail::new(Config { ca_file, ..Config::with_default_names(server.url()) }, None)
    };
    let both = format!("{}{}", other.issuer.pem(), ours.issuer.pem());
    read(&contrail(Some(file(dir.path(), "both.pem", &both))).unwrap()).await.unwrap();
    for unknown in [None, Some(file(dir.path(), "other.pem", &other.issuer.pem()))] {
        let error = read(&contrail(unknown).unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("contrail.ca_file") && error.contains("authority"), "{error}");
    }
    let check = |path: PathBuf, expected: &str| {
        let error = contrail(Some(path)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("contrail.ca_file") && error.contains(expected), "{error}");
    };
    check(dir.path().join("missing.pem"), "cannot be read");
    check(file(dir.path(), "empty.pem", "no certificate here"), "no certificate");
}

#[tokio::test]
async fn our_token_goes_nowhere_else_than_to_the_named_server() {
    let elsewhere = Scripted::start(|_| groups()).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/security-groups", elsewhere.url());
        let server = Scripted::start(move |_| Reply::text(status, "").header("Location", &to)).await;
        let error = read(&contrail(&server.url(), None)).await.unwrap_err().to_string();
        assert!(error.contains(&status.to_string()) && error.contains("contrail.url"), "{error}");
        assert_eq!(server.calls().len(), 1, "asked again: {:?}", server.calls());
    }
    assert_eq!(elsewhere.calls(), [""; 0]);
}

/// The address of the server, for the run of the next test that has a proxy in its environment.
const SERVER_OF_CHILD: &str = "BMS_TEST_SERVER_BESIDE_A_PROXY";
/// Longest time of that run.
const CHILD_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a whole process has in its environment no test may set, so the test runs itself once more as a process of its own.
#[tokio::test]
async fn no_proxy_of_the_environment_sees_our_token() {
    if let Ok(url) = std::env::var(SERVER_OF_CHILD) {
        read(&contrail(&url, None)).await.unwrap();
        http_client(None).unwrap().get(format!("{url}/openstack")).send().await.unwrap();
        return;
    }
    let (proxy, server) = (Scripted::start(|_| groups()).await, Scripted::start(|_| groups()).await);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "no_proxy_of_the_environment_sees_our_token"]).kill_on_drop(true);
    child.env(SERVER_OF_CHILD, server.url());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, proxy.url());
    }
    // These would take our server out of what goes through a proxy, and the proxy out of a program that a web server has started.
    for name in ["no_proxy", "NO_PROXY", "REQUEST_METHOD"] {
        child.env_remove(name);
    }
    let ended = tokio::time::timeout(CHILD_WAIT_MAX, child.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(proxy.calls(), [""; 0]);
    assert_eq!(server.calls(), ["GET /security-groups", "GET /openstack"]);
}

/// What was asked is kept with the names of the fields, never with a token.
#[tokio::test]
async fn a_call_says_what_it_wants_of_whom() {
    let server = Scripted::start(|asked: &Asked| {
        assert_eq!(asked.body, Value::Null);
        groups()
    })
    .await;
    read(&contrail(&server.url(), None)).await.unwrap();
    assert_eq!(server.calls(), ["GET /security-groups"]);
}
