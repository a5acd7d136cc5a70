//! Values: the core as the two facades towards Ironic use it, as a trait.

use async_trait::async_trait;
use protocol::{
    bmc_facts::BmcFacts,
    bmc_order::BmcOrder,
    boot::BootMode,
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    mac::MacAddr,
    power::{PowerOffHow, PowerReading},
    root_device::RootDeviceHints,
    secret::Secret,
    step::{Step, StepOutput},
};
use uuid::Uuid;

use crate::{
    disks::{Account, Erase, KnownDisk},
    firmware::update::Update,
    health::KnownSensor,
};

/// Why a power-on, or anything else that Ironic or a user asks of a server, is not done. `message` is shown to people
/// as it is: in Ironic's `last_error`, in Nova's fault and by the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// Which port, which network, and why.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// No such server.
    UnknownServer,
    /// The server's state does not allow it.
    State,
    /// It went off without a request, and Ironic has not noted that yet. Passes by itself.
    OffUntold,
    /// The gate has no proof that the port is on the right network.
    Gate,
    /// The rack agent is away.
    AgentAway,
    /// The BMC, the ramdisk or the agent failed.
    Hardware,
    /// It was begun and cut off; nothing speaks against doing it again from its beginning.
    Interrupted,
}

/// What Ironic asks of a server through the Redfish facade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Redfish `On`.
    On,
    /// Redfish `ForceOff`, `GracefulShutdown`.
    Off(PowerOffHow),
    /// Redfish `ForceRestart`, `GracefulRestart`.
    Restart,
}

/// A server as the facades show it to Ironic: facts, none of them fetched for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacadeServer {
    /// Its id, also the Redfish system's id.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Last streamed reading; none: not heard of yet.
    pub power: Option<PowerReading>,
    /// Firmware mode.
    pub boot_mode: BootMode,
    /// Interfaces.
    pub macs: Vec<MacAddr>,
    /// Hardware, once a ramdisk has reported it.
    pub hardware: Option<HardwareReport>,
    /// The ramdisk that is connected now.
    pub ramdisk: Option<RamdiskSessionId>,
    /// What Ironic says of its root disk.
    pub root_device: RootDeviceHints,
}

/// A server's sensors as the facade shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FacadeSensors {
    /// Each with what it said last, and how bad that is by the site's limits.
    pub known: Vec<KnownSensor>,
    /// Power draw in W; none: not known.
    pub draw_w: Option<u32>,
}

/// The core as the two facades towards Ironic use it.
#[async_trait]
pub trait Hardware: Send + Sync {
    /// The server, or none when there is no such.
    async fn server(&self, id: ServerId) -> Option<FacadeServer>;
    /// What its BMC says of itself and its server, as it was read last.
    async fn facts(&self, id: ServerId) -> BmcFacts {
        let _ = id;
        BmcFacts::default()
    }
    /// Has new firmware given to the server, as one of Ironic's steps: the id of the update that tells how far it is. `component`: what it
    /// is for, by the BMC's own id; empty: the image says.
    async fn update_firmware(&self, id: ServerId, component: String, url: String) -> Result<Uuid, Refusal> {
        let _ = (component, url);
        let message = format!("nothing here updates the firmware of {id}");
        Err(Refusal { kind: RefusalKind::State, message })
    }
    /// The updates of its firmware, the newest first.
    async fn firmware_updates(&self, id: ServerId) -> Vec<Update> {
        let _ = id;
        Vec::new()
    }
    /// What its sensors said last; none where they cannot be read now.
    async fn sensors(&self, id: ServerId) -> FacadeSensors {
        let _ = id;
        FacadeSensors::default()
    }
    /// Waits a moment for the agent of the server's rack, if that has only just gone away; not at all for one that is here.
    async fn await_agent(&self, id: ServerId) {
        let _ = id;
    }
    /// User and password that Ironic must show for this server.
    async fn facade_credentials(&self, id: ServerId) -> Option<(String, Secret)>;
    /// Changes the power. A power-on goes through the gate and returns when the gate has decided and the BMC has done it.
    async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal>;
    /// Has the server's BMC do something beside power and boot, if the server's state allows it. When this returns, what the BMC says
    /// has been read anew.
    async fn order(&self, id: ServerId, order: BmcOrder) -> Result<(), Refusal> {
        let message = format!("{order} is not possible here: there is no agent for server {id}");
        Err(Refusal { kind: RefusalKind::AgentAway, message })
    }
    /// Lets the connected ramdisk do a step; returns when it is done.
    async fn run_step(
        &self,
        id: ServerId,
        session: RamdiskSessionId,
        step: Step,
    ) -> Result<StepOutput, Refusal>;
    /// The disks that a clean of the server accounts for.
    async fn disks(&self, id: ServerId) -> Result<Vec<KnownDisk>, Refusal>;
    /// Stores what an erase came to; it is on disk when this returns.
    async fn note_erase(&self, id: ServerId, depth: Erase, account: &Account) -> Result<(), Refusal>;
    /// Notes what became of the image that is to be written.
    async fn note_image(&self, id: ServerId, news: ImageNews) {
        let _ = (id, news);
    }
    /// `network_data.json` for the configuration drive of the server's tenant; none: what Nova wrote is left.
    async fn network_data(&self, id: ServerId) -> Result<Option<serde_json::Value>, Refusal> {
        let _ = id;
        Ok(None)
    }
}

/// What became of the image of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageNews {
    /// It is waited for, and why.
    Waits(String),
    /// It was waited for, and is known now.
    Found,
    /// The deployment fails for it, and why.
    Failed(String),
}
