//! Edges: what each verb asks of one BMC, a file for each group.

mod boot;
mod fru;
mod health;
mod identify;
mod inventory;
mod power;
mod probe;
mod sel;
mod sensors;
pub(super) mod sol;
mod users;

use protocol::secret::Secret;

use super::{
    args::{UsersVerb, Verb},
    failure::Failure,
    output::Answer,
    password,
    reach::Reached,
};

/// A verb with what had to be read for it, once for all BMCs.
pub(super) struct Prepared {
    verb: Verb,
    new_password: Option<Secret>,
}

/// Reads what the verb needs beside the BMC.
pub(super) async fn prepare(verb: &Verb) -> Result<Prepared, Failure> {
    let new_password = match verb {
        Verb::Users(UsersVerb::SetPassword { new_password_file, .. }) => {
            let file = new_password_file.as_deref();
            Some(password::get(file, "BMS_BMC_NEW_PASSWORD", "New password").await?)
        }
        Verb::Users(
            UsersVerb::List
            | UsersVerb::Enable { .. }
            | UsersVerb::Disable { .. }
            | UsersVerb::SetName { .. }
            | UsersVerb::SetPrivilege { .. },
        )
        | Verb::Power { .. }
        | Verb::Boot(_)
        | Verb::Sel(_)
        | Verb::Sensors { .. }
        | Verb::Fru
        | Verb::Inventory
        | Verb::Health
        | Verb::Identify { .. }
        | Verb::Sol { .. }
        | Verb::Probe => None,
    };
    Ok(Prepared { verb: verb.clone(), new_password })
}

/// Asks one BMC.
pub(super) async fn run(prepared: &Prepared, bmc: &Reached) -> Result<Answer, Failure> {
    let name = prepared.verb.name();
    match &prepared.verb {
        Verb::Power { action } => power::run(*action, bmc.bmc()).await,
        Verb::Boot(verb) => boot::run(*verb, bmc).await,
        Verb::Inventory => inventory::run(bmc).await,
        Verb::Probe => probe::run(bmc).await,
        Verb::Sol { .. } => Err(sol::one_at_a_time()),
        Verb::Sel(verb) => sel::run(*verb, bmc.ipmi(name)?).await,
        Verb::Sensors { bad } => sensors::run(*bad, bmc.ipmi(name)?).await,
        Verb::Fru => fru::run(bmc.ipmi(name)?).await,
        Verb::Health => health::run(bmc.ipmi(name)?).await,
        Verb::Users(verb) => users::run(verb, prepared.new_password.as_ref(), bmc.ipmi(name)?).await,
        Verb::Identify { light, seconds } => identify::run(*light, *seconds, bmc.ipmi(name)?).await,
    }
}
