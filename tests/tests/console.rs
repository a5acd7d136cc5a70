//! Edges: a server's console from its BMC to whoever looks at it: agent, coordinator, WebSocket, bmsctl.

mod console_common;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::Ordering,
    time::Duration,
};

use console_common::{Site, WEB};
use domain::{audit::AuditFilter, lifecycle::ProvisionState};
use futures::{SinkExt, StreamExt};
use reqwest::{StatusCode, Upgraded, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

/// Longest that anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Somebody at a console.
struct Watcher {
    socket: WebSocketStream<Upgraded>,
    /// Characters that have come.
    seen: Vec<u8>,
}

/// A console, or what is answered instead.
async fn open(site: &Site, token: &str, path: &str) -> Result<Watcher, (StatusCode, String)> {
    open_with(site, format!("v1/{path}"), [("x-auth-token", token.to_owned())]).await
}

async fn open_with<const N: usize>(
    site: &Site,
    path: String,
    with: [(&'static str, String); N],
) -> Result<Watcher, (StatusCode, String)> {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(site.ca()).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    for (name, value) in with {
        headers.insert(name, value.parse().unwrap());
    }
    let url = format!("https://{}/{path}", site.api);
    let answer = client.get(url).headers(headers).send().await.unwrap();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err((answer.status(), answer.text().await.unwrap()));
    }
    let socket = WebSocketStream::from_raw_socket(answer.upgrade().await.unwrap(), Role::Client, None).await;
    Ok(Watcher { socket, seen: Vec::new() })
}

impl Watcher {
    async fn types(&mut self, text: &str) {
        self.socket.send(Message::Binary(text.to_owned().into())).await.unwrap();
    }

    async fn asks(&mut self, word: Value) {
        self.socket.send(Message::Text(word.to_string().into())).await.unwrap();
    }

    /// The next word; characters before it are kept. None: it was closed.
    async fn word(&mut self) -> Option<Value> {
        // Pings come all the time: the wait is bounded as a whole.
        timeout(WAIT_MAX, self.next_word()).await.expect("a word comes")
    }

    async fn next_word(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(characters))) => self.seen.extend(characters),
                Some(Ok(Message::Text(word))) => return Some(serde_json::from_str(&word).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            }
        }
    }

    /// Waits for this word, whatever comes before.
    async fn hears(&mut self, expected: Value) {
        let mut others = Vec::new();
        while let Some(word) = self.word().await {
            if word == expected {
                return;
            }
            others.push(word);
        }
        panic!("closed without {expected}, after {others:?}");
    }

    /// Waits for these characters, whatever comes between.
    async fn shows(&mut self, expected: &str) {
        let waited = async {
            while !self.seen.windows(expected.len()).any(|seen| seen == expected.as_bytes()) {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(characters))) => self.seen.extend(characters),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => panic!("closed without {expected}"),
                }
            }
        };
        timeout(WAIT_MAX, waited).await.unwrap_or_else(|_| panic!("{expected} is not shown"));
    }

    /// Why it was ended; nothing follows.
    async fn end(&mut self) -> String {
        while let Some(word) = self.word().await {
            if word["word"] == "ended" {
                let why = word["why"].as_str().unwrap().to_owned();
                assert_eq!(self.word().await, None);
                return why;
            }
        }
        panic!("closed without a word");
    }
}

