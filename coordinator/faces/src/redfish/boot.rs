//! Decisions: the boot override as Ironic writes it and reads it back.
//!
//! It is kept and echoed, and nothing more: what a server really boots follows from its life cycle, by the gate, never
//! from what is written here.

use protocol::boot::BootMode;
use serde::Deserialize;

/// Where the firmware is asked to look first (Redfish `BootSourceOverrideTarget`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BootTarget {
    /// Nowhere special.
    None,
    /// The network.
    Pxe,
    /// The disk.
    Hdd,
}

impl BootTarget {
    /// Redfish's word.
    pub fn as_str(self) -> &'static str {
        match self {
            BootTarget::None => "None",
            BootTarget::Pxe => "Pxe",
            BootTarget::Hdd => "Hdd",
        }
    }
}

/// For how long (Redfish `BootSourceOverrideEnabled`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BootEnabled {
    /// Not at all.
    Disabled,
    /// For the next boot.
    Once,
    /// Until it is written again.
    Continuous,
}

impl BootEnabled {
    /// Redfish's word.
    pub fn as_str(self) -> &'static str {
        match self {
            BootEnabled::Disabled => "Disabled",
            BootEnabled::Once => "Once",
            BootEnabled::Continuous => "Continuous",
        }
    }
}

/// Redfish's word for the firmware's mode.
pub fn mode_word(mode: BootMode) -> &'static str {
    match mode {
        BootMode::Bios => "Legacy",
        BootMode::Uefi => "UEFI",
    }
}

/// What was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOverride {
    /// Where.
    pub target: BootTarget,
    /// For how long.
    pub enabled: BootEnabled,
}

impl Default for BootOverride {
    fn default() -> Self {
        Self { target: BootTarget::None, enabled: BootEnabled::Disabled }
    }
}

/// The part of it that is written; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootPatch {
    /// Where.
    #[serde(rename = "BootSourceOverrideTarget")]
    pub target: Option<BootTarget>,
    /// For how long.
    #[serde(rename = "BootSourceOverrideEnabled")]
    pub enabled: Option<BootEnabled>,
    /// The mode; it can only be confirmed.
    #[serde(rename = "BootSourceOverrideMode")]
    pub mode: Option<String>,
}

impl BootOverride {
    /// The override after a PATCH, or why it is refused.
    pub fn patched(self, patch: &BootPatch, mode: BootMode) -> Result<Self, String> {
        if let Some(asked) = &patch.mode
            && asked != mode_word(mode)
        {
            let is = mode_word(mode);
            return Err(format!(
                "the server is enrolled with boot mode {is} and cannot be switched to {asked:?} here; change it in the inventory"
            ));
        }
        let target = patch.target.unwrap_or(self.target);
        let enabled = patch.enabled.unwrap_or(match (patch.target, self.enabled) {
            // A target alone on a disabled override means the next boot, as common BMCs have it.
            (Some(_), BootEnabled::Disabled) => BootEnabled::Once,
            (_, enabled) => enabled,
        });
        Ok(Self { target, enabled })
    }

    /// The override after the server was switched on: `Once` has been used up.
    pub fn used(self) -> Self {
        match self.enabled {
            BootEnabled::Once => Self::default(),
            BootEnabled::Disabled | BootEnabled::Continuous => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_ironic_writes() {
        let check = |before: BootOverride, body: &str, after: Result<(BootTarget, BootEnabled), ()>| {
            let result = serde_json::from_str::<BootPatch>(body)
                .map_err(|error| error.to_string())
                .and_then(|patch| before.patched(&patch, BootMode::Uefi))
                .map(|boot| (boot.target, boot.enabled))
                .map_err(|_| ());
            assert_eq!(result, after, "{body}");
        };
        let fresh = BootOverride::default();
        let disk = BootOverride { target: BootTarget::Hdd, enabled: BootEnabled::Continuous };
        check(
            fresh,
            r#"{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}"#,
            Ok((BootTarget::Pxe, BootEnabled::Once)),
        );
        check(disk, r#"{"BootSourceOverrideTarget":"Hdd"}"#, Ok((BootTarget::Hdd, BootEnabled::Continuous)));
        check(fresh, r#"{"BootSourceOverrideMode":"UEFI"}"#, Ok((BootTarget::None, BootEnabled::Disabled)));
        check(fresh, r#"{"BootSourceOverrideMode":"Legacy"}"#, Err(()));
        check(fresh, r#"{"BootSourceOverrideTarget":"Usb"}"#, Err(()));
        check(fresh, r#"{"AssetTag":"x"}"#, Err(()));
    }

    #[test]
    fn once_is_used_up_by_a_power_on() {
        let once = BootOverride { target: BootTarget::Pxe, enabled: BootEnabled::Once };
        assert_eq!(once.used(), BootOverride::default());
        let always = BootOverride { target: BootTarget::Hdd, enabled: BootEnabled::Continuous };
        assert_eq!(always.used(), always);
    }
}
