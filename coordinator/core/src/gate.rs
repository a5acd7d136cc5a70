//! Edges: the gate. No power-on reaches a BMC until the server's ports are seen where its state calls for.
//!
//! ```text
//!   read the node from Ironic, now -> permitted_boot -> store the intent -> move every port -> read every port back
//!       -> store the boot -> read every port once more -> only then the agent -> BMC -> confirmed reading -> done
//! ```
//!
//! No proof, no power: each arrow is passed only when the one before it succeeded; a refusal says which port, which
//! network, and why. A permit that broke off on its way to the agent is not sent again, and one whose ports were moved since the
//! proof is not sent at all: the way begins anew at the first arrow. Nothing here waits without end, and no
//! command is given when the proof has used up its share of the minute (`protocol::power_budget`).

mod last_look;
mod off;
#[cfg(test)]
mod tests;
mod updating;

use std::time::Duration;

use domain::{
    events::{EventKind, Told},
    lifecycle::{Node, PermittedBoot, permitted_boot, trouble::Trouble},
    records::{AskedBy, Intent, Server},
    rim::{AgentConnection, AgentError, PowerRequest, Refusal, RefusalKind, describe_wanted},
    upkeep::hold::admit_deployment,
};
use protocol::{
    backoff::Backoff, boot::Boot, command::Action, id::ServerId, power::PowerReading, power_budget,
};
use store::InventoryError;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::parts::Parts;

/// Longest time in which the gate waits for proof before it refuses.
pub const GATE_WAIT_MAX: Duration = power_budget::PROOF_MAX;
/// Longest time from a power request to its answer.
pub const ANSWER_WAIT_MAX: Duration = power_budget::GATE_ANSWER_MAX;
/// How often a power-on may break off on its way to the agent before it is refused.
const GIVEN_MAX: u32 = 3;
/// Pauses after a port that could not be moved.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));

/// The gate.
pub struct Gate {
    parts: Parts,
    wait_max: Duration,
}

impl Gate {
    /// A gate. `wait_max`: longest wait for proof, [`GATE_WAIT_MAX`] outside tests.
    pub fn new(parts: Parts, wait_max: Duration) -> Self {
        Self { parts, wait_max }
    }

    /// Does what is asked of a server's power, or says why not. The reason of a refusal stays on the server.
    pub async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal> {
        let began = Instant::now();
        let done = self.switch(id, request, began).await;
        if let Err(refusal) = &done {
            counters::gate_refused(refusal.kind, began.elapsed());
            self.note_refusal(id, request, refusal).await;
        }
        self.parts.wake.wake(id);
        self.parts.wake.poll_ironic();
        done
    }

    async fn switch(&self, id: ServerId, request: PowerRequest, began: Instant) -> Result<(), Refusal> {
        let server = self.server(id).await?;
        refuse_in_doubt(&server)?;
        self.refuse_while_updated(&server).await?;
        self.parts.presence.await_back(&server.rack).await;
        match request {
            PowerRequest::Off(how) => self.off(id, how, began).await,
            PowerRequest::On => self.on(id, Start::PowerOn, began).await,
            PowerRequest::Restart => self.on(id, Start::Restart, began).await,
        }
    }

    async fn note_refusal(&self, id: ServerId, request: PowerRequest, refusal: &Refusal) {
        if refusal.kind == RefusalKind::UnknownServer {
            return;
        }
        let trouble = match refusal.kind {
            RefusalKind::OffUntold => Trouble::OffUntold,
            _ => Trouble::of_power(request),
        };
        if let Err(error) = self.parts.inventory.set_trouble(id, &refusal.message, trouble).await {
            warn!(server = %id, error = %error, "refusal not stored");
        }
        let told = Some(Told::Trouble(trouble));
        self.parts.inventory.record_told(id, EventKind::Refused, refusal.message.clone(), told).await;
    }

    async fn on(&self, id: ServerId, start: Start, began: Instant) -> Result<(), Refusal> {
        let deadline = began + self.wait_max;
        let lock = tokio::time::timeout_at(deadline, self.parts.locks.lock(id)).await;
        let _lock = lock.map_err(|_| {
            refuse(
                RefusalKind::Gate,
                format!("server {id} is busy with another change; try again in a moment"),
            )
        })?;
        let server = self.server(id).await?;
        if let AgentConnection::Disconnected(away) = self.parts.presence.connection(&server.rack) {
            let message = format!("{} was not powered on: {away}", server.name);
            return Err(refuse(RefusalKind::AgentAway, message));
        }
        let mut permitted = self.permit_by(&server, deadline).await?;
        let mut given = 0;
        let done = loop {
            given += 1;
            match self.try_on(&server, &permitted, start, deadline, began).await {
                // What was seen then need not be true now: everything is asked, moved and read back anew.
                Err(PowerOnError::NotTaken(_) | PowerOnError::Moved(_))
                    if given < GIVEN_MAX && Instant::now() < deadline =>
                {
                    permitted = self.permit_by(&server, deadline).await?;
                }
                Err(
                    PowerOnError::NotTaken(refusal)
                    | PowerOnError::Moved(refusal)
                    | PowerOnError::Refused(refusal),
                ) => {
                    break Err(refusal);
                }
                Ok(()) => break Ok(()),
            }
        };
        if done.is_ok()
            && let Err(error) = self.parts.inventory.set_reason(id, None).await
        {
            warn!(server = %id, error = %error, "reason not cleared");
        }
        done
    }

