//! Edges: settings of the server's firmware: written where its settings object is, and read back there. They hold after the next start.

use protocol::redfish::read::bios::{Bios, Settings};
use serde_json::{Value, json};

use super::super::{
    RedfishBmc,
    call::{Call, Said},
};
use crate::bmc::BmcError;

/// Written settings are looked for so often.
const READ_BACKS: u32 = 3;

impl RedfishBmc {
    /// All settings: those that hold, and those that wait for the next start.
    ///
    /// # Errors
    /// The service shows none, or is not reached.
    pub async fn bios(&self) -> Result<Bios, BmcError> {
        let mut call = self.call().await?;
        Ok(call.bios().await?.1)
    }

    /// Changes settings for the next start; gives all of them as they are read back.
    ///
    /// # Errors
    /// It has no such setting, refuses the value, or does not show it.
    pub async fn set_bios(&self, wanted: &Settings) -> Result<Bios, BmcError> {
        let mut call = self.call().await?;
        let (path, bios) = call.bios().await?;
        if let Some(name) = wanted.keys().find(|name| !bios.attributes.contains_key(*name)) {
            return Err(call.refuse(format!("its firmware has no setting {name:?}{}", like(name, &bios))));
        }
        if is_so(&bios, wanted) {
            return Ok(bios);
        }
        let at = bios.settings_object.as_deref().unwrap_or(&path).to_owned();
        let mut reasons = Vec::new();
        for body in bodies(&bios, wanted) {
            match call.patch(&at, &body).await? {
                Said::Done(_) | Said::Begun => return call.bios_reads(wanted).await,
                Said::Refused(refused) => reasons.push(refused.reason),
            }
        }
        reasons.dedup();
        Err(call.refuse(format!("it does not take the settings: {}", reasons.join("; "))))
    }

    /// Sets all settings back to the maker's, from the next start on.
    ///
    /// # Errors
    /// It cannot, or refuses.
    pub async fn reset_bios(&self) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let (_, bios) = call.bios().await?;
        let Some(reset) = bios.reset else {
            return Err(call.refuse("its firmware's settings cannot be reset"));
        };
        let said = call.post(&reset.target, &json!({})).await?;
        call.must(said)
    }
}

impl Call<'_> {
    async fn bios(&mut self) -> Result<(String, Bios), BmcError> {
        let link = self.system().link("Bios").map(str::to_owned);
        let Some(link) = link else { return Err(self.refuse("it shows no settings of its firmware (Bios)")) };
        let read = self.get(&link, "the firmware's settings").await?;
        let bios = Bios::of(read.body.node());
        let settings = match &bios.settings_object {
            Some(settings) => self.look(&settings.clone(), "the settings that wait").await?,
            None => None,
        };
        Ok((
            link,
            match settings {
                Some(settings) => bios.with_pending(settings.node()),
                None => bios,
            },
        ))
    }

    /// Reads until the settings are there.
    async fn bios_reads(&mut self, wanted: &Settings) -> Result<Bios, BmcError> {
        let mut bios = self.bios().await?.1;
        for _ in 1..READ_BACKS {
            if is_so(&bios, wanted) {
                break;
            }
            self.pause(1).await?;
            bios = self.bios().await?.1;
        }
        let differs = wanted.iter().find(|(name, value)| bios.after_start(name) != Some(value));
        match differs {
            None => Ok(bios),
            Some((name, value)) => {
                let shows =
                    bios.after_start(name).map(ToString::to_string).unwrap_or_else(|| "nothing".to_owned());
                Err(self.refuse(format!(
                    "it has accepted {name} = {value}, and shows {shows} for the next start"
                )))
            }
        }
    }
}

fn is_so(bios: &Bios, wanted: &Settings) -> bool {
    wanted.iter().all(|(name, value)| bios.after_start(name) == Some(value))
}

/// The bodies that say it, the likeliest first: some services must be told when, some refuse to be.
fn bodies(bios: &Bios, wanted: &Settings) -> Vec<Value> {
    let bare = json!({ "Attributes": wanted });
    let mut timed = bare.clone();
    timed["@Redfish.SettingsApplyTime"] = json!({ "ApplyTime": "OnReset" });
    let says_on_reset = bios.apply_times.iter().any(|time| time == "OnReset");
    if says_on_reset { vec![timed, bare] } else { vec![bare] }
}

/// Names that somebody may have meant.
fn like(name: &str, bios: &Bios) -> String {
    let name = name.to_ascii_lowercase();
    let near = bios.attributes.keys().filter(|known| {
        let known = known.to_ascii_lowercase();
        known.contains(&name) || name.contains(&known)
    });
    let near: Vec<&str> = near.take(5).map(String::as_str).collect();
    if near.is_empty() { String::new() } else { format!("; it has {}", near.join(", ")) }
}
