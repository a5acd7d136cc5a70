//! Edges: what a server draws and may draw, what it does when its power comes back, the interrupt that nothing masks, and the light by which
//! it is found.

use protocol::{
    power::RestorePolicy,
    redfish::read::power::{Light, PowerControl},
};
use serde_json::{Value, json};

use super::super::{
    RedfishBmc,
    call::{Call, Said},
};
use crate::bmc::BmcError;

/// Where a limit of power is written, and in which form.
pub(super) enum LimitAt {
    /// `EnvironmentMetrics`.
    Environment(String),
    /// The older `Power`.
    Power(String),
    /// A `Control` of the chassis.
    Control(String),
}

impl RedfishBmc {
    /// What the server draws and may draw.
    ///
    /// # Errors
    /// The service does not tell, or is not reached.
    pub async fn power_control(&self) -> Result<PowerControl, BmcError> {
        let mut call = self.call().await?;
        Ok(call.power_control().await?.1)
    }

    /// Limits what the server may draw, in W; none: there is no limit. Gives what is read back.
    ///
    /// # Errors
    /// It cannot be limited, the limit is outside of what it takes, or another one is read back.
    pub async fn limit_power(&self, watts: Option<u32>) -> Result<PowerControl, BmcError> {
        let mut call = self.call().await?;
        let (at, _) = call.power_control().await?;
        let (path, body) = match &at {
            LimitAt::Environment(path) => (
                path,
                json!({ "PowerLimitWatts": match watts {
                    Some(watts) => json!({ "SetPoint": watts, "ControlMode": "Automatic" }),
                    None => json!({ "ControlMode": "Disabled" }),
                }}),
            ),
            LimitAt::Power(path) => {
                (path, json!({ "PowerControl": [{ "PowerLimit": { "LimitInWatts": watts } }] }))
            }
            LimitAt::Control(path) => (
                path,
                match watts {
                    Some(watts) => json!({ "SetPoint": watts, "ControlMode": "Automatic" }),
                    None => json!({ "ControlMode": "Disabled" }),
                },
            ),
        };
        let said = call.patch(path, &body).await?;
        call.must(said)?;
        let (_, now) = call.power_control().await?;
        if now.limit_w != watts.map(f64::from) {
            let shows = now.limit_w.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} W"));
            return Err(call.refuse(format!("it has accepted the limit of power, and shows {shows}")));
        }
        Ok(now)
    }

    /// What the server does when its power comes back; none: it does not tell.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, or belongs to another machine.
    pub async fn restore_policy(&self) -> Result<Option<RestorePolicy>, BmcError> {
        let call = self.call().await?;
        Ok(call.system().text("PowerRestorePolicy").and_then(|word| RestorePolicy::of_word(&word)))
    }

    /// Says what the server does when its power comes back, and reads it back.
    ///
    /// # Errors
    /// It has no such choice, refuses, or reads back something else.
    pub async fn set_restore_policy(&self, policy: RestorePolicy) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        if !call.system().at("PowerRestorePolicy").is_there() {
            return Err(
                call.refuse("its system shows no PowerRestorePolicy: set it in the server's firmware")
            );
        }
        let path = call.system_path.clone();
        let said = call.patch(&path, &json!({ "PowerRestorePolicy": policy.word() })).await?;
        call.must(said)?;
        let now =
            call.get(&path, "the system").await?.body.node().text("PowerRestorePolicy").unwrap_or_default();
        if RestorePolicy::of_word(&now) != Some(policy) {
            return Err(
                call.refuse(format!("it has accepted the policy {}, and shows {now:?}", policy.word()))
            );
        }
        Ok(())
    }

    /// Sends the processor an interrupt that nothing masks: an operating system may write a crash dump then.
    ///
    /// # Errors
    /// It offers none, or the server is off.
    pub async fn nmi(&self) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let Some(reset) = call.system().action("ComputerSystem.Reset", "ResetType") else {
            return Err(call.refuse("the system has no reset action"));
        };
        let reset = call.complete(reset, "ResetType").await?;
        let Some(word) = reset.takes("Nmi") else {
            return Err(call.refuse(format!("it offers no NMI, only {}", reset.allowable.join(", "))));
        };
        let said = call.post(&reset.target, &json!({ "ResetType": word })).await?;
        call.must(said)
    }

    /// The light by which the server is found; none: it has none, or does not tell.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, or belongs to another machine.
    pub async fn light(&self) -> Result<Option<Light>, BmcError> {
        let mut call = self.call().await?;
        let lights = call.lights().await?;
        Ok(lights.first().map(|light| light.is))
    }

    /// Switches that light, and reads it back.
    ///
    /// # Errors
    /// It has none, refuses, or shows something else.
    pub async fn set_light(&self, light: Light) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let lights = call.lights().await?;
        let mut reasons = Vec::new();
        for found in &lights {
            for body in found.bodies(light) {
                match call.patch(&found.path, &body).await? {
                    Said::Refused(refused) => reasons.push(refused.reason),
                    Said::Done(_) | Said::Begun => {
                        let now = Light::of(call.get(&found.path, "the light").await?.body.node());
                        if now == Some(light) {
                            return Ok(());
                        }
                        reasons.push(format!("{}: done, and the light is as it was", found.path));
                    }
                }
            }
        }
        let reason = match lights.is_empty() {
            true => "it shows no light (LocationIndicatorActive, IndicatorLED)".to_owned(),
            false => format!("it does not switch its light: {}", reasons.join("; ")),
        };
        Err(call.refuse(reason))
    }
}

