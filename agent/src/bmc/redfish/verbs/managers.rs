//! Edges: the BMC itself, and how the server's firmware boots.

use protocol::redfish::{
    BootOverride, ComputerSystem,
    node::Resource,
    read::manager::{BootOption, ManagerFacts},
};
use serde_json::json;

use super::super::{
    RedfishBmc,
    call::{Call, Listed},
};
use crate::bmc::BmcError;

/// Managers of one system that are looked at.
const MANAGERS_MAX: usize = 4;

impl RedfishBmc {
    /// The BMC itself.
    ///
    /// # Errors
    /// The service shows no manager, or is not reached.
    pub async fn manager(&self) -> Result<ManagerFacts, BmcError> {
        let mut call = self.call().await?;
        call.manager().await
    }

    /// Restarts the BMC; the server is not touched. It does not answer for some minutes then.
    ///
    /// # Errors
    /// It cannot be restarted so, or refuses.
    pub async fn reset_manager(&self) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let manager = call.manager().await?;
        let Some(reset) = manager.reset else { return Err(call.refuse("its manager has no reset action")) };
        let reset = call.complete(reset, "ResetType").await?;
        let kinds = ["GracefulRestart", "ForceRestart"];
        let Some(kind) = kinds.iter().find_map(|kind| reset.takes(kind)) else {
            let offered = reset.allowable.join(", ");
            return Err(call.refuse(format!(
                "its manager is restarted by neither of {}, only by {offered}",
                kinds.join(", ")
            )));
        };
        let said = call.post(&reset.target, &json!({ "ResetType": kind })).await?;
        call.must(said)
    }

    /// Sets the BMC's clock; `time` as RFC 3339 has it. Gives what it reads back.
    ///
    /// # Errors
    /// It takes its time from elsewhere, or refuses.
    pub async fn set_manager_time(&self, time: &str) -> Result<ManagerFacts, BmcError> {
        let mut call = self.call().await?;
        let path = call.manager().await?.path;
        let said = call.patch(&path, &json!({ "DateTime": time })).await?;
        call.must(said)?;
        call.manager().await
    }

    /// What its service has beside power and boot device, each in a word or two.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, or belongs to another machine.
    pub async fn offers(&self) -> Result<Vec<&'static str>, BmcError> {
        const OF_ROOT: [(&str, &str); 4] = [
            ("AccountService", "users"),
            ("UpdateService", "firmware"),
            ("CertificateService", "certificates"),
            ("EventService", "events"),
        ];
        const OF_SYSTEM: [(&str, &str); 7] = [
            ("Processors", "processors"),
            ("Memory", "memory"),
            ("Storage", "storage"),
            ("LogServices", "logs"),
            ("Bios", "settings of the firmware"),
            ("SecureBoot", "Secure Boot"),
            ("VirtualMedia", "virtual media"),
        ];
        let mut call = self.call().await?;
        let (system, root) = (call.system.body.clone(), call.root().await?.unwrap_or_default());
        let manager =
            call.managers().await?.into_iter().next().map(|(_, manager)| manager).unwrap_or_default();
        let of = |resource: &Resource, names: &[(&str, &'static str)]| -> Vec<&'static str> {
            names
                .iter()
                .filter(|(name, _)| resource.node().at(name).is_there())
                .map(|(_, word)| *word)
                .collect()
        };
        let mut words = [of(&system, &OF_SYSTEM), of(&manager, &OF_SYSTEM), of(&root, &OF_ROOT)].concat();
        words.sort_unstable();
        words.dedup();
        Ok(words)
    }

    /// What the server's firmware can boot, in its order where it tells one.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn boot_options(&self) -> Result<Listed<BootOption>, BmcError> {
        let mut call = self.call().await?;
        let system = call.system.body.clone();
        let boot = system.node().at("Boot");
        let members = call.members(boot, "BootOptions").await?;
        let mut options: Vec<BootOption> =
            members.iter().map(|(_, option)| BootOption::from(option.node())).collect();
        let order = boot.words("BootOrder");
        let place = |option: &BootOption| {
            order.iter().position(|name| *name == option.reference).unwrap_or(order.len())
        };
        options.sort_by_key(place);
        Ok(call.listed(options))
    }

    /// What the next start boots in place of the firmware's own order, as the service shows it.
    ///
    /// # Errors
    /// The BMC is not reached, does not let us in, or belongs to another machine.
    pub async fn boot_override(&self) -> Result<BootOverride, BmcError> {
        let call = self.call().await?;
        let system: ComputerSystem =
            serde_json::from_value(call.system.body.value().clone()).unwrap_or_default();
        Ok(system.boot.unwrap_or_default())
    }
}

impl Call<'_> {
    /// The managers of the system, with their paths.
    pub(super) async fn managers(&mut self) -> Result<Vec<(String, Resource)>, BmcError> {
        let links: Vec<String> =
            self.system().at("Links").links("ManagedBy").into_iter().map(str::to_owned).collect();
        if !links.is_empty() {
            return self.linked(links.get(..MANAGERS_MAX).unwrap_or(&links), "the manager").await;
        }
        let Some(root) = self.root().await? else { return Ok(Vec::new()) };
        let mut all = self.members(root.node(), "Managers").await?;
        all.truncate(MANAGERS_MAX);
        Ok(all)
    }

    async fn manager(&mut self) -> Result<ManagerFacts, BmcError> {
        match self.managers().await?.first() {
            Some((path, manager)) => Ok(ManagerFacts::of(path, manager.node())),
            None => Err(self.refuse("it shows no manager")),
        }
    }
}
