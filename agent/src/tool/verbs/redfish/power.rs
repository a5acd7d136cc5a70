//! Edges: `power-limit`, `power-restore`, `nmi`, `identify` and `boot get` by Redfish.

use protocol::{
    power::RestorePolicy,
    redfish::read::power::{Light, PowerControl},
};
use serde_json::json;

use super::{
    super::super::{
        args::{self, PowerLimitVerb, RestoreVerb},
        failure::Failure,
        output::Answer,
    },
    value,
};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn limit(verb: &PowerLimitVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let now = match verb {
        PowerLimitVerb::Show => bmc.power_control().await?,
        PowerLimitVerb::Set { watts } => bmc.limit_power(Some(*watts)).await?,
        PowerLimitVerb::Off => bmc.limit_power(None).await?,
    };
    let PowerControl { draw_w, limit_w, capacity_w } = now;
    let watts =
        |watts: Option<f64>, none: &str| watts.map_or_else(|| none.to_owned(), |watts| format!("{watts} W"));
    let mut answer = Answer::fields(vec![
        ("draws", watts(draw_w, "not told")),
        ("limit", watts(limit_w, "none")),
        ("could draw", watts(capacity_w, "")),
    ]);
    answer.json = value(now);
    Ok(answer)
}

pub(in super::super) async fn restore(verb: &RestoreVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let policy = match verb {
        RestoreVerb::Get => bmc.restore_policy().await?,
        RestoreVerb::Set { to } => {
            bmc.set_restore_policy((*to).into()).await?;
            Some((*to).into())
        }
    };
    Ok(policy_said(policy))
}

/// What a server does when its power comes back, in words.
pub(in super::super) fn policy_said(policy: Option<RestorePolicy>) -> Answer {
    let words = match policy {
        Some(RestorePolicy::AlwaysOff) => "stays off",
        Some(RestorePolicy::AlwaysOn) => "starts",
        Some(RestorePolicy::LastState) => "does as it was",
        None => "not told",
    };
    Answer::fact(&["when power comes back"], words, json!({ "policy": policy }))
}

pub(in super::super) async fn nmi(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    bmc.nmi().await?;
    Ok(interrupted())
}

/// The interrupt was sent.
pub(in super::super) fn interrupted() -> Answer {
    Answer::fact(&["nmi"], "sent", json!({ "nmi": "sent" }))
}

pub(in super::super) async fn identify(light: args::Light, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let (light, words) = match light {
        args::Light::On => (Light::On, "on until it is switched off"),
        args::Light::Off => (Light::Off, "off"),
    };
    bmc.set_light(light).await?;
    Ok(Answer::fact(&["light"], words, json!({ "light": words })))
}

/// The boot override as the service shows it.
pub(in super::super) async fn boot(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let boot = bmc.boot_override().await?;
    let is = |found: &Option<String>, word: &str| {
        found.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let is_off = is(&boot.enabled, "Disabled") || is(&boot.target, "None") || boot.target.is_none();
    let how_long = if is(&boot.enabled, "Continuous") { "every boot" } else { "next boot" };
    let mode = match &boot.mode {
        Some(mode) if mode.eq_ignore_ascii_case("legacy") => ", legacy BIOS",
        Some(_) => ", UEFI",
        None => "",
    };
    let target = boot.target.as_deref().unwrap_or("none").to_lowercase().replace("hdd", "disk");
    let words = if is_off {
        "no override: the firmware's own order".to_owned()
    } else {
        format!("{target}, {how_long}{mode}")
    };
    let json = json!({
        "override": !is_off,
        "device": target,
        "persistent": is(&boot.enabled, "Continuous"),
        "uefi": is(&boot.mode, "UEFI"),
    });
    Ok(Answer::fact(&["boot"], words, json))
}