    /// From a permit to the confirmed reading, once.
    async fn try_on(
        &self,
        server: &Server,
        permitted: &PermittedBoot,
        start: Start,
        deadline: Instant,
        began: Instant,
    ) -> Result<(), PowerOnError> {
        let id = server.id;
        // Stored before anything is done for it: from here on a crash is seen as a power-on under way.
        let intent = Intent { permitted: permitted.clone(), since_us: self.parts.inventory.clock().now_us() };
        let stored = self.parts.inventory.set_intent(id, Some(&intent)).await;
        stored.map_err(|error| PowerOnError::Refused(inventory_failed(&error)))?;
        if let Err(refusal) = self.pass(server, permitted, deadline).await {
            self.clear_intent(id).await;
            return Err(PowerOnError::Refused(refusal));
        }
        if let Err(not_on) = self.look_again(server, permitted, deadline).await {
            self.clear_intent(id).await;
            return Err(not_on);
        }
        let action = match start {
            Start::PowerOn => Action::PowerOn { boot: permitted.boot.clone() },
            Start::Restart => Action::Reset { boot: permitted.boot.clone() },
        };
        let text = format!("{} for {}", describe_boot(&permitted.boot), describe_wanted(&permitted.network));
        counters::gate_permitted(began.elapsed());
        if let Boot::Network(plan) = &permitted.boot
            && let Err(error) = self.parts.inventory.begin_boot(id, plan).await
        {
            warn!(server = %id, error = %error, "boot not noted");
        }
        self.parts.inventory.record(id, EventKind::Permitted, text).await;
        let done = self.ask(server, action, began).await;
        match &done {
            // Not known whether the command still arrives: the intent ends with its outcome, or by age.
            Err(AgentError::Away { .. }) => {}
            Ok(()) | Err(AgentError::NotTaken { .. } | AgentError::Failed(_)) => self.clear_intent(id).await,
        }
        done.map_err(|error| match error {
            AgentError::NotTaken { .. } => PowerOnError::NotTaken(refusal_of(server, error)),
            AgentError::Away { .. } | AgentError::Failed(_) => {
                PowerOnError::Refused(refusal_of(server, error))
            }
        })
    }

    /// From the permit to the proof.
    async fn pass(
        &self,
        server: &Server,
        permitted: &PermittedBoot,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let waited = self.prove(server, permitted, deadline).await?;
        // Time went by: what was called for may be called off.
        if waited && self.permit_by(server, deadline).await? != *permitted {
            let message =
                format!("{} was not powered on: its state changed while its ports were moved", server.name);
            return Err(refuse(RefusalKind::State, message));
        }
        let boot = match &permitted.boot {
            Boot::Disk => None,
            Boot::Network(plan) => Some(plan),
        };
        self.parts.inventory.set_boot_given(server.id, boot).await.map_err(|error| inventory_failed(&error))
    }

    async fn permit_by(&self, server: &Server, deadline: Instant) -> Result<PermittedBoot, Refusal> {
        let permit = tokio::time::timeout_at(deadline, self.permit(server)).await;
        permit.unwrap_or_else(|_| Err(self.too_late(server)))
    }

    fn too_late(&self, server: &Server) -> Refusal {
        let message = format!(
            "{} was not powered on: Ironic and Contrail took longer than {} s to prove where its ports are; check which of \
             them is slow, and try again",
            server.name,
            self.wait_max.as_secs()
        );
        refuse(RefusalKind::Gate, message)
    }

    /// Reads the node from Ironic, now, and asks what a power-on of it may boot.
    async fn permit(&self, server: &Server) -> Result<PermittedBoot, Refusal> {
        let node = self.read_node(server).await?;
        let stored = self.parts.inventory.set_node(server.id, Some(&node)).await;
        stored.map_err(|error| inventory_failed(&error))?;
        let tenant = self.parts.inventory.tenant_port(server, node.instance_id).await;
        let tenant = tenant.map_err(|error| inventory_failed(&error))?;
        // Read again: reports may have arrived since.
        let server = self.server(server.id).await?;
        refuse_in_doubt(&server)?;
        admit_deployment(&server, &node).map_err(|words| refuse(RefusalKind::State, words))?;
        self.refuse_while_updated(&server).await?;
        permitted_boot(&server.name, &node, &server.power_facts(true), server.ports_given, tenant)
    }

    async fn read_node(&self, server: &Server) -> Result<Node, Refusal> {
        let node = self.parts.provisioner.get_node(server.id).await.map_err(|error| {
            refuse(
                RefusalKind::State,
                format!(
                    "cannot change the power of {}: its state could not be read from Ironic: {error}",
                    server.name
                ),
            )
        })?;
        node.ok_or_else(|| {
            refuse(
                RefusalKind::State,
                format!("cannot change the power of {}: Ironic has no node for it", server.name),
            )
        })
    }

