//! Edges: the racks' image caches, asked for at an agent's stream and answered by a call.

use protocol::{
    id::CacheOrderId,
    image_cache::{CacheAnswer, CacheOrder, CacheState, CacheVerb, CachedImage, Standing},
    step::{ImageFormat, ImageRef},
};

use super::*;

fn image() -> ImageRef {
    ImageRef {
        id: "cirros".to_owned(),
        format: ImageFormat::Raw,
        size_bytes: 600_000,
        sha512: "a".repeat(128),
    }
}

fn state(standing: Standing) -> CacheState {
    let image = image();
    let (waiting, in_use) = (Vec::new(), Vec::new());
    let images = vec![CachedImage { sha512: image.sha512, id: Some(image.id), standing, waiting, in_use }];
    CacheState { max_bytes: 10, free_bytes: 3, images, left_out: 0 }
}

/// What the agent is ordered next.
async fn ordered(agent: &mut FakeAgent) -> CacheOrder {
    loop {
        if let ToAgent::Cache(order) = agent.next().await.unwrap() {
            return order;
        }
    }
}

async fn answer(
    site: &Site,
    rack: &str,
    id: CacheOrderId,
    outcome: Result<CacheState, String>,
) -> Result<(), Code> {
    let mut client = AgentLinkClient::new(site.channel(rack).await);
    let answer = grpc::CacheAnswer::from(CacheAnswer { id, outcome });
    client.answer_cache(answer).await.map(drop).map_err(|status| status.code())
}

fn ask(site: &Site, verb: CacheVerb) -> tokio::task::JoinHandle<Result<CacheState, AgentError>> {
    let hub = Arc::clone(&site.hub);
    tokio::spawn(async move { hub.image_cache(&rack(), verb).await })
}

async fn fetch(site: &Site, rack: &str) -> Result<(), Code> {
    let mut client = AgentLinkClient::new(site.channel(rack).await);
    let request = grpc::FetchImageRequest { id: "cirros".to_owned(), offset: 0 };
    client.fetch_image(request).await.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn a_cache_is_shown_by_its_own_racks_agent_alone() {
    let site = Site::new().await;
    let away = site.hub.image_cache(&rack(), CacheVerb::Look).await.unwrap_err();
    assert!(matches!(away, AgentError::Away { .. }), "{away}");
    let mut agent = site.agent().await;
    let asked = ask(&site, CacheVerb::Look);
    let order = ordered(&mut agent).await;
    assert_eq!(order.verb, CacheVerb::Look);
    let whole = state(Standing::Whole { bytes: 7, used_s: 1, unpacked: false });
    let foreign = answer(&site, "rack2", order.id, Ok(CacheState::default())).await;
    assert_eq!(foreign, Err(Code::NotFound), "another rack's agent speaks for this one");
    assert_eq!(answer(&site, "rack1", order.id, Ok(whole.clone())).await, Ok(()));
    assert_eq!(asked.await.unwrap().unwrap(), whole);
    assert_eq!(answer(&site, "rack1", order.id, Ok(whole)).await, Err(Code::NotFound), "nobody waits");
    // What an agent refuses is told in its words.
    let asked = ask(&site, CacheVerb::Drop("a".repeat(128)));
    let order = ordered(&mut agent).await;
    answer(&site, "rack1", order.id, Err("it is needed".to_owned())).await.unwrap();
    let refused = asked.await.unwrap().unwrap_err();
    assert!(
        matches!(&refused, AgentError::Failed(failure) if failure.message == "it is needed"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_image_is_given_beforehand_only_to_the_rack_for_which_it_was_ordered_until_it_is_there() {
    let site = Site::with(Waits { image: Duration::ZERO, ..Waits::default() }).await;
    let mut agent = site.agent().await;
    assert_eq!(fetch(&site, "rack1").await, Err(Code::NotFound), "nobody ordered it");
    let asked = ask(&site, CacheVerb::Warm(image()));
    let order = ordered(&mut agent).await;
    assert_eq!(order.verb, CacheVerb::Warm(image()));
    assert_eq!(fetch(&site, "rack1").await, Ok(()));
    assert_eq!(fetch(&site, "rack2").await, Err(Code::NotFound), "it was ordered for another rack");
    let coming = Standing::UnderWay { received_bytes: 0, size_bytes: 600_000 };
    answer(&site, "rack1", order.id, Ok(state(coming))).await.unwrap();
    asked.await.unwrap().unwrap();
    assert_eq!(fetch(&site, "rack1").await, Ok(()), "a broken download goes on");
    let asked = ask(&site, CacheVerb::Look);
    let order = ordered(&mut agent).await;
    let there = Standing::Whole { bytes: 7, used_s: 1, unpacked: false };
    answer(&site, "rack1", order.id, Ok(state(there))).await.unwrap();
    asked.await.unwrap().unwrap();
    assert_eq!(fetch(&site, "rack1").await, Err(Code::NotFound), "it is there");
}
