//! Edges: `power`: read it or switch it, and see that it is so.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{args::PowerAction, failure::Failure, output::Answer};
use crate::bmc::{Bmc, Power};

/// How long a server may take to be on or off.
const SWITCHED_WITHIN: Duration = Duration::from_secs(60);
/// Between two readings meanwhile.
const READ_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(action: PowerAction, bmc: &dyn Bmc) -> Result<Answer, Failure> {
    match action {
        PowerAction::Status => Ok(said(word(bmc.power_status().await?))),
        PowerAction::On => {
            bmc.power_on().await?;
            until(Power::On, bmc).await
        }
        PowerAction::Off => {
            bmc.power_off().await?;
            until(Power::Off, bmc).await
        }
        PowerAction::Cycle => {
            bmc.power_off().await?;
            until(Power::Off, bmc).await?;
            bmc.power_on().await?;
            until(Power::On, bmc).await
        }
        PowerAction::Soft => {
            bmc.soft_off().await?;
            Ok(said("asked to switch off"))
        }
        PowerAction::Reset => {
            bmc.reset().await?;
            Ok(said("reset"))
        }
    }
}

async fn until(wanted: Power, bmc: &dyn Bmc) -> Result<Answer, Failure> {
    let began = Instant::now();
    loop {
        let power = bmc.power_status().await?;
        if power == wanted {
            return Ok(said(word(power)));
        }
        if began.elapsed() > SWITCHED_WITHIN {
            return Err(Failure::NotSo(format!(
                "the BMC accepted it, and the power is still {} after {} s",
                word(power),
                SWITCHED_WITHIN.as_secs()
            )));
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

fn said(word: &str) -> Answer {
    Answer::fact(&["power"], word, json!({ "power": word }))
}

fn word(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
    }
}
