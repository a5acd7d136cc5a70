//! Edges: what whoever had a server could have changed, by Redfish: accounts, boot order, Secure Boot, versions of BIOS and BMC.

use protocol::{
    footprint::{ENTRIES_MAX, Footprint, Part},
    redfish::{node::Resource, read::account::Account},
};

use super::{RedfishBmc, words};
use crate::bmc::BmcError;

impl RedfishBmc {
    pub(super) async fn footprint(&self) -> Result<Footprint, BmcError> {
        let (system, bmc) = self.boot_and_versions().await?;
        let mut footprint = Footprint::default();
        match left_out(self.accounts().await)? {
            // A list with a gap would show a user as gone, or hide one.
            Some(listed) if listed.missing.is_empty() => {
                footprint.users = listed
                    .items
                    .iter()
                    .filter(|one| !one.name.is_empty())
                    .take(ENTRIES_MAX)
                    .map(user)
                    .collect();
            }
            Some(_) | None => footprint.unread.push(Part::Users),
        }
        footprint.secure_boot = left_out(self.secure_boot().await)?.and_then(|shown| shown.enable);
        if footprint.secure_boot.is_none() {
            footprint.unread.push(Part::SecureBoot);
        }
        let boot = system.node().at("Boot");
        if boot.at("BootOrder").is_there() {
            let order = boot.words("BootOrder").into_iter().take(ENTRIES_MAX);
            footprint.boot_order = order.map(|one| words(Some(one))).collect();
        } else {
            footprint.unread.push(Part::BootOrder);
        }
        let versions = [("BIOS", system.node().text("BiosVersion")), ("BMC", bmc)];
        let versions = versions.into_iter().filter_map(|(what, version)| Some((what, version?)));
        footprint.firmware =
            versions.map(|(what, version)| format!("{what} {}", words(Some(version)))).collect();
        if footprint.firmware.is_empty() {
            footprint.unread.push(Part::Firmware);
        }
        Ok(footprint)
    }

    /// The system, and the version of the BMC.
    async fn boot_and_versions(&self) -> Result<(Resource, Option<String>), BmcError> {
        let mut state = self.begin().await;
        // It must be who is expected.
        let system = self.system(&mut state).await?.body;
        let bmc = match system.links.as_ref().and_then(|links| links.managed_by.first()) {
            Some(manager) => self.manager_version(&mut state, manager).await?,
            None => None,
        };
        let path = self.path(&mut state).await.map_err(|fault| self.error(fault))?;
        let read = state.http.get::<Resource>(&path).await.map_err(|fault| self.error(fault))?;
        Ok((read.body, bmc))
    }
}

/// A part that the service does not have, or does not show us, is left out; without a service nothing is.
fn left_out<T>(read: Result<T, BmcError>) -> Result<Option<T>, BmcError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(BmcError::Refused { .. } | BmcError::NotUnderstood { .. }) => Ok(None),
        Err(
            error @ (BmcError::Unreachable { .. }
            | BmcError::Credentials { .. }
            | BmcError::OtherMachine { .. }),
        ) => Err(error),
    }
}

/// A user in words that are compared.
fn user(account: &Account) -> String {
    let state = match account.enabled {
        Some(true) => ", enabled",
        Some(false) => ", disabled",
        None => "",
    };
    format!("{:?} {}{state}", words(Some(account.name.clone())), words(account.role.clone()))
}
