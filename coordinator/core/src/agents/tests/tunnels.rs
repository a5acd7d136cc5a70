//! Edges: tunnels, asked for at an agent's stream and brought by a call of its own.

use protocol::{
    id::TunnelId,
    tunnel::{TunnelDown, TunnelUp},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// The tunnel that the agent is asked for next.
async fn asked(site: &Site, agent: &mut FakeAgent) -> TunnelId {
    loop {
        if let ToAgent::OpenTunnel(open) = agent.next().await.unwrap() {
            assert_eq!(open.server, site.server.id);
            return open.id;
        }
    }
}

fn ask(site: &Site) -> tokio::task::JoinHandle<Result<Tunnel, AgentError>> {
    let (hub, server) = (Arc::clone(&site.hub), site.server.clone());
    tokio::spawn(async move { hub.open_tunnel(&server).await })
}

/// Calls with this, as the agent of a rack.
async fn call(site: &Site, rack: &str, pieces: Vec<TunnelUp>) -> Result<Vec<u8>, Code> {
    let (up, outgoing) = mpsc::channel(4);
    for piece in pieces {
        up.send(piece.into()).await.unwrap();
    }
    let mut client = AgentLinkClient::new(site.channel(rack).await);
    let answer = client.tunnel(ReceiverStream::new(outgoing)).await.map_err(|status| status.code())?;
    let message = answer.into_inner().message().await.map_err(|status| status.code())?;
    Ok(message.map(|message| TunnelDown::try_from(message).unwrap().0).unwrap_or_default())
}

#[tokio::test]
async fn a_tunnel_is_brought_by_its_own_racks_agent_alone() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let asking = ask(&site);
    let id = asked(&site, &mut agent).await;
    let hello = TunnelUp::Hello { id, refused: None };
    assert_eq!(call(&site, "rack2", vec![hello.clone()]).await, Err(Code::NotFound));
    let stray = TunnelUp::Hello { id: TunnelId::random(), refused: None };
    assert_eq!(call(&site, "rack1", vec![stray]).await, Err(Code::NotFound));
    assert_eq!(call(&site, "rack1", vec![TunnelUp::Piece(vec![1])]).await, Err(Code::FailedPrecondition));
    let carrying = async {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"question").await.unwrap();
        let tunnel = asking.await.unwrap().unwrap();
        let carried = tokio::spawn(tunnel.carry(near));
        let mut answer = [0; 6];
        far.read_exact(&mut answer).await.unwrap();
        carried.abort();
        answer
    };
    let calling = call(&site, "rack1", vec![hello.clone(), TunnelUp::Piece(b"answer".to_vec())]);
    let (answer, question) = tokio::join!(carrying, calling);
    assert_eq!((&answer, question), (b"answer", Ok(b"question".to_vec())));
    assert_eq!(call(&site, "rack1", vec![hello]).await, Err(Code::NotFound), "it is brought once");
}

#[tokio::test]
async fn why_there_is_no_tunnel_is_told() {
    let site = Site::new().await;
    let away = site.hub.open_tunnel(&site.server).await.err().expect("nobody is here");
    assert!(matches!(away, AgentError::Away { .. }), "{away}");
    let mut agent = site.agent().await;
    let asking = ask(&site);
    let id = asked(&site, &mut agent).await;
    let refused = TunnelUp::Hello { id, refused: Some("it boots no ramdisk".to_owned()) };
    let _ = call(&site, "rack1", vec![refused]).await;
    let error = asking.await.unwrap().err().expect("it was refused");
    assert!(
        matches!(&error, AgentError::Failed(failure) if failure.message == "it boots no ramdisk"),
        "{error}"
    );
}
