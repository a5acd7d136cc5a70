//! Edges: sensors, power draw and event log by Redfish: where they are is found once, what they say is in `health.rs`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use protocol::{
    health::{BmcClock, LogCourse, LogEntry, SENSORS_MAX},
    redfish::node::Resource,
};

use super::{RedfishBmc, again::READING_MAX, fault::Fault, health};
use crate::bmc::{
    Line,
    clock::judge_unix,
    hardware::{HardwareReader, Memory, NotRead},
    readings::{LogReading, SensorReading},
};

/// So long the places of sensors and logs are not looked for again.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Chassis, logs and pages of one log that are read.
const PLACES_MAX: usize = 8;
/// Logs that say what ails the hardware, by what their names have in them; the first one that there is.
const LOGS: [&str; 4] = ["iml", "sel", "event", "log1"];

/// What is kept of one BMC.
#[derive(Debug, Default)]
pub struct HardwareMemory {
    places: Option<(Instant, Places)>,
    /// What stood in the log when it was read last; none: it was not read yet.
    entries: Option<BTreeSet<(String, String)>>,
}

/// Where everything is.
#[derive(Clone, Debug, Default)]
struct Places {
    thermal: Vec<String>,
    power: Vec<String>,
    /// The log's entries.
    log: Option<String>,
    /// Whose clock it is.
    manager: Option<String>,
}

#[async_trait]
impl HardwareReader for RedfishBmc {
    async fn read_sensors(&self, line: &Line, memory: &mut Memory) -> Result<SensorReading, NotRead> {
        let places = self.places(line, &mut memory.redfish).await?;
        let mut reading = SensorReading::default();
        for path in &places.thermal {
            if let Some(body) = self.value(line, path).await? {
                reading.sensors.extend(health::thermal(path, body.node()));
            }
        }
        for path in &places.power {
            if let Some(body) = self.value(line, path).await? {
                reading.sensors.extend(health::power(path, body.node()));
                reading.draw_w = reading.draw_w.or_else(|| health::draw_w(body.node()));
            }
        }
        if reading.sensors.is_empty() && reading.draw_w.is_none() {
            return Err(NotRead::HasNone("its BMC shows no Thermal and no Power resource".to_owned()));
        }
        let over = reading.sensors.len().saturating_sub(SENSORS_MAX);
        reading.left_out = u32::try_from(over).unwrap_or(u32::MAX);
        reading.sensors.truncate(SENSORS_MAX);
        Ok(reading)
    }

    async fn read_log(
        &self,
        line: &Line,
        memory: &mut Memory,
        now: SystemTime,
    ) -> Result<LogReading, NotRead> {
        let memory = &mut memory.redfish;
        let places = self.places(line, memory).await?;
        let Some(log) = &places.log else {
            return Err(NotRead::HasNone("its BMC shows no log of its hardware".to_owned()));
        };
        let clock = match &places.manager {
            Some(manager) => self.clock(line, manager, now).await?,
            None => BmcClock::Unknown,
        };
        let mut entries = self.entries(line, log).await?;
        // Some begin with the newest.
        if entries.first().zip(entries.last()).is_some_and(|(first, last)| first.at_s > last.at_s) {
            entries.reverse();
        }
        let records = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let all = entries.iter().map(|entry| (entry.id.clone(), entry.fingerprint.clone())).collect();
        let before = memory.entries.replace(all);
        let course = match &before {
            None => LogCourse::First,
            Some(before) => course(before, memory.entries.as_ref().unwrap_or(before)),
        };
        if let Some(before) = before {
            entries.retain(|entry| !before.contains(&(entry.id.clone(), entry.fingerprint.clone())));
        }
        Ok(LogReading { entries, course, records, is_full: false, clock })
    }
}

/// What became of a log. One that has nothing left of what it had was cleared.
fn course(before: &BTreeSet<(String, String)>, now: &BTreeSet<(String, String)>) -> LogCourse {
    if !before.is_empty() && before.is_disjoint(now) { LogCourse::Cleared } else { LogCourse::Follows }
}

