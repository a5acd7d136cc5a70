//! Values: what a BMC says of itself and its server beside power and sensors: versions, settings, Secure Boot, virtual media. It is
//! read seldom and part by part; every part is bounded, so that no BMC can fill a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::redfish::read::bios::{Setting, Settings};

/// Most bytes of one text.
pub const TEXT_BYTES_MAX: usize = 256;
/// Most settings of a firmware that are told.
pub const ATTRIBUTES_MAX: usize = 1024;
/// Most bytes of their names and values together.
pub const ATTRIBUTES_BYTES_MAX: usize = 48 << 10;
/// Most drives of virtual media.
pub const MEDIA_MAX: usize = 16;
/// Most pieces of firmware.
pub const FIRMWARE_MAX: usize = 128;

/// A part of what a BMC says, read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactsPart {
    /// [`SystemFacts`].
    System,
    /// [`FirmwareItem`]s.
    Firmware,
    /// [`SecureBootFacts`].
    SecureBoot,
    /// [`MediaSlot`]s.
    Media,
    /// [`BiosFacts`].
    Bios,
}

impl FactsPart {
    /// All of them, the cheapest and most asked for first.
    pub const ALL: [Self; 5] = [Self::System, Self::Firmware, Self::SecureBoot, Self::Media, Self::Bios];

    /// In a word, for a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Firmware => "firmware",
            Self::SecureBoot => "secure boot",
            Self::Media => "virtual media",
            Self::Bios => "bios",
        }
    }
}

/// One part as it was read. It takes the place of what was known of this part before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "part", content = "facts")]
pub enum PartFacts {
    /// Versions, mode, light.
    System(SystemFacts),
    /// The firmware's settings; empty: it shows none.
    Bios(BiosFacts),
    /// Secure Boot; nothing said: it shows none.
    SecureBoot(SecureBootFacts),
    /// The drives of virtual media.
    Media(Vec<MediaSlot>),
    /// What firmware there is.
    Firmware(Vec<FirmwareItem>),
}

impl PartFacts {
    /// Which part it is.
    pub fn part(&self) -> FactsPart {
        match self {
            Self::System(_) => FactsPart::System,
            Self::Bios(_) => FactsPart::Bios,
            Self::SecureBoot(_) => FactsPart::SecureBoot,
            Self::Media(_) => FactsPart::Media,
            Self::Firmware(_) => FactsPart::Firmware,
        }
    }
}

/// All that is known of what a BMC says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BmcFacts {
    /// Versions, mode, light.
    pub system: SystemFacts,
    /// The firmware's settings.
    pub bios: BiosFacts,
    /// Secure Boot.
    pub secure_boot: SecureBootFacts,
    /// The drives of virtual media.
    pub media: Vec<MediaSlot>,
    /// What firmware there is.
    pub firmware: Vec<FirmwareItem>,
}

impl BmcFacts {
    /// Whether a part says of itself that it is about to be otherwise, so that it may have changed since it was read.
    pub fn waits(&self, part: FactsPart) -> bool {
        match part {
            FactsPart::Bios => !self.bios.pending.is_empty(),
            FactsPart::SecureBoot => {
                let SecureBootFacts { is_enabled, was_enabled, .. } = self.secure_boot;
                is_enabled.is_some() && was_enabled.is_some() && is_enabled != was_enabled
            }
            FactsPart::System | FactsPart::Firmware | FactsPart::Media => false,
        }
    }

    /// Takes a part that was read anew.
    pub fn take(&mut self, part: PartFacts) {
        match part {
            PartFacts::System(system) => self.system = system,
            PartFacts::Bios(bios) => self.bios = bios,
            PartFacts::SecureBoot(secure_boot) => self.secure_boot = secure_boot,
            PartFacts::Media(media) => self.media = media,
            PartFacts::Firmware(firmware) => self.firmware = firmware,
        }
    }
}

/// Versions, mode, light.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemFacts {
    /// Version of the BMC's own firmware; empty: not said.
    pub manager_version: String,
    /// Version of the server's firmware; empty: not said.
    pub bios_version: String,
    /// `UEFI` or `Legacy`, as the boot override has it; empty: not said.
    pub boot_mode: String,
    /// Whether the light by which the server is found is on; none: it has none, or does not tell.
    pub light: Option<bool>,
    /// Whether it offers an interrupt that nothing masks.
    pub can_nmi: bool,
    /// How far its power draw can be limited; none: it cannot, or does not tell.
    pub power_limit: Option<PowerLimit>,
}

/// A limit of what a server may draw, in W.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PowerLimit {
    /// It may draw at most; none: it is not limited now.
    pub limit_w: Option<u32>,
    /// The highest limit; none: not said.
    pub most_w: Option<u32>,
}

/// Settings of a server's firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BiosFacts {
    /// Those that hold.
    pub attributes: Settings,
    /// Those that will hold after the next start, where that differs.
    pub pending: Settings,
    /// So many more there are than are told.
    pub left_out: u32,
}

