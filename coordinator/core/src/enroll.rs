//! Edges: taking servers in, and letting them go.
//!
//! Taking in: inventory, agent, Ironic's node and ports, then one question to the BMC. What fails stays as a reason on the
//! server; reconciliation makes what is missing in Ironic. Letting go: refused for a server that is deployed.

use std::sync::Arc;

use domain::{
    adoption::Adoption,
    events::EventKind,
    lifecycle::{Node, ProvisionState},
    records::{NewServer, SeenPower, Server},
    rim::{AgentConnection, AgentError, Declarations, NodeSpec, ProvisionerError, Refusal, RefusalKind},
};
use protocol::{
    command::{Action, FailureKind, Success},
    hardware::BmcIdentity,
    id::ServerId,
    power::{PowerCause, PowerReading},
};
use store::InventoryError;
use tokio::{sync::mpsc, task::JoinSet};
use tracing::warn;

use crate::{
    identity::{self, Source},
    parts::Parts,
    power::take_power,
};

/// Servers that are enrolled at the same time: a silent BMC takes half a minute, and an import may have thousands.
pub const ENROLL_AT_ONCE: usize = 16;

/// Takes servers in and lets them go.
pub struct Enroller {
    /// What it works with.
    pub parts: Parts,
    /// The agents, for declarations.
    pub declarations: Arc<dyn Declarations>,
}

/// What became of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Its id.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// What is not right yet; none: its BMC answered.
    pub problem: Option<String>,
}

impl Enroller {
    /// Takes a server in, or brings one of the same name up to date. Only a fault in the inventory is an error: everything
    /// else is a problem of that server, kept as its reason.
    pub async fn enroll(&self, new: &NewServer) -> Result<Enrolled, InventoryError> {
        let known = self.parts.inventory.server_by_name(&new.name).await?.map(|server| server.id);
        let stored = self.store(&[(known, new)]).await?;
        let mut enrolled = Vec::with_capacity(stored.len());
        for server in &stored {
            enrolled.push(self.bring_up(server).await?);
        }
        enrolled.pop().ok_or_else(|| InventoryError::Corrupt {
            column: "id",
            row: new.name.clone(),
            reason: "the server was deleted while it was stored".to_owned(),
        })
    }

    /// Stores all these servers or none, new ones and known ones by their ids, and tells their agents. Nothing is asked of
    /// Ironic or a BMC yet.
    pub async fn store(
        &self,
        wanted: &[(Option<ServerId>, &NewServer)],
    ) -> Result<Vec<Server>, InventoryError> {
        self.store_adopted(wanted, |_| Vec::new()).await
    }

    /// As [`Enroller::store`], with the servers' adoptions in the same change of the inventory.
    pub async fn store_adopted(
        &self,
        wanted: &[(Option<ServerId>, &NewServer)],
        adoptions: impl FnOnce(&[ServerId]) -> Vec<Adoption>,
    ) -> Result<Vec<Server>, InventoryError> {
        let mut before = Vec::with_capacity(wanted.len());
        for (id, _) in wanted {
            before.push(match id {
                Some(id) => self.parts.inventory.server(*id).await?,
                None => None,
            });
        }
        let stored = self.parts.inventory.put_adopted(wanted, adoptions).await?;
        for (server, before) in stored.iter().zip(before) {
            if let Some(before) = before.as_ref().filter(|before| before.rack != server.rack) {
                self.declarations.forget(&before.rack, server.id).await;
            }
            self.declarations.declare(server).await;
            if before.is_none() {
                let text = format!("{} enrolled in rack {}", server.name, server.rack);
                self.parts.inventory.record(server.id, EventKind::Enrolled, text).await;
            }
        }
        Ok(stored)
    }

