//! Edges: what the agents hear of network boots: stages, refusals, and boots that arrive on another network than they are
//! permitted on.

use domain::{
    boots::What,
    events::EventKind,
    lifecycle::trouble::Trouble,
    records::{BootReached, CommandKind, Port, Server, stored_sighting},
    rim::{Declarations, describe_observed},
};
use protocol::{
    bmc_facts::{PartFacts, SecureBootFacts},
    boot::BootProgress,
    command::{Failure, Success},
    hardware::HardwareReport,
    mac::MacAddr,
    network::BootNetwork,
    step::StepOutput,
};
use store::InventoryError;

use super::hub::AgentHub;

impl AgentHub {
    /// What a BMC says is shown when somebody asks. By its Secure Boot alone something is decided: which loader the agent gives.
    pub(super) async fn facts_read(
        &self,
        server: &Server,
        part: &PartFacts,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        self.inventory.put_facts(server.id, part, at_us).await?;
        let PartFacts::SecureBoot(SecureBootFacts { is_enabled, was_enabled, .. }) = part else {
            return Ok(());
        };
        // With the next power-on it is as it is set.
        let is_on = is_enabled.or(*was_enabled);
        if server.secure_boot != is_on {
            self.inventory.set_secure_boot(server.id, is_on).await?;
            self.declare(&Server { secure_boot: is_on, ..server.clone() }).await;
        }
        Ok(())
    }

    /// Stores what a ramdisk has found, and tells the agent which loader that calls for, and by which interfaces it does not boot.
    pub(super) async fn hardware_found(
        &self,
        server: &Server,
        hardware: &HardwareReport,
    ) -> Result<(), InventoryError> {
        self.inventory.set_hardware(server.id, hardware).await?;
        let after = Server { hardware: Some(hardware.clone()), ..server.clone() };
        let told = |server: &Server| {
            let spec = server.spec();
            (spec.secure_boot, spec.other_macs)
        };
        if told(&after) != told(server) {
            self.declare(&after).await;
        }
        Ok(())
    }

    /// A boot moved on: its port is where it should be.
    pub(super) async fn boot_moved_on(
        &self,
        server: &Server,
        progress: &BootProgress,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let reached = BootReached { stage: progress.stage, network: progress.network };
        self.inventory.set_boot_stage(server.id, Some(reached)).await?;
        let BootProgress { stage, mac, detail, .. } = progress.clone();
        self.inventory.mark_boot(server.id, at_us, What::Stage { stage, mac, detail }).await?;
        let text = format!("{reached} ({}) {}", progress.mac, progress.detail);
        self.inventory.record(server.id, EventKind::Boot, text.trim_end()).await;
        if server.trouble == Some(Trouble::WrongNetwork) {
            self.inventory.set_reason(server.id, None).await?;
        }
        if let Some(port) = server.ports.iter().find(|port| port.mac == progress.mac) {
            let what = stored_sighting(progress.stage);
            self.sighted(server, &port.name, at_us, progress.network, &what).await?;
        }
        Ok(())
    }

    /// A boot was asked for on a network where it is permitted elsewhere. Contrail showed the port there before the power went
    /// on, so what is wrong is outside of it: the alarm names the place to look at.
    pub(super) async fn boot_on_wrong_network(
        &self,
        server: &Server,
        heard: WrongNetwork,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let port = server.ports.iter().find(|port| Some(port.mac) == heard.mac);
        if let Some(port) = port {
            let what = format!("requested its boot, which is permitted only on {}", heard.planned.as_str());
            self.inventory.note_sighting(server.id, &port.name, at_us, heard.network, &what).await?;
        }
        let text = describe_wrong_network(server, port, &heard);
        // The boot ROM asks again and again.
        if server.reason.as_ref() != Some(&text) {
            self.inventory.set_trouble(server.id, &text, Trouble::WrongNetwork).await?;
            self.inventory.record(server.id, EventKind::Alarm, text).await;
        }
        Ok(())
    }
}

/// What the end of a command says of a boot; none: nothing.
pub(super) fn mark_of(kind: CommandKind, outcome: &Result<Success, Failure>) -> Option<What> {
    match (kind, outcome) {
        (CommandKind::PowerOn | CommandKind::Reset, Ok(_)) => Some(What::PowerOn),
        (CommandKind::PowerOn | CommandKind::Reset, Err(failure)) => {
            Some(What::Step { what: "the power-on".to_owned(), failure: Some(failure.message.clone()) })
        }
        (CommandKind::RunStep, outcome) => {
            let what = match outcome {
                Ok(Success::Step(StepOutput::Inventory { .. })) => "a look at the hardware",
                Ok(Success::Step(StepOutput::ImageWritten { .. })) => "writing the image",
                Ok(Success::Step(StepOutput::Erased { .. })) => "erasing the disks",
                Ok(Success::Step(StepOutput::HandedOver)) => "handing the rescue system over",
                Ok(_) | Err(_) => "a step",
            };
            let failure = outcome.as_ref().err().map(|failure| failure.message.clone());
            Some(What::Step { what: what.to_owned(), failure })
        }
        (
            CommandKind::PowerOff
            | CommandKind::ReadIdentity
            | CommandKind::EndBoot
            | CommandKind::KeepOff
            | CommandKind::RenewPassword
            | CommandKind::ReadFootprint
            | CommandKind::UpdateFirmware
            | CommandKind::LookAtFirmware
            | CommandKind::Order,
            _,
        ) => None,
    }
}

/// A boot that was heard on one network and is permitted on another.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongNetwork {
    /// Which interface asked; none: an older agent does not say.
    pub mac: Option<MacAddr>,
    /// Where it was heard.
    pub network: BootNetwork,
    /// Where it is permitted.
    pub planned: BootNetwork,
}

fn describe_wrong_network(server: &Server, port: Option<&Port>, heard: &WrongNetwork) -> String {
    let WrongNetwork { mac, network, planned } = heard;
    let (place, contrail) = match (port, mac) {
        (Some(port), _) => {
            let seen = port
                .observed
                .as_ref()
                .map_or("nowhere yet".to_owned(), |seen| format!("on {}", describe_observed(seen)));
            let place = format!("port {} ({}), plugged into switch port {}", port.name, port.mac, port.link);
            (place, format!("Contrail shows the port {seen}"))
        }
        (None, Some(mac)) => (format!("interface {mac}"), "the inventory has no port of it".to_owned()),
        (None, None) => ("one of its ports".to_owned(), "the agent does not say which".to_owned()),
    };
    format!(
        "its boot arrived on the wrong network: {place} is heard on the {} network, its boot is permitted only on the {} network, and {contrail}; \
         check that switch port (its VLAN, its cable, whether it is the one in the inventory) and `bmsctl node show {} \
         --proof`, then power the server off and on again",
        network.as_str(),
        planned.as_str(),
        server.name
    )
}
