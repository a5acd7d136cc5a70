//! Decisions: reading a resource property by property. What is missing, or of a wrong type, was not said; no property spoils another.
//!
//! Texts are hardware's words: control characters are left out of them and they are cut at [`TEXT_CHARS_MAX`]; lists at [`LIST_MAX`].

use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest text that is taken of a property.
pub const TEXT_CHARS_MAX: usize = 300;
/// Most elements of a list that are looked at.
pub const LIST_MAX: usize = 2048;

/// One whole resource, as it came.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Resource(Value);

impl Resource {
    /// Of JSON that was read already.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// To read its properties.
    pub fn node(&self) -> Node<'_> {
        Node(&self.0)
    }

    /// As the JSON that it is.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// A resource, or a part of one. A part that is not there has no properties.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node<'a>(&'a Value);

/// What a resource can be asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Where to POST; a link, to be checked before it is followed.
    pub target: String,
    /// The words that its parameter of this name may be; empty: not said.
    pub allowable: Vec<String>,
    /// Where the words are told otherwise (`@Redfish.ActionInfo`).
    pub info: Option<String>,
}

impl Action {
    /// Whether it takes this word, as far as it says: then the word in its own spelling.
    pub fn takes(&self, word: &str) -> Option<String> {
        let said = self.allowable.iter().find(|allowed| allowed.eq_ignore_ascii_case(word));
        match said {
            None if self.allowable.is_empty() => Some(word.to_owned()),
            said => said.cloned(),
        }
    }
}

impl<'a> Node<'a> {
    /// Of any JSON.
    pub fn of(value: &'a Value) -> Self {
        Self(value)
    }