impl BiosFacts {
    /// As many settings as there is room for; those that wait go first.
    pub fn bounded(attributes: Settings, pending: Settings) -> Self {
        let mut room = Room { settings: ATTRIBUTES_MAX, bytes: ATTRIBUTES_BYTES_MAX };
        let all = attributes.len() + pending.len();
        let (pending, attributes) = (room.take(pending), room.take(attributes));
        let left_out = all - attributes.len() - pending.len();
        Self { attributes, pending, left_out: u32::try_from(left_out).unwrap_or(u32::MAX) }
    }
}

/// What may still be told.
struct Room {
    settings: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, settings: Settings) -> Settings {
        let fits = |(name, setting): &(String, Setting)| {
            let bytes = name.len() + setting.to_string().len();
            let fits = bytes <= 2 * TEXT_BYTES_MAX && self.settings > 0 && bytes <= self.bytes;
            if fits {
                (self.settings, self.bytes) = (self.settings - 1, self.bytes - bytes);
            }
            fits
        };
        settings.into_iter().filter(fits).collect::<BTreeMap<_, _>>()
    }
}

/// Secure Boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecureBootFacts {
    /// Whether the next boot has it; none: not said.
    pub is_enabled: Option<bool>,
    /// Whether the last boot had it; none: not said.
    pub was_enabled: Option<bool>,
    /// `UserMode`, `SetupMode`, …; empty: not said.
    pub mode: String,
}

impl SecureBootFacts {
    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        self != &Self::default()
    }
}

/// A drive of virtual media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaSlot {
    /// Its id on the BMC.
    pub id: String,
    /// What it can be: `CD`, `DVD`, `USBStick`, `Floppy`.
    pub kinds: Vec<String>,
    /// Where the image in it comes from, without user, password and query; empty: it does not tell, or is empty.
    pub image: String,
    /// Whether something is in it.
    pub is_inserted: bool,
}

/// One piece of firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirmwareItem {
    /// Its id on the BMC.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version; empty: not said.
    pub version: String,
    /// Whether it can be updated.
    pub is_updateable: bool,
}

/// A foreign text, cut at its bound.
pub fn bounded(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// An image's address without what opens it: user and password, and a query that may hold a signature.
pub fn without_secrets(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    bounded(&format!("{scheme}{separator}{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_told_without_what_opens_it() {
        let check = |address: &str, expected: &str| assert_eq!(without_secrets(address), expected);
        check("http://192.0.2.9/a.iso", "http://192.0.2.9/a.iso");
        check("https://u:p@192.0.2.9:8080/a@b.iso?sig=1", "https://192.0.2.9:8080/a@b.iso");
        check("https://u:p@ss@host", "https://host");
        check("//share/images/a.iso", "//share/images/a.iso");
        check("a.iso#x", "a.iso");
        check("", "");
    }

    #[test]
    fn settings_have_a_bound_and_those_that_wait_go_first() {
        let setting = |word: &str| Setting::Word(word.to_owned());
        let check = |attributes: Settings, pending: Settings, told: (usize, usize), left_out: u32| {
            let bios = BiosFacts::bounded(attributes, pending);
            assert_eq!((bios.attributes.len(), bios.pending.len()), told);
            assert_eq!(bios.left_out, left_out);
        };
        let many = |count: usize, word: &str| -> Settings {
            (0..count).map(|at| (format!("Name{at:06}"), setting(word))).collect()
        };
        check(many(3, "x"), many(1, "y"), (3, 1), 0);
        check(many(ATTRIBUTES_MAX, "x"), many(1, "y"), (ATTRIBUTES_MAX - 1, 1), 1);
        check(many(1000, &"x".repeat(190)), Settings::new(), (ATTRIBUTES_BYTES_MAX / 200, 0), 755);
        check(many(1, &"x".repeat(2 * TEXT_BYTES_MAX)), Settings::new(), (0, 0), 1);
    }

    #[test]
    fn what_waits_for_the_next_start_may_have_changed() {
        let check = |change: fn(&mut BmcFacts), expected: &[FactsPart]| {
            let mut facts = BmcFacts::default();
            change(&mut facts);
            let waits: Vec<_> = FactsPart::ALL.into_iter().filter(|part| facts.waits(*part)).collect();
            assert_eq!(waits, expected);
        };
        check(|_| {}, &[]);
        let pending = |facts: &mut BmcFacts| {
            facts.bios.pending.insert("Turbo".to_owned(), Setting::Flag(true));
        };
        check(pending, &[FactsPart::Bios]);
        check(|facts| facts.secure_boot.is_enabled = Some(true), &[]);
        let secure_boot = |facts: &mut BmcFacts| {
            (facts.secure_boot.is_enabled, facts.secure_boot.was_enabled) = (Some(true), Some(false));
        };
        check(secure_boot, &[FactsPart::SecureBoot]);
    }

    #[test]
    fn a_text_is_cut_between_its_letters() {
        assert_eq!(bounded("P79 v1.42"), "P79 v1.42");
        assert_eq!(bounded(&"ä".repeat(TEXT_BYTES_MAX)).len(), TEXT_BYTES_MAX);
        assert_eq!(bounded(&format!("a{}", "ä".repeat(TEXT_BYTES_MAX))).len(), TEXT_BYTES_MAX - 1);
    }
}
