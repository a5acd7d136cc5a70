//! Values: what a site says of one BMC, to and from the wire.

use std::ops::RangeInclusive;

use super::InvalidMessage;
use crate::{
    bmc_settings::{
        ANSWER_WAIT_MS, BmcSettings, KgKey, POLL_INTERVAL_MS, REQUEST_GAP_MS, REQUESTS_PER_SECOND,
        SESSIONS_MAX, UserPrivilege,
    },
    grpc as wire,
    quirk::QUIRKS_MAX,
    secret::Secret,
};

impl From<BmcSettings> for wire::BmcSettings {
    fn from(settings: BmcSettings) -> Self {
        use wire::UserPrivilege as Wire;
        let privilege = match settings.privilege {
            None => Wire::Unspecified,
            Some(UserPrivilege::Operator) => Wire::Operator,
            Some(UserPrivilege::Administrator) => Wire::Administrator,
        };
        Self {
            privilege: privilege.into(),
            k_g_hex: settings.k_g.map(|key| key.reveal_hex().to_owned()),
            quirks: settings.quirks.iter().map(ToString::to_string).collect(),
            answer_wait_ms: settings.answer_wait_ms,
            request_gap_ms: settings.request_gap_ms,
            poll_interval_ms: settings.poll_interval_ms,
            requests_per_second: settings.requests_per_second,
            sessions_max: settings.sessions_max,
        }
    }
}

impl TryFrom<wire::BmcSettings> for BmcSettings {
    type Error = InvalidMessage;
    fn try_from(settings: wire::BmcSettings) -> Result<Self, InvalidMessage> {
        let k_g = settings.k_g_hex.map(Secret::new);
        let k_g = k_g.map(|key| KgKey::from_hex(key.reveal())).transpose();
        Ok(Self {
            // A privilege or a quirk that only a newer coordinator knows is no reason to refuse its servers.
            privilege: match wire::UserPrivilege::try_from(settings.privilege) {
                Ok(wire::UserPrivilege::Operator) => Some(UserPrivilege::Operator),
                Ok(wire::UserPrivilege::Administrator) => Some(UserPrivilege::Administrator),
                Ok(wire::UserPrivilege::Unspecified) | Err(_) => None,
            },
            k_g: k_g.map_err(|error| InvalidMessage::new("BmcSettings.k_g_hex", error.to_string()))?,
            quirks: settings.quirks.iter().take(QUIRKS_MAX).filter_map(|name| name.parse().ok()).collect(),
            answer_wait_ms: bounded("BmcSettings.answer_wait_ms", settings.answer_wait_ms, ANSWER_WAIT_MS)?,
            request_gap_ms: bounded("BmcSettings.request_gap_ms", settings.request_gap_ms, REQUEST_GAP_MS)?,
            poll_interval_ms: bounded(
                "BmcSettings.poll_interval_ms",
                settings.poll_interval_ms,
                POLL_INTERVAL_MS,
            )?,
            requests_per_second: bounded(
                "BmcSettings.requests_per_second",
                settings.requests_per_second,
                REQUESTS_PER_SECOND,
            )?,
            sessions_max: bounded("BmcSettings.sessions_max", settings.sessions_max, SESSIONS_MAX)?,
        })
    }
}

fn bounded(
    field: &'static str,
    number: Option<u32>,
    bounds: RangeInclusive<u32>,
) -> Result<Option<u32>, InvalidMessage> {
    match number {
        Some(number) if !bounds.contains(&number) => {
            let (least, most) = (bounds.start(), bounds.end());
            Err(InvalidMessage::new(field, format!("is {number}, not {least} to {most}")))
        }
        Some(_) | None => Ok(number),
    }
}

/// Hides the key.
impl std::fmt::Debug for wire::BmcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BmcSettings").field("quirks", &self.quirks).finish_non_exhaustive()
    }
}
