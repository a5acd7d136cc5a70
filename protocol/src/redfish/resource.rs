//! Values: service root, collections, systems, managers, sessions, errors.

use serde::{Deserialize, Deserializer, Serialize};

use super::lenient;

/// A link to another resource. Some services write the path alone, without the object around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The resource's id, which is its path.
    #[serde(rename = "@odata.id")]
    pub odata_id: String,
}

impl Link {
    /// To this path.
    pub fn to(path: impl Into<String>) -> Self {
        Self { odata_id: path.into() }
    }

    /// The path, when it is one on the same service; a link elsewhere would carry our credentials away.
    pub fn path(&self) -> Option<&str> {
        local_path(&self.odata_id)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Object {
                #[serde(rename = "@odata.id")]
                odata_id: String,
            },
            Bare(String),
        }
        let (Written::Object { odata_id } | Written::Bare(odata_id)) = Written::deserialize(deserializer)?;
        Ok(Self { odata_id })
    }
}

/// A path on the same service: absolute, without a host.
pub fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (text.starts_with('/') && !text.starts_with("//") && plain).then_some(text)
}

/// The service root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceRoot {
    /// Version of Redfish.
    #[serde(deserialize_with = "lenient::option")]
    pub redfish_version: Option<String>,
    /// Vendor.
    #[serde(deserialize_with = "lenient::option")]
    pub vendor: Option<String>,
    /// Product.
    #[serde(deserialize_with = "lenient::option")]
    pub product: Option<String>,
    /// Systems.
    #[serde(deserialize_with = "lenient::option")]
    pub systems: Option<Link>,
    /// Managers.
    #[serde(deserialize_with = "lenient::option")]
    pub managers: Option<Link>,
    /// Session service.
    #[serde(deserialize_with = "lenient::option")]
    pub session_service: Option<Link>,
    /// Links; the one to the sessions is mandatory where there are any.
    #[serde(deserialize_with = "lenient::option")]
    pub links: Option<RootLinks>,
}

impl ServiceRoot {
    /// Where a session is made by POST; none: the service has no sessions, or says it elsewhere.
    pub fn sessions(&self) -> Option<&str> {
        self.links.as_ref()?.sessions.as_ref()?.path()
    }
}

/// Links of the service root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootLinks {
    /// The sessions.
    #[serde(deserialize_with = "lenient::option")]
    pub sessions: Option<Link>,
}

/// The session service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionService {
    /// The sessions.
    #[serde(deserialize_with = "lenient::option")]
    pub sessions: Option<Link>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    /// Whose it is.
    #[serde(deserialize_with = "lenient::option")]
    pub user_name: Option<String>,
}

/// Any collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Collection {
    /// Its members, or those of this page.
    #[serde(deserialize_with = "lenient::list")]
    pub members: Vec<Link>,
    /// How many members there are on all pages.
    #[serde(rename = "Members@odata.count", deserialize_with = "lenient::count")]
    pub count: Option<u64>,
    /// Where the next page is (DSP0266, section 7.6.2).
    #[serde(
        rename = "Members@odata.nextLink",
        alias = "@odata.nextLink",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub next: Option<String>,
}

/// Power as a system states it; capitals do not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub enum PowerState {
    /// On.
    On,
    /// Off.
    Off,
    /// On its way.
    PoweringOn,
    /// On its way.
    PoweringOff,
    /// Another word.
    #[serde(untagged)]
    Other(String),
}

impl From<String> for PowerState {
    fn from(text: String) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "on" => PowerState::On,
            "off" => PowerState::Off,
            "poweringon" => PowerState::PoweringOn,
            "poweringoff" => PowerState::PoweringOff,
            _ => PowerState::Other(text),
        }
    }
}

