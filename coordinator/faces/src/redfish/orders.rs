//! Decisions: the bodies by which a client changes what a BMC has, and the orders that they mean. What we would not do is refused, so that
//! nobody believes that it was done.

use protocol::{
    bmc_order::BmcOrder,
    redfish::read::{bios::Settings, secure_boot::KeysReset},
    secret::Secret,
};
use serde::Deserialize;

use super::boot::BootPatch;

/// The `ResetType` that is no change of power.
pub const NMI: &str = "Nmi";

/// The body of a PATCH of a system: the boot override, the light, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPatch {
    /// The override.
    #[serde(rename = "Boot")]
    pub boot: Option<BootPatch>,
    #[serde(rename = "LocationIndicatorActive")]
    is_located: Option<bool>,
    #[serde(rename = "IndicatorLED")]
    led: Option<Led>,
}

/// The older word for the light. A BMC that can only blink, or only shine, does the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Led {
    Lit,
    Blinking,
    Off,
}

impl SystemPatch {
    /// What is ordered of the light; none: nothing.
    pub fn light(&self) -> Result<Option<BmcOrder>, String> {
        let by_led = self.led.map(|led| match led {
            Led::Lit | Led::Blinking => true,
            Led::Off => false,
        });
        match (self.is_located, by_led) {
            (Some(one), Some(other)) if one != other => {
                Err("LocationIndicatorActive and IndicatorLED say different things of the same light; send one of them".to_owned())
            }
            (located, led) => Ok(located.or(led).map(|is_on| BmcOrder::Light { is_on })),
        }
    }
}

/// The body of a PATCH of `SecureBoot`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureBootPatch {
    #[serde(rename = "SecureBootEnable")]
    is_enabled: bool,
}

impl SecureBootPatch {
    /// What is ordered.
    pub fn order(&self) -> BmcOrder {
        BmcOrder::SecureBoot { is_enabled: self.is_enabled }
    }
}

/// The body of `SecureBoot.ResetKeys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetKeys {
    #[serde(rename = "ResetKeysType")]
    kind: String,
}

impl ResetKeys {
    /// What is ordered.
    pub fn order(&self) -> Result<BmcOrder, String> {
        let found = KeysReset::ALL.into_iter().find(|reset| reset.word() == self.kind);
        found.map(|reset| BmcOrder::ResetKeys { reset }).ok_or_else(|| {
            let known: Vec<_> = KeysReset::ALL.iter().map(|reset| reset.word()).collect();
            format!("ResetKeysType {:?} is not one of {}", self.kind, known.join(", "))
        })
    }
}

/// The body of a PATCH of the firmware's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiosPatch {
    #[serde(rename = "Attributes")]
    attributes: Settings,
    #[serde(rename = "@Redfish.SettingsApplyTime")]
    when: Option<ApplyTime>,
}

/// When settings are to hold (DSP8010 `Settings.PreferredApplyTime`).
#[derive(Debug, Deserialize)]
struct ApplyTime {
    #[serde(rename = "ApplyTime")]
    word: String,
}

/// The only time at which settings are applied.
pub const APPLY_TIME: &str = "OnReset";

impl BiosPatch {
    /// What is ordered.
    pub fn order(self) -> Result<BmcOrder, String> {
        match &self.when {
            Some(when) if when.word != APPLY_TIME => Err(format!(
                "ApplyTime {:?} is not possible: settings hold from the next start on ({APPLY_TIME})",
                when.word
            )),
            Some(_) | None if self.attributes.is_empty() => Err("Attributes names no setting".to_owned()),
            Some(_) | None => Ok(BmcOrder::SetBios { settings: self.attributes }),
        }
    }
}

/// The body of `VirtualMedia.InsertMedia`. By which protocol the image comes follows from its address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsertMedia {
    #[serde(rename = "Image")]
    image: String,
    #[serde(rename = "Inserted")]
    is_inserted: Option<bool>,
    #[serde(rename = "WriteProtected")]
    is_write_protected: Option<bool>,
    #[serde(rename = "TransferMethod")]
    method: Option<String>,
    #[serde(rename = "TransferProtocolType")]
    _protocol: Option<String>,
    #[serde(rename = "UserName")]
    user: Option<String>,
    #[serde(rename = "Password")]
    password: Option<Secret>,
}

