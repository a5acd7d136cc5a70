//! Edges: contradictions about tenancies, looked for a few times a minute: each that stays is one alarm, and its end is told.

use domain::{
    events::EventKind,
    records::{Server, TenantServer},
    rim::{Caller, ComputeServer},
    survey::{
        Finding, FindingKind,
        episode::{Change, Episode, changes},
        picture::{IronicNode, Known, NovaServer, Picture, Tenant},
        tenancies::{not_ending, tenancies},
    },
};
use tracing::warn;

use super::{Tenancy, TenancyError};

/// Contradictions that one look confirms with Nova, server by server; the rest waits for the next.
const CONFIRMED_MAX: usize = 32;

impl Tenancy {
    /// Compares what is stored of Ironic's nodes and of tenants with Nova's list.
    pub(super) async fn watch(&self, servers: &[TenantServer], physical: &[Server], nova: &[ComputeServer]) {
        let picture = picture(servers, physical, nova);
        let (nodes, listed) =
            (picture.ironic.as_deref().unwrap_or_default(), picture.nova.as_deref().unwrap_or_default());
        let mut found = tenancies(&picture, nodes, listed);
        let is_told = |not_ending: &Finding| found.iter().any(|other| other.server == not_ending.server);
        let further: Vec<_> = not_ending(&picture).into_iter().filter(|finding| !is_told(finding)).collect();
        found.extend(further);
        let stored = match self.inventory.contradictions().await {
            Ok(stored) => stored,
            Err(error) => return warn!(%error, "contradictions cannot be read"),
        };
        let mut confirmed = 0;
        for change in changes(&stored, &found, self.inventory.clock().now_us()) {
            if let Err(error) = self.tell_change(physical, change, &mut confirmed).await {
                warn!(%error, "a contradiction cannot be told");
            }
        }
    }

    async fn tell_change(
        &self,
        physical: &[Server],
        change: Change,
        confirmed: &mut usize,
    ) -> Result<(), TenancyError> {
        match change {
            Change::Begins(episode) => self.inventory.put_contradiction(&episode).await?,
            Change::Stays(episode, finding) => {
                if !self.is_confirmed(physical, &finding, confirmed).await? {
                    return Ok(());
                }
                self.inventory.put_contradiction(&episode).await?;
                self.tell_of(physical, &episode, EventKind::Alarm, alarm(&finding)).await;
            }
            Change::Ends(episode) => {
                self.inventory.delete_contradiction(&episode).await?;
                if episode.told {
                    let text = "contradiction resolved: Ironic, Nova and our records agree again".to_owned();
                    self.tell_of(physical, &episode, EventKind::TenantServer, text).await;
                }
            }
        }
        Ok(())
    }

    /// A list that lacks a server is no proof that Nova does not know it: Nova is asked for that one.
    async fn is_confirmed(
        &self,
        physical: &[Server],
        finding: &Finding,
        confirmed: &mut usize,
    ) -> Result<bool, TenancyError> {
        if finding.what != FindingKind::InstanceUnknownToNova {
            return Ok(true);
        }
        let named = physical.iter().find(|server| server.name == finding.server);
        let node = named.and_then(|server| server.node.as_ref());
        let Some(instance) = node.and_then(|node| node.instance_id) else { return Ok(false) };
        if *confirmed >= CONFIRMED_MAX {
            return Ok(false);
        }
        *confirmed += 1;
        match self.nova.show_server(Caller::Service, instance).await {
            Ok(_) => Ok(false),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell_of(&self, physical: &[Server], episode: &Episode, kind: EventKind, text: String) {
        match physical.iter().find(|server| server.name == episode.server) {
            Some(server) => self.inventory.record(server.id, kind, text).await,
            None => {
                let text = format!("{}: {text}", episode.server);
                self.inventory.record_event(None, None, kind, text).await;
            }
        }
    }
}

/// Who says what, and the verb that mends it.
fn alarm(finding: &Finding) -> String {
    let said = [("Ironic", &finding.ironic), ("Nova", &finding.nova), ("here", &finding.seen)];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(who, text)| format!("{who}: {text}"))
        .collect();
    format!(
        "the records of {} contradict each other: {}. {}",
        finding.server,
        said.join("; "),
        finding.remedy
    )
}

fn picture(servers: &[TenantServer], physical: &[Server], nova: &[ComputeServer]) -> Picture {
    let said_of = |server: &Server| {
        server.node.as_ref().map(|node| IronicNode {
            id: node.id,
            name: server.name.clone(),
            state: node.provision_state.to_string(),
            power: None,
            instance: node.instance_id,
        })
    };
    let of_nova = |server: &ComputeServer| NovaServer {
        id: server.id,
        name: server.name.clone(),
        status: server.status.clone(),
        node: server.node.map(protocol::id::ServerId),
    };
    let known = |server: &Server| Known { server: server.clone(), places: None, agent_is_here: false };
    Picture {
        known: physical.iter().map(known).collect(),
        tenants: servers.iter().map(|server| Tenant { server: server.clone(), ports: Vec::new() }).collect(),
        ironic: Some(physical.iter().filter_map(said_of).collect()),
        nova: Some(nova.iter().map(of_nova).collect()),
        interfaces: None,
    }
}
