//! Edges: who may log in at a BMC. Some services have a fixed number of places for users, which are written to; some make a user when it is
//! posted and delete it. Whatever was changed is read back.

use protocol::{redfish::read::account::Account, secret::Secret};
use serde_json::{Value, json};

use super::super::{
    RedfishBmc,
    call::{Call, Listed, Said},
};
use crate::bmc::BmcError;

/// Longest user name that is written, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest password that is written, in bytes.
const PASSWORD_BYTES_MAX: usize = 128;
/// So many free places are tried: the first one is reserved by some makers.
const PLACES_TRIED: usize = 3;

impl RedfishBmc {
    /// All users, and the places that nobody has ([`Account::is_free`]).
    ///
    /// # Errors
    /// The service shows no accounts, or is not reached.
    pub async fn accounts(&self) -> Result<Listed<Account>, BmcError> {
        let mut call = self.call().await?;
        let (_, accounts) = call.accounts().await?;
        Ok(call.listed(accounts))
    }

    /// Makes a user that may log in, with a role such as `Administrator`, `Operator` or `ReadOnly`.
    ///
    /// # Errors
    /// There is one of that name, no place is free, or the BMC refuses name, password or role.
    pub async fn create_account(
        &self,
        name: &str,
        password: &Secret,
        role: &str,
    ) -> Result<Account, BmcError> {
        self.fits_password(password).await?;
        let mut call = self.call().await?;
        call.check_name(name)?;
        call.check_password(password)?;
        let (collection, accounts) = call.accounts().await?;
        if accounts.iter().any(|account| account.name == name) {
            return Err(call.refuse(format!("it has a user {name:?} already")));
        }
        let body =
            json!({ "UserName": name, "Password": password.reveal(), "RoleId": role, "Enabled": true });
        let free: Vec<&Account> =
            accounts.iter().filter(|account| account.is_free()).take(PLACES_TRIED).collect();
        let mut reasons = Vec::new();
        for place in &free {
            match call.patch(&place.path, &body).await? {
                Said::Done(_) | Said::Begun => return call.account_named(name).await,
                Said::Refused(refused) => reasons.push(refused.reason),
            }
        }
        match call.post(&collection, &body).await? {
            Said::Done(_) | Said::Begun => return call.account_named(name).await,
            // Where there are places, what they said is the reason.
            Said::Refused(refused) if free.is_empty() => reasons.push(refused.reason),
            Said::Refused(_) => {}
        }
        Err(call.refuse(format!("it does not take the user {name:?}: {}", reasons.join("; "))))
    }

    /// Gives a user another password. Only a log-in tells whether it holds.
    ///
    /// # Errors
    /// The BMC refuses it; some want a certain length.
    pub async fn set_account_password(&self, account: &Account, password: &Secret) -> Result<(), BmcError> {
        self.fits_password(password).await?;
        let mut call = self.call().await?;
        call.check_password(password)?;
        let said = call.patch(&account.path, &json!({ "Password": password.reveal() })).await?;
        call.must(said)
    }

    /// Lets a user log in, or no longer.
    ///
    /// # Errors
    /// The BMC refuses it, or reads back something else.
    pub async fn enable_account(&self, account: &Account, is_enabled: bool) -> Result<Account, BmcError> {
        self.change(account, json!({ "Enabled": is_enabled }), |now| now.enabled == Some(is_enabled)).await
    }

    /// Gives a user another role.
    ///
    /// # Errors
    /// As of [`RedfishBmc::enable_account`].
    pub async fn set_account_role(&self, account: &Account, role: &str) -> Result<Account, BmcError> {
        self.change(account, json!({ "RoleId": role }), |now| now.role.as_deref() == Some(role)).await
    }

    /// Gives a user another name.
    ///
    /// # Errors
    /// As of [`RedfishBmc::enable_account`].
    pub async fn rename_account(&self, account: &Account, name: &str) -> Result<Account, BmcError> {
        self.change(account, json!({ "UserName": name }), |now| now.name == name).await
    }

    /// Removes a user: it is deleted, or its place is emptied.
    ///
    /// # Errors
    /// The BMC refuses all ways, or the user is still there.
    pub async fn delete_account(&self, account: &Account) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let mut said = call.delete(&account.path).await?;
        let emptied = [
            vec![json!({ "UserName": "", "Enabled": false })],
            vec![json!({ "Enabled": false }), json!({ "UserName": "" })],
        ];
        for bodies in emptied {
            let Said::Refused(_) = said else { break };
            for body in &bodies {
                said = call.patch(&account.path, body).await?;
            }
        }
        call.must(said)?;
        let (_, left) = call.accounts().await?;
        if left.iter().any(|left| left.name == account.name && !left.is_free()) {
            return Err(call.refuse(format!(
                "it has accepted that the user {:?} be removed, and still shows it",
                account.name
            )));
        }
        Ok(())
    }

    async fn change(
        &self,
        account: &Account,
        body: Value,
        is_so: impl Fn(&Account) -> bool,
    ) -> Result<Account, BmcError> {
        let mut call = self.call().await?;
        let said = call.patch(&account.path, &body).await?;
        call.must(said)?;
        let read = call.get(&account.path, "the user").await?;
        let now = Account::of(&account.path, read.body.node());
        if !is_so(&now) {
            return Err(call.refuse(format!("it has accepted {body}, and reads back {}", words(&now))));
        }
        Ok(now)
    }
}

fn words(account: &Account) -> String {
    let enabled = account.enabled.map_or("not said", |enabled| if enabled { "yes" } else { "no" });
    let role = account.role.as_deref().unwrap_or("none");
    format!("name {:?}, role {role}, enabled: {enabled}", account.name)
}

impl Call<'_> {
    /// Where the accounts are, and all of them.
    async fn accounts(&mut self) -> Result<(String, Vec<Account>), BmcError> {
        let root = self.root().await?;
        let service = match &root {
            Some(root) => self.follow(root.node(), "AccountService").await?,
            None => None,
        };
        let link = service.as_ref().and_then(|service| service.node().link("Accounts"));
        let Some(link) = link.map(str::to_owned) else { return Err(self.refuse("it shows no accounts")) };
        let members = self.members_at(&link, "an account").await?;
        let accounts = members.iter().map(|(path, account)| Account::of(path, account.node())).collect();
        Ok((link, accounts))
    }

    async fn account_named(&mut self, name: &str) -> Result<Account, BmcError> {
        let (_, accounts) = self.accounts().await?;
        let made = accounts.into_iter().find(|account| account.name == name);
        made.ok_or_else(|| self.refuse(format!("it has accepted the user {name:?}, and does not show it")))
    }

    fn check_name(&self, name: &str) -> Result<(), BmcError> {
        let is_good =
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good {
            Ok(())
        } else {
            Err(self.refuse(format!("a user name has 1 to {NAME_BYTES_MAX} letters without spaces")))
        }
    }

    fn check_password(&self, password: &Secret) -> Result<(), BmcError> {
        let text = password.reveal();
        let is_good = (1..=PASSWORD_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if is_good {
            Ok(())
        } else {
            Err(self.refuse(format!(
                "a password has 1 to {PASSWORD_BYTES_MAX} bytes, none of them a control character"
            )))
        }
    }
}
