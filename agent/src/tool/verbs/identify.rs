//! Edges: `identify`: the light that shows which server it is.

use protocol::ipmi::front::Identify;
use serde_json::json;

use super::super::{args::Light, failure::Failure, output::Answer};
use crate::bmc::IpmiBmc;

/// How long the light is on where a BMC knows no "for ever", in s.
const LONGEST: u8 = 255;

pub(super) async fn run(light: Light, seconds: Option<u8>, bmc: &IpmiBmc) -> Result<Answer, Failure> {
    let (identify, words) = match (light, seconds) {
        (Light::Off, _) => (Identify::Seconds(0), "off".to_owned()),
        (Light::On, Some(seconds)) => (Identify::Seconds(seconds), format!("on for {seconds} s")),
        (Light::On, None) => (Identify::Forever, "on until it is switched off".to_owned()),
    };
    let words = match bmc.call(&identify).await {
        Ok(()) => words,
        // BMCs of IPMI 1.5 times refuse the byte that says so.
        Err(error) if identify == Identify::Forever && error.code().is_some() => {
            bmc.call(&Identify::Seconds(LONGEST)).await?;
            format!("on for {LONGEST} s: this BMC knows no longer time")
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Answer::fact(&["light"], words.clone(), json!({ "light": words })))
}
