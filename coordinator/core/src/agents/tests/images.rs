//! Edges: who is given which image's bytes.

use protocol::step::{ImageFormat, ImageRef};

use super::{super::images::IMAGES_PER_RACK_MAX, *};

fn fetch(id: &str, offset: u64) -> grpc::FetchImageRequest {
    grpc::FetchImageRequest { id: id.to_owned(), offset }
}

fn writes(id: &str) -> Action {
    let image = ImageRef {
        id: id.to_owned(),
        format: ImageFormat::Raw,
        size_bytes: 600_000,
        sha512: "0".repeat(128),
    };
    Action::RunStep { session: RamdiskSessionId::random(), step: Step::write_image(image) }
}

/// Lets the rack's agent write this image; gives the command, and the wait for its end.
async fn order(
    site: &Site,
    agent: &mut FakeAgent,
    id: &str,
) -> (Command, tokio::task::JoinHandle<Result<Success, AgentError>>) {
    let (agents, server, action) = (site.agents(), site.server.id, writes(id));
    let run = tokio::spawn(async move { agents.run(&rack(), server, action).await });
    (agent.command().await, run)
}

#[tokio::test]
async fn image_bytes_come_from_an_offset_in_bounded_pieces() {
    let site = Site::with(Waits { image: Duration::ZERO, ..Waits::default() }).await;
    let mut agent = site.agent().await;
    let _run = order(&site, &mut agent, "cirros").await;
    let mut client = AgentLinkClient::new(site.channel("rack1").await);
    let mut pieces = client.fetch_image(fetch("cirros", 100_000)).await.unwrap().into_inner();
    let (mut total, mut count) = (0, 0);
    while let Some(piece) = pieces.message().await.unwrap() {
        total += piece.data.len();
        count += 1;
    }
    assert_eq!(total, 500_000);
    assert!(count >= 2, "{count}");
    let _other = order(&site, &mut agent, "nothing").await;
    let refused = client.fetch_image(fetch("nothing", 0)).await.unwrap_err();
    assert!(refused.message().contains("no such image"), "{refused}");
}

#[tokio::test]
async fn an_image_is_given_only_to_the_rack_whose_step_under_way_names_it() {
    let site = Site::with(Waits { image: Duration::ZERO, ..Waits::default() }).await;
    let ask = async |rack: &str, id: &str| {
        let mut client = AgentLinkClient::new(site.channel(rack).await);
        client.fetch_image(fetch(id, 0)).await.map(|_| ()).map_err(|status| status.code())
    };
    assert_eq!(ask("rack1", "cirros").await, Err(Code::NotFound), "nothing is to be written");
    let mut agent = site.agent().await;
    assert_eq!(ask("rack1", "cirros").await, Err(Code::NotFound), "a hello alone orders nothing");
    let (command, run) = order(&site, &mut agent, "cirros").await;
    assert_eq!(ask("rack1", "cirros").await, Ok(()));
    assert_eq!(ask("rack1", "another").await, Err(Code::NotFound), "no step names it");
    assert_eq!(ask("rack2", "cirros").await, Err(Code::NotFound), "the step is another rack's");
    // The step goes on over a break of the stream, and so does its download.
    drop(agent);
    assert_eq!(ask("rack1", "cirros").await, Ok(()));
    let mut agent = site.agent().await;
    let output = StepOutput::ImageWritten { disk: "/dev/vda".into(), written_bytes: 1, virtual_bytes: 1 };
    agent.report(&site, 1, done(&command, Success::Step(output))).await;
    run.await.unwrap().unwrap();
    assert_eq!(ask("rack1", "cirros").await, Err(Code::NotFound), "it is written");
}

#[tokio::test]
async fn who_was_never_let_in_is_given_no_image() {
    let site = Site::with(Waits { image: Duration::ZERO, ..Waits::default() }).await;
    let mut agent = site.agent().await;
    let _run = order(&site, &mut agent, "cirros").await;
    // Signed by our authority, for the very rack, and not by us as anybody knows.
    let term = site.issuer.term(SystemClock.now_us());
    let (made, key) = site.issuer.authority.agent_certificate(&rack(), term).unwrap();
    let papers = Papers { pem: made.pem, key: key.to_string() };
    let mut client = AgentLinkClient::new(site.dial(&papers, LOOPBACK).await.unwrap());
    let refused = client.fetch_image(fetch("cirros", 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}

#[tokio::test]
async fn a_download_waits_for_its_step_after_a_restart() {
    let mut site = Site::new().await;
    let agent = site.agent().await;
    site.restart().await;
    drop(agent);
    // Which of the two comes first is left open.
    let mut client = AgentLinkClient::new(site.channel("rack1").await);
    let fetched = tokio::spawn(async move { client.fetch_image(fetch("cirros", 0)).await.map(|_| ()) });
    let mut agent = site.agent().await;
    let _run = order(&site, &mut agent, "cirros").await;
    fetched.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_rack_has_so_many_images_on_their_way_and_the_next_one_waits_for_a_place() {
    let site = Site::with(Waits { image: Duration::ZERO, ..Waits::default() }).await;
    let mut agent = site.agent().await;
    let _run = order(&site, &mut agent, "cirros").await;
    let mut held = Vec::new();
    for _ in 0..IMAGES_PER_RACK_MAX {
        held.push(site.hub.permit_image(&rack(), "cirros").await.unwrap());
    }
    assert_eq!(site.hub.image_places(&rack()).available_permits(), 0);
    let other: RackId = "rack2".parse().unwrap();
    assert_eq!(
        site.hub.image_places(&other).available_permits(),
        IMAGES_PER_RACK_MAX,
        "each rack has its own"
    );
    let mut client = AgentLinkClient::new(site.channel("rack1").await);
    let waiting = tokio::spawn(async move {
        let mut pieces = client.fetch_image(fetch("cirros", 0)).await.unwrap().into_inner();
        while pieces.message().await.unwrap().is_some() {}
    });
    held.pop();
    waiting.await.unwrap();
    // What was taken is given back.
    let place = tokio::time::timeout(WAIT_MAX, site.hub.image_places(&rack()).acquire_owned()).await;
    assert!(place.expect("its place is free again").is_ok());
}
