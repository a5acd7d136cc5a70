//! Edges: Secure Boot of a server.

use protocol::redfish::read::secure_boot::{KeyDatabase, KeysReset, SecureBoot};
use serde_json::json;

use super::super::{
    RedfishBmc,
    call::{Call, Listed, Said},
};
use crate::bmc::BmcError;

impl RedfishBmc {
    /// Secure Boot as it is, and as it is at the next start.
    ///
    /// # Errors
    /// The service shows none, or is not reached.
    pub async fn secure_boot(&self) -> Result<SecureBoot, BmcError> {
        let mut call = self.call().await?;
        Ok(call.secure_boot().await?.1)
    }

    /// Switches Secure Boot on or off for the next start, and reads it back.
    ///
    /// # Errors
    /// It refuses (some do while the server is on, or while there are no keys), or reads back something else.
    pub async fn enable_secure_boot(&self, is_enabled: bool) -> Result<SecureBoot, BmcError> {
        let mut call = self.call().await?;
        let (places, before) = call.secure_boot().await?;
        if before.enable == Some(is_enabled) {
            return Ok(before);
        }
        let mut reasons = Vec::new();
        for place in places {
            let refused = match call.patch(&place, &json!({ "SecureBootEnable": is_enabled })).await? {
                Said::Refused(refused) => refused,
                Said::Done(_) | Said::Begun => {
                    let now = call.secure_boot_at(&place).await?;
                    if now.enable == Some(is_enabled) {
                        return Ok(now);
                    }
                    reasons.push(format!("done at {place}, but it shows {}", state(now.enable)));
                    continue;
                }
            };
            reasons.push(refused.reason);
        }
        Err(call.refuse(format!("Secure Boot is not {}: {}", state(Some(is_enabled)), reasons.join("; "))))
    }

    /// Resets the keys, of all databases or of one, such as `db`.
    ///
    /// # Errors
    /// It cannot, does not know the database, or refuses.
    pub async fn reset_secure_boot_keys(
        &self,
        reset: KeysReset,
        database: Option<&str>,
    ) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let action = match database {
            None => call.secure_boot().await?.1.reset_keys,
            Some(name) => {
                let databases = call.databases().await?;
                let known = databases.iter().map(|known| known.name.clone()).collect::<Vec<_>>().join(", ");
                let Some(database) =
                    databases.into_iter().find(|known| known.name.eq_ignore_ascii_case(name))
                else {
                    return Err(
                        call.refuse(format!("it has no database {name:?} of Secure Boot, only: {known}"))
                    );
                };
                database.reset_keys
            }
        };
        let Some(action) = action else { return Err(call.refuse("its keys of Secure Boot cannot be reset")) };
        let action = call.complete(action, "ResetKeysType").await?;
        let Some(word) = action.takes(reset.word()) else {
            let offered = action.allowable.join(", ");
            return Err(
                call.refuse(format!("it does not reset its keys by {}, only by {offered}", reset.word()))
            );
        };
        let said = call.post(&action.target, &json!({ "ResetKeysType": word })).await?;
        call.must(said)
    }

    /// The databases of Secure Boot.
    ///
    /// # Errors
    /// As of [`RedfishBmc::secure_boot`].
    pub async fn secure_boot_databases(&self) -> Result<Listed<KeyDatabase>, BmcError> {
        let mut call = self.call().await?;
        let databases = call.databases().await?;
        Ok(call.listed(databases))
    }
}

fn state(is_enabled: Option<bool>) -> &'static str {
    match is_enabled {
        Some(true) => "enabled",
        Some(false) => "disabled",
        None => "neither enabled nor disabled",
    }
}

impl Call<'_> {
    /// Where it is written, and how it is.
    async fn secure_boot(&mut self) -> Result<(Vec<String>, SecureBoot), BmcError> {
        let link = self.system().link("SecureBoot").map(str::to_owned);
        let Some(link) = link else { return Err(self.refuse("it shows no Secure Boot")) };
        let read = self.get(&link, "Secure Boot").await?;
        let node = read.body.node();
        let places =
            std::iter::once(link.as_str()).chain(node.settings_object()).map(str::to_owned).collect();
        Ok((places, SecureBoot::from(node)))
    }

    async fn secure_boot_at(&mut self, place: &str) -> Result<SecureBoot, BmcError> {
        Ok(SecureBoot::from(self.get(place, "Secure Boot").await?.body.node()))
    }

    async fn databases(&mut self) -> Result<Vec<KeyDatabase>, BmcError> {
        let (_, secure_boot) = self.secure_boot().await?;
        let Some(link) = secure_boot.databases else { return Ok(Vec::new()) };
        let members = self.members_at(&link, "a database of Secure Boot").await?;
        Ok(members.iter().map(|(_, database)| KeyDatabase::from(database.node())).collect())
    }
}
