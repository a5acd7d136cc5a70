//! Edges: the agent's uplink: listens in the agent's namespace and connects to the coordinator outside.
//!
//! A socket stays in the namespace it was made in, so one process can join two namespaces without any interface
//! between them. The agent gets exactly one way out, and stopping this program cuts it.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};

use crate::netns::Netns;

/// Most connections relayed at once.
const CONNECTIONS_MAX: usize = 64;

/// Relays from `listen` in the namespace to `target` outside, until stopped.
pub async fn run(ns: &Netns, listen: SocketAddr, target: SocketAddr) -> anyhow::Result<()> {
    let listener = ns
        .within(move || {
            let listener =
                std::net::TcpListener::bind(listen).with_context(|| format!("binding {listen}"))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })
        .context("opening the relay")?;
    let listener = TcpListener::from_std(listener)?;
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = permits.clone().acquire_owned().await?;
        let (mut inner, _) = listener.accept().await?;
        tokio::spawn(async move {
            match TcpStream::connect(target).await {
                Ok(mut outer) => {
                    let _ = inner.set_nodelay(true);
                    let _ = outer.set_nodelay(true);
                    let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                }
                Err(error) => tracing::warn!(%target, %error, "relay target did not answer"),
            }
            drop(permit);
        });
    }
}
