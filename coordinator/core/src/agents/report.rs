//! Edges: one report, taken in: stored where it belongs, told to whoever it concerns.

use domain::{
    boots::What,
    events::EventKind,
    lifecycle::placement::PortUse,
    records::{Port, Ramdisk, SeenPower, Server, StoredCommand},
    rim::Declarations,
};
use protocol::{
    boot::BootPurpose,
    command::{CommandResult, Success},
    hardware::BmcIdentity,
    hardware::HardwareReport,
    id::{RackId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    report::{Report, ReportBody},
    shown_certificate::ShownCertificate,
    step::StepOutput,
};
use store::InventoryError;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    boot::{self, WrongNetwork},
    hub::{AgentHub, Progress, RamdiskSignal},
};
use crate::{
    certificates, discovery,
    identity::{self, Source},
    power::take_power,
};

impl AgentHub {
    /// Stores what a report says. An error means that it is not stored and must come again.
    pub(super) async fn take_in(&self, rack: &RackId, report: Report) -> Result<(), InventoryError> {
        if let ReportBody::Found { finding } = report.body {
            let order = report.server.0;
            return discovery::take_in(&self.inventory, &self.discovery, rack, order, finding).await;
        }
        let Some(server) = self.inventory.server(report.server).await? else {
            debug!(server = %report.server, "report of a server that is forgotten");
            return Ok(());
        };
        if &server.rack != rack {
            warn!(server = %server.id, %rack, "report of another rack's server dropped");
            return Ok(());
        }
        let at_us = report.at_us;
        match report.body {
            ReportBody::Power { reading, cause } => self.power(&server, reading, cause, at_us).await?,
            ReportBody::Identified { place, identity } => {
                self.identified(&server, &place, identity, at_us).await?
            }
            ReportBody::CertificateShown { place, shown } => {
                self.certificate_shown(&server, &place, &shown).await?;
            }
            ReportBody::Boot(progress) => self.boot_moved_on(&server, &progress, at_us).await?,
            ReportBody::BootRefused { network, mac, planned, reason } => {
                let text = format!("asked for a boot on {} and got no answer: {reason}", network.as_str());
                let boots = server.boot_macs();
                let what = match mac.filter(|mac| !boots.contains(mac)) {
                    Some(mac) => What::OtherInterface { mac, network },
                    None => What::Refused { network, planned, reason },
                };
                self.inventory.mark_boot(server.id, at_us, what).await?;
                self.inventory.record(server.id, EventKind::BootRefused, text).await;
                if let Some(planned) = planned {
                    let heard = WrongNetwork { mac, network, planned };
                    self.boot_on_wrong_network(&server, heard, at_us).await?;
                }
            }
            ReportBody::RamdiskReady { session, purpose, network, hardware } => {
                self.heard_of(session);
                let known = self.inventory.ramdisk(session).await?;
                if known.as_ref().is_some_and(|ramdisk| ramdisk.gone_us.is_some()) {
                    // Its step has failed, and nobody would give it another one.
                    warn!(server = %server.id, %session, "ramdisk that was given up is back, and is left alone");
                    return Ok(());
                }
                let ready_us = self.inventory.clock().now_us();
                let ramdisk =
                    Ramdisk { session, server: server.id, purpose, network, ready_us, gone_us: None };
                self.hardware_found(&server, &hardware).await?;
                if purpose == BootPurpose::Inspect {
                    self.inspected(&server, &hardware).await?;
                }
                self.inventory.put_ramdisk(&ramdisk).await?;
                if let Some(port) = primary(&server) {
                    self.sighted(&server, &port.name, at_us, network, "the ramdisk's hello").await?;
                }
                if known.is_none() {
                    let faults = hardware.faults.clone();
                    self.inventory.mark_boot(server.id, at_us, What::Hello { faults }).await?;
                }
                let how = if known.is_some() { "back" } else { "ready" };
                let text = format!("ramdisk is {how} on {}", network.as_str());
                self.inventory.record(server.id, EventKind::RamdiskReady, text).await;
                self.tell_ramdisk(RamdiskSignal::Ready(ramdisk));
            }
            ReportBody::RamdiskGone { session, reason } => {
                self.inventory.mark_boot(server.id, at_us, What::Gone { reason: reason.clone() }).await?;
                self.ramdisk_ended(server.id, session, reason).await?;
            }
            ReportBody::StepProgress { command, progress } => {
                self.state().dispatch.handle_progress(command, Instant::now().into_std());
                self.set_progress(server.id, Progress { command, progress });
            }
            ReportBody::Watch { watch } => self.watched(&server, watch).await?,
            // Of whomever they are while its BMC is in doubt, they are none of this server's; they are read again.
            ReportBody::Facts { .. } | ReportBody::Hardware { .. } if server.bmc_doubt.is_some() => {
                return Ok(());
            }
            ReportBody::Facts { part } => return self.facts_read(&server, &part, at_us).await,
            ReportBody::Command(result) => self.command_ended(&server, &result, at_us).await?,
            ReportBody::Hardware { change } => return self.hardware_changed(&server, change, at_us).await,
            // It was taken in above: it is of no server.
            ReportBody::Found { .. } => {}
        }
        self.wake.wake(server.id);
        Ok(())
    }

