//! Values: settings of a server's firmware: those that hold, and those that wait for the next start.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::redfish::node::{Action, Node, TEXT_CHARS_MAX};

/// Most settings that are taken.
pub const ATTRIBUTES_MAX: usize = 4096;

/// A setting's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(serde_json::Number),
    /// A word.
    Word(String),
    /// None now.
    Unset,
}

impl Setting {
    fn read(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(flag) => Setting::Flag(*flag),
            Value::Number(number) => Setting::Number(number.clone()),
            Value::String(text) => Setting::Word(text.chars().take(TEXT_CHARS_MAX).collect()),
            Value::Null => Setting::Unset,
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// What a person has typed, as the type that this setting has now. None: it cannot be that.
    pub fn like(&self, typed: &str) -> Option<Self> {
        match self {
            Setting::Flag(_) => typed.to_ascii_lowercase().parse().ok().map(Setting::Flag),
            Setting::Number(_) => typed.parse().ok().map(Setting::Number),
            Setting::Word(_) | Setting::Unset => Some(Setting::Word(typed.to_owned())),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(flag) => flag.fmt(f),
            Setting::Number(number) => number.fmt(f),
            Setting::Word(word) => f.write_str(word),
            Setting::Unset => f.write_str("-"),
        }
    }
}

/// Settings by their names.
pub type Settings = BTreeMap<String, Setting>;

/// Settings of a server's firmware.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bios {
    /// Those that hold.
    pub attributes: Settings,
    /// Those that will hold after the next start; only what differs.
    pub pending: Settings,
    /// What went wrong when they were applied last.
    pub last_messages: Vec<String>,
    /// Where new ones are written.
    #[serde(skip)]
    pub settings_object: Option<String>,
    /// When they may be applied (`SupportedApplyTimes`); empty: not said.
    #[serde(skip)]
    pub apply_times: Vec<String>,
    /// How they are set back to the maker's.
    #[serde(skip)]
    pub reset: Option<Action>,
}

impl Bios {
    /// Of a `Bios`, without what waits.
    pub fn of(node: Node<'_>) -> Self {
        let settings = node.at("@Redfish.Settings");
        let messages = settings.list("Messages");
        Self {
            attributes: attributes(node),
            pending: Settings::new(),
            last_messages: messages.into_iter().filter_map(|message| message.text("Message")).collect(),
            settings_object: node.settings_object().map(str::to_owned),
            apply_times: settings.words("SupportedApplyTimes"),
            reset: node.action("Bios.ResetBios", "ResetType"),
        }
    }

    /// The same with what its settings object shows: of that only what differs waits.
    pub fn with_pending(mut self, settings: Node<'_>) -> Self {
        self.pending = attributes(settings);
        self.pending.retain(|name, value| self.attributes.get(name) != Some(value));
        let supported = settings.words("@Redfish.SupportedApplyTimes");
        let own = settings.at("@Redfish.Settings").words("SupportedApplyTimes");
        for times in [supported, own] {
            if self.apply_times.is_empty() {
                self.apply_times = times;
            }
        }
        self
    }

    /// What holds after the next start.
    pub fn after_start(&self, name: &str) -> Option<&Setting> {
        self.pending.get(name).or_else(|| self.attributes.get(name))
    }
}

fn attributes(node: Node<'_>) -> Settings {
    let fields = node.at("Attributes").fields().into_iter().flatten().take(ATTRIBUTES_MAX);
    fields.filter_map(|(name, value)| Some((name.clone(), Setting::read(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_is_what_differs() {
        let now = json!({"Attributes": {"Turbo": true, "Cores": 8, "Mode": "Uefi", "Odd": []}, "@Redfish.Settings": {"SettingsObject": {"@odata.id": "/s"}}});
        let then = json!({"Attributes": {"Turbo": true, "Cores": 4, "New": "x"}});
        let bios = Bios::of(Node::of(&now)).with_pending(Node::of(&then));
        assert_eq!(bios.attributes.keys().collect::<Vec<_>>(), ["Cores", "Mode", "Turbo"]);
        assert_eq!(bios.pending.keys().collect::<Vec<_>>(), ["Cores", "New"]);
        assert_eq!(bios.after_start("Cores").unwrap().to_string(), "4");
        assert_eq!(bios.after_start("Mode").unwrap().to_string(), "Uefi");
        assert_eq!(bios.settings_object.as_deref(), Some("/s"));
    }

    #[test]
    fn what_is_typed_becomes_of_the_type_that_is_there() {
        let check =
            |now: Setting, typed: &str, expected: Option<Setting>| assert_eq!(now.like(typed), expected);
        check(Setting::Flag(true), "False", Some(Setting::Flag(false)));
        check(Setting::Flag(true), "off", None);
        check(Setting::Number(8.into()), "4", Some(Setting::Number(4.into())));
        check(Setting::Number(8.into()), "four", None);
        check(Setting::Word("4".to_owned()), "8", Some(Setting::Word("8".to_owned())));
        check(Setting::Unset, "8", Some(Setting::Word("8".to_owned())));
    }
}
