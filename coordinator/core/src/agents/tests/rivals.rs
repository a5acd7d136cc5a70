//! Edges: a second stream of a rack while the first one lives.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::*;

/// Another host, as far as anybody can see.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

impl Site {
    /// Says hello and gives what comes first.
    async fn hello(&self, channel: Channel) -> (FakeAgent, Result<ToAgent, Status>) {
        let mut agent = FakeAgent::connect(channel, AgentBootId::random()).await;
        let first = agent.next().await;
        (agent, first)
    }

    /// The agent of a rack that stays, and its papers.
    async fn first(&self) -> (FakeAgent, Papers) {
        let agent = self.agent().await;
        let papers = self.papers.lock().unwrap()[&rack()].clone();
        (agent, papers)
    }
}

#[tokio::test]
async fn a_copied_key_is_refused_elsewhere_and_told_with_both_addresses() {
    let site = Site::new().await;
    let (mut agent, papers) = site.first().await;
    let run = site.hub.connected(&rack());
    for _ in 0..3 {
        let (_, refused) = site.hello(site.dial(&papers, ELSEWHERE).await.unwrap()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        assert!(refused.message().contains("127.0.0.1"), "{refused}");
    }
    // Another certificate of the rack from where the first one is, as a thief on the same host would have it.
    let other = site.issue(&rack()).await;
    let (_, refused) = site.hello(site.dial(&other, LOOPBACK).await.unwrap()).await;
    assert_eq!(refused.unwrap_err().code(), Code::AlreadyExists);
    let alarms = site.told(EventKind::Alarm).await;
    assert_eq!(alarms.len(), 2, "once for each who asks again and again: {alarms:?}");
    for word in ["127.0.0.1 ", "127.0.0.2 ", "bmsctl agent revoke rack1"] {
        assert!(alarms[0].contains(word), "{word} is not in {}", alarms[0]);
    }
    // The first one notices nothing.
    agent.report(&site, 1, power(PowerReading::On)).await;
    agent.acknowledged(1).await;
    assert_eq!(site.hub.connected(&rack()), run);
    let stored = site.inventory.agent(&rack()).await.unwrap().unwrap();
    assert_eq!(Some(AgentBootId(stored.boot_id)), run, "nothing of the other one is believed");
    // With the first one gone, the place is free.
    drop(agent);
    until(async || site.hub.connected(&rack()).is_none()).await;
    let (_moved, welcome) = site.hello(site.dial(&papers, ELSEWHERE).await.unwrap()).await;
    assert!(matches!(welcome, Ok(ToAgent::Welcome { .. })), "{welcome:?}");
}

#[tokio::test]
async fn an_agent_that_was_started_anew_takes_its_own_place_at_once() {
    let site = Site::new().await;
    let (_hangs, papers) = site.first().await;
    let before = site.hub.connected(&rack());
    let (agent, welcome) = site.hello(site.dial(&papers, LOOPBACK).await.unwrap()).await;
    assert!(matches!(welcome, Ok(ToAgent::Welcome { .. })), "{welcome:?}");
    assert_eq!(site.hub.connected(&rack()), Some(agent.run));
    assert_ne!(site.hub.connected(&rack()), before);
    assert_eq!(site.told(EventKind::Alarm).await, Vec::<String>::new());
}

/// Carries bytes both ways until it is told to carry none any more; the connection stays open.
async fn freezing_relay(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(to).await.unwrap();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::join!(carry(near_in, far_out, frozen.clone()), carry(far_in, near_out, frozen));
    });
    (address, freeze)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            () = async { drop(frozen.wait_for(|is| *is).await) } => return std::future::pending().await,
        };
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(WAIT_MAX, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it comes to that");
}

#[tokio::test]
async fn an_agent_that_was_moved_is_let_in_when_its_old_connection_is_found_dead() {
    let site = Site::with(Waits { keep_alive: Duration::from_millis(300), ..Waits::default() }).await;
    site.channel("rack1").await;
    let papers = site.papers.lock().unwrap()[&rack()].clone();
    let (relay, freeze) = freezing_relay(site.address).await;
    let channel = site.dial_at(relay, &papers, LOOPBACK).await.unwrap();
    let (_hangs, welcome) = site.hello(channel).await;
    assert!(welcome.is_ok(), "{welcome:?}");
    freeze.send_replace(true);
    // As an agent does it: again and again.
    until(async || {
        let (agent, first) = site.hello(site.dial(&papers, ELSEWHERE).await.unwrap()).await;
        match first {
            Ok(_) => site.hub.connected(&rack()) == Some(agent.run),
            Err(refused) => {
                assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
                false
            }
        }
    })
    .await;
    let alarms = site.told(EventKind::Alarm).await;
    assert!(alarms.len() <= 1, "{alarms:?}");
}
