//! Edges: what each verb asks of one BMC, a file for each group.

mod boot;
mod fru;
mod health;
mod identify;
mod inventory;
mod power;
mod probe;
mod redfish;
mod restore;
mod sel;
mod sensors;
pub(super) mod sol;
mod users;

use std::path::PathBuf;

use protocol::secret::Secret;

use super::{
    args::{MediaVerb, UsersVerb, Verb},
    failure::Failure,
    output::Answer,
    password,
    reach::{Reached, Way},
};

/// A verb with what had to be read for it, once for all BMCs.
pub(super) struct Prepared {
    verb: Verb,
    new_password: Option<Secret>,
}

/// Reads what the verb needs beside the BMC.
pub(super) async fn prepare(verb: &Verb) -> Result<Prepared, Failure> {
    let new = async |file: &Option<PathBuf>| {
        password::get(file.as_deref(), "BMS_BMC_NEW_PASSWORD", "New password").await.map(Some)
    };
    let new_password = match verb {
        Verb::Users(
            UsersVerb::SetPassword { new_password_file, .. } | UsersVerb::Create { new_password_file, .. },
        ) => new(new_password_file).await?,
        Verb::Media(MediaVerb::Insert { image_password_file: Some(file), .. }) => {
            Some(password::of_file(file)?)
        }
        Verb::Users(
            UsersVerb::List
            | UsersVerb::Enable { .. }
            | UsersVerb::Disable { .. }
            | UsersVerb::SetName { .. }
            | UsersVerb::Remove { .. }
            | UsersVerb::SetPrivilege { .. },
        )
        | Verb::Media(MediaVerb::List | MediaVerb::Insert { .. } | MediaVerb::Eject { .. })
        | Verb::Power { .. }
        | Verb::Boot(_)
        | Verb::Sel(_)
        | Verb::Sensors { .. }
        | Verb::Fru
        | Verb::Inventory
        | Verb::Health
        | Verb::Identify { .. }
        | Verb::Sol { .. }
        | Verb::Probe
        | Verb::Firmware(_)
        | Verb::Bios(_)
        | Verb::Secureboot(_)
        | Verb::Nmi
        | Verb::Manager(_)
        | Verb::PowerLimit(_)
        | Verb::PowerRestore(_) => None,
    };
    Ok(Prepared { verb: verb.clone(), new_password })
}

/// Asks one BMC.
pub(super) async fn run(prepared: &Prepared, bmc: &Reached) -> Result<Answer, Failure> {
    let password = prepared.new_password.as_ref();
    match (&prepared.verb, bmc.way()) {
        (Verb::Power { action }, _) => power::run(*action, bmc.bmc()).await,
        (Verb::Boot(verb), _) => boot::run(*verb, bmc).await,
        (Verb::Probe, _) => probe::run(bmc).await,
        (Verb::Sol { .. }, _) => Err(sol::one_at_a_time()),
        (Verb::Inventory, Way::Ipmi(ipmi)) => inventory::run(ipmi).await,
        (Verb::Inventory, Way::Redfish(it)) => redfish::inventory::run(it).await,
        (Verb::Sel(verb), Way::Ipmi(ipmi)) => sel::run(verb, ipmi).await,
        (Verb::Sel(verb), Way::Redfish(it)) => redfish::sel::run(verb, it).await,
        (Verb::Sensors { bad }, Way::Ipmi(ipmi)) => sensors::run(*bad, ipmi).await,
        (Verb::Sensors { bad }, Way::Redfish(it)) => redfish::sensors::run(*bad, it).await,
        (Verb::Health, Way::Ipmi(ipmi)) => health::run(ipmi).await,
        (Verb::Health, Way::Redfish(it)) => redfish::health::run(it).await,
        (Verb::Users(verb), Way::Ipmi(ipmi)) => users::run(verb, password, ipmi).await,
        (Verb::Users(verb), Way::Redfish(it)) => redfish::users::run(verb, password, it).await,
        (Verb::Identify { light, seconds }, Way::Ipmi(ipmi)) => identify::run(*light, *seconds, ipmi).await,
        (Verb::Identify { light, .. }, Way::Redfish(it)) => redfish::power::identify(*light, it).await,
        (Verb::Nmi, Way::Ipmi(ipmi)) => {
            ipmi.nmi().await?;
            Ok(redfish::power::interrupted())
        }
        (Verb::Nmi, Way::Redfish(it)) => redfish::power::nmi(it).await,
        (Verb::PowerRestore(verb), Way::Ipmi(ipmi)) => restore::run(verb, ipmi).await,
        (Verb::PowerRestore(verb), Way::Redfish(it)) => redfish::power::restore(verb, it).await,
        (Verb::Firmware(verb), Way::Redfish(it)) => redfish::firmware::run(verb, it).await,
        (Verb::Bios(verb), Way::Redfish(it)) => redfish::bios::run(verb, it).await,
        (Verb::Media(verb), Way::Redfish(it)) => redfish::media::run(verb, password, it).await,
        (Verb::Secureboot(verb), Way::Redfish(it)) => redfish::secure_boot::run(verb, it).await,
        (Verb::Manager(verb), Way::Redfish(it)) => redfish::manager::run(verb, it).await,
        (Verb::PowerLimit(verb), Way::Redfish(it)) => redfish::power::limit(verb, it).await,
        (Verb::Fru, Way::Ipmi(ipmi)) => fru::run(ipmi).await,
        (Verb::Fru, Way::Redfish(_)) => Err(Failure::NotByRedfish { verb: prepared.verb.name() }),
        (
            Verb::Firmware(_)
            | Verb::Bios(_)
            | Verb::Media(_)
            | Verb::Secureboot(_)
            | Verb::Manager(_)
            | Verb::PowerLimit(_),
            Way::Ipmi(_),
        ) => Err(Failure::NotByIpmi { verb: prepared.verb.name() }),
    }
}
