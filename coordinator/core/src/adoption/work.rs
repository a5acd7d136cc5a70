//! Edges: adoptions on their way, one step after the other, each from what is stored and what is seen now.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    adoption::{
        judge::{Contradiction, Match, Question, judge},
        wanted::{Adoption, Stage},
    },
    events::{EventKind, Told},
    lifecycle::{Node, ProvisionState},
    records::{NewPort, Server, TenantPortRecord, TenantServer, TenantServerState},
    rim::{
        AgentConnection, FabricError, NewTenantPort, ObservedNetwork, Provisioner, ProvisionerError,
        TenantNetworks, describe_observed,
    },
};
use futures::StreamExt;
use protocol::power::PowerReading;
use store::{Inventory, InventoryError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Adopter, Instance, Interfaces};
use crate::{
    enroll::{ENROLL_AT_ONCE, Enroller},
    mover::MoveError,
};

/// How often open adoptions are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Adoptions on their way.
pub struct Adoptions {
    /// The inventory.
    pub inventory: Inventory,
    /// Ironic's nodes.
    pub provisioner: Arc<dyn Provisioner>,
    /// Ironic's verbs.
    pub adopter: Arc<dyn Adopter>,
    /// Contrail's interfaces.
    pub interfaces: Arc<dyn Interfaces>,
    /// Tenants' networks.
    pub networks: Arc<dyn TenantNetworks>,
    /// Takes servers in.
    pub enroll: Arc<Enroller>,
    /// Told when something new was asked for.
    pub asked: Notify,
}