/// Actions that were written down, oldest first: who, and what.
async fn written(site: &Site) -> Vec<(String, String)> {
    let page = site.inventory.audit(&AuditFilter::default()).await.unwrap();
    let mut entries: Vec<_> = page.into_iter().map(|entry| (entry.id, entry.what)).collect();
    entries.sort_by_key(|(id, _)| *id);
    let said = |entry: domain::audit::NewEntry| {
        (entry.user_name.unwrap_or_default(), entry.action.unwrap_or_default())
    };
    entries.into_iter().map(|(_, entry)| said(entry)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_look_one_types_and_a_take_over_is_written_down() {
    let site = Site::start().await;
    let of_node = format!("nodes/{}/console", site.node);
    let mut admin = open(&site, "token-administrator", &of_node).await.ok().unwrap();
    admin.hears(json!({"word": "opened"})).await;
    admin.types("by admin").await;
    admin.shows("by admin").await;
    // The project's own people see the same console, and are told who types.
    let mut member = open(&site, "token-member", &format!("servers/{WEB}/console")).await.ok().unwrap();
    member.hears(json!({"word": "held", "by": "administrator"})).await;
    admin.types("for both").await;
    member.shows("for both").await;
    member.types("unheard").await;
    member.hears(json!({"word": "held", "by": "administrator"})).await;
    member.asks(json!({"word": "take"})).await;
    member.hears(json!({"word": "held", "by": "administrator"})).await;
    member.asks(json!({"word": "take", "force": true})).await;
    member.hears(json!({"word": "keyboard"})).await;
    admin.hears(json!({"word": "held", "by": "member"})).await;
    member.types("now mine").await;
    admin.shows("now mine").await;
    member.asks(json!({"word": "break"})).await;
    admin.hears(json!({"word": "break"})).await;
    member.asks(json!({"word": "reboot"})).await;
    let refused = async { while member.word().await.unwrap()["word"] != "cannot" {} };
    refused.await;
    assert!(!admin.seen.windows(7).any(|seen| seen == b"unheard"));
    let act = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(
        written(&site).await,
        [act("administrator", "console"), act("member", "console"), act("member", "console take-over")]
    );
    // One session at the BMC for all; where all is recorded it stays.
    assert_eq!(site.bmc.open.load(Ordering::SeqCst), 1);
    drop(member);
    admin.hears(json!({"word": "free"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_a_console_who_may_not_be_there() {
    let site = Site::start().await;
    let of_node = format!("nodes/{}/console", site.node);
    let of_server = format!("servers/{WEB}/console");
    let check = async |token: &str, path: &str, status: StatusCode, words: &str| {
        let (answered, said) = open(&site, token, path).await.err().expect("refused");
        assert!(answered == status && said.contains(words), "{token} {path}: {answered} {said}");
    };
    check("token-nobody", &of_node, StatusCode::UNAUTHORIZED, "log in again").await;
    check("token-member", &of_node, StatusCode::FORBIDDEN, "administrators").await;
    check("token-system-reader", &of_node, StatusCode::FORBIDDEN, "administrators").await;
    check("token-reader", &of_server, StatusCode::FORBIDDEN, "can only read").await;
    check("token-other-member", &of_server, StatusCode::NOT_FOUND, "there is no server").await;
    check("token-administrator", "nodes/none/console", StatusCode::NOT_FOUND, "there is no node").await;
    // While our ramdisk runs on it, its console shows what is ours.
    for ours in [ProvisionState::Deploying, ProvisionState::CleanWait, ProvisionState::RescueWait] {
        site.becomes(ours).await;
        check("token-member", &of_server, StatusCode::CONFLICT, "its own system").await;
    }
    site.becomes(ProvisionState::Active).await;
    // Bounds: one person holds only so many.
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(open(&site, "token-member", &of_server).await.ok().unwrap());
    }
    check("token-member", &of_server, StatusCode::TOO_MANY_REQUESTS, "8 of 8 open consoles").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_ends_with_the_right_to_it() {
    let site = Site::start().await;
    let of_server = format!("servers/{WEB}/console");
    // The server goes back into our hands.
    let mut member = open(&site, "token-member", &of_server).await.ok().unwrap();
    let mut admin =
        open(&site, "token-administrator", &format!("nodes/{}/console", site.node)).await.ok().unwrap();
    admin.hears(json!({"word": "opened"})).await;
    site.becomes(ProvisionState::Deleting).await;
    assert!(member.end().await.contains("its own system"));
    // Administrators see on.
    admin.asks(json!({"word": "take", "force": true})).await;
    admin.types("still here").await;
    admin.shows("still here").await;
    // The token is revoked.
    site.cloud.held().gone.insert("administrator".into());
    assert!(admin.end().await.contains("log in again"));
    // The server is deleted.
    site.becomes(ProvisionState::Active).await;
    let mut member = open(&site, "token-member", &of_server).await.ok().unwrap();
    site.inventory.delete_tenant_server(WEB).await.unwrap();
    assert!(member.end().await.contains("there is no server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bmsctl_shows_a_console_and_types_at_it() {
    let site = Site::start().await;
    let program: PathBuf = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bmsctl");
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    let console = |token: &str, words: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("console").args(words).env("OS_TOKEN", token);
        command.env("BMS_URL", format!("https://{}", site.api)).env("BMS_CACERT", site.ca());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    };
    let mut child = console("token-member", &["web", "--server"]);
    let (mut keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut words = String::new();
    while !(words.contains("console open") && words.contains("the keyboard is yours")) {
        let line = timeout(WAIT_MAX, told.next_line()).await.expect("it is told").unwrap();
        words.push_str(&line.expect("it goes on"));
    }
    keys.write_all(b"hello\r").await.unwrap();
    let mut shown = [0; 6];
    timeout(WAIT_MAX, out.read_exact(&mut shown)).await.expect("it is shown").unwrap();
    assert_eq!(&shown, b"hello\r");
    keys.write_all(b"~.").await.unwrap();
    let ended = timeout(WAIT_MAX, child.wait_with_output()).await.expect("it ends").unwrap();
    assert!(ended.status.success(), "{words}");
    // What is refused is said in the API's words.
    let refused = console("token-other-member", &["web", "--server"]);
    let ended = timeout(WAIT_MAX, refused.wait_with_output()).await.expect("it ends").unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && told.contains("there is no server"), "{told}");
}

/// What is told of a record, and in which form.
async fn record(site: &Site, token: &str, path: &str, accept: &str) -> (StatusCode, String) {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(site.ca()).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let request = client.get(format!("https://{}/v1/{path}", site.api)).header("x-auth-token", token);
    let answer = request.header("accept", accept).timeout(WAIT_MAX).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Waits until the record as text, without times, is this; of a project's people only what the server printed counts. The disk comes
/// behind the console.
async fn reads(site: &Site, token: &str, path: &str, expected: &[&str]) {
    let told = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split_once("Z ").map_or(line, |(_, rest)| rest).to_owned());
        lines.filter(|line| token == "token-administrator" || !line.starts_with("-- ")).collect()
    };
    let waited = async {
        loop {
            let (status, text) = record(site, token, path, "*/*").await;
            assert_eq!(status, StatusCode::OK, "{text}");
            if told(&text) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(WAIT_MAX, waited).await.is_err() {
        panic!("{path}: {:?}, not {expected:?}", record(site, token, path, "*/*").await.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_watches_and_reads_its_own_time_only() {
    let site = Site::start().await;
    let of_node = format!("nodes/{}/console", site.node);
    let (of_server, log) = (format!("servers/{WEB}/console"), format!("servers/{WEB}/console/log"));
    let mut admin = open(&site, "token-administrator", &of_node).await.ok().unwrap();
    admin.hears(json!({"word": "opened"})).await;
    let print = async |admin: &mut Watcher, text: &str| {
        admin.types(text).await;
        admin.shows(text.trim_end()).await;
    };
    let instance = "00000000-0000-0000-0000-00000000004e";
    let (begins, ends) = (format!("-- tenancy {instance} begins"), format!("-- tenancy {instance} ends"));
    // What is printed belongs to whom the agent has heard of: each change is waited for in its record.
    let last = format!("{of_node}/log?since=1970-01-01T00:00:00Z&tail=1");
    reads(&site, "token-administrator", &last, &[&begins]).await;
    site.becomes(ProvisionState::Deploying).await;
    reads(&site, "token-administrator", &last, &[&ends]).await;
    print(&mut admin, "secret of the ramdisk\r\n").await;
    site.becomes(ProvisionState::Active).await;
    reads(&site, "token-administrator", &last, &[&begins]).await;
    let mut member = open(&site, "token-member", &of_server).await.ok().unwrap();
    print(&mut admin, "web boots\r\n").await;
    member.shows("web boots").await;
    site.becomes(ProvisionState::Deleting).await;
    // Where a ramdisk boots, the agent ends the tenancy before that by itself.
    assert!(member.end().await.contains("its own system"), "cut off with the reason");
    reads(&site, "token-administrator", &last, &[&ends]).await;
    print(&mut admin, "erasing disks\r\n").await;
    let seen = String::from_utf8_lossy(&member.seen).into_owned();
    assert_eq!(seen, "web boots\r\n", "nothing of before or after");
    // The same holds for the record; what others read of it is all of it, with the marks.
    reads(&site, "token-member", &log, &["web boots"]).await;
    // Between its opening and the first declaration it was nobody's for a moment.
    let of_all = format!("{of_node}/log?since=1970-01-01T00:00:00Z&tail=5");
    let all = ["secret of the ramdisk", &begins, "web boots", &ends, "erasing disks"];
    reads(&site, "token-administrator", &of_all, &all).await;
    reads(&site, "token-member", &format!("{log}?grep=ERASING"), &[]).await;
    reads(&site, "token-member", &format!("{log}?grep=WEB"), &["web boots"]).await;
    reads(&site, "token-member", &format!("{log}?until=2000-01-01T00:00:00Z"), &[]).await;
    // As JSON it is one document.
    let (_, json) = record(&site, "token-member", &format!("{log}?tail=2"), "application/json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["text"], &json[1]["kind"]), (&json!("web boots"), &json!("tenancy-ended")));
    let check = async |token: &str, path: &str, status: StatusCode, words: &str| {
        let (answered, said) = record(&site, token, path, "*/*").await;
        assert!(answered == status && said.contains(words), "{token} {path}: {answered} {said}");
    };
    check("token-other-member", &log, StatusCode::NOT_FOUND, "there is no server").await;
    check("token-reader", &log, StatusCode::FORBIDDEN, "can only read").await;
    check("token-member", &format!("{of_node}/log"), StatusCode::FORBIDDEN, "administrators").await;
    check("token-member", &format!("{log}?since=noon"), StatusCode::BAD_REQUEST, "not a time").await;
    assert!(written(&site).await.contains(&("administrator".to_owned(), "console log".to_owned())));
    // It is another instance's: what the first one printed is not for the second.
    site.is_anothers().await;
    print(&mut admin, "other boots\r\n").await;
    reads(&site, "token-member", &log, &["web boots"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bmsctl_prints_a_record_follows_it_and_says_why_it_ends() {
    let site = Site::start().await;
    let mut admin =
        open(&site, "token-administrator", &format!("nodes/{}/console", site.node)).await.ok().unwrap();
    admin.hears(json!({"word": "opened"})).await;
    admin.types("one\r\n").await;
    admin.shows("one").await;
    reads(&site, "token-member", &format!("servers/{WEB}/console/log?grep=one"), &["one"]).await;
    let program: PathBuf = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bmsctl");
    let log = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["console", "web", "--server", "--log"]).args(words).env("OS_TOKEN", "token-member");
        command.env("BMS_URL", format!("https://{}", site.api)).env("BMS_CACERT", site.ca());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    };
    let whole = log(&["--since", "1h", "--grep", "ONE"]);
    let whole = timeout(WAIT_MAX, whole.wait_with_output()).await.expect("it ends").unwrap();
    let told = String::from_utf8(whole.stdout).unwrap();
    assert!(whole.status.success() && told.ends_with("Z one\n") && told.lines().count() == 1, "{told}");
    let mut following = log(&["--tail", "1", "--follow"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = async || timeout(WAIT_MAX, lines.next_line()).await.expect("it is told").unwrap();
    assert!(next().await.unwrap().ends_with(" one"));
    admin.types("two\r\n").await;
    assert!(next().await.unwrap().ends_with(" two"));
    site.inventory.delete_tenant_server(WEB).await.unwrap();
    let ended = timeout(WAIT_MAX, following.wait_with_output()).await.expect("it ends").unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && told.contains("cut off here: there is no server"), "{told}");
}

/// Signs in to the pages; gives the cookie.
async fn sign_in(site: &Site, user: &str) -> String {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(site.ca()).unwrap()).unwrap();
    let client =
        reqwest::Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none()).build();
    let form = format!("user={user}&password=x&project=demo&domain=Default&to=/ui/");
    let request = client.unwrap().post(format!("https://{}/ui/sign-in", site.api)).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
    let set = answer.headers().get("set-cookie").map(|set| set.to_str().unwrap().to_owned());
    let Some(set) = set else { panic!("not signed in: {}", answer.text().await.unwrap()) };
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_at_a_console_in_its_visitors_name_and_another_sites_page_is_not() {
    let site = Site::start().await;
    let cookie = sign_in(&site, "member").await;
    let page = |from: &'static str, path: String| {
        let headers = [("cookie", cookie.clone()), ("sec-fetch-site", from.to_owned())];
        open_with(&site, path, headers)
    };
    let socket = || format!("ui/servers/{WEB}/console/socket");
    let (status, _) = page("cross-site", socket()).await.err().expect("refused");
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) =
        page("same-origin", format!("ui/nodes/{}/console/socket", site.node)).await.err().expect("refused");
    assert_eq!(status, StatusCode::FORBIDDEN, "a node's is not a project's");
    let Ok(mut member) = page("same-origin", socket()).await else { panic!("the page has no console") };
    member.hears(json!({"word": "keyboard"})).await;
    member.types("from a page\r\n").await;
    member.shows("from a page").await;
    assert_eq!(written(&site).await.last(), Some(&("member".to_owned(), "console".to_owned())));
    site.becomes(ProvisionState::Deleting).await;
    assert!(member.end().await.contains("its own system"));
    // What was recorded is a file.
    let ca = reqwest::Certificate::from_pem(&std::fs::read(site.ca()).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let waited = async {
        loop {
            let url = format!("https://{}/ui/servers/{WEB}/console/log", site.api);
            let answer = client.get(url).header("cookie", &cookie).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let kept = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
            assert!(kept.starts_with("attachment;"), "{kept}");
            if answer.text().await.unwrap().contains("from a page") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WAIT_MAX, waited).await.expect("it is recorded");
}