/// A light that was found.
struct FoundLight {
    path: String,
    is_newer: bool,
    is: Light,
}

impl FoundLight {
    /// What switches it.
    fn bodies(&self, light: Light) -> Vec<Value> {
        match (self.is_newer, light) {
            (true, _) => vec![json!({ "LocationIndicatorActive": light == Light::On })],
            (false, Light::Off) => vec![json!({ "IndicatorLED": "Off" })],
            // Some can only blink, some cannot.
            (false, Light::On) => {
                vec![json!({ "IndicatorLED": "Blinking" }), json!({ "IndicatorLED": "Lit" })]
            }
        }
    }
}

impl Call<'_> {
    /// The lights of the system and of its chassis.
    async fn lights(&mut self) -> Result<Vec<FoundLight>, BmcError> {
        let mut owners = vec![(self.system_path.clone(), self.system.body.clone())];
        if Light::of(self.system()).is_none() {
            owners.extend(self.chassis().await?);
        }
        let light = |(path, owner): &(String, _)| {
            let node = protocol::redfish::node::Resource::node(owner);
            let is_newer = node.flag("LocationIndicatorActive").is_some();
            Some(FoundLight { path: path.clone(), is_newer, is: Light::of(node)? })
        };
        Ok(owners.iter().filter_map(light).collect())
    }

    /// Where the draw is told and limited, and what it is.
    pub(super) async fn power_control(&mut self) -> Result<(LimitAt, PowerControl), BmcError> {
        for (_, chassis) in self.chassis().await? {
            let (environment, power) =
                (chassis.node().link("EnvironmentMetrics"), chassis.node().link("Power"));
            if let Some(link) = environment
                && let Some(metrics) = self.look(link, "the metrics of the chassis").await?
                && metrics.node().at("PowerLimitWatts").is_there()
            {
                return Ok((
                    LimitAt::Environment(link.to_owned()),
                    PowerControl::of_environment(metrics.node()),
                ));
            }
            if let Some(link) = power
                && let Some(power) = self.look(link, "the power of the chassis").await?
                && !power.node().list("PowerControl").is_empty()
            {
                return Ok((LimitAt::Power(link.to_owned()), PowerControl::of_power(power.node())));
            }
            for (path, control) in self.members(chassis.node(), "Controls").await? {
                if let Some(found) = PowerControl::of_control(control.node()) {
                    return Ok((LimitAt::Control(path), found));
                }
            }
        }
        Err(self.refuse("it tells of no power draw (PowerLimitWatts, PowerControl, Controls)"))
    }
}
