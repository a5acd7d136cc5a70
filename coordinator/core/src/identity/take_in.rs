//! Edges: what a BMC said of itself is judged, stored and, when it is another machine's, told as an alarm.

use domain::{
    events::EventKind,
    identity::{Doubt, Judgement, judge},
    records::Server,
};
use protocol::{hardware::BmcIdentity, power::PowerReading};
use store::{Inventory, InventoryError};

/// How it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// At a log-in at this place, which may not be the server's any more.
    LogIn(&'a str),
    /// As the answer to a question.
    Asked,
}

/// What follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// By what the server is recognised has changed: its agent must be told.
    pub is_news: bool,
    /// The doubt is over, and this reading was held back.
    pub reading: Option<PowerReading>,
}

/// Takes in what the BMC of a server says of itself.
pub async fn heard(
    inventory: &Inventory,
    server: &Server,
    source: Source<'_>,
    said: &BmcIdentity,
) -> Result<Heard, InventoryError> {
    let place = server.bmc.place();
    match source {
        Source::LogIn(at) if at != place => return Ok(Heard::default()),
        Source::LogIn(_) | Source::Asked => {}
    }
    // Who else it could be is asked only of those that are not known to be whom they should be.
    let others = match judge(server, &[], said) {
        Judgement::Proved(_) => Vec::new(),
        Judgement::Open(_) | Judgement::Other { .. } => inventory.servers(None).await?,
    };
    let now_us = inventory.clock().now_us();
    match (judge(server, &others, said), &server.bmc_doubt) {
        (Judgement::Proved(identity), None) | (Judgement::Open(identity), None) => {
            let is_news = server.identity.as_ref() != Some(&identity);
            if is_news {
                inventory.set_identity(server.id, &identity).await?;
            }
            Ok(Heard { is_news, reading: None })
        }
        (Judgement::Proved(identity), Some(doubt)) => {
            inventory.end_bmc_doubt(server, Some(&identity)).await?;
            let text = format!("the BMC at {place} is proved to be {}'s: {said}", server.name);
            inventory.record(server.id, EventKind::Power, text).await;
            let reading = match doubt {
                Doubt::Changed { reading, .. } => reading.clone(),
                Doubt::OtherMachine { .. } => None,
            };
            Ok(Heard { is_news: true, reading })
        }
        (Judgement::Open(_), Some(Doubt::Changed { at_us, from, reading, heard: before })) => {
            if before.as_ref() != Some(said) {
                let (heard, reading) = (Some(said.clone()), reading.clone());
                let doubt = Doubt::Changed { at_us: *at_us, from: from.clone(), heard, reading };
                inventory.set_bmc_doubt(server, &doubt).await?;
            }
            Ok(Heard::default())
        }
        (Judgement::Open(_), Some(Doubt::OtherMachine { from, .. })) => {
            let from = from.clone().unwrap_or_else(|| place.clone());
            let doubt = Doubt::Changed { at_us: now_us, from, heard: Some(said.clone()), reading: None };
            inventory.set_bmc_doubt(server, &doubt).await?;
            Ok(Heard::default())
        }
        (Judgement::Other { differs, whose }, before) => {
            let same = |doubt: &Doubt| match doubt {
                Doubt::OtherMachine { said: known, .. } => without_firmware(known) == without_firmware(said),
                Doubt::Changed { .. } => false,
            };
            if before.as_ref().is_some_and(same) {
                return Ok(Heard::default());
            }
            let doubt = Doubt::OtherMachine {
                at_us: now_us,
                from: before.as_ref().and_then(Doubt::from).map(str::to_owned),
                said: said.clone(),
                differs: differs.map(str::to_owned),
                whose,
            };
            inventory.set_bmc_doubt(server, &doubt).await?;
            inventory.record(server.id, EventKind::Alarm, server.words_of(&doubt)).await;
            Ok(Heard::default())
        }
    }
}

/// It is told by some questions and not by others.
fn without_firmware(identity: &BmcIdentity) -> BmcIdentity {
    BmcIdentity { firmware: String::new(), ..identity.clone() }
}
