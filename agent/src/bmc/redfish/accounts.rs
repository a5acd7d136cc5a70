//! Edges: our own account at a Redfish service (DSP0268, ManagerAccount): its password is changed, and proved by a fresh log-in.

use protocol::{
    command::PasswordLength,
    identity::is_usable,
    redfish::{Link, ROOT},
    secret::Secret,
};
use serde::Deserialize;
use serde_json::json;

use super::{RedfishBmc, State, fault::Fault, task, words};
use crate::bmc::{BmcError, Renewed};

/// Accounts that are looked at.
const ACCOUNTS_MAX: usize = 64;

/// The root, as far as accounts go.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Root {
    account_service: Option<Link>,
}

/// The account service.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountService {
    accounts: Option<Link>,
    #[serde(default)]
    min_password_length: Option<u32>,
    #[serde(default)]
    max_password_length: Option<u32>,
}

/// The accounts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Accounts {
    #[serde(default)]
    members: Vec<Link>,
}

/// One account.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    user_name: Option<String>,
    #[serde(default)]
    role_id: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

impl RedfishBmc {
    /// Has our account get the password that is to follow, and proves by a fresh log-in which one it has.
    pub(super) async fn renew(&self) -> Result<Renewed, BmcError> {
        let mut state = self.begin().await;
        // Whichever of the two it has lets us in.
        match self.system(&mut state).await {
            // It has let us in and answers nothing but this: who it is it says afterwards.
            Err(_) if state.http.password_due.is_some() && self.may_be_told_unseen(&state) => {}
            found => drop(found?),
        }
        let is_due = state.http.password_due.is_some();
        if state.http.keys.is_by_next() {
            return Ok(Renewed::New);
        }
        let missing = || Fault::refused("no password is declared that is to follow the present one");
        let next = state.http.keys.next().cloned().ok_or_else(missing).map_err(|fault| self.error(fault))?;
        if let Some(length) = state.password_length().await.filter(|length| !length.is_of(&next)) {
            let reason = format!("it takes passwords of {length}, and was not told this one");
            return Ok(Renewed::Kept { reason, length: Some(length) });
        }
        let told = state.tell_password(&self.username, &next).await;
        // Cut off, it is likelier to have been done than not.
        let is_refused = matches!(told, Err(Fault::Refused(_) | Fault::NotUnderstood(_)));
        state.http.log_out().await;
        state.http.keys.prefer(!is_refused);
        match self.system(&mut state).await {
            // By the old one it lets us in, and answers nothing else still.
            Err(_) if is_due && is_refused && state.http.password_due.is_some() => {}
            found => drop(found?),
        }
        Ok(match (state.http.keys.is_by_next(), told) {
            (true, _) => Renewed::New,
            (false, Ok(())) => Renewed::Kept {
                reason: "it accepted the new password, and lets us in by the old one only".to_owned(),
                length: None,
            },
            (false, Err(fault)) => Renewed::Kept { reason: self.error(fault).to_string(), length: None },
        })
    }
}

impl RedfishBmc {
    /// Whether it may be told a password before it has said who it is: nothing is known of who it must be, or its certificate proves it.
    /// Another machine at this address may have the same password from its factory.
    fn may_be_told_unseen(&self, state: &State) -> bool {
        self.is_pinned || !is_usable(state.who.expected())
    }
}

impl State {
    async fn tell_password(&mut self, username: &str, next: &Secret) -> Result<(), Fault> {
        let (path, etag) = match self.http.password_due.clone() {
            Some(Some(path)) => {
                let account = self.http.get::<Account>(&path).await.ok();
                (path, account.and_then(|found| found.etag))
            }
            Some(None) | None => self.own_account(username).await?,
        };
        let answer = self.http.patch(&path, &json!({ "Password": next.reveal() }), etag.as_deref()).await?;
        task::follow(&mut self.http, &answer).await
    }

    /// How long the service says that passwords are; none: it does not say, or answers nothing now.
    async fn password_length(&mut self) -> Option<PasswordLength> {
        let root: Root = self.http.get(ROOT).await.ok()?.body;
        let service =
            self.linked(root.account_service.as_ref(), "the service root's link to the account service");
        let service: AccountService = self.http.get(&service.ok()?).await.ok()?.body;
        let min = service.min_password_length.unwrap_or(0);
        let max = service.max_password_length.filter(|max| *max > 0).unwrap_or(u32::MAX);
        (min <= max).then_some(PasswordLength { min, max })
    }

    /// The accounts.
    async fn accounts(&mut self) -> Result<Accounts, Fault> {
        let root: Root = self.http.get(ROOT).await?.body;
        let service =
            self.linked(root.account_service.as_ref(), "the service root's link to the account service")?;
        let service: AccountService = self.http.get(&service).await?.body;
        let accounts =
            self.linked(service.accounts.as_ref(), "the account service's link to the accounts")?;
        Ok(self.http.get(&accounts).await?.body)
    }

    /// Each account that has a name, with what it may do.
    pub(super) async fn users(&mut self) -> Result<Vec<String>, Fault> {
        let mut users = vec![];
        for link in self.accounts().await?.members.iter().take(ACCOUNTS_MAX) {
            let path = self.linked(Some(link), "an account's link")?;
            let Account { user_name, role_id, enabled } = self.http.get(&path).await?.body;
            let name = words(user_name);
            if !name.is_empty() {
                let state = match enabled {
                    Some(true) => ", enabled",
                    Some(false) => ", disabled",
                    None => "",
                };
                users.push(format!("{name:?} {}{state}", words(role_id)));
            }
        }
        Ok(users)
    }

    /// The path of our account, with its ETag.
    async fn own_account(&mut self, username: &str) -> Result<(String, Option<String>), Fault> {
        let accounts = self.accounts().await?;
        for link in accounts.members.iter().take(ACCOUNTS_MAX) {
            let path = self.linked(Some(link), "an account's link")?;
            let found = match self.http.get::<Account>(&path).await {
                Ok(found) => found,
                // An account of somebody's that we may not read.
                Err(Fault::Refused(_) | Fault::NotUnderstood(_)) => continue,
                Err(fault) => return Err(fault),
            };
            if found.body.user_name.as_deref() == Some(username) {
                return Ok((path, found.etag));
            }
        }
        Err(Fault::refused(format!("none of its {} accounts is named {username:?}", accounts.members.len())))
    }
}
