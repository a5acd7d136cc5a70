//! Edges: `users`: a BMC's users, and changes to them that are asked back.

use protocol::{
    ipmi::{
        Privilege,
        client::PASSWORD_BYTES_MAX,
        users::{GetAccess, GetName, Name, PasswordAction, SetAccess, SetName, UserAccess},
    },
    secret::Secret,
};
use serde_json::{Value, json};

use super::{
    super::{
        args::{Level, UsersVerb},
        failure::Failure,
        output::Answer,
    },
    inventory::privilege,
};
use crate::bmc::{CallError, IpmiBmc};

/// "The channel that this request comes by".
const THIS_CHANNEL: u8 = 0x0e;
/// The answer of "Set User Password" to a test: it is another one.
const ANOTHER: u8 = 0x80;

pub(super) async fn run(
    verb: &UsersVerb,
    new_password: Option<&Secret>,
    bmc: &IpmiBmc,
) -> Result<Answer, Failure> {
    match verb {
        UsersVerb::List => list(bmc).await,
        UsersVerb::Enable { user } => {
            switch(number(user, bmc).await?, PasswordAction::Enable, "enabled", bmc).await
        }
        UsersVerb::Disable { user } => {
            switch(number(user, bmc).await?, PasswordAction::Disable, "disabled", bmc).await
        }
        UsersVerb::SetName { user, name } => set_name(number(user, bmc).await?, name, bmc).await,
        UsersVerb::SetPassword { user, .. } => {
            let missing = || Failure::Usage("there is no new password".to_owned());
            set_password(number(user, bmc).await?, new_password.ok_or_else(missing)?, bmc).await
        }
        UsersVerb::SetPrivilege { user, privilege } => {
            set_privilege(number(user, bmc).await?, *privilege, bmc).await
        }
        UsersVerb::Create { .. } => Err(Failure::NotByIpmi { verb: "users create" }),
        UsersVerb::Remove { .. } => Err(Failure::NotByIpmi { verb: "users remove" }),
    }
}

/// The number of a user, who may be named.
async fn number(user: &str, bmc: &IpmiBmc) -> Result<u8, Failure> {
    if let Ok(number) = user.parse() {
        return Ok(number);
    }
    let mut number = 1;
    loop {
        let access = bmc.call(&GetAccess { channel: THIS_CHANNEL, user: number }).await?;
        if bmc.call(&GetName(number)).await.is_ok_and(|name| name.text() == user) {
            return Ok(number);
        }
        if number >= access.users_max {
            return Err(Failure::NotSo(format!("it has no user {user:?}; see users list")));
        }
        number += 1;
    }
}

async fn list(bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let mut users = vec![];
    let mut number = 1;
    loop {
        let access = bmc.call(&GetAccess { channel: THIS_CHANNEL, user: number }).await?;
        let name = match bmc.call(&GetName(number)).await {
            Ok(name) => name.text(),
            Err(CallError::Bmc(error)) => return Err(error.into()),
            // A user without a name.
            Err(_) => String::new(),
        };
        users.push((number, name, access));
        if number >= access.users_max {
            break;
        }
        number += 1;
    }
    let there = users.iter().filter(|(_, name, access)| !name.is_empty() || access.privilege.is_some());
    let (rows, json): (Vec<Vec<String>>, Vec<Value>) =
        there.map(|(number, name, access)| shown(*number, name, access)).unzip();
    Ok(Answer {
        header: &["number", "name", "privilege", "enabled", "messages"],
        rows,
        json: Value::Array(json),
    })
}

fn shown(number: u8, name: &str, access: &UserAccess) -> (Vec<String>, Value) {
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let enabled = access.is_enabled.map_or_else(|| "not told".to_owned(), yes);
    let level = privilege(access.privilege);
    let json = json!({
        "number": number,
        "name": name,
        "privilege": level,
        "enabled": access.is_enabled,
        "messages": access.messages,
    });
    (vec![number.to_string(), name.to_owned(), level, enabled, yes(access.messages)], json)
}

fn done(number: u8, what: &str) -> Answer {
    let words = format!("user {number}: {what}");
    Answer::fact(&["user"], words, json!({ "number": number, "done": what }))
}

async fn switch(number: u8, action: PasswordAction, what: &str, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    bmc.order_password(number, action).await?;
    Ok(done(number, what))
}

async fn set_name(number: u8, name: &str, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let name =
        Name::new(name).ok_or_else(|| Failure::Usage("a user's name has at most 16 bytes".to_owned()))?;
    bmc.call(&SetName { user: number, name }).await?;
    let has = bmc.call(&GetName(number)).await?;
    if has != name {
        return Err(Failure::NotSo(format!("the BMC accepted it, and reads back the name {:?}", has.text())));
    }
    Ok(done(number, &format!("named {:?}", name.text())))
}

async fn set_password(number: u8, password: &Secret, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let length = password.reveal().len();
    if !(1..=PASSWORD_BYTES_MAX).contains(&length) || password.reveal().contains('\0') {
        return Err(Failure::Usage(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")));
    }
    bmc.fits_password(password).await?;
    bmc.order_password(number, PasswordAction::Set(password.clone())).await?;
    match bmc.order_password(number, PasswordAction::Test(password.clone())).await {
        Ok(()) => Ok(done(number, "has the new password")),
        Err(error) if error.code().is_some_and(|code| code.0 == ANOTHER) => Err(Failure::NotSo(
            "the BMC accepted the password, and says that it has another one; set it again".to_owned(),
        )),
        // Not every BMC can be asked for it. A log-in will tell.
        Err(error) if error.code().is_some() => {
            Ok(done(number, "has the new password, says the BMC; it cannot be tested"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn set_privilege(number: u8, level: Level, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let wanted = match level {
        Level::None => None,
        Level::User => Some(Privilege::User),
        Level::Operator => Some(Privilege::Operator),
        Level::Administrator => Some(Privilege::Administrator),
    };
    let before = bmc.call(&GetAccess { channel: THIS_CHANNEL, user: number }).await?;
    let set = SetAccess {
        channel: THIS_CHANNEL,
        user: number,
        link: before.link,
        messages: wanted.is_some(),
        privilege: wanted,
    };
    bmc.call(&set).await?;
    let after = bmc.call(&GetAccess { channel: THIS_CHANNEL, user: number }).await?;
    if after.privilege != wanted {
        let has = privilege(after.privilege);
        return Err(Failure::NotSo(format!("the BMC accepted it, and reads back the privilege {has}")));
    }
    Ok(done(number, &format!("has privilege {}", privilege(wanted))))
}
