//! Edges: the life of a tenant's server that is in use: its power, and another image.

use std::time::Duration;

use domain::{
    events::Told,
    lifecycle::admission::Wish,
    records::{TenantServer, TenantServerState},
    rim::{Caller, PowerTarget, ServiceError},
};
use protocol::id::ServerId;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{Tenancy, TenancyError};

/// How long a power-on waits for Nova to end what it is doing with the server.
const NOVA_TASK_WAIT_MAX: Duration = Duration::from_secs(15);
/// How often Nova is asked meanwhile.
const NOVA_TASK_PAUSE: Duration = Duration::from_millis(500);

impl Tenancy {
    /// Switches the server's power by way of Ironic, and so through the gate.
    pub async fn power(
        &self,
        server: &TenantServer,
        target: PowerTarget,
        verb: &'static str,
    ) -> Result<(), TenancyError> {
        let node = in_use(server, verb)?;
        match target {
            PowerTarget::On | PowerTarget::Reboot | PowerTarget::SoftReboot => {
                self.admit(server, node, Wish::Start).await?;
                self.await_nova(server, NOVA_TASK_WAIT_MAX).await?;
            }
            PowerTarget::Off | PowerTarget::SoftOff => {}
        }
        self.ironic.set_power_state(node, target).await?;
        self.note_node(node).await;
        Ok(())
    }

    /// Nova stops a server that it finds off although it should run, at its next look: a power-on in the middle of that would be undone.
    /// A Nova that is away, or has no such server, is not waited for.
    pub(super) async fn await_nova(
        &self,
        server: &TenantServer,
        wait_max: Duration,
    ) -> Result<(), TenancyError> {
        let Some(instance) = server.instance else { return Ok(()) };
        let deadline = Instant::now() + wait_max;
        loop {
            let task = match self.nova.show_server(Caller::Service, instance).await {
                Ok(nova) => nova.task_state,
                Err(ServiceError::NotFound { .. }) => None,
                Err(error) => {
                    warn!(server = %server.name, %error, "not known what Nova does with a server that is switched on");
                    None
                }
            };
            let Some(task) = task else { return Ok(()) };
            if Instant::now() >= deadline {
                return Err(TenancyError::Refused(format!(
                    "Nova has been doing {task:?} with {} for {} s, and would undo a change of its power: try again when that \
                     is done",
                    server.name,
                    wait_max.as_secs()
                )));
            }
            sleep(NOVA_TASK_PAUSE).await;
        }
    }

    /// Lets Nova write an image onto the server anew. Nothing is stored before Nova has taken it: were this process to end
    /// in between, the next comparison with Nova shows it.
    pub async fn rebuild(
        &self,
        caller: Caller<'_>,
        mut server: TenantServer,
        image_id: &str,
    ) -> Result<TenantServer, TenancyError> {
        let node = in_use(&server, "rebuild")?;
        let Some(instance) = server.instance else {
            return Err(TenancyError::Refused(format!(
                "{} was adopted, and Nova has no server for it that could be rebuilt: give it back and create a new one",
                server.name
            )));
        };
        self.admit(&server, node, Wish::Rebuild).await?;
        self.nova.rebuild_server(caller, instance, image_id).await?;
        server.state = TenantServerState::Building;
        server.image = image_id.to_owned();
        server.reason = None;
        self.inventory.put_tenant_server(&server).await?;
        self.tell(&server, "being rebuilt", Told::Rebuilding).await;
        self.note_node(node).await;
        self.wake.notify_one();
        Ok(server)
    }

    /// Stores the node as it is right after something was asked of it, so that nobody who waits for the end sees the beginning.
    pub(super) async fn note_node(&self, id: ServerId) {
        match self.ironic.get_node(id).await {
            Ok(node) => {
                if let Err(error) = self.inventory.set_node(id, Some(&node)).await {
                    warn!(server = %id, %error, "new state of a node not stored");
                }
            }
            Err(error) => warn!(server = %id, %error, "new state of a node not read"),
        }
    }
}

/// The physical server of one that is in use.
pub(super) fn in_use(server: &TenantServer, verb: &'static str) -> Result<ServerId, TenancyError> {
    match (server.state, server.node) {
        (TenantServerState::Active, Some(node)) => Ok(node),
        (state, _) => Err(TenancyError::NotDeployed { name: server.name.clone(), state: state.word(), verb }),
    }
}
