//! Edges: a headless Chromium, driven over the DevTools protocol, and what a person could see or do in it.
//!
//! The protocol goes over a pipe: Chromium reads JSON messages from its file descriptor 3 and writes them to 4, each
//! ended by a zero byte. So no port is open, and when this side ends the browser ends too.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::oneshot,
    time::timeout,
};

use crate::lab::step::wait_for;

/// Longest time for one answer of the browser.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest time until a page shows what it should, if the caller does not say otherwise.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(20);
/// An element lies still that is at the same place for so many milliseconds.
const STILL_MS: u32 = 50;
/// How often is looked whether it does.
const STILL_LOOKS_MAX: u32 = 40;
/// Longest message: a picture of a long page.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Requests and complaints that are kept of one tab.
const NOTES_MAX: usize = 10_000;

/// What a tab did and said.
#[derive(Debug, Default)]
struct Notes {
    requests: Vec<String>,
    complaints: Vec<String>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>,
    notes: Mutex<HashMap<String, Notes>>,
}

/// A browser. It ends with its owner.
pub struct Browser {
    child: Child,
    pipe: Arc<Pipe>,
    _profile: tempfile::TempDir,
}

struct Pipe {
    writer: tokio::sync::Mutex<ChildStdin>,
    last: AtomicU64,
    shared: Arc<Shared>,
}

impl Browser {
    /// Starts Chromium. Certificates are not checked: a lab's authority is unknown to it.
    pub async fn start() -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        // The shell gives Chromium the two pipes at the descriptors where it looks for them.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>&2", "sh", "chromium"]);
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-sync",
            "--no-first-run",
            "--no-default-browser-check",
            "--no-proxy-server",
            "--ignore-certificate-errors",
            "--remote-debugging-pipe",
            "about:blank",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.env("HOME", profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child =
            command.spawn().context("starting chromium (package chromium, tests/packages.txt)")?;
        let writer = child.stdin.take().context("chromium has no input")?;
        let reader = child.stdout.take().context("chromium has no output")?;
        let shared = Arc::new(Shared::default());
        tokio::spawn(listen(BufReader::new(reader), Arc::clone(&shared)));
        let pipe =
            Arc::new(Pipe { writer: tokio::sync::Mutex::new(writer), last: AtomicU64::new(0), shared });
        pipe.call(None, "Browser.getVersion", json!({})).await.context("chromium does not answer")?;
        Ok(Self { child, pipe, _profile: profile })
    }

    /// A tab of a person of its own: it shares no cookie with the others.
    pub async fn person(&self) -> anyhow::Result<Tab> {
        let context = self.pipe.call(None, "Target.createBrowserContext", json!({})).await?;
        let context = context["browserContextId"].as_str().context("no context")?.to_owned();
        let wanted = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.pipe.call(None, "Target.createTarget", wanted).await?;
        let target = target["targetId"].as_str().context("no target")?.to_owned();
        let wanted = json!({ "targetId": target, "flatten": true });
        let session = self.pipe.call(None, "Target.attachToTarget", wanted).await?;
        let session = session["sessionId"].as_str().context("no session")?.to_owned();
        let tab = Tab { pipe: Arc::clone(&self.pipe), session };
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            tab.call(&format!("{domain}.enable"), json!({})).await?;
        }
        tab.look(Look::Light, 1280).await?;
        Ok(tab)
    }

    /// Ends it, and waits for its end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let _ = self.pipe.call(None, "Browser.close", json!({})).await;
        if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

impl Pipe {
    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().expect("no holder panics").insert(id, sender);
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        let mut writer = self.writer.lock().await;
        writer.write_all(&bytes).await.context("chromium is gone")?;
        writer.flush().await?;
        drop(writer);
        let answer = timeout(ANSWER_WAIT_MAX, receiver).await;
        self.shared.waiting.lock().expect("no holder panics").remove(&id);
        match answer.with_context(|| format!("chromium did not answer {method}"))? {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(why)) => bail!("chromium refused {method}: {why}"),
            Err(_) => bail!("chromium ended before it answered {method}"),
        }
    }
}

async fn listen(mut reader: BufReader<tokio::process::ChildStdout>, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(0, &mut bytes).await {
            Ok(count) if count > 0 && count < MESSAGE_BYTES_MAX => {}
            _ => break,
        }
        bytes.pop();
        if let Ok(message) = serde_json::from_slice::<Value>(&bytes) {
            hear(&shared, &message);
        }
    }
    shared.waiting.lock().expect("no holder panics").clear();
}

