//! Edges: `users` by Redfish.

use protocol::{redfish::read::account::Account, secret::Secret};
use serde_json::json;

use super::{
    super::super::{
        args::{Level, UsersVerb},
        failure::Failure,
        output::Answer,
    },
    or_dash, table, value, yes,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(
    verb: &UsersVerb,
    new_password: Option<&Secret>,
    bmc: &RedfishBmc,
) -> Result<Answer, Failure> {
    let password = || new_password.ok_or_else(|| Failure::Usage("there is no new password".to_owned()));
    match verb {
        UsersVerb::List => list(bmc).await,
        UsersVerb::Enable { user } => enable(user, true, bmc).await,
        UsersVerb::Disable { user } => enable(user, false, bmc).await,
        UsersVerb::SetName { user, name } => {
            let now = bmc.rename_account(&named(user, bmc).await?, name).await?;
            Ok(done(&now, &format!("named {:?}", now.name)))
        }
        UsersVerb::SetPassword { user, .. } => {
            let account = named(user, bmc).await?;
            bmc.set_account_password(&account, password()?).await?;
            Ok(done(&account, "has the new password, says the BMC; only a log-in tells"))
        }
        UsersVerb::SetPrivilege { user, privilege } => {
            let now = bmc.set_account_role(&named(user, bmc).await?, role(*privilege)).await?;
            Ok(done(&now, &format!("has privilege {}", or_dash(now.role.as_deref()))))
        }
        UsersVerb::Create { name, privilege, .. } => {
            let now = bmc.create_account(name, password()?, role(*privilege)).await?;
            Ok(done(&now, "made"))
        }
        UsersVerb::Remove { user } => {
            let account = named(user, bmc).await?;
            bmc.delete_account(&account).await?;
            Ok(done(&account, "removed"))
        }
    }
}

fn role(level: Level) -> &'static str {
    match level {
        Level::None => "None",
        Level::User => "ReadOnly",
        Level::Operator => "Operator",
        Level::Administrator => "Administrator",
    }
}

async fn list(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let found = bmc.accounts().await?;
    let there = || found.items.iter().filter(|account| !account.is_free());
    let rows = there().map(|it| {
        vec![it.id.clone(), it.name.clone(), or_dash(it.role.as_deref()), yes(it.enabled), yes(it.locked)]
    });
    let json = there().map(value).collect();
    Ok(table(&["ID", "name", "privilege", "enabled", "locked"], rows.collect(), json, &found.missing))
}

/// The user of this name, or with this id.
async fn named(user: &str, bmc: &RedfishBmc) -> Result<Account, Failure> {
    let mut accounts = bmc.accounts().await?.items;
    let at = accounts
        .iter()
        .position(|account| account.name == user)
        .or_else(|| accounts.iter().position(|account| account.id == user));
    match at {
        Some(at) => Ok(accounts.swap_remove(at)),
        None => Err(Failure::NotSo(format!("it has no user {user:?}; see users list"))),
    }
}

async fn enable(user: &str, is_enabled: bool, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let now = bmc.enable_account(&named(user, bmc).await?, is_enabled).await?;
    Ok(done(&now, if is_enabled { "enabled" } else { "disabled" }))
}

fn done(account: &Account, what: &str) -> Answer {
    let words = format!("user {}: {what}", account.id);
    Answer::fact(&["user"], words, json!({ "id": account.id, "name": account.name, "done": what }))
}