impl InsertMedia {
    /// What is ordered of the drive with this id.
    pub fn order(self, drive: String) -> Result<BmcOrder, String> {
        if self.is_inserted == Some(false) {
            return Err(
                "Inserted false is not possible: an image that is put into a drive is inserted".to_owned()
            );
        }
        if self.method.as_deref().is_some_and(|method| method != "Stream") {
            return Err(
                "TransferMethod can only be Stream: the BMC reads the image from its address".to_owned()
            );
        }
        if self.user.is_some() || self.password.is_some() {
            return Err("UserName and Password are not taken: a password for an image would go to every BMC; let the source \
                        admit the BMCs' network, or sign the address"
                .to_owned());
        }
        // The specification's default.
        let is_write_protected = self.is_write_protected.unwrap_or(true);
        Ok(BmcOrder::InsertMedia { drive, image: self.image, is_write_protected })
    }
}

/// The body of an action without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, String> {
        serde_json::from_str(body).map_err(|error| error.to_string())
    }

    fn check(found: Result<BmcOrder, String>, expected: Result<BmcOrder, &str>) {
        match (&found, &expected) {
            (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
            (found, expected) => assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{found:?}"),
        }
    }

    #[test]
    fn a_light_is_one_thing_by_either_of_its_names() {
        let check = |body: &str, expected: Result<Option<bool>, ()>| {
            let found = read::<SystemPatch>(body).and_then(|patch| patch.light()).map_err(|_| ());
            assert_eq!(found, expected.map(|light| light.map(|is_on| BmcOrder::Light { is_on })), "{body}");
        };
        check(r#"{"LocationIndicatorActive":true}"#, Ok(Some(true)));
        check(r#"{"IndicatorLED":"Blinking"}"#, Ok(Some(true)));
        check(r#"{"IndicatorLED":"Off","LocationIndicatorActive":false}"#, Ok(Some(false)));
        check(r#"{"IndicatorLED":"Lit","LocationIndicatorActive":false}"#, Err(()));
        check(r#"{"Boot":{"BootSourceOverrideTarget":"Pxe"}}"#, Ok(None));
        check(r#"{"IndicatorLED":"Green"}"#, Err(()));
        check(r#"{"AssetTag":"x"}"#, Err(()));
    }

    #[test]
    fn settings_are_changed_for_the_next_start() {
        let order = |body: &str| read::<BiosPatch>(body).and_then(BiosPatch::order);
        let settings = |text: &str| BmcOrder::SetBios { settings: serde_json::from_str(text).unwrap() };
        let all = r#"{"Cores":4,"Turbo":false,"Mode":"Uefi"}"#;
        check(order(&format!(r#"{{"Attributes":{all}}}"#)), Ok(settings(all)));
        let when = |word: &str| {
            format!(
                r#"{{"Attributes":{all},"@Redfish.SettingsApplyTime":{{"@odata.type":"x","ApplyTime":"{word}"}}}}"#
            )
        };
        check(order(&when("OnReset")), Ok(settings(all)));
        check(order(&when("Immediate")), Err("ApplyTime"));
        check(order(r#"{"Attributes":{}}"#), Err("names no setting"));
        check(order(r#"{"Attributes":{"Cores":[1]}}"#), Err("match"));
        check(order(r#"{"Attributes":{"a":1},"Id":"x"}"#), Err("Id"));
    }

    #[test]
    fn an_image_is_read_from_its_address_and_from_nowhere_else() {
        let order = |body: &str| read::<InsertMedia>(body).and_then(|insert| insert.order("Cd".into()));
        let insert = |is_write_protected| BmcOrder::InsertMedia {
            drive: "Cd".into(),
            image: "http://x/a".into(),
            is_write_protected,
        };
        check(order(r#"{"Image":"http://x/a"}"#), Ok(insert(true)));
        let full = r#"{"Image":"http://x/a","Inserted":true,"WriteProtected":false,"TransferMethod":"Stream",
                       "TransferProtocolType":"HTTP"}"#;
        check(order(full), Ok(insert(false)));
        check(order(r#"{"Image":"http://x/a","Inserted":false}"#), Err("Inserted"));
        check(order(r#"{"Image":"http://x/a","TransferMethod":"Upload"}"#), Err("Stream"));
        check(order(r#"{"Image":"http://x/a","UserName":"u","Password":"p"}"#), Err("UserName"));
        check(order("{}"), Err("Image"));
    }

    #[test]
    fn keys_are_reset_in_the_ways_of_the_standard() {
        let order = |body: &str| read::<ResetKeys>(body).and_then(|reset| reset.order());
        let delete = BmcOrder::ResetKeys { reset: KeysReset::DeleteAll };
        check(order(r#"{"ResetKeysType":"DeleteAllKeys"}"#), Ok(delete));
        check(order(r#"{"ResetKeysType":"Melt"}"#), Err("ResetAllKeysToDefault"));
    }
}
