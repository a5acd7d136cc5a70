//! Edges: what an agent tells of a server's sensors and its event log: judged, stored, and told to people when it is news.

use domain::{
    events::EventKind,
    health::{KnownSensor, LogNews, LogStanding, SensorNews, history},
    records::Server,
};
use protocol::health::{HardwareChange, LogChange, LogCourse, SensorChange, Severity};
use store::{InventoryError, SensorsRead};

use super::hub::AgentHub;

impl AgentHub {
    /// Takes a change in. Nothing of it concerns what is decided of a server, so nobody is woken.
    pub(super) async fn hardware_changed(
        &self,
        server: &Server,
        change: HardwareChange,
        at_us: u64,
    ) -> Result<(), InventoryError> {
        match change {
            HardwareChange::Sensors(change) => {
                let values = history::values(&change.sensors, change.draw_w);
                self.sensors_changed(server, change).await?;
                self.inventory.note_history(server.id, at_us, &values).await
            }
            HardwareChange::Log(change) => self.log_changed(server, change).await,
            HardwareChange::Unread { reason } => {
                let before = self.inventory.hardware(server.id).await?.and_then(|known| known.unread);
                self.inventory.set_hardware_unread(server.id, &reason).await?;
                if before.is_none() {
                    let text = format!("sensors and event log cannot be read: {reason}");
                    self.tell_operators(server, EventKind::Hardware, text).await;
                }
                Ok(())
            }
        }
    }

    async fn sensors_changed(&self, server: &Server, change: SensorChange) -> Result<(), InventoryError> {
        let SensorChange { sensors, complete, draw_w, left_out } = change;
        let known = self.inventory.sensors(server.id).await?;
        let now_us = self.inventory.clock().now_us();
        let mut changes = Vec::with_capacity(sensors.len());
        for sensor in sensors {
            let before = known.get(&sensor.key);
            let judged = self.limits.judge(&sensor, before.map_or(Severity::Ok, |known| known.severity));
            let since_us = before
                .filter(|known| known.severity == judged.severity)
                .map_or(now_us, |known| known.since_us);
            let now = KnownSensor { sensor, severity: judged.severity, by_site: judged.by_site, since_us };
            changes.push((before.map(|known| known.severity), now));
        }
        let news = SensorNews::of(&changes, &self.limits);
        let sensors: Vec<_> = changes.into_iter().map(|(_, known)| known).collect();
        let read = SensorsRead { complete, draw_w, left_out };
        self.inventory.put_sensors(server.id, &sensors, read).await?;
        if let Some(text) = news.worse {
            self.tell_operators(server, EventKind::Alarm, text).await;
        }
        if let Some(text) = news.better {
            self.tell_operators(server, EventKind::Hardware, text).await;
        }
        Ok(())
    }

    async fn log_changed(&self, server: &Server, change: LogChange) -> Result<(), InventoryError> {
        let LogChange { entries, left_out, course, records, is_full, clock } = change;
        let standing = LogStanding { records, is_full, clock };
        let new = self.inventory.put_log(server.id, &standing, course, &entries).await?;
        if let Some(text) = LogNews::of(&new, &server.name).bad {
            self.tell_operators(server, EventKind::Alarm, text).await;
        }
        let what = match course {
            LogCourse::Follows | LogCourse::First => None,
            LogCourse::Cleared => Some("the event log was cleared"),
            LogCourse::Overwritten => Some("the event log has written over entries that nobody had read"),
        };
        if let Some(what) = what {
            self.tell_operators(server, EventKind::Hardware, what.to_owned()).await;
        }
        if left_out > 0 && course != LogCourse::First {
            let text = format!("the event log got {left_out} more entries than are kept; the BMC has them");
            self.tell_operators(server, EventKind::Hardware, text).await;
        }
        Ok(())
    }

    /// Its tenant is told nothing: what a machine is made of, and what ails it, is the operator's matter.
    async fn tell_operators(&self, server: &Server, kind: EventKind, text: String) {
        self.inventory.record_told(server.id, kind, text, None).await;
    }
}