/// A computer system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComputerSystem {
    /// ETag, where it is told in the body.
    #[serde(
        rename = "@odata.etag",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub etag: Option<String>,
    /// Id.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// Name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// `Physical`, `Virtual`, `DPU`, …
    #[serde(deserialize_with = "lenient::option")]
    pub system_type: Option<String>,
    /// UUID.
    #[serde(rename = "UUID", deserialize_with = "lenient::option")]
    pub uuid: Option<String>,
    /// Manufacturer.
    #[serde(deserialize_with = "lenient::option")]
    pub manufacturer: Option<String>,
    /// Model.
    #[serde(deserialize_with = "lenient::text")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(deserialize_with = "lenient::text")]
    pub serial_number: Option<String>,
    /// Power.
    #[serde(deserialize_with = "lenient::option")]
    pub power_state: Option<PowerState>,
    /// Boot override.
    #[serde(deserialize_with = "lenient::option")]
    pub boot: Option<BootOverride>,
    /// What it can be asked to do.
    #[serde(deserialize_with = "lenient::option")]
    pub actions: Option<SystemActions>,
    /// Links.
    #[serde(deserialize_with = "lenient::option")]
    pub links: Option<SystemLinks>,
    /// Where what is to hold in future is written (DSP0266, section 9.10).
    #[serde(
        rename = "@Redfish.Settings",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub settings: Option<Settings>,
}

/// Where a resource's future state is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Settings {
    /// The resource to write to.
    #[serde(deserialize_with = "lenient::option")]
    pub settings_object: Option<Link>,
}

/// The boot override of a system. It is also the body of the PATCH that sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootOverride {
    /// `Once`, `Continuous` or `Disabled`.
    #[serde(
        rename = "BootSourceOverrideEnabled",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub enabled: Option<String>,
    /// `Pxe`, `Hdd`, …
    #[serde(
        rename = "BootSourceOverrideTarget",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub target: Option<String>,
    /// `Legacy` or `UEFI`.
    #[serde(
        rename = "BootSourceOverrideMode",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::option"
    )]
    pub mode: Option<String>,
    /// The words that `enabled` may be; empty: not said. The same of the next two.
    #[serde(
        rename = "BootSourceOverrideEnabled@Redfish.AllowableValues",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::words"
    )]
    pub allowed_enabled: Vec<String>,
    /// The words that `target` may be.
    #[serde(
        rename = "BootSourceOverrideTarget@Redfish.AllowableValues",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::words"
    )]
    pub allowed_targets: Vec<String>,
    /// The words that `mode` may be.
    #[serde(
        rename = "BootSourceOverrideMode@Redfish.AllowableValues",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "lenient::words"
    )]
    pub allowed_modes: Vec<String>,
}

/// Actions of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemActions {
    /// Power and reset.
    #[serde(rename = "#ComputerSystem.Reset", deserialize_with = "lenient::option")]
    pub reset: Option<ResetAction>,
}

/// The reset action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResetAction {
    /// Where to POST.
    pub target: String,
    /// Which reset types it takes; empty: not said.
    #[serde(rename = "ResetType@Redfish.AllowableValues", deserialize_with = "lenient::words")]
    pub allowable: Vec<String>,
}

/// Links of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemLinks {
    /// Its managers.
    #[serde(deserialize_with = "lenient::list")]
    pub managed_by: Vec<Link>,
}

/// A manager: the BMC itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Manager {
    /// Firmware version.
    #[serde(deserialize_with = "lenient::option")]
    pub firmware_version: Option<String>,
    /// Model.
    #[serde(deserialize_with = "lenient::option")]
    pub model: Option<String>,
}

/// What a service is doing that takes its time (DSP0266, section 12.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Task {
    /// `Running`, `Completed`, `Exception`, …
    #[serde(deserialize_with = "lenient::option")]
    pub task_state: Option<String>,
    /// `OK`, `Warning` or `Critical`.
    #[serde(deserialize_with = "lenient::option")]
    pub task_status: Option<String>,
    /// How far it is, in percent.
    #[serde(rename = "PercentComplete", deserialize_with = "lenient::count")]
    pub percent: Option<u64>,
    /// What is said of it.
    #[serde(deserialize_with = "lenient::list")]
    pub messages: Vec<ExtendedInfo>,
}

