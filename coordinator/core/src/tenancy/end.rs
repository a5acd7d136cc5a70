//! Edges: the end of a tenancy: what is wanted is stored, and every look asks whoever still has the server, until it is given back.

use std::time::Duration;

use domain::{
    events::Told,
    lifecycle::{
        Node,
        admission::{self, Wish},
        release::may_be_ended,
    },
    records::{Server, TenantReason, TenantServer, TenantServerState, Wait},
    rim::{Caller, ComputeServer, ProvisionTarget, ServiceError},
    tenancy::{
        ending::{self, IronicSays, Next, NovaSays, Seen},
        reasons,
    },
};
use protocol::id::ServerId;
use tracing::warn;
use uuid::Uuid;

use super::{METADATA_KEY, REQUEST_TIME_MAX_US, Tenancy, TenancyError};

/// Steps of one look that follow each other without a wait.
const STEPS_MAX: usize = 3;

impl Tenancy {
    /// Gives a server back: Nova is asked with the rights of the caller, and the wish is stored; the rest follows by itself, by
    /// `ending::next`. Asked again, it is looked at at once. A Nova that does not answer is asked later; one that refuses is heeded.
    pub async fn delete(&self, caller: Caller<'_>, server: TenantServer) -> Result<(), TenancyError> {
        if server.state == TenantServerState::Deleting {
            self.hurry(server.id);
            return Ok(());
        }
        if server.is_adopted() && server.state == TenantServerState::Building {
            let message =
                format!("{} is being adopted: wait until it is active, then give it back", server.name);
            return Err(TenancyError::Refused(message));
        }
        let mut reason = TenantReason::waits(Wait::Nova);
        if self.is_held(&server).await? {
            // Nova would switch it off and clean it at once.
            reason = TenantReason::waits(Wait::Operator);
        } else if let Some(instance) = server.instance {
            match self.nova.delete_server(caller, instance).await {
                Ok(()) | Err(ServiceError::NotFound { .. }) => self.note_nova_asked(server.id),
                Err(error @ ServiceError::Unavailable { .. }) => {
                    reason = reasons::of_failed_look(TenantServerState::Deleting, error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        // While a node still carries it: later nobody could tell whose clean is to be waited for.
        let node = self.stored_carrier(&server).await?.or(server.node);
        let record =
            TenantServer { state: TenantServerState::Deleting, reason: Some(reason), node, ..server };
        self.inventory.put_tenant_server(&record).await?;
        self.tell(&record, "being given back", Told::BeingGivenBack).await;
        self.hurry(record.id);
        Ok(())
    }

    /// Takes a physical server back from its tenant, whoever made the tenant's server: we, Nova alone, or Ironic alone. Says in
    /// words what happens. Asked again, it says what is waited for, and tries that at once.
    pub async fn reclaim(&self, name: &str, node: &Node) -> Result<String, TenancyError> {
        if let Some(server) = self.tenancy_on(node).await? {
            if server.state != TenantServerState::Deleting {
                self.delete(Caller::Service, TenantServer { node: Some(node.id), ..server }).await?;
                return Ok(match node.held() {
                    Some(why) => format!("reclaim, when its maintenance ({why}) has ended"),
                    None => "reclaim".to_owned(),
                });
            }
            let is_ours_to_end = node.instance_id.is_none() && may_be_ended(&node.provision_state);
            if is_ours_to_end && node.held().is_none() {
                // No instance stands there by which it could be recognised; an administrator knows.
                self.ironic.set_provision_state(node.id, &ProvisionTarget::Deleted).await?;
            }
            self.look(server.clone()).await;
            return Ok(match self.inventory.tenant_server(server.id).await? {
                Some(record) => {
                    let waits = record.reason.map(|reason| reason.text).unwrap_or_default();
                    format!("reclaim again: {} is being given back: {waits}", record.name)
                }
                None => format!("reclaim again: {} is given back", server.name),
            });
        }
        admission::admit(name, node, Wish::Reclaim)
            .map_err(|refusal| TenancyError::Refused(refusal.message))?;
        if let Some(instance) = node.instance_id {
            match self.nova.show_server(Caller::Service, instance).await {
                Ok(_) => {
                    self.nova.delete_server(Caller::Service, instance).await?;
                    return Ok("reclaim, by Nova".to_owned());
                }
                // Nova knows nothing of it: Ironic ends it.
                Err(ServiceError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.ironic.set_provision_state(node.id, &ProvisionTarget::Deleted).await?;
        Ok("reclaim, by Ironic".to_owned())
    }

    /// One look at a tenancy that is to end: asks who is to be asked, and keeps what is waited for.
    pub(super) async fn look_deleting(&self, server: &TenantServer) -> Result<(), TenancyError> {
        let mut record = server.clone();
        if record.instance.is_none() && !record.is_adopted() && !self.find_request(&mut record).await? {
            return Ok(());
        }
        for _ in 0..STEPS_MAX {
            let waits = match self.step(&mut record).await? {
                Some(Next::UnmakePorts) => continue,
                Some(Next::Wait(wait)) => wait,
                Some(Next::AskNova) => Wait::Nova,
                Some(Next::AskIronic) => Wait::Release,
                Some(Next::GivenBack) | None => return Ok(()),
            };
            record.reason = Some(TenantReason::waits(waits));
            if record != *server {
                self.inventory.change_tenant_server(TenantServerState::Deleting, &record).await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Looks at everybody, decides and does one thing; says which. None: it was forgotten meanwhile.
    async fn step(&self, record: &mut TenantServer) -> Result<Option<Next>, TenancyError> {
        let nova = self.nova_says(record).await?;
        let carrier = match record.held_as() {
            Some(id) => self.ironic.node_of_instance(id).await?,
            None => None,
        };
        if let Some(carrier) = &carrier {
            record.node = Some(carrier.id);
        }
        let physical = match record.node {
            Some(node) => self.inventory.server(node).await?,
            None => None,
        };
        let was_on = match (&carrier, record.node) {
            (None, Some(node)) => self.read_node(node).await?,
            (Some(_), _) | (None, None) => None,
        };
        let ironic = match (&carrier, &was_on) {
            (Some(node), _) => IronicSays::Carries(node),
            (None, Some(node)) => IronicSays::LetGo(node),
            (None, None) if physical.is_some() => IronicSays::Lost,
            (None, None) => IronicSays::NoNode,
        };
        let ports_unmade = record.port.is_none() && self.inventory.tenant_ports(record.id).await?.is_empty();
        let seen = Seen {
            nova,
            ironic,
            is_unplugged: match &physical {
                Some(physical) => ports_unmade || self.is_unplugged(physical, record).await?,
                None => true,
            },
            ports_unmade,
            nova_asked_for: self.nova_asked_for(record).await?,
        };
        let next = ending::next(&seen);
        match next {
            Next::AskNova => {
                if let Some(instance) = record.instance {
                    self.nova.delete_server(Caller::Service, instance).await?;
                    self.note_nova_asked(record.id);
                }
            }
            Next::AskIronic => return self.ask_ironic(record, carrier.map(|node| node.id)).await.map(Some),
            Next::UnmakePorts => {
                self.delete_ports(record).await?;
                self.inventory.put_tenant_ports(record.id, &[]).await?;
                (record.port, record.address) = (None, None);
                if !self.inventory.change_tenant_server(TenantServerState::Deleting, record).await? {
                    return Ok(None);
                }
            }
            Next::Wait(_) => {}
            Next::GivenBack => self.forget(record).await?,
        }
        Ok(Some(next))
    }

    /// Asks Ironic once: the next look comes soon, and others wait for their own.
    async fn ask_ironic(&self, record: &TenantServer, node: Option<ServerId>) -> Result<Next, TenancyError> {
        let Some(node) = node else { return Ok(Next::Wait(Wait::Work)) };
        match self.ironic.try_provision_state(node, &ProvisionTarget::Deleted).await {
            Ok(()) => {
                if record.reason != Some(TenantReason::waits(Wait::Release)) {
                    let what = "Nova has not ended it, so Ironic was asked to";
                    self.tell(record, what, Told::EndingGoesOn).await;
                }
                self.note_node(node).await;
                Ok(Next::AskIronic)
            }
            Err(ServiceError::Locked { .. }) => Ok(Next::Wait(Wait::Work)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody keeps its node in maintenance: by Ironic's word now, and by the last one while Ironic is away.
    async fn is_held(&self, server: &TenantServer) -> Result<bool, TenancyError> {
        let Some(held_as) = server.held_as() else { return Ok(false) };
        match self.ironic.node_of_instance(held_as).await {
            Ok(node) => Ok(node.is_some_and(|node| node.held().is_some())),
            // Nobody's delete depends on an Ironic that answers.
            Err(error) => {
                warn!(server = %server.id, %error, "maintenance of a server that is given back could not be read");
                let carrier = match self.stored_carrier(server).await? {
                    Some(id) => self.inventory.server(id).await?,
                    None => None,
                };
                Ok(carrier.and_then(|physical| physical.node).is_some_and(|node| node.held().is_some()))
            }
        }
    }

    async fn forget(&self, record: &TenantServer) -> Result<(), TenancyError> {
        if let Some(node) = record.node.filter(|_| record.is_adopted()) {
            self.inventory.delete_adoption(node).await?;
        }
        self.inventory.delete_tenant_server(record.id).await?;
        self.tell(record, "given back", Told::GivenBack).await;
        Ok(())
    }

    async fn nova_says(&self, record: &TenantServer) -> Result<NovaSays, TenancyError> {
        let Some(instance) = record.instance else { return Ok(NovaSays::Nothing) };
        match self.nova.show_server(Caller::Service, instance).await {
            Ok(nova) => Ok(NovaSays::of(&nova.status, nova.task_state.as_deref())),
            Err(ServiceError::NotFound { .. }) => Ok(NovaSays::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    async fn read_node(&self, id: ServerId) -> Result<Option<Node>, TenancyError> {
        match self.ironic.get_node(id).await {
            Ok(node) => Ok(Some(node)),
            Err(ServiceError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A request that was given back, or cut off, before Nova's answer was stored: Nova may have made a server of it all the same.
    /// Says whether enough time has gone by to know.
    async fn find_request(&self, record: &mut TenantServer) -> Result<bool, TenancyError> {
        if self.inventory.clock().now_us().saturating_sub(record.created_us) < REQUEST_TIME_MAX_US {
            return Ok(false);
        }
        if let Some(made) = self.made_of(record).await? {
            record.instance = Some(made.id);
            self.inventory.change_tenant_server(TenantServerState::Deleting, record).await?;
        }
        Ok(true)
    }

    /// Nova's server that was made for a record. Anybody may write our record's id into the metadata of a server of its own, so the project
    /// must be the record's too.
    pub(super) async fn made_of(&self, record: &TenantServer) -> Result<Option<ComputeServer>, TenancyError> {
        let all = self.nova.list_servers().await?;
        let ours = record.id.to_string();
        let is_made_for = |nova: &ComputeServer| {
            nova.metadata.get(METADATA_KEY) == Some(&ours) && nova.project_id == record.project_id
        };
        Ok(all.into_iter().find(is_made_for))
    }

    /// The node that carries a tenant's server, as Ironic was last read.
    async fn stored_carrier(&self, server: &TenantServer) -> Result<Option<ServerId>, TenancyError> {
        let Some(held_as) = server.held_as() else { return Ok(None) };
        let carries =
            |physical: &Server| physical.node.as_ref().is_some_and(|node| node.instance_id == Some(held_as));
        Ok(self.inventory.servers(None).await?.into_iter().find(carries).map(|physical| physical.id))
    }

    /// The tenant's server on a node: the one that it carries, else one that is to end and was on it.
    async fn tenancy_on(&self, node: &Node) -> Result<Option<TenantServer>, TenancyError> {
        if let Some(server) = self.inventory.tenant_of(node.instance_id, node.id).await? {
            return Ok(Some(server));
        }
        let ends_here = |server: &TenantServer| {
            server.state == TenantServerState::Deleting && server.node == Some(node.id)
        };
        let free = node.instance_id.is_none();
        Ok(self.inventory.tenant_servers(None).await?.into_iter().find(|server| free && ends_here(server)))
    }

    fn note_nova_asked(&self, id: Uuid) {
        self.paces().nova_asked(id, self.inventory.clock().now_us());
    }

    /// How long Nova was given to end it; where another process, or somebody else, has asked it: how long its end is wanted.
    async fn nova_asked_for(&self, record: &TenantServer) -> Result<Duration, TenancyError> {
        let now_us = self.inventory.clock().now_us();
        if let Some(asked_for_us) = self.paces().nova_asked_for_us(record.id, now_us) {
            return Ok(Duration::from_micros(asked_for_us));
        }
        let since_us = self.inventory.tenants_since().await?.get(&record.id).copied();
        Ok(Duration::from_micros(now_us.saturating_sub(since_us.unwrap_or(now_us))))
    }

    fn hurry(&self, id: Uuid) {
        self.paces().hurry(id);
        self.wake.notify_one();
    }

    /// Puts a record on its way to its end, unless something newer was asked of it.
    pub(super) async fn end(&self, server: &TenantServer, what: &str) -> Result<(), TenancyError> {
        let node = self.stored_carrier(server).await?.or(server.node);
        let record =
            TenantServer { state: TenantServerState::Deleting, reason: None, node, ..server.clone() };
        if self.inventory.change_tenant_server(server.state, &record).await? {
            self.tell(&record, what, Told::EndedElsewhere).await;
            self.hurry(record.id);
        } else {
            warn!(server = %server.id, what, "what was asked meanwhile is newer");
        }
        Ok(())
    }
}
