//! Edges: all sensors of a server, from whichever resources its service has.

use protocol::redfish::{
    node::Resource,
    read::sensor::{self, Reading},
};

use super::super::{
    RedfishBmc,
    call::{Call, Listed},
};
use crate::bmc::BmcError;

impl RedfishBmc {
    /// All sensors with what they read. The older `Thermal` and `Power` are one request each, so they come first; where there are none, each
    /// `Sensor` is read.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn sensors(&self) -> Result<Listed<Reading>, BmcError> {
        let mut call = self.call().await?;
        let mut readings: Vec<Reading> = Vec::new();
        for (_, chassis) in call.chassis().await? {
            let older = call.older_sensors(&chassis).await?;
            let found = if older.is_empty() { call.newer_sensors(&chassis).await? } else { older };
            for reading in found {
                // Chassis in one another show the same sensors.
                if !readings.iter().any(|known| known.name == reading.name && known.unit == reading.unit) {
                    readings.push(reading);
                }
            }
        }
        Ok(call.listed(readings))
    }
}

impl Call<'_> {
    async fn older_sensors(&mut self, chassis: &Resource) -> Result<Vec<Reading>, BmcError> {
        let thermal = self.follow(chassis.node(), "Thermal").await?;
        let power = self.follow(chassis.node(), "Power").await?;
        let mut readings: Vec<Reading> =
            thermal.iter().flat_map(|thermal| sensor::of_thermal(thermal.node())).collect();
        readings.extend(power.iter().flat_map(|power| sensor::of_power(power.node())));
        Ok(readings)
    }

    async fn newer_sensors(&mut self, chassis: &Resource) -> Result<Vec<Reading>, BmcError> {
        let node = chassis.node();
        let all = self.members(node, "Sensors").await?;
        let mut readings: Vec<Reading> = all
            .iter()
            .filter(|(_, found)| !found.node().status().is_absent())
            .map(|(_, found)| sensor::of_sensor(found.node()))
            .collect();
        let is_alone = readings.is_empty();
        if let Some(thermal) = self.follow(node, "ThermalSubsystem").await? {
            let fans = self.members(thermal.node(), "Fans").await?;
            readings.extend(fans.iter().map(|(_, fan)| sensor::of_fan(fan.node())));
            if is_alone && let Some(metrics) = self.follow(thermal.node(), "ThermalMetrics").await? {
                readings.extend(sensor::of_thermal_metrics(metrics.node()));
            }
        }
        if let Some(power) = self.follow(node, "PowerSubsystem").await? {
            for (_, supply) in self.members(power.node(), "PowerSupplies").await? {
                let mut reading = sensor::of_supply(supply.node());
                if let Some(metrics) = self.follow(supply.node(), "Metrics").await? {
                    reading.value = metrics.node().at("OutputPowerWatts").number("Reading");
                    reading.unit = "W".to_owned();
                }
                readings.push(reading);
            }
        }
        if is_alone && let Some(metrics) = self.follow(node, "EnvironmentMetrics").await? {
            let name = node.text("Name").unwrap_or_else(|| "chassis".to_owned());
            readings.extend(sensor::of_environment(&name, metrics.node()));
        }
        readings.retain(|reading| !reading.status.is_absent());
        Ok(readings)
    }
}
