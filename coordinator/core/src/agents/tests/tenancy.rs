//! Edges: whose a server is, as its agent is told.

use domain::{
    lifecycle::{Node, ProvisionState},
    rim::Declarations,
};
use protocol::{
    boot::{Boot, BootPlan, BootPurpose},
    command::{Action, Success},
    convert::ToAgent,
    id::TenancyId,
    network::BootNetwork,
};
use uuid::Uuid;

use super::{Site, done, rack};

/// What was declared last before this marker, which is sent behind it all.
async fn declared(site: &Site, agent: &mut super::FakeAgent) -> Vec<Option<TenancyId>> {
    site.hub.forget(&rack(), protocol::id::ServerId(Uuid::nil())).await;
    let mut all = Vec::new();
    loop {
        if let ToAgent::Declare(declaration) = agent.next().await.unwrap() {
            if !declaration.forget.is_empty() {
                return all;
            }
            all.extend(declaration.servers.into_iter().map(|spec| spec.tenancy));
        }
    }
}

#[tokio::test]
async fn an_agent_is_told_whose_a_server_is_whenever_that_changes() {
    let site = Site::new().await;
    let tenancy = TenancyId(Uuid::from_u128(7));
    let becomes = async |state: ProvisionState| {
        let node = Node { instance_id: Some(tenancy.0), ..Node::in_state(site.server.id, state) };
        site.inventory.set_node(site.server.id, Some(&node)).await.unwrap();
        site.inventory.server(site.server.id).await.unwrap().unwrap()
    };
    let mut agent = site.agent().await;
    assert_eq!(declared(&site, &mut agent).await, [], "the stream begins with all of them");
    let active = becomes(ProvisionState::Active).await;
    site.hub.keep(&active).await;
    site.hub.keep(&active).await;
    assert_eq!(declared(&site, &mut agent).await, [Some(tenancy)], "once");
    site.hub.declare(&active).await;
    assert_eq!(declared(&site, &mut agent).await, [Some(tenancy)], "as it was told");
    // A boot of ours ends it without a word, and what was seen before that boot does not begin it again.
    let plan = BootPlan { purpose: BootPurpose::Rescue, network: BootNetwork::Provisioning };
    let rescuing = becomes(ProvisionState::Rescuing).await;
    let hub = site.hub.clone();
    let asked = tokio::spawn(async move {
        let boot = Boot::Network(plan);
        hub.run_command(&rack(), rescuing.id, Action::PowerOn { boot }).await
    });
    let command = agent.command().await;
    site.hub.keep(&active).await;
    site.hub.declare(&active).await;
    assert_eq!(declared(&site, &mut agent).await, [None]);
    agent.report(&site, 1, done(&command, Success::Done)).await;
    asked.await.unwrap().unwrap();
    let rescue = becomes(ProvisionState::Rescue).await;
    site.hub.keep(&rescue).await;
    assert_eq!(declared(&site, &mut agent).await, [Some(tenancy)]);
    let deleting = becomes(ProvisionState::Deleting).await;
    site.hub.keep(&deleting).await;
    assert_eq!(declared(&site, &mut agent).await, [None]);
}
