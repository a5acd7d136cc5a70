//! Values: what a BMC is ordered to do beside power and boot, which are the gate's.
//!
//! Every order says how something is to be, so that one that is repeated changes nothing; an interrupt alone does, and is never repeated
//! by us. After each order the agent reads anew what the order may have changed ([`BmcOrder::part`]).

use std::fmt;

use serde::Serialize;

use crate::{
    bmc_facts::{FactsPart, without_secrets},
    redfish::read::{bios::Settings, secure_boot::KeysReset},
};

/// Longest address of an image, in bytes.
pub const IMAGE_BYTES_MAX: usize = 2048;
/// Longest name of a setting in an order's words, and most settings that are named there.
const SETTINGS_NAMED_MAX: usize = 8;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BmcOrder {
    /// Switch the light by which the server is found (Redfish `LocationIndicatorActive`, IPMI section 28.5).
    Light {
        /// Whether it is to be on.
        is_on: bool,
    },
    /// Send the processor an interrupt that nothing masks (Redfish `ResetType` `Nmi`, IPMI section 28.3).
    Interrupt,
    /// Switch Secure Boot for the next start.
    SecureBoot {
        /// Whether it is to be on.
        is_enabled: bool,
    },
    /// Reset the keys of Secure Boot.
    ResetKeys {
        /// To what.
        reset: KeysReset,
    },
    /// Change settings of the firmware for the next start.
    SetBios {
        /// Those that change.
        settings: Settings,
    },
    /// Set all settings of the firmware back to the maker's.
    ResetBios,
    /// Put an image into a drive of virtual media.
    InsertMedia {
        /// The drive's id on the BMC.
        drive: String,
        /// The image's address, as the BMC reaches it.
        image: String,
        /// The server may not write to it.
        is_write_protected: bool,
    },
    /// Take out what is in a drive of virtual media.
    EjectMedia {
        /// The drive's id on the BMC.
        drive: String,
    },
    /// Limit what the server may draw.
    LimitPower {
        /// In W; none: it is not limited.
        watts: Option<u32>,
    },
    /// Change nothing, and read a part of what the BMC says now.
    Look {
        /// Which part.
        part: FactsPart,
    },
}

impl BmcOrder {
    /// What is to be read anew after it; none: it changes nothing that a BMC tells.
    pub fn part(&self) -> Option<FactsPart> {
        match self {
            Self::Light { .. } | Self::LimitPower { .. } => Some(FactsPart::System),
            Self::Interrupt => None,
            Self::SecureBoot { .. } | Self::ResetKeys { .. } => Some(FactsPart::SecureBoot),
            Self::SetBios { .. } | Self::ResetBios => Some(FactsPart::Bios),
            Self::InsertMedia { .. } | Self::EjectMedia { .. } => Some(FactsPart::Media),
            Self::Look { part } => Some(*part),
        }
    }
}

/// What is ordered, for a log, an event or a refusal. It names settings and not their values, and no image's signature.
impl fmt::Display for BmcOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |is_on: &bool| if *is_on { "on" } else { "off" };
        match self {
            Self::Light { is_on } => write!(f, "switching its identify light {}", word(is_on)),
            Self::Interrupt => f.write_str("sending it an NMI"),
            Self::SecureBoot { is_enabled } => write!(f, "switching Secure Boot {}", word(is_enabled)),
            Self::ResetKeys { reset } => write!(f, "resetting the keys of Secure Boot ({})", reset.word()),
            Self::SetBios { settings } => {
                let named: Vec<_> = settings.keys().take(SETTINGS_NAMED_MAX).map(String::as_str).collect();
                write!(f, "changing {} BIOS settings ({}", settings.len(), named.join(", "))?;
                f.write_str(if named.len() < settings.len() { ", ...)" } else { ")" })
            }
            Self::ResetBios => f.write_str("resetting the BIOS settings"),
            Self::InsertMedia { drive, image, .. } => {
                write!(f, "inserting {} into its virtual drive {drive}", without_secrets(image))
            }
            Self::EjectMedia { drive } => write!(f, "ejecting what is in its virtual drive {drive}"),
            Self::LimitPower { watts: Some(watts) } => write!(f, "limiting its power draw to {watts} W"),
            Self::LimitPower { watts: None } => f.write_str("taking the limit off its power draw"),
            Self::Look { part } => write!(f, "reading its {}", part.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redfish::read::bios::Setting;

    #[test]
    fn an_order_is_told_without_values_and_signatures() {
        let check = |order: BmcOrder, expected: &str| assert_eq!(order.to_string(), expected);
        let settings = |count: usize| -> Settings {
            (0..count).map(|at| (format!("S{at}"), Setting::Word("secret".to_owned()))).collect()
        };
        check(BmcOrder::SetBios { settings: settings(1) }, "changing 1 BIOS settings (S0)");
        check(
            BmcOrder::SetBios { settings: settings(9) },
            "changing 9 BIOS settings (S0, S1, S2, S3, S4, S5, S6, S7, ...)",
        );
        let image = "https://u:p@192.0.2.9/a.iso?signature=1".to_owned();
        check(
            BmcOrder::InsertMedia { drive: "Cd".to_owned(), image, is_write_protected: true },
            "inserting https://192.0.2.9/a.iso into its virtual drive Cd",
        );
        check(BmcOrder::Light { is_on: false }, "switching its identify light off");
    }
}