fn hear(shared: &Shared, message: &Value) {
    if let Some(id) = message["id"].as_u64() {
        let waiting = shared.waiting.lock().expect("no holder panics").remove(&id);
        if let Some(sender) = waiting {
            let answer = match message.get("error") {
                Some(error) => Err(error["message"].as_str().unwrap_or("no reason").to_owned()),
                None => Ok(message["result"].clone()),
            };
            let _ = sender.send(answer);
        }
        return;
    }
    let (Some(session), Some(method)) = (message["sessionId"].as_str(), message["method"].as_str()) else {
        return;
    };
    let params = &message["params"];
    let mut notes = shared.notes.lock().expect("no holder panics");
    let notes = notes.entry(session.to_owned()).or_default();
    if notes.requests.len() + notes.complaints.len() > NOTES_MAX {
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match method {
        "Network.requestWillBeSent" => notes.requests.push(text(&params["request"]["url"])),
        "Network.responseReceived"
            if params["response"]["status"].as_u64() >= Some(400) && params["type"] != "Document" =>
        {
            let response = &params["response"];
            notes.complaints.push(format!("{} for {}", response["status"], response["url"]));
        }
        "Runtime.exceptionThrown" => notes.complaints.push(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "warning" => {
            notes.complaints.push(params["args"].to_string());
        }
        // A page that tells of a refusal has the status of the refusal: that is no fault of the page.
        "Log.entryAdded" if params["entry"]["level"] == "error" && params["entry"]["source"] != "network" => {
            notes.complaints.push(format!("{}: {}", params["entry"]["source"], params["entry"]["text"]));
        }
        _ => {}
    }
}

/// How the page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The system's colours are light.
    Light,
    /// The system's colours are dark.
    Dark,
}

/// One tab of a person.
pub struct Tab {
    pipe: Arc<Pipe>,
    session: String,
}

impl Tab {
    async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.pipe.call(Some(&self.session), method, params).await
    }

    /// Colours and width.
    pub async fn look(&self, look: Look, width: u32) -> anyhow::Result<()> {
        let value = match look {
            Look::Light => "light",
            Look::Dark => "dark",
        };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", features).await?;
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    /// Whether scripts run.
    pub async fn scripts(&self, run: bool) -> anyhow::Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).await.map(drop)
    }

    /// Goes to an address, and waits until it is there.
    pub async fn go(&self, url: &str) -> anyhow::Result<()> {
        // Marked, so that the old page is not taken for the new one.
        let _ = self.value::<bool>("document.old = true").await;
        let gone = self.call("Page.navigate", json!({ "url": url })).await?;
        if let Some(why) = gone["errorText"].as_str().filter(|why| *why != "net::ERR_ABORTED") {
            bail!("{url}: {why}");
        }
        self.until("!document.old && document.readyState === 'complete'").await
    }

    /// The value of an expression.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> anyhow::Result<T> {
        let wanted = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", wanted).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {}", thrown["exception"]["description"]);
        }
        let value = answer["result"].get("value").cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).with_context(|| format!("the value of {expression}"))
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) -> anyhow::Result<()> {
        self.until_within(expression, PAGE_WAIT_MAX).await
    }

    /// The same with another patience. A failure shows what the page says instead.
    pub async fn until_within(&self, expression: &str, limit: Duration) -> anyhow::Result<()> {
        wait_for(format!("the page to fulfil {expression}"), limit, async |seen| {
            // While a page is being loaded there is none to ask.
            if self.value::<bool>(expression).await.unwrap_or(false) {
                return Ok(Some(()));
            }
            *seen = self.words().await.unwrap_or_else(|error| error.to_string());
            Ok(None)
        })
        .await
    }

    /// Waits until the page says this somewhere.
    pub async fn says(&self, words: &str) -> anyhow::Result<()> {
        self.says_within(words, PAGE_WAIT_MAX).await
    }

    /// The same with another patience.
    pub async fn says_within(&self, words: &str, limit: Duration) -> anyhow::Result<()> {
        let words = json!(words);
        self.until_within(&format!("document.body?.innerText.includes({words}) ?? false"), limit).await
    }

    /// Where it is, and everything that it says.
    pub async fn words(&self) -> anyhow::Result<String> {
        self.value("location.href + '\\n' + document.body.innerText").await
    }

    /// The words of one element.
    pub async fn text(&self, selector: &str) -> anyhow::Result<String> {
        self.value(&format!("document.querySelector({}).innerText", json!(selector))).await
    }

    /// Types into a field what a person would, in place of what is there; chooses, if it is a list.
    pub async fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let (at, value) = (json!(selector), json!(text));
        let is_list: bool = self
            .value(&format!(
                "(() => {{ const e = document.querySelector({at}); e.scrollIntoView({{block: 'center'}}); e.focus(); \
                 if (e.tagName !== 'SELECT') {{ e.select(); return false; }} \
                 e.value = [...e.options].find(o => o.value === {value} || o.text.startsWith({value})).value; \
                 e.dispatchEvent(new Event('change', {{bubbles: true}})); return true; }})()"
            ))
            .await?;
        if is_list {
            return Ok(());
        }
        if text.is_empty() {
            return self.value::<Value>(&format!("document.querySelector({at}).value = ''")).await.map(drop);
        }
        self.call("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// Clicks into the middle of an element with the mouse, as it lies there: once it lies still, because a page that is filled moves what
    /// stands below.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let at = json!(selector);
        let place: Option<(f64, f64)> = self
            .value(&format!(
                "(async () => {{ const place = () => {{ const e = document.querySelector({at}); if (!e) return null; \
                 e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const b = e.getBoundingClientRect(); \
                 const x = b.x + b.width / 2, y = b.y + b.height / 2; \
                 const hit = document.elementFromPoint(x, y); \
                 return hit && (e === hit || e.contains(hit)) ? [x, y] : null; }}; \
                 let last = null; for (let n = 0; n < {STILL_LOOKS_MAX}; n++) {{ const now = place(); \
                 if (now && last && now[0] === last[0] && now[1] === last[1]) return now; last = now; \
                 await new Promise(next => setTimeout(next, {STILL_MS})); }} return last; }})()"
            ))
            .await?;
        let Some((x, y)) = place else {
            bail!("nobody could click {selector} on {}", self.words().await?);
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Clicks what leads to another page, and waits for it.
    pub async fn follow(&self, selector: &str) -> anyhow::Result<()> {
        self.value::<bool>("document.old = true").await?;
        self.click(selector).await?;
        self.until("!document.old && document.readyState === 'complete'").await
    }

    /// Chooses a file.
    pub async fn choose_file(&self, selector: &str, file: &Path) -> anyhow::Result<()> {
        let wanted = json!({ "expression": format!("document.querySelector({})", json!(selector)) });
        let found = self.call("Runtime.evaluate", wanted).await?;
        let id = &found["result"]["objectId"];
        self.call("DOM.setFileInputFiles", json!({ "objectId": id, "files": [file] })).await.map(drop)
    }

    /// Takes a picture of the whole page.
    pub async fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let wanted = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.call("Page.captureScreenshot", wanted).await?;
        let bytes = STANDARD.decode(taken["data"].as_str().context("no picture")?)?;
        tokio::fs::write(file, bytes).await.with_context(|| format!("writing {}", file.display()))
    }

    /// How much wider the page is than the window, in pixels, and what sticks out.
    pub async fn overflow(&self) -> anyhow::Result<String> {
        self.value(
            "(() => { const w = document.documentElement.clientWidth; \
             if (document.documentElement.scrollWidth <= w) return ''; \
             const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1); \
             return `${document.documentElement.scrollWidth - w} px: ` + out.slice(0, 5).map(e => e.outerHTML.slice(0, 80)).join(' | '); })()",
        )
        .await
    }

    /// Controls without a name, and tables without heads: what a screen reader could not say.
    pub async fn unnamed(&self) -> anyhow::Result<Vec<String>> {
        let wanted = self.call("Accessibility.getFullAXTree", json!({})).await?;
        let nodes = wanted["nodes"].as_array().cloned().unwrap_or_default();
        let roles = ["button", "link", "textbox", "combobox", "searchbox", "spinbutton", "columnheader"];
        let is_nameless = |node: &&Value| {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            let name = node["name"]["value"].as_str().unwrap_or_default().trim();
            !node["ignored"].as_bool().unwrap_or(false) && roles.contains(&role) && name.is_empty()
        };
        Ok(nodes.iter().filter(is_nameless).map(|node| node["role"].to_string()).collect())
    }

    /// Fails when the tab asked anybody but this origin, or when a script or the policy of the pages complained.
    pub fn check(&self, origin: &str) -> anyhow::Result<()> {
        let notes = self.pipe.shared.notes.lock().expect("no holder panics");
        let Some(notes) = notes.get(&self.session) else { bail!("the tab did nothing") };
        let is_ours = |url: &&String| url.starts_with(&format!("{origin}/")) || url.starts_with("about:");
        let strange: Vec<_> = notes.requests.iter().filter(|url| !is_ours(url)).collect();
        ensure!(strange.is_empty(), "requests to others than {origin}: {strange:?}");
        ensure!(notes.complaints.is_empty(), "the browser complains: {:?}", notes.complaints);
        Ok(())
    }
}
