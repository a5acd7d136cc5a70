//! Edges: `secureboot`.

use protocol::redfish::read::secure_boot::SecureBoot;
use serde_json::json;

use super::{
    super::super::{args::SecureBootVerb, failure::Failure, output::Answer},
    or_dash, yes,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(verb: &SecureBootVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    match verb {
        SecureBootVerb::Status => shown(&bmc.secure_boot().await?, bmc).await,
        SecureBootVerb::Enable => shown(&bmc.enable_secure_boot(true).await?, bmc).await,
        SecureBootVerb::Disable => shown(&bmc.enable_secure_boot(false).await?, bmc).await,
        SecureBootVerb::ResetKeys { to, database } => {
            bmc.reset_secure_boot_keys((*to).into(), database.as_deref()).await?;
            let words = format!("keys reset in {}", database.as_deref().unwrap_or("all databases"));
            Ok(Answer::fact(&["secure boot"], words, json!({ "reset": true, "database": database })))
        }
    }
}

async fn shown(now: &SecureBoot, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let databases = bmc.secure_boot_databases().await?.items;
    let names: Vec<&str> = databases.iter().map(|database| database.name.as_str()).collect();
    let mut answer = Answer::fields(vec![
        ("next start", yes(now.enable)),
        ("last start", or_dash(now.current.as_deref())),
        ("mode", or_dash(now.mode.as_deref())),
        ("databases", names.join(", ")),
    ]);
    answer.json =
        json!({ "next_start": now.enable, "last_start": now.current, "mode": now.mode, "databases": names });
    Ok(answer)
}
