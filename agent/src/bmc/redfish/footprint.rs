//! Edges: what whoever had a server could have changed, by Redfish: accounts, boot order, Secure Boot, versions of BIOS and BMC.

use protocol::{
    footprint::{ENTRIES_MAX, Footprint, Part},
    redfish::Link,
};
use serde::Deserialize;

use super::{RedfishBmc, State, fault::Fault, words};
use crate::bmc::BmcError;

/// A system, as far as this goes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct System {
    #[serde(default)]
    boot: Option<Boot>,
    secure_boot: Option<Link>,
    #[serde(default)]
    bios_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boot {
    #[serde(default)]
    boot_order: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecureBoot {
    #[serde(default)]
    secure_boot_enable: Option<bool>,
}

impl RedfishBmc {
    pub(super) async fn footprint(&self) -> Result<Footprint, BmcError> {
        let mut state = self.begin().await;
        // It must be who is expected.
        let system = self.system(&mut state).await?.body;
        let bmc = match system.links.as_ref().and_then(|links| links.managed_by.first()) {
            Some(manager) => self.manager_version(&mut state, manager).await?,
            None => None,
        };
        let path = self.path(&mut state).await.map_err(|fault| self.error(fault))?;
        let read = state.http.get::<System>(&path).await.map_err(|fault| self.error(fault))?.body;
        let mut footprint = Footprint::default();
        match state.users().await {
            Ok(users) => footprint.users = users,
            Err(fault) => self.leave_out(&mut footprint, Part::Users, fault)?,
        }
        match state.secure_boot(read.secure_boot.as_ref()).await {
            Ok(on) => footprint.secure_boot = on,
            Err(fault) => self.leave_out(&mut footprint, Part::SecureBoot, fault)?,
        }
        if footprint.secure_boot.is_none() && !footprint.unread.contains(&Part::SecureBoot) {
            footprint.unread.push(Part::SecureBoot);
        }
        match read.boot.and_then(|boot| boot.boot_order) {
            Some(order) => {
                footprint.boot_order =
                    order.into_iter().take(ENTRIES_MAX).map(|one| words(Some(one))).collect();
            }
            None => footprint.unread.push(Part::BootOrder),
        }
        let versions = [("BIOS", read.bios_version), ("BMC", bmc)];
        let versions = versions.into_iter().filter_map(|(what, version)| Some((what, version?)));
        footprint.firmware =
            versions.map(|(what, version)| format!("{what} {}", words(Some(version)))).collect();
        if footprint.firmware.is_empty() {
            footprint.unread.push(Part::Firmware);
        }
        Ok(footprint)
    }

    /// A part that the service does not have, or does not show us, is left out; without a service nothing is.
    fn leave_out(&self, footprint: &mut Footprint, part: Part, fault: Fault) -> Result<(), BmcError> {
        match fault {
            Fault::Refused(_) | Fault::NotUnderstood(_) => {
                footprint.unread.push(part);
                Ok(())
            }
            Fault::Unreachable(_) | Fault::Lost(_) | Fault::LogIn { .. } => Err(self.error(fault)),
        }
    }
}

impl State {
    async fn secure_boot(&mut self, link: Option<&Link>) -> Result<Option<bool>, Fault> {
        let path = self.linked(link, "the system's link to Secure Boot")?;
        let found = self.http.get::<SecureBoot>(&path).await?;
        Ok(found.body.secure_boot_enable)
    }
}
