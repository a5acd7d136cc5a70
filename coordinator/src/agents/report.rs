//! Edges: one report, taken in: stored where it belongs, told to whoever it concerns.

use protocol::{
    command::{CommandResult, Success},
    id::{RackId, ServerId},
    network::BootNetwork,
    power::{PowerCause, PowerReading},
    report::{Report, ReportBody},
    step::StepOutput,
};
use tracing::{debug, warn};

use super::hub::{AgentHub, Progress, RamdiskSignal};
use crate::{
    discovery,
    events::EventKind,
    inventory::{InventoryError, Port, PowerUpdate, Ramdisk, SeenPower, Server},
    lifecycle::{
        Confirmed, Facts, PowerFacts, isolation_is_due,
        placement::PortUse,
        power::{PowerRecord, after_reading},
    },
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
            ReportBody::Boot(progress) => {
                let stage = format!("{:?} on {}", progress.stage, progress.network.as_str());
                self.inventory.set_boot_stage(server.id, Some(&stage)).await?;
                let text = format!("{stage} ({}) {}", progress.mac, progress.detail);
                self.inventory.record(server.id, EventKind::Boot, text.trim_end()).await;
                if let Some(port) = server.ports.iter().find(|port| port.mac == progress.mac) {
                    let what = format!("boot: {:?}", progress.stage);
                    self.sighted(&server, &port.name, at_us, progress.network, &what).await?;
                }
            }
            ReportBody::BootRefused { network, reason } => {
                let text = format!("asked for a boot on {} and got no answer: {reason}", network.as_str());
                self.inventory.record(server.id, EventKind::BootRefused, text).await;
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
                self.inventory.set_hardware(server.id, &hardware).await?;
                self.inventory.put_ramdisk(&ramdisk).await?;
                if let Some(port) = primary(&server) {
                    self.sighted(&server, &port.name, at_us, network, "the ramdisk's hello").await?;
                }
                let how = if known.is_some() { "back" } else { "ready" };
                let text = format!("ramdisk is {how} on {}", network.as_str());
                self.inventory.record(server.id, EventKind::RamdiskReady, text).await;
                self.tell_ramdisk(RamdiskSignal::Ready(ramdisk));
            }
            ReportBody::RamdiskGone { session, reason } => {
                self.ramdisk_ended(server.id, session, reason).await?;
            }
            ReportBody::StepProgress { command, progress } => {
                self.set_progress(server.id, Progress { command, progress });
            }
            ReportBody::Command(result) => self.command_ended(&server, &result, at_us).await?,
            // It was taken in above: it is of no server.
            ReportBody::Found { .. } => {}
        }
        self.wake.wake(server.id);
        Ok(())
    }

    /// What an agent heard of a port is a probe of where it really is. Heard where it was not put, it is an alarm: the switch does
    /// something else than Contrail says.
    async fn sighted(
        &self,
        server: &Server,
        port: &str,
        at_us: u64,
        network: BootNetwork,
        what: &str,
    ) -> Result<(), InventoryError> {
        if self.inventory.note_sighting(server.id, port, at_us, network, what).await? {
            let text = format!(
                "{port} was heard on the {} network ({what}), where it was not put; compare the switch with \
                 `bmsctl node show {} --proof`",
                network.as_str(),
                server.name
            );
            self.inventory.record(server.id, EventKind::Alarm, text).await;
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
        let now_us = self.inventory.clock().now_us();
        let before = PowerRecord {
            confirmed: server.confirmed,
            off_since_us: server.off_since_us,
            untold_off: server.untold_off,
            isolated_us: server.isolated_us,
        };
        let after = after_reading(before, &reading, cause, now_us);
        // A silent BMC gives ever new reasons: only the beginning of its silence is news.
        let same = |seen: &PowerReading| std::mem::discriminant(seen) == std::mem::discriminant(&reading);
        let changed = server.power.as_ref().is_none_or(|seen| !same(&seen.reading));
        let update = PowerUpdate {
            seen: SeenPower { reading: reading.clone(), cause, at_us },
            confirmed: after.confirmed,
            off_since_us: after.off_since_us,
            untold_off: after.untold_off,
            isolated_us: after.isolated_us,
        };
        self.inventory.set_power(server.id, &update).await?;
        // Isolation must not wait for the event to be stored, nor behind anything else.
        let went_off = after.confirmed == Some(Confirmed::Off) && before.confirmed != after.confirmed;
        let facts = server.facts(None, true);
        let power = PowerFacts { confirmed: after.confirmed, ..facts.power };
        if went_off && isolation_is_due(&Facts { power, ..facts }) {
            self.wake.isolate(server.id);
        }
        self.wake.wake(server.id);
        if reading == PowerReading::Off {
            // The agent forgets a boot with the power.
            self.inventory.set_boot_given(server.id, None).await?;
        }
        if changed {
            let (kind, text) = describe_power(&reading, cause);
            self.inventory.record(server.id, kind, text).await;
        }
        Ok(())
    }

    async fn command_ended(
        &self,
        server: &Server,
        result: &CommandResult,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        let stored = self.inventory.command(result.command).await?;
        self.inventory.end_command(result).await?;
        if let Some(stored) = &stored {
            // A power command that succeeded *is* a confirmed reading, in the order of the reports.
            let reading = match stored.kind.as_str() {
                "power_on" | "reset" => Some(PowerReading::On),
                "power_off" => Some(PowerReading::Off),
                _ => None,
            };
            match (&result.outcome, reading) {
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

fn describe_power(reading: &PowerReading, cause: PowerCause) -> (EventKind, String) {
    let why = match cause {
        PowerCause::Commanded => "as asked",
        PowerCause::Unasked => "nobody asked",
        PowerCause::First => "first reading",
    };
    match reading {
        PowerReading::On => (EventKind::Power, format!("power is on, {why}")),
        PowerReading::Off => (EventKind::Power, format!("power is off, {why}")),
        PowerReading::Unreachable { reason } => {
            (EventKind::Alarm, format!("the BMC does not answer, so the power is not known: {reason}"))
        }
    }
}