impl Task {
    /// What is said of it, as [`ErrorBody::text`] gives it.
    pub fn text(&self) -> Option<String> {
        sentences(&self.messages).map(|text| shown(&text))
    }
}

/// The body of an error (DSP0266, section 8.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// The error.
    #[serde(deserialize_with = "lenient::option")]
    pub error: Option<ErrorInfo>,
}

/// The error in an [`ErrorBody`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorInfo {
    /// What kind of error it is, such as `Base.1.8.ResourceInUse`.
    #[serde(deserialize_with = "lenient::option")]
    pub code: Option<String>,
    /// A sentence.
    #[serde(deserialize_with = "lenient::option")]
    pub message: Option<String>,
    /// More sentences, usually the better ones.
    #[serde(rename = "@Message.ExtendedInfo", deserialize_with = "lenient::list")]
    pub extended: Vec<ExtendedInfo>,
}

/// One sentence of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExtendedInfo {
    /// What kind of message it is, such as `Base.1.8.ResourceInUse`.
    #[serde(deserialize_with = "lenient::option")]
    pub message_id: Option<String>,
    /// The sentence.
    #[serde(deserialize_with = "lenient::option")]
    pub message: Option<String>,
    /// What it is about.
    #[serde(deserialize_with = "lenient::list")]
    pub message_args: Vec<String>,
}

/// The kind of message by which a service wants our password to be changed first.
const PASSWORD_CHANGE: &str = "PasswordChangeRequired";
/// Longest error text that is passed on to a person.
const ERROR_CHARS_MAX: usize = 300;

impl ErrorBody {
    /// What it says, in at most 300 characters; none when it says nothing.
    pub fn text(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let text = sentences(&error.extended).or_else(|| error.message.clone())?;
        Some(shown(&text))
    }

    /// The kinds of message in it: what stands behind the last point of `Base.1.8.ResourceInUse` and its like.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        let extended = self.error.iter().flat_map(|error| error.extended.iter());
        let ids = extended.filter_map(|info| info.message_id.as_deref());
        let code = self.error.iter().filter_map(|error| error.code.as_deref());
        ids.chain(code).map(|id| id.rsplit('.').next().unwrap_or(id))
    }

    /// Whether our password must be changed before anything else is answered (DSP0266, on accounts whose password must be changed), and the path of our account, if it
    /// says so.
    pub fn password_change(&self) -> Option<Option<&str>> {
        let is_it = |kind: &str| kind == PASSWORD_CHANGE;
        let extended = self.error.iter().flat_map(|error| error.extended.iter());
        let mut asked = extended.filter(|info| {
            info.message_id.as_deref().is_some_and(|id| id.rsplit('.').next().is_some_and(is_it))
        });
        match asked.next() {
            Some(info) => Some(info.message_args.first().and_then(|arg| local_path(arg))),
            None => self.kinds().any(is_it).then_some(None),
        }
    }
}

fn sentences(messages: &[ExtendedInfo]) -> Option<String> {
    let said: Vec<&str> = messages.iter().filter_map(|info| info.message.as_deref()).collect();
    (!said.is_empty()).then(|| said.join(" "))
}

fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_password_that_must_be_changed_is_told_with_its_account() {
        let check = |error: serde_json::Value, expected: Option<Option<&str>>| {
            let body: ErrorBody = serde_json::from_value(json!({ "error": error })).unwrap();
            assert_eq!(body.password_change(), expected, "{error}");
        };
        let info = |id: &str, args: serde_json::Value| json!({ "@Message.ExtendedInfo": [{ "MessageId": "Base.1.8.Other" }, { "MessageId": id, "MessageArgs": args }] });
        let own = "/redfish/v1/AccountService/Accounts/1";
        check(info("Base.1.5.PasswordChangeRequired", json!([own])), Some(Some(own)));
        check(info("PasswordChangeRequired", json!([])), Some(None));
        check(info("Base.1.5.PasswordChangeRequired", json!(["https://elsewhere.example/x"])), Some(None));
        check(json!({ "code": "Base.1.5.PasswordChangeRequired" }), Some(None));
        check(info("Base.1.5.InsufficientPrivilege", json!([own])), None);
    }

    #[test]
    fn reads_what_is_right_and_passes_over_the_rest() {
        let check = |body: serde_json::Value, power: Option<PowerState>, managers: usize| {
            let system: ComputerSystem = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(system.power_state, power, "{body}");
            assert_eq!(system.links.map_or(0, |links| links.managed_by.len()), managers, "{body}");
        };
        check(json!({}), None, 0);
        check(json!({"PowerState": "On", "Id": 7, "Boot": []}), Some(PowerState::On), 0);
        check(json!({"PowerState": null}), None, 0);
        check(json!({"PowerState": "Paused"}), Some(PowerState::Other("Paused".into())), 0);
        check(json!({"PowerState": ["On"]}), None, 0);
        check(json!({"Links": {"ManagedBy": [{"@odata.id": "/a"}, 3, {"href": "/b"}]}}), None, 1);
        check(json!({"Links": {"ManagedBy": {"@odata.id": "/a"}}}), None, 0);
    }

    #[test]
    fn numbers_and_texts_are_taken_for_each_other_and_one_word_for_a_list() {
        let page = json!({"Members@odata.count": "4", "@odata.nextLink": "/redfish/v1/Systems?$skip=1"});
        let page: Collection = serde_json::from_value(page).unwrap();
        assert_eq!((page.count, page.next.as_deref()), (Some(4), Some("/redfish/v1/Systems?$skip=1")));
        let system = json!({
            "SerialNumber": 4711,
            "Boot": {"BootSourceOverrideEnabled@Redfish.AllowableValues": "Once, Disabled"},
            "Actions": {"#ComputerSystem.Reset": {"target": "/r", "ResetType@Redfish.AllowableValues": "On"}},
        });
        let system: ComputerSystem = serde_json::from_value(system).unwrap();
        assert_eq!(system.serial_number.as_deref(), Some("4711"));
        assert_eq!(system.boot.unwrap().allowed_enabled, ["Once", "Disabled"]);
        assert_eq!(system.actions.unwrap().reset.unwrap().allowable, ["On"]);
    }

    #[test]
    fn links_stay_on_the_service() {
        let check = |text: &str, good: bool| assert_eq!(Link::to(text).path().is_some(), good, "{text}");
        check("/redfish/v1/Systems/1", true);
        check("//evil.example/redfish", false);
        check("https://evil.example/", false);
        check("/redfish/v1\\@evil", false);
        check("/with space", false);
        check("", false);
    }

    #[test]
    fn errors_give_their_best_sentence() {
        let check = |body: serde_json::Value, expected: Option<&str>| {
            let error: ErrorBody = serde_json::from_value(body).unwrap();
            assert_eq!(error.text().as_deref(), expected);
        };
        check(json!({}), None);
        check(json!({"error": "broken"}), None);
        check(json!({"error": {"message": "See ExtendedInfo"}}), Some("See ExtendedInfo"));
        let extended =
            json!({"error": {"message": "m", "@Message.ExtendedInfo": [{"Message": "The port is wrong."}]}});
        check(extended, Some("The port is wrong."));
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[\\[{}\\]\":,a-zA-Z@#.0-9 ]{0,120}") {
            let _ = serde_json::from_str::<ComputerSystem>(&text);
            let _ = serde_json::from_str::<ServiceRoot>(&text);
            let _ = serde_json::from_str::<Collection>(&text);
            let _ = serde_json::from_str::<ErrorBody>(&text);
        }
    }
}
