//! Decisions: whether what a BMC says of itself and of its server's power is to be believed.

use protocol::{
    hardware::BmcIdentity,
    identity::{ExpectedIdentity, Likeness, compare, is_usable},
    power::PowerReading,
};

use super::Doubt;
use crate::{lifecycle::Confirmed, records::Server};

/// What an answer says of whose BMC it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is this server's. Kept of it is this.
    Proved(BmcIdentity),
    /// It may be this server's or another one's. Kept of it, if nothing is in doubt, is this.
    Open(BmcIdentity),
    /// It is another machine's.
    Other {
        /// What differs; none: nothing was known of this server.
        differs: Option<&'static str>,
        /// The enrolled server whose identity it is.
        whose: Option<String>,
    },
}

/// By what this server is recognised.
pub fn expected(server: &Server) -> ExpectedIdentity {
    let mut expected = ExpectedIdentity::default();
    let known = server.identity.clone().unwrap_or_default();
    if speaks_as_before(server) {
        // The firmware's version is nobody's identity, and changes.
        expected.bmc = BmcIdentity { firmware: String::new(), ..known };
    } else {
        expected.uuids.push(known.guid);
        expected.serials.push(known.serial);
    }
    if let Some(hardware) = &server.hardware {
        expected.uuids.push(hardware.system.uuid.clone());
        expected.serials.push(hardware.system.serial.clone());
    }
    expected.uuids.retain(|uuid| !uuid.is_empty());
    expected.serials.retain(|serial| !serial.is_empty());
    expected
}

/// Whether the BMC is asked in the language in which it said what is known of it.
fn speaks_as_before(server: &Server) -> bool {
    let language = |place: &str| place.split_once("://").map(|(language, _)| language.to_owned());
    let before = server.bmc_doubt.as_ref().and_then(Doubt::from).and_then(language);
    before.is_none() || before == language(&server.bmc.place())
}

/// Judges what the BMC of a server says of itself. `others` are the servers whose it may be instead.
pub fn judge(server: &Server, others: &[Server], said: &BmcIdentity) -> Judgement {
    let whose = || {
        let is_theirs = |other: &&Server| {
            other.id != server.id && !other.forgetting && compare(&expected(other), said) == Likeness::Same
        };
        others.iter().find(is_theirs).map(|other| other.name.clone())
    };
    let kept = || merged(server.identity.as_ref(), said);
    match compare(&expected(server), said) {
        Likeness::Same => Judgement::Proved(kept()),
        Likeness::Another { field } => Judgement::Other { differs: Some(field), whose: whose() },
        Likeness::ProvesNothing => match whose() {
            Some(name) => Judgement::Other { differs: None, whose: Some(name) },
            None => Judgement::Open(kept()),
        },
    }
}

/// What is kept: the newer words, and of the older ones what the newer do not say.
fn merged(old: Option<&BmcIdentity>, new: &BmcIdentity) -> BmcIdentity {
    let old = old.cloned().unwrap_or_default();
    let newer = |new: &String, old: String| if new.is_empty() { old } else { new.clone() };
    BmcIdentity {
        manufacturer: newer(&new.manufacturer, old.manufacturer),
        product: newer(&new.product, old.product),
        firmware: newer(&new.firmware, old.firmware),
        guid: newer(&new.guid, old.guid),
        serial: newer(&new.serial, old.serial),
    }
}

/// The doubt of a server whose BMC is written anew; none: it is the one that it was, and nothing was in doubt.
pub fn after_change(before: &Server, place: &str, now_us: u64) -> Option<Doubt> {
    let from = before.bmc.place();
    if from == place {
        return before.bmc_doubt.clone();
    }
    let from = before.bmc_doubt.as_ref().and_then(Doubt::from).map_or(from, str::to_owned);
    Some(Doubt::Changed { at_us: now_us, from, heard: None, reading: None })
}

/// What becomes of a power reading while it is in doubt whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// It counts for nothing, and this is the doubt now.
    Kept(Doubt),
    /// It is as it was before and nothing better can be had of this BMC: the doubt is over, and this is its identity.
    Ends(BmcIdentity),
}

/// Judges a power reading that came while it is in doubt whose it is.
pub fn reading_in_doubt(server: &Server, doubt: &Doubt, reading: &PowerReading) -> InDoubt {
    let Doubt::Changed { at_us, from, heard, .. } = doubt else { return InDoubt::Kept(doubt.clone()) };
    let agrees = match (reading, server.confirmed) {
        (PowerReading::On, Some(Confirmed::On) | None) | (PowerReading::Off, Some(Confirmed::Off) | None) => {
            true
        }
        (PowerReading::On | PowerReading::Off | PowerReading::Unreachable { .. }, _) => false,
    };
    match heard {
        None => InDoubt::Kept(doubt.clone()),
        // One that was recognised before and now says nothing of itself is no poor BMC, but a strange one.
        Some(said) if agrees && (is_usable(said) || !was_recognised(server)) => {
            InDoubt::Ends(merged(None, said))
        }
        Some(_) => InDoubt::Kept(Doubt::Changed {
            at_us: *at_us,
            from: from.clone(),
            heard: heard.clone(),
            reading: match reading {
                PowerReading::On | PowerReading::Off => Some(reading.clone()),
                PowerReading::Unreachable { .. } => None,
            },
        }),
    }
}

fn was_recognised(server: &Server) -> bool {
    server.identity.as_ref().is_some_and(is_usable)
}

/// What follows when a person says that what answers is this server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity from now on; none: it has not said who it is, and what was known stays.
    pub identity: Option<BmcIdentity>,
    /// The reading that was held back, which counts from now on.
    pub reading: Option<PowerReading>,
    /// Its board or BMC was replaced: what was known of the one before is nothing of this one's.
    pub is_replaced: bool,
}

/// Accepts what answers as this server's, or says why not.
pub fn accept(server: &Server) -> Result<Accepted, String> {
    let name = &server.name;
    match &server.bmc_doubt {
        None => Err(format!("the BMC of {name} is not in doubt; there is nothing to accept")),
        Some(Doubt::OtherMachine { whose: Some(other), differs: Some(_), said, .. }) => Err(format!(
            "what answers at {} is {other} ({said}): it is not accepted as {name}, whose power would be {other}'s; correct the BMC \
             address of {name} by an import",
            server.bmc.place()
        )),
        Some(Doubt::OtherMachine { said, differs, .. }) => {
            Ok(Accepted { identity: Some(said.clone()), reading: None, is_replaced: differs.is_some() })
        }
        Some(Doubt::Changed { heard, reading, .. }) => {
            Ok(Accepted { identity: heard.clone(), reading: reading.clone(), is_replaced: false })
        }
    }
}