    /// The part of this name.
    pub fn at(self, name: &str) -> Node<'a> {
        Node(self.0.get(name).unwrap_or(&Value::Null))
    }

    /// Whether there is anything.
    pub fn is_there(self) -> bool {
        !self.0.is_null()
    }

    /// The JSON itself.
    pub fn value(self) -> &'a Value {
        self.0
    }

    /// Its properties.
    pub fn fields(self) -> Option<&'a Map<String, Value>> {
        self.0.as_object()
    }

    /// A text that says something; a number counts as its digits.
    pub fn text(self, name: &str) -> Option<String> {
        self.at(name).as_text()
    }

    /// This very part as a text.
    pub fn as_text(self) -> Option<String> {
        let text = match self.0 {
            Value::String(text) => text.as_str().into(),
            Value::Number(number) => std::borrow::Cow::from(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        let plain: String = text.chars().filter(|letter| !letter.is_control()).take(TEXT_CHARS_MAX).collect();
        let plain = plain.trim();
        (!plain.is_empty()).then(|| plain.to_owned())
    }

    /// A number, which may be written as text.
    pub fn number(self, name: &str) -> Option<f64> {
        self.at(name).as_number()
    }

    /// This very part as a number.
    pub fn as_number(self) -> Option<f64> {
        let number = match self.0 {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.filter(|number| number.is_finite())
    }

    /// A number of things, which may be written as text.
    pub fn count(self, name: &str) -> Option<u64> {
        match self.at(name).0 {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Yes or no, which may be written as text.
    pub fn flag(self, name: &str) -> Option<bool> {
        match self.at(name).0 {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The elements of a list; one thing that is no list is a list of one.
    pub fn list(self, name: &str) -> Vec<Node<'a>> {
        match self.at(name).0 {
            Value::Array(values) => values.iter().take(LIST_MAX).map(Node).collect(),
            Value::Object(_) => vec![self.at(name)],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    /// Words: a list of them, or one text with commas between them.
    pub fn words(self, name: &str) -> Vec<String> {
        match self.at(name).0 {
            Value::Array(values) => {
                values.iter().take(LIST_MAX).filter_map(|value| Node(value).as_text()).collect()
            }
            Value::String(text) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                words.take(LIST_MAX).map(str::to_owned).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        }
    }

    /// Where the link of this name leads; some write the path alone.
    pub fn link(self, name: &str) -> Option<&'a str> {
        self.at(name).path().or_else(|| self.at(name).0.as_str()).filter(|path| !path.is_empty())
    }

    /// Where all links of a list lead.
    pub fn links(self, name: &str) -> Vec<&'a str> {
        self.list(name).into_iter().filter_map(Node::path).collect()
    }

    /// Its own path.
    pub fn path(self) -> Option<&'a str> {
        self.0.get("@odata.id").and_then(Value::as_str)
    }

    /// Whether it is a link and nothing else.
    pub fn is_link_only(self) -> bool {
        self.fields().is_some_and(|fields| fields.keys().all(|name| name.starts_with("@odata.")))
    }

    /// Its ETag, where it is told in the body.
    pub fn etag(self) -> Option<String> {
        self.text("@odata.etag")
    }

    /// What `Status` says of it.
    pub fn status(self) -> super::read::Status {
        super::read::Status::of(self.at("Status"))
    }

    /// An action by its name without `#`, such as `ComputerSystem.Reset`, and the words of one of its parameters.
    pub fn action(self, name: &str, parameter: &str) -> Option<Action> {
        let action = self.at("Actions").at(&format!("#{name}"));
        Some(Action {
            target: action.0.get("target")?.as_str()?.to_owned(),
            allowable: action.words(&format!("{parameter}@Redfish.AllowableValues")),
            info: action.text("@Redfish.ActionInfo"),
        })
    }

    /// Where what is to hold in future is written (DSP0266, section 9.10).
    pub fn settings_object(self) -> Option<&'a str> {
        self.at("@Redfish.Settings").link("SettingsObject")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_property_is_read_by_itself() {
        let resource = Resource::new(json!({
            "Name": " two\nwords ", "Empty": "", "Seven": 7, "Eight": "8", "Half": "0.5", "Yes": "True", "No": false,
            "Link": {"@odata.id": "/a"}, "Bare": "/b", "Links": [{"@odata.id": "/c"}, 3, {"href": "/d"}],
            "Words": ["one", 2, null], "Word": "one, two",
            "Actions": {"#A.B": {"target": "/x", "Kind@Redfish.AllowableValues": ["Soft"]}, "#A.C": "broken"},
        }));
        let node = resource.node();
        assert_eq!(node.text("Name").as_deref(), Some("twowords"));
        assert_eq!(
            (node.text("Empty"), node.text("Link"), node.text("Seven").as_deref()),
            (None, None, Some("7"))
        );
        assert_eq!((node.count("Seven"), node.count("Eight"), node.count("Half")), (Some(7), Some(8), None));
        assert_eq!((node.number("Half"), node.number("Yes")), (Some(0.5), None));
        assert_eq!((node.flag("Yes"), node.flag("No"), node.flag("Seven")), (Some(true), Some(false), None));
        assert_eq!(
            (node.link("Link"), node.link("Bare"), node.link("Seven")),
            (Some("/a"), Some("/b"), None)
        );
        assert_eq!(node.links("Links"), ["/c"]);
        assert_eq!(
            (node.words("Words"), node.words("Word")),
            (vec!["one".into(), "2".into()], vec!["one".into(), "two".into()])
        );
        let action = node.action("A.B", "Kind").unwrap();
        assert_eq!((action.takes("soft").as_deref(), action.takes("hard")), (Some("Soft"), None));
        assert_eq!(node.action("A.C", "Kind"), None);
        assert_eq!(Action::default().takes("any").as_deref(), Some("any"));
        assert!(!node.at("Nothing").at("Below").is_there());
    }

    proptest! {
        #[test]
        fn any_json_is_survived(text in "[\\[{}\\]\":,a-zA-Z@#.0-9 ]{0,120}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let node = Node::of(&value);
                let _ = (node.text("a"), node.count("a"), node.links("a"), node.words("a"), node.action("a", "b"));
            }
        }
    }
}