impl RedfishBmc {
    /// A resource of this very machine; none: the service does not give it.
    async fn value(&self, line: &Line, path: &str) -> Result<Option<Resource>, NotRead> {
        let _turn = line.spare_turn().await;
        let mut state = self.begin_for(READING_MAX).await;
        self.system_lately(&mut state).await?;
        match state.http.get::<Resource>(path).await {
            Ok(found) => Ok(Some(found.body)),
            Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => Ok(None),
            Err(fault @ (Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. })) => {
                Err(self.error(fault).into())
            }
        }
    }

    async fn places(&self, line: &Line, memory: &mut HardwareMemory) -> Result<Places, NotRead> {
        if let Some((_, places)) = memory.places.as_ref().filter(|(since, _)| since.elapsed() < KEPT_FOR) {
            return Ok(places.clone());
        }
        let places = self.find_places(line).await?;
        memory.places = Some((Instant::now(), places.clone()));
        Ok(places)
    }

    async fn find_places(&self, line: &Line) -> Result<Places, NotRead> {
        let path = {
            let _turn = line.spare_turn().await;
            let mut state = self.begin_for(READING_MAX).await;
            self.system_lately(&mut state).await?;
            self.path(&mut state).await.map_err(|fault| self.error(fault))?
        };
        let mut places = Places::default();
        let Some(system) = self.value(line, &path).await? else { return Ok(places) };
        let links = system.node().at("Links");
        let chassis = self.local(links.links("Chassis")).await;
        for path in chassis {
            let Some(body) = self.value(line, &path).await? else { continue };
            places.thermal.extend(self.local(body.node().link("Thermal")).await);
            places.power.extend(self.local(body.node().link("Power")).await);
        }
        places.manager = self.local(links.links("ManagedBy")).await.into_iter().next();
        let services = self.local(system.node().link("LogServices")).await;
        if let Some(services) = services.first() {
            places.log = self.log_among(line, services).await?;
        }
        Ok(places)
    }

    /// The entries of the log that says what ails the hardware.
    async fn log_among(&self, line: &Line, services: &str) -> Result<Option<String>, NotRead> {
        let Some(services) = self.value(line, services).await? else { return Ok(None) };
        let mut paths = self.local(services.node().links("Members")).await;
        let rank = |path: &String| {
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_lowercase();
            LOGS.iter().position(|log| name.contains(log)).unwrap_or(LOGS.len())
        };
        paths.sort_by_key(rank);
        let Some(first) = paths.first() else { return Ok(None) };
        let Some(service) = self.value(line, first).await? else { return Ok(None) };
        Ok(self.local(service.node().link("Entries")).await.into_iter().next())
    }

    /// The entries of a log, from a few pages.
    async fn entries(&self, line: &Line, path: &str) -> Result<Vec<LogEntry>, NotRead> {
        let (mut entries, mut next) = (Vec::new(), Some(path.to_owned()));
        for _ in 0..PLACES_MAX {
            let Some(path) = next.take() else { break };
            let Some(page) = self.value(line, &path).await? else { break };
            entries.extend(health::entries(page.node()));
            next = self.local(page.node().link("Members@odata.nextLink")).await.into_iter().next();
        }
        Ok(entries)
    }

    async fn clock(&self, line: &Line, manager: &str, now: SystemTime) -> Result<BmcClock, NotRead> {
        let said = self.value(line, manager).await?;
        let at = said.and_then(|manager| health::unix_s(&manager.node().text("DateTime")?));
        let at = at.and_then(|at| i64::try_from(at).ok());
        Ok(at.map_or(BmcClock::Unknown, |at| judge_unix(at, now)))
    }

    /// The paths of links that lead to this service and to no other.
    async fn local<'a>(&self, links: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let links: Vec<_> = links.into_iter().take(PLACES_MAX).map(str::to_owned).collect();
        let state = self.state.lock().await;
        let local = links.iter().filter_map(|link| state.http.origin.path(link));
        local.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_nothing_left_of_what_it_had_was_cleared() {
        let log =
            |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), String::new())).collect::<BTreeSet<_>>();
        let check = |before: &[&str], now: &[&str], expected| {
            assert_eq!(course(&log(before), &log(now)), expected, "{before:?} {now:?}");
        };
        check(&[], &[], LogCourse::Follows);
        check(&[], &["1"], LogCourse::Follows);
        check(&["1"], &["1", "2"], LogCourse::Follows);
        check(&["1", "2"], &["2", "3"], LogCourse::Follows);
        check(&["1"], &[], LogCourse::Cleared);
        check(&["1"], &["2"], LogCourse::Cleared);
    }
}
