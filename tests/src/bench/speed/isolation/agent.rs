//! Edges: the agent of the rack: its rack machine, its clients, its spool and its uplink.

use std::{path::Path, sync::Arc};

use agent::{
    rack::Input,
    run::INPUTS_MAX,
    uplink::{
        client::{Request, Seen, Uplink, UplinkConfig},
        papers::{Papers, RENEWED_FILE},
        spool::Spool,
    },
};
use protocol::id::AgentBootId;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{super::rack, AllTimes, site::Link};

/// It runs until it is told to stop.
pub(super) struct Agent {
    runner: JoinHandle<()>,
    uplink: JoinHandle<()>,
}

impl Agent {
    /// Waits until it has ended.
    pub(super) async fn ended(self) {
        let _ = self.runner.await;
        let _ = self.uplink.await;
    }
}

/// Starts it, with what it keeps below this directory.
pub(super) fn start(
    dir: &Path,
    link: &Link,
    times: &AllTimes,
    stop: CancellationToken,
) -> anyhow::Result<Agent> {
    let state = dir.join("agent");
    std::fs::create_dir_all(&state)?;
    let (back, inputs) = mpsc::channel(INPUTS_MAX);
    let (seen, seen_rx) = mpsc::channel::<Seen>(INPUTS_MAX);
    let (requests, requests_rx) = mpsc::channel(INPUTS_MAX);
    let config = UplinkConfig {
        coordinator: link.address.to_string(),
        server_name: link.name.clone(),
        ca: link.papers.join("ca.pem"),
        papers: Papers {
            cert: link.papers.join("agent.pem"),
            key: link.papers.join("agent.key"),
            renewed: state.join(RENEWED_FILE),
        },
        rack: link.rack.clone(),
    };
    let spool = Spool::open(&state.join("spool"))?;
    let health = Arc::default();
    // It ends when the rack has said its last word.
    let uplink_stop = CancellationToken::new();
    let uplink = Uplink::new(Arc::new(config), AgentBootId::random(), spool, seen_rx, requests, uplink_stop)
        .telling(Arc::clone(&health))
        .run();
    tokio::spawn(pass_on(requests_rx, back.clone()));
    let runner = rack::runner(&state, rack::timed(times), (back, inputs), (seen, health), stop)?;
    Ok(Agent { runner: tokio::spawn(runner.run()), uplink: tokio::spawn(uplink) })
}

/// What the coordinator asks of the rack.
async fn pass_on(mut requests: mpsc::Receiver<Request>, rack: mpsc::Sender<Input>) {
    while let Some(request) = requests.recv().await {
        let input = match request {
            Request::Declare(declaration) => Input::Declare(declaration),
            Request::Command(given) => Input::Command(given),
            Request::Discover(_)
            | Request::OpenConsole(_)
            | Request::ReadConsole(_)
            | Request::Cache(_)
            | Request::OpenTunnel(_) => {
                continue;
            }
        };
        if rack.send(input).await.is_err() {
            return;
        }
    }
}