    /// Does for many stored servers what follows, some at a time: a BMC that is silent holds up nobody but whoever would have
    /// its turn. `done` is told of each as it ends.
    pub async fn bring_up_all(self: Arc<Self>, servers: Vec<Server>, done: mpsc::UnboundedSender<Enrolled>) {
        let mut tasks = JoinSet::new();
        for server in servers {
            if tasks.len() >= ENROLL_AT_ONCE {
                tasks.join_next().await;
            }
            let (enroll, done) = (Arc::clone(&self), done.clone());
            tasks.spawn(async move {
                match enroll.bring_up(&server).await {
                    // Nobody who listens any more is no fault.
                    Ok(enrolled) => drop(done.send(enrolled)),
                    Err(error) => warn!(server = %server.id, %error, "enrollment not stored"),
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// What follows once a server is stored: its node in Ironic, and one question to its BMC.
    pub async fn bring_up(&self, server: &Server) -> Result<Enrolled, InventoryError> {
        let made = {
            // Reconciliation makes missing nodes too: one hand at a time.
            let _lock = self.parts.locks.lock(server.id).await;
            self.ensure_node(server).await
        };
        let problem = match made {
            Ok(()) => self.check_bmc(server).await,
            Err(error) => Some(error.to_string()),
        };
        self.parts.inventory.set_reason(server.id, problem.as_deref()).await?;
        if let Some(problem) = &problem {
            self.parts.inventory.record(server.id, EventKind::Alarm, problem.clone()).await;
        }
        self.parts.wake.wake(server.id);
        self.parts.wake.poll_ironic();
        Ok(Enrolled { id: server.id, name: server.name.clone(), problem })
    }

    /// Makes the server's node and ports in Ironic, or brings them up to date.
    pub async fn ensure_node(&self, server: &Server) -> Result<(), ProvisionerError> {
        self.parts.provisioner.ensure_node(&node_spec(server)).await?;
        self.parts.wake.poll_ironic();
        Ok(())
    }

    /// Asks the BMC who it is, now: the agent tries a refused account once more. Says what is wrong.
    pub async fn check_bmc(&self, server: &Server) -> Option<String> {
        if let AgentConnection::Disconnected(away) = self.parts.presence.connection(&server.rack) {
            return Some(format!("the BMC of {} could not be asked: {away}", server.name));
        }
        match self.parts.agents.run(&server.rack, server.id, Action::ReadIdentity).await {
            Ok(Success::Identity(said)) => {
                // Whose it is may be in doubt; that is no problem of reaching it, and is shown and told as what it is.
                if let Err(error) = self.hear(server.id, &said).await {
                    warn!(server = %server.id, error = %error, "identity not stored");
                }
                None
            }
            Ok(
                Success::Done
                | Success::Step(_)
                | Success::PasswordKept { .. }
                | Success::Footprint(_)
                | Success::FirmwareTaken { .. }
                | Success::FirmwareSeen(_),
            ) => Some(format!("the agent of rack {} answered without the BMC's identity", server.rack)),
            Err(AgentError::Failed(failure)) if failure.kind == FailureKind::BmcCredentials => Some(format!(
                "the BMC of {} at {} refused user {}: {failure}; correct them by an import, or try now with \
                     `bmsctl node bmc retry {}`",
                server.name, server.bmc.address, server.bmc.username, server.name
            )),
            Err(error) => {
                Some(format!("the BMC of {} at {} did not answer: {error}", server.name, server.bmc.address))
            }
        }
    }

    /// Judges what a BMC said of itself.
    async fn hear(&self, id: ServerId, said: &BmcIdentity) -> Result<(), InventoryError> {
        let Some(server) = self.parts.inventory.server(id).await? else { return Ok(()) };
        let heard = identity::heard(&self.parts.inventory, &server, Source::Asked, said).await?;
        let Some(server) = self.parts.inventory.server(id).await? else { return Ok(()) };
        if let Some(reading) = heard.reading {
            self.take_held_back(&server, reading).await?;
        }
        if heard.is_news {
            self.declarations.declare(&server).await;
        }
        Ok(())
    }

    /// A person wants the BMC to be asked now, whatever it has refused before. Says what it answered, or why it did not.
    pub async fn retry_bmc(&self, server: &Server) -> Result<String, Refusal> {
        let problem = self.check_bmc(server).await;
        if let Err(error) = self.parts.inventory.set_reason(server.id, problem.as_deref()).await {
            warn!(server = %server.id, %error, "what a BMC answered is not stored");
        }
        self.parts.wake.wake(server.id);
        match problem {
            None => Ok("its BMC to be asked now, and it answered".to_owned()),
            Some(message) => Err(Refusal { kind: RefusalKind::Hardware, message }),
        }
    }

    /// A person says that what answers as a server's BMC is this server's. Says in words what was accepted, or why not.
    pub async fn accept_bmc(&self, id: ServerId) -> Result<String, Refusal> {
        let refuse = |message: String| Refusal { kind: RefusalKind::State, message };
        let stored = |error: InventoryError| refuse(error.to_string());
        let _lock = self.parts.locks.lock(id).await;
        let unknown =
            || Refusal { kind: RefusalKind::UnknownServer, message: format!("there is no server {id}") };
        let server = self.parts.inventory.server(id).await.map_err(stored)?.ok_or_else(unknown)?;
        let accepted = domain::identity::accept(&server).map_err(refuse)?;
        self.parts.inventory.end_bmc_doubt(&server, accepted.identity.as_ref()).await.map_err(stored)?;
        if accepted.is_replaced {
            self.parts.inventory.forget_former_bmc(id).await.map_err(stored)?;
        }
        self.parts.inventory.set_reason(id, None).await.map_err(stored)?;
        let now = self.parts.inventory.server(id).await.map_err(stored)?.ok_or_else(unknown)?;
        if let Some(reading) = accepted.reading {
            self.take_held_back(&now, reading).await.map_err(stored)?;
        }
        self.declarations.declare(&now).await;
        self.parts.wake.wake(id);
        let (was, is) = (server.identity.unwrap_or_default(), now.identity.unwrap_or_default());
        let forgotten = match accepted.is_replaced {
            true => {
                "; what was read of the former BMC, a change of its password that was under way, and which of its passwords and \
                 certificates are out of date, are forgotten: if this one has another password, import that one"
            }
            false => "",
        };
        let place = now.bmc.place();
        Ok(format!("the machine at {place} to be accepted as its BMC: it was {was}, and is {is}{forgotten}"))
    }

    /// A reading that was held back in a doubt counts from now on, as a first one.
    async fn take_held_back(&self, server: &Server, reading: PowerReading) -> Result<(), InventoryError> {
        let at_us = self.parts.inventory.clock().now_us();
        let seen = SeenPower { reading, cause: PowerCause::First, at_us };
        take_power(&self.parts.inventory, &self.parts.wake, server, seen).await.map(drop)
    }

    /// Lets a server go. A deployed one, or one in the middle of something, is refused with the reason.
    pub async fn delete(&self, id: ServerId) -> Result<(), Refusal> {
        let failed = |message: String| Refusal { kind: RefusalKind::State, message };
        let unknown =
            || Refusal { kind: RefusalKind::UnknownServer, message: format!("there is no server {id}") };
        {
            let _lock = self.parts.locks.lock(id).await;
            let server = self.parts.inventory.server(id).await.map_err(|error| failed(error.to_string()))?;
            let server = server.ok_or_else(unknown)?;
            let node =
                self.parts.provisioner.get_node(id).await.map_err(|error| failed(error.to_string()))?;
            may_be_deleted(&server.name, node.as_ref())?;
            domain::upkeep::forget::may_be_forgotten(&server).map_err(failed)?;
            self.parts.inventory.set_forgetting(id).await.map_err(|error| failed(error.to_string()))?;
        }
        let server = self.parts.inventory.server(id).await.map_err(|error| failed(error.to_string()))?;
        let done = self.finish_forgetting(&server.ok_or_else(unknown)?).await;
        self.parts.wake.wake(id);
        done.map_err(|reason| failed(format!("the deletion continues by itself: {reason}")))
    }

    /// What is left to do for a server that was deleted; safe to repeat.
    pub async fn finish_forgetting(&self, server: &Server) -> Result<(), String> {
        let _lock = self.parts.locks.lock(server.id).await;
        if server.ports_given {
            self.parts.mover.release(server).await.map_err(|error| error.to_string())?;
        }
        self.parts.provisioner.delete_node(server.id).await.map_err(|error| error.to_string())?;
        self.declarations.forget(&server.rack, server.id).await;
        self.parts.inventory.delete_server(server.id).await.map_err(|error| error.to_string())?;
        let text = format!("{} was removed from the inventory", server.name);
        let rack = Some(server.rack.clone());
        self.parts.inventory.record_event(Some(server.id), rack, EventKind::Forgotten, text).await;
        Ok(())
    }
}

/// A server is let go only from a state in which nobody uses it.
fn may_be_deleted(name: &str, node: Option<&Node>) -> Result<(), Refusal> {
    let Some(node) = node else { return Ok(()) };
    let refuse = |message| Err(Refusal { kind: RefusalKind::State, message });
    if let Some(instance) = node.instance_id {
        return refuse(format!(
            "{name} is {} and carries the tenant's server {instance}: it was not deleted; delete the tenant's server \
             first, and wait until {name} is cleaned and available",
            node.provision_state
        ));
    }
    match &node.provision_state {
        ProvisionState::Enroll | ProvisionState::Manageable | ProvisionState::Available => Ok(()),
        state => refuse(format!(
            "{name} is {state}: it was not deleted; it must be available, manageable or enroll first"
        )),
    }
}

/// What Ironic is told of a server: our facade, and nothing of its BMC.
fn node_spec(server: &Server) -> NodeSpec {
    let uses = server.port_uses();
    NodeSpec {
        id: server.id,
        name: server.name.clone(),
        resource_class: server.class().to_owned(),
        traits: domain::pools::traits(server),
        properties: server.properties.clone(),
        boot_mode: server.boot_mode,
        facade_user: server.facade_user(),
        facade_password: server.facade_password.clone(),
        ports: server
            .ports
            .iter()
            .zip(uses)
            .map(|(port, port_use)| (port.mac, port_use != domain::lifecycle::placement::PortUse::Spare))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::rim::Agents;
    use protocol::{command::Action, id::RackId, secret::Secret};
    use store::{Inventory, clock::TestClock, secret::Sealer};
    use tokio::sync::Notify;

    use super::*;
    use crate::{
        bench,
        mover::Mover,
        visits::{ServerLocks, Wake},
    };

    /// Agents of which one server's BMC says nothing until it is told to.
    struct OneIsSilent {
        silent: Mutex<Option<ServerId>>,
        speak: Notify,
    }

    #[async_trait::async_trait]
    impl Agents for OneIsSilent {
        async fn run(&self, _: &RackId, server: ServerId, _: Action) -> Result<Success, AgentError> {
            let is_silent = *self.silent.lock().unwrap() == Some(server);
            if is_silent {
                self.speak.notified().await;
            }
            Ok(Success::Identity(Default::default()))
        }
    }

    #[tokio::test]
    async fn ironic_is_told_nothing_of_a_bmc() {
        let inventory =
            Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        let mut new = bench::new_server();
        new.bmc.address = "198.51.100.77".to_owned();
        new.bmc.username = "bmc-user".to_owned();
        new.bmc.password = Secret::new("bmc-password");
        let server = inventory.put_server(&new).await.unwrap();
        let spec = node_spec(&server);
        assert_ne!(spec.facade_password.reveal(), "bmc-password");
        let told = format!("{spec:?} {}", spec.facade_password.reveal());
        for secret in ["198.51.100.77", "bmc-user", "bmc-password"] {
            assert!(!told.contains(secret), "{told}");
        }
    }

    #[tokio::test]
    async fn one_silent_bmc_holds_nobody_up() {
        let inventory =
            Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        let fake = Arc::new(bench::Fake(Arc::default()));
        let agents = Arc::new(OneIsSilent { silent: Mutex::default(), speak: Notify::new() });
        let parts = Parts {
            inventory: inventory.clone(),
            provisioner: fake.clone(),
            agents: agents.clone(),
            presence: fake.clone(),
            mover: Mover::new(inventory.clone(), fake.clone()),
            locks: ServerLocks::default(),
            wake: Wake::default(),
        };
        let enroll = Enroller { parts, declarations: fake };
        let wanted: Vec<NewServer> = (0..3 * ENROLL_AT_ONCE as u8)
            .map(|number| {
                let mut new = bench::new_server();
                new.name = format!("n{number}");
                new.bmc.address = format!("198.51.100.{number}");
                new.ports[0].mac.0[5] = number;
                new.ports[0].link.port = format!("xe-0/1/{number}");
                new
            })
            .collect();
        let stored = enroll.store(&wanted.iter().map(|new| (None, new)).collect::<Vec<_>>()).await.unwrap();
        *agents.silent.lock().unwrap() = Some(stored[0].id);
        let (done, mut ended) = mpsc::unbounded_channel();
        let all = tokio::spawn(Arc::new(enroll).bring_up_all(stored.clone(), done));
        let told = async {
            for _ in 1..wanted.len() {
                assert_ne!(ended.recv().await.unwrap().id, stored[0].id, "it is silent");
            }
            agents.speak.notify_one();
            assert_eq!(ended.recv().await.unwrap().id, stored[0].id);
            all.await.unwrap();
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), told).await;
        waited.expect("the others do not wait for the silent one");
    }

    #[test]
    fn only_a_server_that_nobody_uses_is_deleted() {
        let id = ServerId::random();
        for state in ProvisionState::KNOWN {
            let node = Node::in_state(id, state.clone());
            let good = matches!(
                state,
                ProvisionState::Enroll | ProvisionState::Manageable | ProvisionState::Available
            );
            assert_eq!(may_be_deleted("n1", Some(&node)).is_ok(), good, "{state}");
        }
        let mut node = Node::in_state(id, ProvisionState::Active);
        node.instance_id = Some(uuid::Uuid::from_u128(5));
        let refusal = may_be_deleted("n1", Some(&node)).unwrap_err();
        assert!(refusal.message.contains("n1 is active and carries"), "{refusal}");
        assert!(may_be_deleted("n1", None).is_ok());
    }
}