    /// Moves and reads back until every port is seen where it belongs. Says whether it had to wait.
    async fn prove(
        &self,
        server: &Server,
        permitted: &PermittedBoot,
        deadline: Instant,
    ) -> Result<bool, Refusal> {
        let mut pauses = RETRIES.pauses();
        let mut waited = false;
        loop {
            let attempt = async {
                self.parts.mover.ensure(server, permitted.network, AskedBy::Gate).await?;
                self.parts.mover.prove(server, permitted.network).await
            };
            let error = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(())) => {
                    if waited {
                        self.set_waiting(server.id, None).await;
                    }
                    return Ok(waited);
                }
                Ok(Err(error)) => (error.to_string(), error.is_worth_repeating()),
                Err(_) => (format!("Contrail did not answer within {} s", self.wait_max.as_secs()), false),
            };
            let (reason, may_repeat) = error;
            if !may_repeat || Instant::now() + pauses.peek() >= deadline {
                self.set_waiting(server.id, None).await;
                let message = format!("{} was not powered on: {reason}", server.name);
                return Err(refuse(RefusalKind::Gate, message));
            }
            waited = true;
            self.set_waiting(server.id, Some(&format!("power-on waits: {reason}"))).await;
            sleep(pauses.take()).await;
        }
    }

    async fn run(&self, server: &Server, action: Action, began: Instant) -> Result<(), Refusal> {
        self.ask(server, action, began).await.map_err(|error| refusal_of(server, error))
    }

    async fn ask(&self, server: &Server, action: Action, began: Instant) -> Result<(), AgentError> {
        let left = ANSWER_WAIT_MAX.saturating_sub(began.elapsed());
        let run = self.parts.agents.run(&server.rack, server.id, action);
        match tokio::time::timeout(left, run).await {
            Ok(done) => done.map(drop),
            Err(_) => {
                let reason = "has not finished in time".to_owned();
                Err(AgentError::Away { rack: server.rack.clone(), reason })
            }
        }
    }

    async fn server(&self, id: ServerId) -> Result<Server, Refusal> {
        let server = self.parts.inventory.server(id).await.map_err(|error| inventory_failed(&error))?;
        server.ok_or_else(|| refuse(RefusalKind::UnknownServer, format!("there is no server {id}")))
    }

    async fn clear_intent(&self, id: ServerId) {
        if let Err(error) = self.parts.inventory.set_intent(id, None).await {
            warn!(server = %id, error = %error, "intent not cleared");
        }
    }

    async fn set_waiting(&self, id: ServerId, waiting: Option<&str>) {
        if let Err(error) = self.parts.inventory.set_waiting(id, waiting).await {
            warn!(server = %id, error = %error, "wait not stored");
        }
        if let Some(text) = waiting {
            self.parts.inventory.record(id, EventKind::Waiting, text).await;
        }
    }
}

/// Why a server was not switched on.
enum PowerOnError {
    /// The permit broke off on its way to the agent; nothing was done.
    NotTaken(Refusal),
    /// Its ports were elsewhere when they were looked at once more; nothing was sent.
    Moved(Refusal),
    /// For any other reason.
    Refused(Refusal),
}

/// The two ways to make a server run.
#[derive(Clone, Copy)]
enum Start {
    PowerOn,
    Restart,
}

/// Neither on nor off while another machine may answer as the server's BMC: it would hit that one. And none while its BMC shows a
/// certificate that nobody has accepted: no command would reach it, and its port would be moved for nothing.
fn refuse_in_doubt(server: &Server) -> Result<(), Refusal> {
    match &server.bmc_doubt {
        None => server.certificate_words().map_or(Ok(()), |words| Err(refuse(RefusalKind::State, words))),
        Some(doubt) => Err(refuse(RefusalKind::State, server.words_of(doubt))),
    }
}

fn refuse(kind: RefusalKind, message: String) -> Refusal {
    Refusal { kind, message }
}

fn refusal_of(server: &Server, error: AgentError) -> Refusal {
    let kind = match &error {
        AgentError::Away { .. } | AgentError::NotTaken { .. } => RefusalKind::AgentAway,
        AgentError::Failed(_) => RefusalKind::Hardware,
    };
    refuse(kind, format!("{}: {error}", server.name))
}

fn inventory_failed(error: &InventoryError) -> Refusal {
    refuse(RefusalKind::State, format!("power-ons are refused while the inventory does not answer: {error}"))
}

fn describe_boot(boot: &Boot) -> String {
    match boot {
        Boot::Disk => "power-on to its disk".to_owned(),
        Boot::Network(plan) => format!("power-on to the ramdisk ({:?})", plan.purpose).to_lowercase(),
    }
}

/// The reading that is shown while a rack's agent is away: nobody knows, which is not "off".
pub fn unknown_while_away(away: String) -> PowerReading {
    PowerReading::Unreachable { reason: away }
}
