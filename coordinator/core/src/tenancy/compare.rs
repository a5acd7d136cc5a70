//! Edges: tenants' servers compared with Nova from time to time, whose own API others use too: one may have been rebuilt there,
//! deleted, or forgotten.

use domain::{
    events::Told,
    lifecycle::trouble::Trouble,
    records::{TenantReason, TenantReasonKind, TenantServer, TenantServerState},
    rim::{Caller, ComputeServer, ServiceError},
};
use tokio::time::{Duration, Instant};
use tracing::warn;
use uuid::Uuid;

use super::{Tenancy, TenancyError};

/// How often they are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(15);
/// When they were last compared.
#[derive(Debug, Default)]
pub(super) struct LookOver {
    last: Option<Instant>,
}

impl Tenancy {
    /// Compares them when it is time to, and looks for contradictions.
    pub(super) async fn look_over(&self, over: &mut LookOver, servers: &[TenantServer]) {
        if over.last.is_some_and(|last| last.elapsed() < COMPARE_EVERY) {
            return;
        }
        over.last = Some(Instant::now());
        self.compare_all(servers).await;
    }

    /// Compares every server with what Nova and Ironic say of it.
    pub(super) async fn compare_all(&self, servers: &[TenantServer]) {
        for server in servers.iter().filter(|server| is_settled(server) && server.is_adopted()) {
            if let Err(error) = self.compare_adopted(server).await {
                warn!(server = %server.id, %error, "an adopted server cannot be compared with Ironic");
            }
        }
        let physical = match self.inventory.servers(None).await {
            Ok(physical) => physical,
            Err(error) => return warn!(%error, "servers cannot be compared with Nova"),
        };
        let carries = |server: &domain::records::Server| {
            server.node.as_ref().is_some_and(|node| node.instance_id.is_some())
        };
        if servers.is_empty() && !physical.iter().any(carries) {
            return self.watch(&[], &[], &[]).await;
        }
        let all = match self.nova.list_servers().await {
            Ok(all) => all,
            Err(error) => return warn!(%error, "servers in use cannot be compared with Nova"),
        };
        for server in servers.iter().filter(|server| is_settled(server)) {
            let found = all.iter().find(|nova| Some(nova.id) == server.instance);
            if let Err(error) = self.compare(server, found).await {
                warn!(server = %server.id, %error, "a server in use cannot be compared with Nova");
            }
        }
        self.watch(servers, &physical, &all).await;
    }

    async fn compare_adopted(&self, server: &TenantServer) -> Result<(), TenancyError> {
        if self.was_taken_back(server).await? {
            self.end(server, "taken back in Ironic").await
        } else {
            Ok(())
        }
    }

    async fn compare(
        &self,
        server: &TenantServer,
        found: Option<&ComputeServer>,
    ) -> Result<(), TenancyError> {
        match (found, server.instance) {
            (Some(nova), _) if nova.status == "REBUILD" && server.state == TenantServerState::Active => {
                let record =
                    TenantServer { state: TenantServerState::Building, reason: None, ..server.clone() };
                if self.inventory.change_tenant_server(server.state, &record).await? {
                    self.tell(&record, "being rebuilt", Told::Rebuilding).await;
                }
                Ok(())
            }
            (Some(_), _) if server.reason.as_ref().is_some_and(is_unknown_to_nova) => {
                let record = TenantServer { reason: None, ..server.clone() };
                self.inventory.change_tenant_server(server.state, &record).await?;
                Ok(())
            }
            (Some(_), _) | (None, None) => Ok(()),
            (None, Some(instance)) => match self.nova.show_server(Caller::Service, instance).await {
                Err(ServiceError::NotFound { .. }) => self.gone_in_nova(server, instance).await,
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Nova does not know a server that nobody asked us to end. Where Nova shows that it was deleted, or where no node carries it
    /// any more, its end is what somebody wanted. Otherwise nothing is known but that Nova has no word of it, as an empty database
    /// would have: it is left as it is, and told.
    pub(super) async fn gone_in_nova(
        &self,
        server: &TenantServer,
        instance: Uuid,
    ) -> Result<(), TenancyError> {
        let carried = self.ironic.node_of_instance(instance).await?.is_some();
        if !carried || self.nova.shows_deleted(instance).await? {
            return self.end(server, "deleted in Nova").await;
        }
        let state = match server.state {
            TenantServerState::Building | TenantServerState::Error => TenantServerState::Error,
            TenantServerState::Requested | TenantServerState::Active | TenantServerState::Deleting => {
                server.state
            }
        };
        let record = TenantServer { state, reason: Some(TenantReason::unknown_to_nova()), ..server.clone() };
        if record != *server && self.inventory.change_tenant_server(server.state, &record).await? {
            self.tell(&record, "Nova has forgotten it", Told::Trouble(Trouble::UnknownToNova)).await;
        }
        Ok(())
    }
}

/// What was said of a server that Nova did not know.
fn is_unknown_to_nova(reason: &TenantReason) -> bool {
    reason.kind == TenantReasonKind::Trouble(Trouble::UnknownToNova)
}

/// Servers that nothing is being done with: the others are looked at anyway.
fn is_settled(server: &TenantServer) -> bool {
    match server.state {
        TenantServerState::Active | TenantServerState::Error => true,
        TenantServerState::Requested | TenantServerState::Building | TenantServerState::Deleting => false,
    }
}