/// Why an adoption does not go on.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Provisioner(#[from] ProvisionerError),
    #[error(transparent)]
    Fabric(#[from] FabricError),
    #[error(transparent)]
    Move(#[from] MoveError),
}

impl WorkError {
    fn is_worth_repeating(&self) -> bool {
        match self {
            // The database may be full for a while; nothing of the server is in doubt.
            WorkError::Inventory(_) => true,
            WorkError::Provisioner(ProvisionerError::Unavailable { .. }) => true,
            WorkError::Provisioner(ProvisionerError::Refused { .. }) => false,
            WorkError::Fabric(error) => error.is_worth_repeating(),
            WorkError::Move(error) => error.is_worth_repeating(),
        }
    }
}

/// What a look led to.
enum Next {
    /// Something was done; look again at once.
    Again,
    /// Waits for this.
    Wait(String),
    /// It cannot be adopted as it is.
    Fail(String),
    /// Ironic has it.
    Done(Box<Node>),
}

impl Adoptions {
    /// Looks after open adoptions until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.look_at_all().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.asked.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// One look at every open adoption.
    pub async fn look_at_all(&self) {
        match self.inventory.adoptions().await {
            Ok(adoptions) => {
                // A BMC that is silent holds up nobody but whoever would have its turn.
                let open = adoptions.into_iter().filter(|adoption| adoption.stage.is_open());
                let looks = futures::stream::iter(open);
                looks.for_each_concurrent(ENROLL_AT_ONCE, |adoption| self.look(adoption)).await;
            }
            Err(error) => warn!(%error, "adoptions cannot be read"),
        }
    }

    async fn look(&self, mut adoption: Adoption) {
        /// Steps of one look that lead to the next one at once.
        const STEPS_MAX: u32 = 4;
        for _ in 0..STEPS_MAX {
            let next = match self.step(&adoption).await {
                Ok(next) => next,
                Err(error) if error.is_worth_repeating() => Next::Wait(error.to_string()),
                Err(error) => Next::Fail(error.to_string()),
            };
            let again = matches!(next, Next::Again);
            if let Err(error) = self.take(&adoption, next).await {
                warn!(server = %adoption.server, %error, "an adoption waits");
                self.say(&adoption, adoption.stage, Some(&error.to_string())).await;
                return;
            }
            match self.inventory.adoption(adoption.server).await {
                Ok(Some(stored)) if again => adoption = stored,
                Ok(_) | Err(_) => return,
            }
        }
    }

    async fn take(&self, adoption: &Adoption, next: Next) -> Result<(), WorkError> {
        match next {
            Next::Again => Ok(()),
            Next::Wait(reason) => {
                self.say(adoption, self.stage(adoption).await?, Some(&reason)).await;
                Ok(())
            }
            Next::Fail(reason) => {
                if !self.withdraw(adoption).await? {
                    self.say(adoption, adoption.stage, Some("Ironic to say how it ended")).await;
                    return Ok(());
                }
                let text = format!("not adopted: {reason}; its power, disk and ports are as they were found");
                self.inventory.record(adoption.server, EventKind::Alarm, text).await;
                self.say(adoption, Stage::Failed, Some(&reason)).await;
                Ok(())
            }
            Next::Done(node) => self.finish(adoption, &node).await,
        }
    }

    /// As it is stored now: a step may have changed it.
    async fn stage(&self, adoption: &Adoption) -> Result<Stage, WorkError> {
        let stored = self.inventory.adoption(adoption.server).await?;
        Ok(stored.map_or(adoption.stage, |stored| stored.stage))
    }

    async fn say(&self, adoption: &Adoption, stage: Stage, reason: Option<&str>) {
        if (adoption.stage, adoption.reason.as_deref()) == (stage, reason) {
            return;
        }
        let shown = reason.map(|reason| match stage {
            Stage::Failed => format!("not adopted: {reason}"),
            Stage::Asked | Stage::Verifying | Stage::Adopting | Stage::Done => {
                format!("its adoption waits: {reason}")
            }
        });
        let said = async {
            self.inventory.set_adoption_stage(adoption.server, stage, reason).await?;
            self.inventory.set_reason(adoption.server, shown.as_deref()).await
        };
        if let Err(error) = said.await {
            warn!(server = %adoption.server, %error, "state of an adoption not stored");
        }
    }

    /// The next thing, as Ironic's state calls for it.
    async fn step(&self, adoption: &Adoption) -> Result<Next, WorkError> {
        let gone = || Next::Wait("it is being deleted".to_owned());
        let Some(server) = self.inventory.server(adoption.server).await? else { return Ok(gone()) };
        if server.forgetting {
            return Ok(gone());
        }
        let Some(node) = self.provisioner.get_node(server.id).await? else {
            let _lock = self.enroll.parts.locks.lock(server.id).await;
            self.enroll.ensure_node(&server).await?;
            return Ok(Next::Again);
        };
        let last_error = || node.last_error.clone().unwrap_or_else(|| "it gave no reason".to_owned());
        match &node.provision_state {
            ProvisionState::Enroll if server.identity.is_none() => self.ask_bmc(&server).await,
            ProvisionState::Enroll if adoption.stage == Stage::Verifying && node.last_error.is_some() => {
                Ok(Next::Fail(format!("Ironic cannot read its power: {}", last_error())))
            }
            ProvisionState::AdoptFailed if adoption.stage == Stage::Adopting => {
                Ok(Next::Fail(format!("Ironic could not adopt it: {}", last_error())))
            }
            ProvisionState::Enroll | ProvisionState::AdoptFailed => {
                self.inventory.set_adoption_stage(server.id, Stage::Verifying, None).await?;
                self.adopter.manage(server.id).await?;
                Ok(Next::Wait("Ironic to read its power".to_owned()))
            }
            ProvisionState::Verifying => Ok(Next::Wait("Ironic to read its power".to_owned())),
            ProvisionState::Manageable if server.identity.is_none() => self.ask_bmc(&server).await,
            ProvisionState::Manageable => self.hand_over(adoption).await,
            ProvisionState::Adopting => Ok(Next::Wait("Ironic to take it".to_owned())),
            ProvisionState::Active if node.instance_id == Some(adoption.tenant) => {
                Ok(Next::Done(Box::new(node)))
            }
            other => Ok(Next::Fail(format!(
                "Ironic says that {} is {other}: only a server that is enroll or manageable, and was never inspected or \
                 cleaned, is adopted",
                server.name
            ))),
        }
    }

    /// Asks the BMC who it is, once: BMCs lock accounts.
    async fn ask_bmc(&self, server: &Server) -> Result<Next, WorkError> {
        if let AgentConnection::Disconnected(away) = self.enroll.parts.presence.connection(&server.rack) {
            return Ok(Next::Wait(away));
        }
        Ok(match self.enroll.check_bmc(server).await {
            None => Next::Again,
            Some(problem) => Next::Fail(problem),
        })
    }

    /// From a verified node to the request that Ironic takes it: everything is seen once more, then written, then asked for.
    async fn hand_over(&self, adoption: &Adoption) -> Result<Next, WorkError> {
        let _lock = self.enroll.parts.locks.lock(adoption.server).await;
        let Some(server) = self.inventory.server(adoption.server).await?.filter(|server| !server.forgetting)
        else {
            return Ok(Next::Wait("it is being deleted".to_owned()));
        };
        if server.ports_given {
            let message =
                format!("{} was inspected or cleaned by BMS Manager: it is not a server in use", server.name);
            return Ok(Next::Fail(message));
        }
        let away = self.enroll.parts.presence.connection(&server.rack).reason();
        match (server.power_facts(away.is_none()).now, away) {
            (Some(PowerReading::On | PowerReading::Off), _) => {}
            (_, Some(away)) => return Ok(Next::Wait(away)),
            (Some(PowerReading::Unreachable { reason }), None) => {
                return Ok(Next::Wait(format!("its power is not known: {reason}")));
            }
            (None, None) => return Ok(Next::Wait("a first reading of its power".to_owned())),
        }
        let matches = match self.judge(adoption, &server).await? {
            Ok(matches) => matches,
            Err(contradictions) => return Ok(Next::Fail(in_words(&contradictions))),
        };
        self.enroll.parts.mover.observe(&server).await?;
        let Some(server) = self.inventory.server(adoption.server).await? else { return Ok(Next::Again) };
        if let Some(elsewhere) = elsewhere(&server, &matches) {
            return Ok(Next::Fail(elsewhere));
        }
        let ports = self.ports(adoption, &matches).await?;
        self.inventory.put_tenant_server(&tenant_server(adoption, &ports)).await?;
        self.inventory.put_tenant_ports(adoption.tenant, &ports).await?;
        let instance = Instance {
            id: adoption.tenant,
            name: adoption.wanted.name.clone(),
            image: adoption.wanted.image.clone(),
            project_id: adoption.wanted.project_id.clone(),
        };
        self.adopter.set_instance(server.id, &instance).await?;
        self.inventory.set_adoption_stage(server.id, Stage::Adopting, None).await?;
        self.adopter.adopt(server.id).await?;
        self.enroll.parts.wake.poll_ironic();
        Ok(Next::Wait("Ironic to take it".to_owned()))
    }

    async fn judge(
        &self,
        adoption: &Adoption,
        server: &Server,
    ) -> Result<Result<Vec<Match>, Vec<Contradiction>>, WorkError> {
        let interfaces = self.interfaces.all_interfaces().await?;
        let owners = owners(&self.inventory, Some(adoption.tenant)).await?;
        let made = made_ports(adoption);
        Ok(judge(Question {
            cables: &server.ports.iter().map(NewPort::from).collect::<Vec<_>>(),
            wanted: &adoption.wanted,
            interfaces: &interfaces,
            made: &made,
            owners: &owners,
        }))
    }

    /// The ports' records; those that Contrail does not have are made, with the addresses that the server has.
    async fn ports(
        &self,
        adoption: &Adoption,
        matches: &[Match],
    ) -> Result<Vec<TenantPortRecord>, WorkError> {
        let mut ports = Vec::with_capacity(matches.len());
        for (position, (network, found)) in adoption.wanted.networks.iter().zip(matches).enumerate() {
            let id = match found.interface {
                Some(id) => id,
                None => {
                    let id = adoption.made_port(position);
                    let wanted = NewTenantPort {
                        address: Some(network.address),
                        ..NewTenantPort::plain(id, network.network, &adoption.wanted.name)
                    };
                    self.networks.ensure_tenant_port(&wanted).await?;
                    id
                }
            };
            ports.push(TenantPortRecord {
                id,
                network: network.network,
                asked_address: Some(network.address),
                address: Some(network.address),
                vlan: found.vlan,
                security_groups: found.security_groups.clone(),
            });
        }
        Ok(ports)
    }

    /// Takes back what was written; says whether it could be, for what Ironic has taken is not.
    async fn withdraw(&self, adoption: &Adoption) -> Result<bool, WorkError> {
        let _lock = self.enroll.parts.locks.lock(adoption.server).await;
        let node = self.provisioner.get_node(adoption.server).await?;
        if let Some(node) = node.filter(|node| node.instance_id == Some(adoption.tenant)) {
            if matches!(node.provision_state, ProvisionState::Adopting | ProvisionState::Active) {
                return Ok(false);
            }
            self.adopter.clear_instance(adoption.server).await?;
        }
        if adoption.wanted.make_ports {
            for id in made_ports(adoption) {
                self.networks.delete_tenant_port(id).await?;
            }
        }
        self.inventory.delete_tenant_server(adoption.tenant).await?;
        Ok(true)
    }

    async fn finish(&self, adoption: &Adoption, node: &Node) -> Result<(), WorkError> {
        let _lock = self.enroll.parts.locks.lock(adoption.server).await;
        self.inventory.set_node(adoption.server, Some(node)).await?;
        let record = self.inventory.tenant_server(adoption.tenant).await?;
        let record =
            record.map(|record| TenantServer { state: TenantServerState::Active, reason: None, ..record });
        if let Some(record) = &record {
            self.inventory.put_tenant_server(record).await?;
        }
        self.inventory.give_disks(adoption.server).await?;
        self.say(adoption, Stage::Done, None).await;
        info!(server = %adoption.server, name = %adoption.wanted.name, "server adopted");
        let text = format!("{}: adopted as it was found", adoption.wanted.name);
        match &record {
            Some(record) => {
                self.inventory.record_of_tenant(record, EventKind::TenantServer, &text, Told::Adopted).await;
            }
            None => self.inventory.record(adoption.server, EventKind::TenantServer, text).await,
        }
        self.enroll.parts.wake.wake(adoption.server);
        Ok(())
    }
}

/// Whose each interface of a tenant's server is, but for the one that is being adopted.
pub async fn owners(
    inventory: &Inventory,
    but: Option<Uuid>,
) -> Result<HashMap<Uuid, String>, InventoryError> {
    let mut owners = HashMap::new();
    for tenant in inventory.tenant_servers(None).await?.into_iter().filter(|tenant| Some(tenant.id) != but) {
        for port in inventory.tenant_ports(tenant.id).await? {
            owners.insert(port.id, tenant.name.clone());
        }
        owners.extend(tenant.port.map(|port| (port, tenant.name.clone())));
    }
    Ok(owners)
}

fn made_ports(adoption: &Adoption) -> Vec<Uuid> {
    (0..adoption.wanted.networks.len()).map(|position| adoption.made_port(position)).collect()
}

/// All of them, each with its field.
pub fn in_words(contradictions: &[Contradiction]) -> String {
    let one = |one: &Contradiction| format!("{}: {}", one.field, one.message);
    contradictions.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What was read back of the ports must be what was found behind them; else which is elsewhere.
fn elsewhere(server: &Server, matches: &[Match]) -> Option<String> {
    server.ports.iter().find_map(|port| {
        let found = matches.iter().find(|found| found.port == port.name).and_then(|found| found.interface);
        let wanted = found.map_or(ObservedNetwork::Nothing, ObservedNetwork::Tenant);
        let is_there =
            |seen: &ObservedNetwork| *seen == wanted || matches!(seen, ObservedNetwork::Bond { .. });
        let seen = port.observed.as_ref().filter(|seen| !is_there(seen))?;
        Some(format!(
            "{} at {} is seen on {}: correct that in Contrail; the port is not moved",
            port.name,
            port.link,
            describe_observed(seen)
        ))
    })
}

fn tenant_server(adoption: &Adoption, ports: &[TenantPortRecord]) -> TenantServer {
    let first = ports.first();
    TenantServer {
        id: adoption.tenant,
        instance: None,
        project_id: adoption.wanted.project_id.clone(),
        name: adoption.wanted.name.clone(),
        flavor: adoption.wanted.flavor.clone(),
        image: adoption.wanted.image.clone(),
        network: first.map(|port| port.network).unwrap_or_default(),
        port: first.map(|port| port.id),
        address: first.and_then(|port| port.address),
        node: Some(adoption.server),
        state: TenantServerState::Building,
        reason: None,
        created_us: adoption.asked_us,
    }
}
