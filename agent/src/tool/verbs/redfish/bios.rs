//! Edges: `bios`: settings of the server's firmware.

use protocol::redfish::read::bios::{Bios, Settings};
use serde_json::json;

use super::super::super::{args::BiosVerb, failure::Failure, output::Answer};
use crate::bmc::RedfishBmc;

pub(in super::super) async fn run(verb: &BiosVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    match verb {
        BiosVerb::Get { words } => Ok(shown(&bmc.bios().await?, words)),
        BiosVerb::Set { settings } => {
            let wanted = wanted(settings, &bmc.bios().await?)?;
            let names: Vec<String> = wanted.keys().cloned().collect();
            Ok(shown(&bmc.set_bios(&wanted).await?, &names))
        }
        BiosVerb::Reset => {
            bmc.reset_bios().await?;
            let words = "set back to the maker's settings from the next start on";
            Ok(Answer::fact(&["bios"], words, json!({ "reset": true })))
        }
    }
}

/// What was typed, as of the types that the settings have.
fn wanted(typed: &[String], bios: &Bios) -> Result<Settings, Failure> {
    let mut wanted = Settings::new();
    for text in typed {
        let (name, value) =
            text.split_once('=').ok_or_else(|| Failure::Usage(format!("{text:?} is no NAME=VALUE")))?;
        let now = bios.attributes.get(name).ok_or_else(|| {
            Failure::NotSo(format!("the server's firmware has no setting {name:?}; see bios get"))
        })?;
        let value = now.like(value).ok_or_else(|| {
            Failure::Usage(format!("{name}: {value:?} is of another type than the present value {now}"))
        })?;
        wanted.insert(name.to_owned(), value);
    }
    Ok(wanted)
}

fn shown(bios: &Bios, words: &[String]) -> Answer {
    let is_asked_for = |name: &str| {
        let name = name.to_ascii_lowercase();
        words.is_empty() || words.iter().any(|word| name.contains(&word.to_ascii_lowercase()))
    };
    let mut names: Vec<&String> =
        bios.attributes.keys().chain(bios.pending.keys()).filter(|name| is_asked_for(name)).collect();
    names.sort();
    names.dedup();
    let rows = names.iter().map(|name| {
        let text = |settings: &Settings| settings.get(*name).map(ToString::to_string).unwrap_or_default();
        vec![(*name).clone(), text(&bios.attributes), text(&bios.pending)]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.extend(bios.last_messages.iter().map(|message| vec!["last change".to_owned(), message.clone()]));
    let only = |settings: &Settings| {
        let asked = settings.iter().filter(|(name, _)| is_asked_for(name));
        asked.map(|(name, value)| (name.clone(), value.clone())).collect::<Settings>()
    };
    let json = json!({ "now": only(&bios.attributes), "next_start": only(&bios.pending), "last_messages": bios.last_messages });
    Answer { header: &["setting", "now", "from the next start on"], rows, json }
}
