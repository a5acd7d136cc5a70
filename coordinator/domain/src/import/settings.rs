//! Decisions: what an import file says of a server's BMC beyond its address, user and password.

use std::{fmt::Display, ops::RangeInclusive};

use protocol::{
    bmc_settings::{
        ANSWER_WAIT_MS, BmcSettings, KG_BYTES_MAX, KgKey, POLL_INTERVAL_MS, REQUEST_GAP_MS,
        REQUESTS_PER_SECOND, SESSIONS_MAX, UserPrivilege,
    },
    quirk::{QUIRKS_MAX, SaidQuirk},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};

use super::{
    KEEP_PASSWORD,
    fields::{Faults, Fields},
};

/// What a key of a known server is in an exported file: the stored one. Its digits are never read as such a key's.
pub(super) fn is_kept(key: &KgKey) -> bool {
    Ok(key) == kept().as_ref()
}

fn kept() -> Result<KgKey, protocol::bmc_settings::NoKey> {
    KgKey::from_text(KEEP_PASSWORD)
}

/// A key that stands for the stored one.
pub(super) fn keep() -> Option<KgKey> {
    kept().ok()
}

fn number(
    info: &mut Fields<'_>,
    faults: &mut Faults,
    name: &'static str,
    bounds: &RangeInclusive<u32>,
) -> Option<u32> {
    let read = info.number(name, (*bounds.start()).into(), (*bounds.end()).into(), faults);
    read.and_then(|number| u32::try_from(number).ok())
}

/// Reads the fields that every BMC may have.
pub(super) fn read(info: &mut Fields<'_>, faults: &mut Faults) -> BmcSettings {
    BmcSettings {
        quirks: quirks(info, faults),
        answer_wait_ms: number(info, faults, "bmc_answer_wait_ms", &ANSWER_WAIT_MS),
        request_gap_ms: number(info, faults, "bmc_request_gap_ms", &REQUEST_GAP_MS),
        poll_interval_ms: number(info, faults, "bmc_poll_interval_ms", &POLL_INTERVAL_MS),
        requests_per_second: number(info, faults, "bmc_requests_per_second", &REQUESTS_PER_SECOND),
        ..BmcSettings::default()
    }
}

/// Reads them and those of a BMC by IPMI.
pub(super) fn read_ipmi(info: &mut Fields<'_>, faults: &mut Faults) -> BmcSettings {
    BmcSettings {
        privilege: info.parsed::<UserPrivilege>("ipmi_priv_level", faults),
        k_g: key(info, faults),
        sessions_max: number(info, faults, "bmc_sessions_max", &SESSIONS_MAX),
        ..read(info, faults)
    }
}

fn key(info: &mut Fields<'_>, faults: &mut Faults) -> Option<KgKey> {
    let text = info.text("ipmi_hex_kg_key", faults).map(Secret::new)?;
    if text.reveal() == KEEP_PASSWORD {
        return keep();
    }
    let read = KgKey::from_hex(text.reveal());
    read.map_err(|error| faults.add(info.span(), info.path("ipmi_hex_kg_key"), error.to_string())).ok()
}

fn quirks(info: &mut Fields<'_>, faults: &mut Faults) -> Vec<SaidQuirk> {
    let Some(text) = info.text("bmc_quirks", faults) else { return Vec::new() };
    let mut fault = |message: String| faults.add(info.span(), info.path("bmc_quirks"), message);
    let mut quirks = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(quirk) => quirks.push(quirk),
            Err(error) => fault(protocol::error_chain::chain(&error)),
        }
    }
    if quirks.len() > QUIRKS_MAX {
        fault(format!("names {} quirks; at most {QUIRKS_MAX} are taken", quirks.len()));
    }
    quirks
}

/// The settings as a file's fields: name and value, what is not said left out.
pub(super) fn written(settings: &BmcSettings) -> Vec<(&'static str, String)> {
    let BmcSettings {
        privilege,
        k_g,
        quirks,
        answer_wait_ms,
        request_gap_ms,
        poll_interval_ms,
        requests_per_second,
        sessions_max,
    } = settings;
    let mut fields = Vec::new();
    let mut say = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    say("ipmi_priv_level", privilege.as_ref().map(ToString::to_string));
    let key = |key: &KgKey| if is_kept(key) { KEEP_PASSWORD.to_owned() } else { key.reveal_hex().to_owned() };
    say("ipmi_hex_kg_key", k_g.as_ref().map(key));
    say("bmc_quirks", (!quirks.is_empty()).then(|| joined(quirks)));
    say("bmc_answer_wait_ms", answer_wait_ms.map(|ms| ms.to_string()));
    say("bmc_request_gap_ms", request_gap_ms.map(|ms| ms.to_string()));
    say("bmc_poll_interval_ms", poll_interval_ms.map(|ms| ms.to_string()));
    say("bmc_requests_per_second", requests_per_second.map(|number| number.to_string()));
    say("bmc_sessions_max", sessions_max.map(|number| number.to_string()));
    fields
}

/// What changes from one to the other: field, old value, new value. Keys are not shown.
pub(super) fn changes(old: &BmcSettings, new: &BmcSettings) -> Vec<(&'static str, String, String)> {
    let (old_fields, new_fields) = (written(old), written(new));
    let value = |fields: &[(&'static str, String)], name| {
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut names: Vec<_> = old_fields.iter().chain(&new_fields).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let all = names.into_iter().map(|name| (name, value(&old_fields, name), value(&new_fields, name)));
    all.filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| match name {
            "ipmi_hex_kg_key" => (name, told(&old, "(the stored one)"), told(&new, "(another one)")),
            _ => (name, old, new),
        })
        .collect()
}

/// What a site says of a BMC beyond its address, user and password, for people: fields of an import file, keys not shown.
pub fn said_of_bmc(bmc: &BmcEndpoint) -> Vec<String> {
    let suite = match &bmc.protocol {
        BmcProtocol::Ipmi { cipher_suite } => cipher_suite.map(|suite| format!("ipmi_cipher_suite {suite}")),
        BmcProtocol::Redfish { .. } => None,
    };
    let fields = written(&bmc.settings).into_iter().map(|(name, value)| match name {
        "ipmi_hex_kg_key" => format!("{name} {}", told(&value, "(the stored one)")),
        _ => format!("{name} {value}"),
    });
    suite.into_iter().chain(fields).collect()
}

fn told(secret: &str, words: &str) -> String {
    if secret.is_empty() { String::new() } else { words.to_owned() }
}

fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const _: () = assert!(KEEP_PASSWORD.len() <= KG_BYTES_MAX, "it stands where a key would");