    /// Only an inspection says which disks a server has: a clean or a deploy that sees fewer must not make that the rule.
    async fn inspected(&self, server: &Server, hardware: &HardwareReport) -> Result<(), InventoryError> {
        let after = self.inventory.inspect_disks(server.id, &hardware.disks).await?;
        for disk in &after.forgotten {
            let why = if disk.exception.is_some() { "it was left out" } else { "it is erased" };
            let text = format!("{disk} is no longer present and was removed from the list: {why}");
            self.inventory.record(server.id, EventKind::Step, text).await;
        }
        for disk in after.missing() {
            let text = format!(
                "the inspection did not find {disk}, which may hold a tenant's data: no clean succeeds until it is back, \
                 or `bmsctl node disk except {} {} --reason ...` excludes it",
                server.name, disk.number
            );
            self.inventory.record(server.id, EventKind::Alarm, text).await;
        }
        Ok(())
    }

    /// What an agent heard of a port is a probe of where it really is. Heard where it was not put, it is an alarm: the switch does
    /// something else than Contrail says.
    pub(super) async fn sighted(
        &self,
        server: &Server,
        port: &str,
        at_us: u64,
        network: BootNetwork,
        what: &str,
    ) -> Result<(), InventoryError> {
        if self.inventory.note_sighting(server.id, port, at_us, network, what).await? {
            let text = format!(
                "{port} was heard on the {} network ({what}), on which it should not be; compare the switch with `bmsctl \
                 node show {} --proof`",
                network.as_str(),
                server.name
            );
            self.inventory.record(server.id, EventKind::Alarm, text).await;
        }
        Ok(())
    }

    /// A BMC said who it is: the readings that follow count for its server, or for nobody.
    async fn identified(
        &self,
        server: &Server,
        place: &str,
        identity: BmcIdentity,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let heard = identity::heard(&self.inventory, server, Source::LogIn(place), &identity).await?;
        if !heard.is_news && heard.reading.is_none() {
            return Ok(());
        }
        let Some(server) = self.inventory.server(server.id).await? else { return Ok(()) };
        if let Some(reading) = heard.reading {
            self.power(&server, reading, PowerCause::First, at_us).await?;
        }
        if heard.is_news {
            self.declare(&server).await;
        }
        Ok(())
    }

    async fn certificate_shown(
        &self,
        server: &Server,
        place: &str,
        shown: &ShownCertificate,
    ) -> Result<(), InventoryError> {
        if !certificates::heard(&self.inventory, &self.renewals, server, place, shown).await? {
            return Ok(());
        }
        if let Some(server) = self.inventory.server(server.id).await? {
            self.declare(&server).await;
        }
        Ok(())
    }

    async fn power(
        &self,
        server: &Server,
        reading: PowerReading,
        cause: PowerCause,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let seen = SeenPower { reading: reading.clone(), cause, at_us };
        if take_power(&self.inventory, &self.wake, server, seen).await? {
            self.declare(server).await;
        }
        match server.bmc_doubt {
            None => self.watched_by_reading(server, &reading).await,
            // Of whomever it is a reading, it is none of the server's own BMC.
            Some(_) => Ok(()),
        }
    }

    async fn command_ended(
        &self,
        server: &Server,
        result: &CommandResult,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let stored = self.inventory.command(result.command).await?;
        let is_its = |stored: &StoredCommand| stored.server == server.id && stored.rack == server.rack;
        if stored.as_ref().is_some_and(|stored| !is_its(stored)) {
            warn!(server = %server.id, rack = %server.rack, command = %result.command, "end of another server's command dropped");
            return Ok(());
        }
        self.inventory.end_command(result).await?;
        if let Some(stored) = &stored {
            if let Some(what) = boot::mark_of(stored.kind, &result.outcome) {
                self.inventory.mark_boot(server.id, at_us, what).await?;
            }
            // A power command that succeeded *is* a confirmed reading, in the order of the reports.
            match (&result.outcome, stored.kind.proves()) {
                (Ok(Success::Done), Some(reading)) => {
                    self.power(server, reading.clone(), PowerCause::Commanded, at_us).await?;
                    if reading == PowerReading::On {
                        self.end_intent(server.id, stored.created_us).await?;
                    }
                }
                // The agent has forgotten the boot: what runs there is the tenant's.
                (Ok(Success::Step(StepOutput::HandedOver)), _) => {
                    self.inventory.set_boot_given(server.id, None).await?;
                }
                (Err(_), Some(PowerReading::On)) => self.end_intent(server.id, stored.created_us).await?,
                (Ok(_) | Err(_), _) => {}
            }
        }
        self.ended(server.id, result);
        Ok(())
    }

    /// The outcome of a power-on is known: its intent ends, unless a newer one has begun.
    async fn end_intent(&self, server: ServerId, command_us: u64) -> Result<(), InventoryError> {
        let current = self.inventory.server(server).await?;
        let intent = current.and_then(|server| server.intent);
        if intent.is_some_and(|intent| intent.since_us <= command_us) {
            self.inventory.set_intent(server, None).await?;
        }
        Ok(())
    }
}

/// The port that a ramdisk comes from.
fn primary(server: &Server) -> Option<&Port> {
    let uses = server.port_uses();
    server.ports.iter().zip(uses).find(|(_, port_use)| *port_use == PortUse::Primary).map(|(port, _)| port)
}
